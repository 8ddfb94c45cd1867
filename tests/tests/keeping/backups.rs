//! Backups that are made while rounds go on, and put back after everything was lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use veilsum_coordinator::engine::status::Status;
use veilsum_examples::demo::consortium::COORDINATOR;

use crate::scene::{PATIENCE, Scene, eventually, has};

fn step(status: &Status) -> u32 {
    status.tasks.first().map_or(0, |task| task.step)
}

/// Names of the files in an archive, as any tar lists them.
fn listed(scene: &Scene, archive: &str) -> String {
    let output = Command::new("tar")
        .args(["-tf", archive])
        .current_dir(scene.dir())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_bank_that_lost_everything_comes_back_from_its_backup_and_rounds_go_on() {
    let scene = Scene::enrolled(14, 2);
    scene.run();
    scene.results("the first rounds", 3);
    let told = scene.client(
        &["backup", "--dir", "bank-1", "--out", "bank-1.tar", "--with-keys"],
        0,
    );
    has(
        &told,
        &["which a restored bank goes on from", "PRIVATE KEYS ARE IN IT"],
    );
    assert_eq!(
        fs::metadata(scene.folder("bank-1.tar"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    // Nothing that a round answers with, nothing derived from rows, no row.
    let files = listed(&scene, "bank-1.tar");
    has(
        &files,
        &[
            "bank.toml",
            "identity/tls.key.pem",
            "state/seen.note",
            "state/approvals/",
            "state/receipts/",
            "state/egress/egress.jsonl",
        ],
    );
    for never in [
        "participant.state",
        "state/rounds",
        "state/own",
        "state/states",
        "history.jsonl",
        "data.csv",
        "models/",
    ] {
        assert!(!files.contains(never), "{never}: {files}");
    }
    let before = scene.results("a round after the backup", 1);
    scene.consortium.kill("bank-1");
    fs::rename(scene.folder("bank-1"), scene.folder("lost")).unwrap();
    let told = scene.client(
        &["restore", "bank-1.tar", "--name", "bank-1", "--dir", "bank-1"],
        0,
    );
    has(
        &told,
        &[
            "restored bank bank-1",
            "is in no backup; put it there",
            "agree on new keys",
        ],
    );
    fs::copy(scene.folder("lost/data.csv"), scene.folder("bank-1/data.csv")).unwrap();
    fs::remove_dir_all(scene.folder("lost")).unwrap();
    scene.start("bank-1");
    let epoch = before.epoch;
    let after = scene.wait("new keys", |status| {
        status.epoch > epoch && status.banks.iter().all(|bank| bank.connected && bank.has_keys)
    });
    scene.wait("a round with new keys", |status| step(status) > step(&after) + 1);
    let history = scene.finish();
    let last = history.rounds().next_back().unwrap();
    assert_eq!(
        last.survivors.as_ref(),
        Some(&scene.banks),
        "the bank is in the sum again"
    );
    assert!(
        !scene.trace("bank-1").contains("REFUSED"),
        "{}",
        scene.trace("bank-1")
    );
}

#[test]
fn a_coordinator_comes_back_from_a_backup_that_is_as_new_as_what_banks_saw_and_from_no_older_one() {
    let scene = Scene::enrolled(10, 2);
    scene.run();
    scene.results("the first rounds", 2);
    // While rounds go on: consistent, and older than what banks see next.
    let told = scene.operator(
        &["backup", "--dir", COORDINATOR, "--out", "old.tar", "--with-keys"],
        0,
    );
    has(
        &told,
        &["copied by the running coordinator", "PRIVATE KEYS ARE IN IT"],
    );
    scene.results("more rounds", 2);
    scene.operator(&["task", "pause", "--dir", COORDINATOR, "tiny"], 0);
    scene.wait("an idle consortium", |status| {
        status.round.is_none() && status.published == status.log_size
    });
    scene.stop(COORDINATOR);
    let told = scene.operator(
        &["backup", "--dir", COORDINATOR, "--out", "new.tar", "--with-keys"],
        0,
    );
    has(&told, &["copied from the disk; no coordinator runs"]);
    assert!(!scene.folder("coordinator/data/store.copy").exists());
    fs::remove_dir_all(scene.folder(COORDINATOR)).unwrap();

    let told = scene.operator(&["restore", "old.tar", "--dir", COORDINATOR], 0);
    has(
        &told,
        &["restored test", "nothing goes on before every bank has cosigned"],
    );
    scene.start(COORDINATOR);
    let all_seen_more = |status: &Status| status.waiting_for.matches("HAS ACTED ON").count() == 3;
    let held = scene.wait("the banks have seen more", all_seen_more);
    assert!(
        held.waiting_for.contains("can never go on"),
        "{}",
        held.waiting_for
    );
    let size = held.log_size;
    let refused = scene.operator(&["task", "resume", "--dir", COORDINATOR, "tiny"], 1);
    has(
        &refused,
        &["restored from a backup", "nothing can be changed until then"],
    );
    let refused = scene.operator(&["go-on", "--dir", COORDINATOR, "--without", "bank-1"], 1);
    has(&refused, &["would sign a second log"]);
    let refused = scene.operator(&["go-on", "--dir", COORDINATOR, "--without", "bank-9"], 1);
    has(&refused, &["no bank \"bank-9\""]);
    // Also after another start, and with all banks there.
    scene.stop(COORDINATOR);
    scene.start(COORDINATOR);
    scene.wait("still held back", all_seen_more);
    let now = scene.consortium.status().unwrap().unwrap();
    assert_eq!(
        (now.log_size, now.round.is_none()),
        (size, true),
        "nothing was signed"
    );
    scene.stop(COORDINATOR);
    fs::remove_dir_all(scene.folder(COORDINATOR)).unwrap();

    // One bank is away at first: the others alone are not enough.
    scene.stop("bank-3");
    scene.operator(&["restore", "new.tar", "--dir", COORDINATOR], 0);
    scene.start(COORDINATOR);
    scene.wait("two banks agree", |status| {
        status.waiting_for.contains("waiting for bank-3, without")
    });
    scene.start("bank-3");
    scene.wait("all banks agree", |status| {
        status.waiting_for.contains("task tiny is paused")
    });
    scene.operator(&["task", "resume", "--dir", COORDINATOR, "tiny"], 0);
    let history = scene.finish();
    for (step, story) in (0..).zip(history.rounds()) {
        assert!(story.is_published(), "{story:?}");
        assert_eq!(story.step, step);
    }
    for bank in &scene.banks {
        assert!(
            !scene.folder(bank).join("state/evidence").exists(),
            "{bank} holds proof of a second log"
        );
    }
}

#[test]
fn after_a_restore_the_operator_may_go_on_without_a_bank_that_is_gone_for_good() {
    let scene = Scene::enrolled(3, 2);
    scene.run();
    scene.finish();
    scene.operator(&["backup", "--dir", COORDINATOR, "--out", "c.tar"], 0);
    let keys = scene.folder("coordinator/identity");
    fs::rename(&keys, scene.folder("keys")).unwrap();
    fs::remove_dir_all(scene.folder(COORDINATOR)).unwrap();
    let told = scene.operator(&["restore", "c.tar", "--dir", COORDINATOR], 0);
    has(
        &told,
        &[
            "PUT BACK coordinator/identity/log.key.pem",
            "PUT BACK coordinator/identity/server.key.pem",
            "ca.key.pem",
        ],
    );
    let refused = scene.operator(&["run", "--dir", COORDINATOR], 2);
    has(&refused, &["identity/log.key.pem"]);
    for key in ["log.key.pem", "server.key.pem"] {
        fs::copy(scene.folder("keys").join(key), keys.join(key)).unwrap();
    }
    scene.start(COORDINATOR);
    for bank in ["bank-1", "bank-2"] {
        scene.start(bank);
    }
    scene.wait("two banks agree", |status| {
        status.waiting_for.contains("waiting for bank-3, without")
    });
    scene.operator(&["go-on", "--dir", COORDINATOR, "--without", "bank-3"], 0);
    scene
        .consortium
        .wait_for("it goes on", PATIENCE, |status| {
            !status.waiting_for.contains("restored from")
        })
        .unwrap();
    eventually("banks come in again", || {
        let status = scene.consortium.status().unwrap()?;
        (status.banks.iter().filter(|bank| bank.connected).count() == 2).then_some(())
    });
}
