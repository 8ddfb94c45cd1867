//! `preflight`: what would keep the coordinator from serving, each by its name, and the exit code.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

use rcgen::KeyPair;
use ring::signature::Ed25519KeyPair;
use time::{Duration, OffsetDateTime};
use veilsum_coordinator::enrol::ca::Authority;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::signing::{Signature, SigningKey};
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::log::{Checkpoint, Cosignature, Witnesses};

use crate::scene::{Outcome, Scene};

fn preflight(scene: &Scene) -> Outcome {
    scene.program(&["preflight"])
}

#[test]
fn a_folder_that_is_in_order_is_told_so_with_what_firewalls_must_let_in() {
    let scene = Scene::new();
    let told = preflight(&scene);
    let address = format!("127.0.0.1:{}", scene.port);
    told.says(
        0,
        &[
            "ok     configuration",
            "ok     consortium    demo at 127.0.0.1:",
            "ok     certificate",
            "of this consortium's authority, for 127.0.0.1, localhost, valid for ",
            "ok     tls key",
            "ok     log key",
            "ok     authority",
            "ok     log           nothing is published yet",
            "ok     host          127.0.0.1 is 127.0.0.1, of this machine",
            &format!("ok     ports         UDP and TCP {address} are free"),
            "ok     auditors      not wanted (auditors.listen is empty)",
            "ok     disk",
            "ok     open files",
            "For the firewall team: what must be let in to this coordinator.",
            &format!("incoming   UDP       127.0.0.1  {}", scene.port),
            &format!("incoming   TCP       127.0.0.1  {}", scene.port),
            "looking at ports: ",
        ],
    );
    let json: serde_json::Value =
        serde_json::from_str(&scene.program(&["preflight", "--json"]).stdout).unwrap();
    assert_eq!(json["firewall"]["rules"][0]["protocol"], "UDP");
    assert_eq!(json["firewall"]["rules"][0]["direction"], "incoming");
}

#[test]
fn each_cause_of_the_folder_has_its_name() {
    let scene = Scene::new();
    let finds = |code: i32, cause: &str, parts: &[&str]| {
        let told = scene.program(&["preflight", "--json"]);
        told.says(code, &[&[&format!("\"cause\":\"{cause}\"")[..]], parts].concat());
    };
    let authority = || {
        let identity = |name: &str| scene.path("identity").join(name);
        Authority::load(&identity("ca.crt.pem"), &identity("ca.key.pem")).unwrap()
    };
    let issue = |authority: &Authority, host: &str, ago: i64| {
        let key = KeyPair::from_pem(&scene.read("identity/server.key.pem")).unwrap();
        let then = OffsetDateTime::now_utc() - Duration::days(ago);
        let pem = authority
            .issue_server(&key, &[host.to_owned()], 90, then)
            .unwrap();
        scene.write("identity/server.crt.pem", &pem);
    };
    issue(&authority(), "127.0.0.1", 100);
    finds(
        2,
        "certificate-expired",
        &["expired on ", "`veilsum-coordinator renew`"],
    );
    issue(&authority(), "127.0.0.1", -10);
    finds(
        2,
        "certificate-not-yet-valid",
        &["not valid before", "clock is wrong"],
    );
    issue(&authority(), "fl.example.org", 0);
    finds(
        2,
        "certificate-refused",
        &["is for fl.example.org, not for the name that banks expect"],
    );
    issue(&authority(), "127.0.0.1", 80);
    finds(
        0,
        "certificate-expires",
        &["more days", "\"verdict\":\"warning\""],
    );
    issue(&authority(), "127.0.0.1", 0);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let right = scene.read("identity/server.key.pem");
    scene.write("identity/server.key.pem", &other);
    finds(2, "key-of-another-certificate", &["\"what\":\"tls key\""]);
    scene.write("identity/server.key.pem", &right);
    let mode = |name: &str, mode| {
        fs::set_permissions(
            scene.path("identity").join(name),
            fs::Permissions::from_mode(mode),
        )
        .unwrap();
    };
    for name in ["server.key.pem", "ca.key.pem"] {
        mode(name, 0o640);
        finds(2, "key-mode", &[name, "mode 0640", "chmod 600"]);
        mode(name, 0o600);
    }
    mode("log.key.pem", 0o604);
    finds(2, "log-key", &["mode 0604", "chmod 600"]);
    mode("log.key.pem", 0o600);
    fs::create_dir_all(scene.path("log")).unwrap();
    scene.write("log/checkpoint", "not a note\n");
    finds(
        2,
        "log",
        &["checkpoint: ", "it is of another log, or was changed"],
    );
    fs::remove_file(scene.path("log/checkpoint")).unwrap();
    let config = scene.read("coordinator.toml");
    scene.write("coordinator.toml", &config.replace("idle_s = 30", "idel_s = 30"));
    finds(2, "configuration", &["idel_s"]);
    scene.write("coordinator.toml", &config);
    let told = scene.program_with_room(0, &["preflight"]);
    told.says(
        2,
        &[
            "FAILED disk",
            "a file cannot be written: File too large",
            "ulimit -f",
        ],
    );
    fs::remove_file(scene.path("consortium.toml")).unwrap();
    finds(2, "consortium-file", &["copy it back from one"]);
}

#[test]
fn a_port_that_somebody_else_has_is_told_from_one_that_is_held_by_the_own_daemon() {
    let scene = Scene::new();
    let address = format!("127.0.0.1:{}", scene.port);
    {
        let _udp = UdpSocket::bind(&address).unwrap();
        preflight(&scene).says(
            2,
            &[
                &format!("FAILED ports         UDP {address} is held by another program"),
                "ss -lntup",
                "another `listen`",
            ],
        );
        let _tcp = TcpListener::bind(&address).unwrap();
        preflight(&scene).says(
            2,
            &[&format!(
                "FAILED ports         TCP {address} is held by another program"
            )],
        );
    }
    let daemon = scene.daemon();
    daemon.says("serves 3 banks of demo");
    preflight(&scene).says(0, &["are held by this coordinator, which is running"]);
    drop(daemon);
    let config = scene.read("coordinator.toml");
    let elsewhere = config.replace(&format!("listen = \"{address}\""), "listen = \"192.0.2.1:7443\"");
    scene.write("coordinator.toml", &elsewhere);
    preflight(&scene).says(2, &["cannot be listened on", "this machine has no such address"]);
}

#[test]
fn the_name_that_banks_dial_is_looked_up_and_compared_with_this_machine() {
    let scene = Scene::new();
    let text = scene.read("consortium.toml");
    let dial = |host: &str| {
        let own = format!("address = \"127.0.0.1:{}\"", scene.port);
        assert!(text.contains(&own), "{text}");
        scene.write(
            "consortium.toml",
            &text.replace(&own, &format!("address = \"{host}\"")),
        );
    };
    dial("coordinator.invalid:7443");
    preflight(&scene).says(
        1,
        &[
            "FAILED host          coordinator.invalid, which banks dial, does not resolve here",
            "make a DNS entry",
        ],
    );
    let config = scene.read("coordinator.toml");
    scene.write(
        "coordinator.toml",
        &config.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:"),
    );
    dial("192.0.2.7:9");
    preflight(&scene).says(
        0,
        &[
            "warn   host",
            "192.0.2.7 is 192.0.2.7; banks dial port 9, and the coordinator listens on",
            "none of which is an address of this machine",
            "address translation (NAT)",
        ],
    );
    dial("127.0.0.1:7443");
    preflight(&scene).says(0, &["warn   host", "no other machine gets here by that name"]);
}

#[test]
fn a_task_is_counted_with_its_rounds() {
    let scene = Scene::new();
    let task = scene.path("task.toml");
    let task = task.to_str().unwrap();
    scene
        .program(&["preflight", "--task", task])
        .says(2, &["task.toml: ", "No such file"]);
    scene.write("task.toml", TASK);
    scene.program(&["preflight", "--task", task]).says(
        0,
        &[
            "two rounds of task credit with 3 banks",
            "ok     archive       all 43 steps of task credit leave ",
            "needed for task credit with 3 banks",
        ],
    );
}

const TASK: &str = r#"name = "credit"
rounds = 41
seed = 3
[schema]
version = 1
label = "y"
column = [{ name = "a", type = "number", min = 0, max = 1 }]
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 1
local_epochs = 1
"#;

/// A head that the banks of the scene have cosigned, by clocks that are ahead of this machine's by so many seconds.
fn publish(scene: &Scene, ahead: i64) {
    let text = scene.read("consortium.toml");
    let (consortium, roster) = Consortium::from_toml(&text).unwrap();
    let pem = scene.read("identity/log.key.pem");
    let key = KeyPair::from_pem(&pem).unwrap();
    let log = SigningKey::from_pkcs8(&key.serialize_der()).unwrap();
    let head = Checkpoint {
        origin: consortium.name.clone(),
        size: 1,
        root: Digest::of(b"root"),
    };
    let head = head
        .sign(&consortium.log_key, |bytes| log.sign_bytes(bytes).0)
        .unwrap();
    let time = OffsetDateTime::now_utc().unix_timestamp() + ahead;
    let time = Timestamp(u64::try_from(time).unwrap());
    let message = format!("cosignature/v1\ntime {}\n{}", time.0, head.note().text());
    let cosignatures: Vec<_> = (1..=3u8)
        .zip(roster.banks())
        .map(|(seed, bank)| {
            let witness = Ed25519KeyPair::from_seed_unchecked(&[seed + 128; 32]).unwrap();
            let signature = Signature(witness.sign(message.as_bytes()).as_ref().try_into().unwrap());
            (bank.index, Cosignature { time, signature })
        })
        .collect();
    let head = Witnesses::of(&roster).add(&head, &cosignatures);
    assert_eq!(Witnesses::of(&roster).seen(head.note()).by.len(), 3);
    fs::create_dir_all(scene.path("log")).unwrap();
    scene.write("log/checkpoint", head.note().as_str());
}

#[test]
fn a_clock_that_is_an_hour_beside_the_banks_is_named_in_both_directions() {
    let scene = Scene::new();
    preflight(&scene).says(
        0,
        &["-      clock         not looked at, because no bank has cosigned a head yet"],
    );
    publish(&scene, 0);
    preflight(&scene).says(
        0,
        &[
            "ok     clock         within 120 s of 3 banks'",
            "ok     log           1 entries under a head that verifies",
        ],
    );
    publish(&scene, 3600);
    preflight(&scene).says(
        2,
        &[
            "FAILED clock",
            "60 minutes behind those of the banks",
            "timedatectl",
        ],
    );
    publish(&scene, 300);
    preflight(&scene).says(0, &["warn   clock", "5 minutes behind"]);
    // It may be the folder that was copied.
    publish(&scene, -3600);
    preflight(&scene).says(
        0,
        &[
            "warn   clock",
            "60 minutes after 3 banks cosigned it",
            "unless the folder was copied since",
        ],
    );
}
