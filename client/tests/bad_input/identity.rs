//! Configuration, keys, certificate, roster and the way to the coordinator.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use veilsum_client::participant::FolderLock;

use crate::scene::{Scene, authority};

#[test]
fn a_wrong_configuration_is_told_by_file_and_key() {
    let scene = Scene::new();
    let config = scene.read("bank.toml");
    for (change, parts) in [
        (
            ("threads = 1", "thread = 1"),
            ["bank.toml: ", "line 24", "thread"],
        ),
        (
            ("threads = 1", "threads = 0"),
            ["bank.toml: ", "compute.threads: 0", "expected 1 to 256"],
        ),
        (
            ("threads = 1", "threads = \"1\""),
            ["bank.toml: ", "line 24", "string"],
        ),
        (
            ("device = \"cpu\"", "device = \"gpu\""),
            ["bank.toml: ", "compute.device", "auto, cpu or cuda:0"],
        ),
        (
            ("name = \"bank-a\"", "name = \"Bank A\""),
            ["bank.toml: ", "name: \"Bank A\"", "a-z"],
        ),
    ] {
        assert!(config.contains(change.0), "{}", change.0);
        scene.write("bank.toml", &config.replace(change.0, change.1));
        scene.client(&["run"]).says(2, &parts);
        scene.client(&["status"]).says(2, &parts);
    }
    scene.write("bank.toml", &config);
    let by_environment = scene.client_in(&["preflight"], &[("VEILSUM__LINK__IDLE", "5")]);
    by_environment.says(
        2,
        &["FAILED configuration", "VEILSUM__LINK__IDLE", "unknown field"],
    );
    let not_text = OsStr::from_bytes(b"c\xffu");
    for command in ["run", "preflight", "status"] {
        scene
            .client_in(&[command], &[("VEILSUM__COMPUTE__DEVICE", not_text)])
            .says(2, &["VEILSUM__COMPUTE__DEVICE: found a value that is not UTF-8"]);
    }
    // What is not this program's is none of its business.
    scene
        .client_in(&["task", "list"], &[("LS_COLORS", not_text)])
        .says(0, &["none is known"]);
    let gpu = scene.client_in(&["run"], &[("VEILSUM__COMPUTE__DEVICE", "cuda:200")]);
    gpu.says(2, &["[compute]", "cuda:200", "device"]);
    fs::remove_file(scene.path("bank.toml")).unwrap();
    scene.client(&["run"]).says(
        2,
        &[
            "bank.toml: ",
            "run `veilsum-client init`, or name the folder with --dir",
        ],
    );
    scene.nothing_was_sent();
}

#[test]
fn an_expired_or_foreign_certificate_is_told_with_what_to_do() {
    let scene = Scene::new();
    scene.issue(-10, -1);
    let expired = [
        "bank.crt.pem: ",
        "expired on ",
        "ask the coordinator to enrol the same request again",
    ];
    scene.client(&["run"]).says(2, &expired);
    scene.client(&["preflight", "--no-network"]).says(2, &expired);
    scene.issue(1, 10);
    scene
        .client(&["run"])
        .says(2, &["bank.crt.pem: ", "not valid before", "clock"]);
    scene.issue_by(&authority(), -1, 10);
    scene
        .client(&["run"])
        .says(2, &["bank.crt.pem: ", "not this consortium's authority"]);
    fs::remove_file(scene.path("bank.crt.pem")).unwrap();
    scene
        .client(&["run"])
        .says(2, &["bank.crt.pem: ", "certificate of the admission"]);
    scene.nothing_was_sent();
}

#[test]
fn a_wrong_roster_is_told() {
    let mut scene = Scene::new();
    let honest = scene.consortium.clone();
    let own = honest.banks[0].clone();
    scene.consortium.banks[0].signing_public_key = "77".repeat(32);
    scene.pin();
    scene.client(&["run"]).says(
        2,
        &[
            "consortium.toml: ",
            "the roster has signing key 7777",
            "same enrolment",
        ],
    );
    scene.consortium.banks[0] = own;
    scene.consortium.banks[0].tls_key_sha256 = "77".repeat(32);
    scene.pin();
    scene.client(&["run"]).says(
        2,
        &[
            "consortium.toml: ",
            "the roster has TLS key 7777",
            "same enrolment",
        ],
    );
    scene.consortium.banks[0].name = "bank-z".to_owned();
    scene.pin();
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &["bank \"bank-a\" is not in the roster of \"demo\"", "enrol it"],
    );
    scene.consortium = honest;
    scene.consortium.banks.truncate(2);
    scene.pin();
    scene
        .client(&["run"])
        .says(2, &["consortium.toml: 2 banks in the roster, expected 3 to 500"]);
    scene.write("consortium.toml", "version = 1\n");
    scene.client(&["run"]).says(
        2,
        &["consortium.toml: not a consortium file", "compare its SHA-256"],
    );
    scene.nothing_was_sent();
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let scene = Scene::new();
    for key in ["tls.key.pem", "signing.key.pem", "hold-out.salt"] {
        let path = scene.path("identity").join(key);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        scene.client(&["run"]).says(2, &[key, "mode 0644", "chmod 600"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    scene.nothing_was_sent();
}

#[test]
fn an_unreachable_coordinator_is_the_only_thing_that_preflight_finds() {
    let scene = Scene::new();
    let found = scene.client(&["preflight"]);
    found.says(
        1,
        &[
            "ok     configuration",
            "ok     consortium    demo, 3 banks",
            "ok     identity",
            "ok     data",
            "3 rows, 1 with label 1 and 2 with label 0",
            "ok     libtorch",
            "ok     hold-out",
            "ok     disk",
            "FAILED tcp",
            "is refused (127.0.0.1:",
            "FAILED udp",
            "is blocked: QUIC got no answer in 1 s",
            "ask your firewall team for outgoing UDP to 127.0.0.1 port",
            "-      connection    not looked at, because no way leads to the coordinator",
            "For the firewall team",
        ],
    );
    assert!(scene.something_was_sent(), "the attempt itself");
    let json = scene.client(&["preflight", "--json"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let failed: Vec<_> = findings
        .iter()
        .filter(|finding| finding["verdict"] == "failed")
        .map(|finding| &finding["what"])
        .collect();
    assert_eq!(failed, ["tcp", "udp"]);
}

#[test]
fn a_second_daemon_in_the_folder_is_refused() {
    let scene = Scene::new();
    fs::create_dir(scene.path("state")).unwrap();
    let _first = FolderLock::take(&scene.path("state")).unwrap();
    let second = scene.client(&["run"]);
    second.says(
        1,
        &[
            "state: another daemon of this bank is running in this folder",
            "stop it first",
        ],
    );
    scene.nothing_was_sent();
}

#[test]
fn a_damaged_or_foreign_state_is_refused() {
    let scene = Scene::new();
    fs::create_dir(scene.path("state")).unwrap();
    scene.write("state/participant.state", "not a state");
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(scene.path("state/participant.state"), mode).unwrap();
    let damaged = scene.client(&["run"]);
    damaged.says(
        1,
        &[
            "participant.state: the bank's state cannot be read",
            "new key epoch",
        ],
    );
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(scene.path("state/participant.state"), open).unwrap();
    scene.client(&["run"]).says(1, &["mode 0644", "chmod 600"]);
    fs::remove_dir_all(scene.path("state")).unwrap();
    scene.write("state", "a file where the folder should be");
    scene
        .client(&["run"])
        .says(2, &["state: ", "set `state` to a folder"]);
    scene.nothing_was_sent();
}

#[test]
fn a_disk_without_room_is_told_with_file_and_remedy() {
    let scene = Scene::new();
    let full = scene.client_with_room(0, &["run"]);
    full.says(
        1,
        &[
            "state/status.json.new: ",
            "ulimit -f",
            "it goes on where it stopped",
        ],
    );
}
