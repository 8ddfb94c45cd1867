//! A consortium whose roster changes while it trains, as real processes over loopback: a bank joins, another leaves, and no daemon is restarted.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::history::History;
use veilsum_examples::demo::{Keeper, Programs};

/// Longest that anything may take; processes of several tests share the machine.
const PATIENCE: Duration = Duration::from_secs(180);

const ROUNDS: u32 = 3000;

const SCHEMA: &str = r#"
version = 1
label = "late"
[[column]]
name = "income"
type = "number"
min = 0
max = 1000
"#;

fn task() -> String {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    format!(
        r#"
name = "tiny"
rounds = {ROUNDS}
seed = 5
[schema]{schema}
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.1
batch_size = 8
local_epochs = 1
[evaluation]
hold_out = 0.2
bins = 16
[deadlines]
collect_s = 6
attempts = 5
"#
    )
}

fn table(bank: u32) -> String {
    let mut text = "income,late\n".to_owned();
    for row in 0..60 {
        let income = (row * 37 + bank * 101) % 1000;
        writeln!(text, "{income},{}", u32::from(income < 300)).unwrap();
    }
    text
}

/// Runs a program to its end in the consortium's folder; what it said, if it ended with `code`.
fn run(program: &Path, folder: &Path, arguments: &[&str], code: i32) -> String {
    println!(
        "$ {} {}",
        program.file_name().unwrap().display(),
        arguments.join(" ")
    );
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap() + &said
}

#[test]
fn a_bank_joins_and_another_leaves_while_a_task_runs_and_no_daemon_is_restarted() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("c");
    let programs = Programs::beside_this_one().unwrap();
    let member = |number: u32| {
        let path = scratch.path().join(format!("{number}.csv"));
        fs::write(&path, table(number)).unwrap();
        Member {
            name: format!("bank-{number}"),
            table: path,
            labels: None,
        }
    };
    let setup = Setup {
        dir: dir.clone(),
        name: "test".to_owned(),
        banks: (1..=4).map(member).collect(),
        schema: SCHEMA.to_owned(),
        reconnect_grace_s: 2,
        idle_s: 5,
    };
    let tell = Box::new(|line: &str| println!("$ {line}"));
    let consortium = Consortium::enrol(
        setup,
        Programs::beside_this_one().unwrap(),
        Keeper::default(),
        tell,
    )
    .unwrap();
    // What the auditor gets at the beginning, and keeps.
    fs::copy(dir.join("bank-1/consortium.toml"), dir.join("first.toml")).unwrap();
    fs::write(dir.join("task.toml"), task()).unwrap();
    consortium.start_coordinator().unwrap();
    for bank in 1..=4 {
        consortium.start_bank(&format!("bank-{bank}")).unwrap();
    }
    let hash = consortium.create_task("task.toml").unwrap();
    consortium.approve_everywhere("tiny", &hash, PATIENCE).unwrap();
    consortium
        .wait_for_results("first sums of four", 2, PATIENCE)
        .unwrap();
    let daemons = ["coordinator", "bank-1", "bank-2", "bank-3", "bank-4"]
        .map(|name| (name, consortium.pid(name).unwrap()));

    // The fifth bank is admitted, and in no roster yet.
    run(
        &programs.client,
        &dir,
        &["init", "--name", "bank-5", "--dir", "bank-5"],
        0,
    );
    let said = run(
        &programs.coordinator,
        &dir,
        &["enrol", "--dir", "coordinator", "bank-5/bank-5.request.toml"],
        0,
    );
    assert!(said.contains("it is in no roster yet"), "{said}");
    let nobody = ["roster", "propose", "--dir", "coordinator", "--add", "bank-6"];
    let said = run(&programs.coordinator, &dir, &nobody, 2);
    assert!(
        said.contains("bank \"bank-6\" is not admitted (admitted: bank-5)"),
        "{said}"
    );
    let none = run(
        &programs.client,
        &dir,
        &["roster", "approve", "--dir", "bank-1", "--yes"],
        1,
    );
    assert!(none.contains("no change of the roster is proposed"), "{none}");
    let propose = ["roster", "propose", "--dir", "coordinator", "--add", "bank-5"];
    let proposed = |bank: &str| {
        let shown = run(&programs.client, &dir, &["roster", "show", "--dir", bank], 0);
        shown.contains("a change is proposed").then_some(shown)
    };
    // One bank says no, and the operator takes the proposal back.
    run(&programs.coordinator, &dir, &propose, 0);
    consortium
        .wait_for("the proposal", PATIENCE, |_| proposed("bank-1").is_some())
        .unwrap();
    let refuse = ["roster", "refuse", "--dir", "bank-1"];
    let said = run(&programs.client, &dir, &refuse, 0);
    assert!(said.contains("the proposed roster is refused"), "{said}");
    let show = ["roster", "show", "--dir", "coordinator"];
    let told = |words: &str| run(&programs.coordinator, &dir, &show, 0).contains(words);
    consortium
        .wait_for("the refusal", PATIENCE, |_| told("refused by: bank-1"))
        .unwrap();
    let withdraw = ["roster", "withdraw", "--dir", "coordinator"];
    run(&programs.coordinator, &dir, &withdraw, 0);
    let nothing = run(&programs.coordinator, &dir, &withdraw, 1);
    assert!(nothing.contains("no change is proposed"), "{nothing}");
    consortium
        .wait_for("the withdrawal", PATIENCE, |_| proposed("bank-1").is_none())
        .unwrap();
    let said = run(&programs.coordinator, &dir, &propose, 0);
    assert!(said.contains("joins:  bank-5, fingerprint"), "{said}");
    for file in ["bank.crt.pem", "consortium.toml"] {
        let from = dir.join("coordinator/admissions/bank-5").join(file);
        fs::copy(from, dir.join("bank-5").join(file)).unwrap();
    }
    fs::write(dir.join("bank-5/schema.toml"), SCHEMA).unwrap();
    fs::write(dir.join("bank-5/data.csv"), table(5)).unwrap();
    consortium.start_bank("bank-5").unwrap();
    // The operator of bank 5 tells its fingerprint by another channel: it is the one that the others see.
    let own = run(&programs.client, &dir, &["roster", "show", "--dir", "bank-5"], 0);
    let fingerprint = own
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint "))
        .unwrap();
    assert!(said.contains(fingerprint), "{said} {own}");
    let decide = |banks: &[&str]| {
        for bank in banks {
            consortium
                .wait_for("the proposal to reach a bank", PATIENCE, |_| {
                    proposed(bank).is_some()
                })
                .unwrap();
            run(
                &programs.client,
                &dir,
                &["roster", "approve", "--dir", bank, "--yes"],
                0,
            );
        }
    };
    let shown = {
        consortium
            .wait_for("the proposal", PATIENCE, |_| proposed("bank-1").is_some())
            .unwrap();
        proposed("bank-1").unwrap()
    };
    assert!(
        shown.contains(fingerprint) && shown.contains("this bank has not decided"),
        "{shown}"
    );
    decide(&["bank-1", "bank-2", "bank-3"]);
    // Rounds go on, and the newcomer is told what it waits for.
    consortium
        .wait_for_results("sums while one bank has not decided", 2, PATIENCE)
        .unwrap();
    let waits = |_: &Status| {
        let told = fs::read_to_string(consortium.trace("bank-5")).unwrap();
        told.contains("whose roster is not in force yet") && told.contains("it waits for the approval of")
    };
    consortium
        .wait_for("the newcomer to be told", PATIENCE, waits)
        .unwrap();
    decide(&["bank-4"]);
    let five = |status: &Status| status.banks.len() == 5 && status.epoch == Some(2);
    consortium
        .wait_for("the roster of five, with keys", PATIENCE, five)
        .unwrap();
    let offered = |_: &Status| {
        let tasks = run(&programs.client, &dir, &["task", "list", "--dir", "bank-5"], 0);
        tasks.contains("tiny")
    };
    consortium
        .wait_for("the task at the newcomer", PATIENCE, offered)
        .unwrap();
    consortium.approve("bank-5", "tiny").unwrap();
    let with_five = |status: &Status| {
        status
            .last_result
            .as_ref()
            .is_some_and(|last| last.survivors == 5)
    };
    consortium.wait_for("a sum of five", PATIENCE, with_five).unwrap();

    // Every bank's own file names the roster, and what was there stays beside it.
    let present = fs::read_to_string(dir.join("coordinator/consortium.toml")).unwrap();
    for bank in 1..=5 {
        let file = fs::read_to_string(dir.join(format!("bank-{bank}/consortium.toml"))).unwrap();
        assert_eq!(file, present, "bank-{bank}");
    }
    let first = fs::read_to_string(dir.join("first.toml")).unwrap();
    assert_eq!(
        fs::read_to_string(dir.join("bank-2/consortium.toml.before")).unwrap(),
        first
    );

    let still_runs =
        |name: &str, before: u32| assert_eq!(consortium.pid(name), Some(before), "{name} was restarted");
    daemons.iter().for_each(|(name, pid)| still_runs(name, *pid));

    // The first bank leaves, so that all others get another position. The coordinator is killed when two have decided.
    let remove = ["roster", "propose", "--dir", "coordinator", "--remove", "bank-1"];
    run(&programs.coordinator, &dir, &remove, 0);
    decide(&["bank-2", "bank-3"]);
    let two = |_: &Status| told("approved by: bank-2, bank-3");
    consortium
        .wait_for("two approvals in the log", PATIENCE, two)
        .unwrap();
    consortium.kill_coordinator();
    consortium.start_coordinator().unwrap();
    decide(&["bank-4", "bank-5"]);
    let four = |status: &Status| status.banks.len() == 4 && status.epoch == Some(3);
    consortium
        .wait_for("the roster of four, with keys", PATIENCE, four)
        .unwrap();
    consortium
        .wait_for_results("sums without the first", 2, PATIENCE)
        .unwrap();
    let left = |_: &Status| {
        let told = fs::read_to_string(consortium.trace("bank-1")).unwrap();
        // By the log, or by the door if its connection ended before it read so far.
        let is_out = [
            "this bank is not in it any more",
            "not in the roster that is in force now",
        ];
        is_out.iter().any(|words| told.contains(words))
            && told.contains("the coordinator does not know this bank")
    };
    consortium
        .wait_for("the bank that left to be told", PATIENCE, left)
        .unwrap();
    let banks = daemons.iter().filter(|(name, _)| *name != "coordinator");
    banks.for_each(|(name, pid)| still_runs(name, *pid));

    // A bank that dies between its record and its file goes by the record, and mends the file.
    consortium.kill("bank-3");
    let file = dir.join("bank-3/consortium.toml");
    fs::copy(dir.join("bank-3/consortium.toml.before"), &file).unwrap();
    consortium.start_bank("bank-3").unwrap();
    let present = fs::read_to_string(dir.join("coordinator/consortium.toml")).unwrap();
    let mended = |_: &Status| fs::read_to_string(&file).unwrap() == present;
    consortium
        .wait_for("the file of the killed bank", PATIENCE, mended)
        .unwrap();
    let with_four = |status: &Status| {
        let here = status.banks.iter().all(|bank| bank.connected);
        here && status
            .last_result
            .as_ref()
            .is_some_and(|last| last.survivors == 4)
    };
    consortium.wait_for("a sum of four", PATIENCE, with_four).unwrap();

    let stop = ["task", "stop", "--dir", "coordinator", "tiny"];
    run(&programs.coordinator, &dir, &stop, 0);
    let over = |status: &Status| {
        status.round.is_none()
            && status
                .tasks
                .iter()
                .all(|task| matches!(task.status, TaskStatus::Stopped(_)))
    };
    consortium
        .wait_for("the end of the last round", PATIENCE, over)
        .unwrap();
    consortium.stop();
    let mut history = History::default();
    history
        .follow(&consortium.log_folder(), consortium.log_key())
        .unwrap();
    let published: Vec<u16> = history
        .rounds()
        .filter(|story| story.is_published())
        .map(|story| story.banks)
        .collect();
    for banks in [4, 5] {
        assert!(published.contains(&banks), "{published:?}");
    }
    // The auditor has nothing but the first file, or the last.
    for pinned in ["first.toml", "bank-3/consortium.toml"] {
        let verify = [
            "verify",
            "coordinator/log",
            "--consortium",
            pinned,
            "--archive",
            "coordinator/data",
            "--json",
        ];
        let report = run(&programs.auditor, &dir, &verify, 0);
        assert!(
            report.contains(&format!("\"replayed\":{}", published.len())),
            "{report}"
        );
    }
}
