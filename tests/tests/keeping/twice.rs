//! Two daemons with one identity, in folders of their own: both are told, and the operator sees it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::scene::{Scene, eventually, has};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

struct Second(Child);

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_copy_of_a_bank_that_runs_beside_it_is_named_in_status_and_metrics() {
    let scene = Scene::enrolled(1, 2);
    let config = scene.consortium.coordinator_config();
    let text = fs::read_to_string(&config).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let closed = "listen = \"\"                        # HTTP for this machine alone";
    assert!(text.contains(closed), "{text}");
    let text = text.replace(
        closed,
        &format!("listen = \"127.0.0.1:{port}\" # HTTP for this machine alone"),
    );
    fs::write(&config, text).unwrap();
    // Before it runs: a copy of the state of one that ran would be another kind of harm.
    copy(&scene.folder("bank-1"), &scene.folder("copy"));
    scene.consortium.start_coordinator().unwrap();
    for bank in &scene.banks {
        scene.consortium.start_bank(bank).unwrap();
    }
    scene.wait("all banks", |status| {
        status.banks.iter().all(|bank| bank.connected)
    });
    let trace = scene.dir().join("logs/copy.trace");
    let second = Command::new(&scene.programs.client)
        .args(["run", "--dir", "copy"])
        .current_dir(scene.dir())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&trace).unwrap())
        .spawn()
        .unwrap();
    let _second = Second(second);
    let status = scene.wait("the operator sees it", |status| {
        status.banks.iter().any(|bank| bank.two_places.is_some())
    });
    let found = |name: &str| status.banks.iter().find(|bank| bank.name == name).unwrap();
    assert!(found("bank-1").replaced >= 2);
    assert!(found("bank-2").two_places.is_none());
    let said = scene.operator(&["status", "--dir", "coordinator"], 0);
    has(
        &said,
        &[
            "bank-1 CONNECTS FROM TWO PLACES",
            "two daemons run with its identity",
        ],
    );
    assert!(!said.contains("bank-2 CONNECTS"), "{said}");
    // Both daemons hear of it.
    let of_copy = || fs::read_to_string(&trace).unwrap();
    let of_first = || scene.trace("bank-1");
    let words: [&dyn Fn() -> String; 2] = [&of_copy, &of_first];
    for said in words {
        eventually("the daemon hears of the other", || {
            said().contains("two daemons run with one identity").then_some(())
        });
    }
    let told = Command::new("curl")
        .args(["-s", &format!("http://127.0.0.1:{port}/metrics")])
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    has(
        &text,
        &[
            "veilsum_coordinator_bank_in_two_places{bank=\"bank-1\"} 1",
            "veilsum_coordinator_bank_in_two_places{bank=\"bank-2\"} 0",
        ],
    );
    let counted = text.lines().find_map(|line| {
        line.strip_prefix("veilsum_coordinator_bank_connections_replaced_total{bank=\"bank-1\"} ")
    });
    assert!(counted.unwrap().parse::<u64>().unwrap() >= 2, "{text}");
}
