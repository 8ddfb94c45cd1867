//! `config check`: the configuration as it holds, and everything that is wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::scene::Scene;

#[test]
fn every_key_is_printed_with_where_it_comes_from_and_no_secret() {
    let scene = Scene::new();
    let said = scene.client_in(
        &["config", "check"],
        &[
            ("VEILSUM__LINK__IDLE_S", "60"),
            ("VEILSUM_PROXY_PASSWORD", "geheim"),
            // The coordinator's.
            ("VEILSUM__OPERATOR__LISTEN", "127.0.0.1:7480"),
        ],
    );
    said.says(0, &["VEILSUM_PROXY_PASSWORD"]);
    let line = |key: &str| {
        let start = format!("{key} = ");
        let found = said.stdout.lines().find(|line| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("{key}: {}", said.stdout))
    };
    assert!(line("link.idle_s").starts_with("link.idle_s = 60 "));
    assert!(line("link.idle_s").ends_with("# VEILSUM__LINK__IDLE_S"));
    assert!(line("name").ends_with("bank/bank.toml"));
    assert!(line("data.labels").ends_with("# default"));
    let all = format!("{}{}", said.stdout, said.stderr);
    for key in ["tls.key.pem", "signing.key.pem", "hold-out.salt"] {
        let text = scene.read(&format!("identity/{key}"));
        let secret = text.lines().nth(1).or(text.lines().next()).unwrap();
        assert!(!all.contains(secret), "{key} is shown");
    }
    assert!(!all.contains("geheim") && !all.contains("operator"), "{all}");
    let json = scene.client(&["--json", "config", "check"]);
    json.says(
        0,
        &["\"problems\":[]", "\"key\":\"link.idle_s\"", "\"from\":\"file\""],
    );
    scene.nothing_was_sent();
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let scene = Scene::new();
    let config = scene.read("bank.toml");
    scene.write(
        "bank.toml",
        &config
            .replace("idle_s = 30", "idel_s = 30")
            .replace("threads = 1", "threads = \"one\""),
    );
    scene.client(&["config", "check"]).says(
        2,
        &[
            "2 problems:",
            "link.idel_s is no key, expected one of link.connect_s",
            "compute.threads: ",
        ],
    );
    scene.write("bank.toml", &config);
    let key = scene.path("identity/signing.key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(scene.path("schema.toml")).unwrap();
    scene.write("policy.toml", "[[column]]\nname = \"income\"\nrule = \"hush\"\n");
    scene.client(&["config", "check"]).says(
        2,
        &[
            "3 problems:",
            "signing.key.pem: mode 0644",
            "schema.toml: cannot be read",
            "policy.toml: ",
        ],
    );
    scene.nothing_was_sent();
}

#[test]
fn a_bank_that_is_in_no_roster_yet_has_everything_else_checked() {
    let scene = Scene::new();
    fs::remove_file(scene.path("consortium.toml")).unwrap();
    let said = scene.client(&["config", "check"]);
    said.says(
        0,
        &[
            "link.idle_s",
            "there is no consortium file yet",
            "veilsum-client enrol INVITATION",
        ],
    );
    let json = scene.client(&["--json", "config", "check"]);
    json.says(
        0,
        &[
            "\"problems\":[]",
            "\"remarks\":[\"",
            "there is no consortium file yet",
        ],
    );
    // What needs it misses it.
    scene.client(&["run"]).says(
        2,
        &[
            "consortium.toml",
            "put the consortium file of the admission there",
        ],
    );
    let signing = scene.path("identity/signing.key.pem");
    fs::set_permissions(&signing, fs::Permissions::from_mode(0o644)).unwrap();
    fs::copy(
        scene.path("identity/tls.key.pem"),
        scene.path("identity/witness.key.pem"),
    )
    .unwrap();
    fs::remove_file(scene.path("schema.toml")).unwrap();
    scene.issue(-9, -2);
    let wrong = [
        "4 problems:",
        "bank.crt.pem: the certificate of ",
        "expired on",
        "signing.key.pem: mode 0644",
        "witness.key.pem",
        "schema.toml: cannot be read",
    ];
    scene.client(&["config", "check"]).says(2, &wrong);
    fs::remove_file(scene.path("bank.crt.pem")).unwrap();
    scene.client(&["config", "check"]).says(
        2,
        &[
            "4 problems:",
            "bank.crt.pem: ",
            "`veilsum-client enrol` brings it",
        ],
    );
    // A bank whose daemon has run had one: that it is gone is a mistake.
    fs::create_dir_all(scene.path("state")).unwrap();
    scene.write("state/participant.state", "");
    scene.client(&["config", "check"]).says(
        2,
        &[
            "consortium.toml: ",
            "put the consortium file of the admission there",
        ],
    );
    scene.nothing_was_sent();
}
