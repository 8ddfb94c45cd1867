//! Whole consortia as real processes over loopback: enrolled, trained, struck by failures, and audited.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use veilsum_coordinator::engine::status::{RoundStatus, Status};
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::history::History;
use veilsum_examples::demo::{Keeper, Programs};
use veilsum_protocol::model::Figure;
use veilsum_protocol::task::Task;

/// Longest that anything may take; processes of several tests share the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rows of a bank that is ready at once, and of one that leaves time to look at it while it trains.
const FEW: u32 = 80;
const MANY: u32 = 12_000;

const SCHEMA: &str = r#"
version = 1
label = "late"
[[column]]
name = "income"
type = "number"
min = 0
max = 1000
[[column]]
name = "home"
type = "category"
values = ["own", "rent"]
"#;

fn task(rounds: u32) -> String {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    format!(
        r#"
name = "tiny"
rounds = {rounds}
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

/// Late payers have small incomes, with exceptions; another bank has other rows.
fn table(rows: u32, bank: u32) -> String {
    let mut text = "income,home,late\n".to_owned();
    for row in 0..rows {
        let income = (row * 37 + bank * 101) % 1000;
        let late = u32::from(income < 300) ^ u32::from(row % 11 == 0);
        let home = if row % 3 == 0 { "rent" } else { "own" };
        writeln!(text, "{income},{home},{late}").unwrap();
    }
    text
}

struct Scene {
    consortium: Consortium,
    banks: Vec<String>,
    task: Task,
    _scratch: TempDir,
}

impl Scene {
    /// Coordinator and one bank for each number of rows, running, with a task that all of them approved.
    fn start(rows: &[u32], rounds: u32) -> Self {
        Self::start_after(rows, rounds, |_| ())
    }

    /// The same, with something done to the banks' folders before their daemons start.
    fn start_after(rows: &[u32], rounds: u32, prepare: impl FnOnce(&Consortium)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let banks: Vec<String> = (1..=rows.len()).map(|number| format!("bank-{number}")).collect();
        let member = |(number, (name, rows)): (u32, (&String, &u32))| {
            let path = scratch.path().join(format!("{name}.csv"));
            fs::write(&path, table(*rows, number)).unwrap();
            Member {
                name: name.clone(),
                table: path,
                labels: None,
            }
        };
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: (1..).zip(banks.iter().zip(rows)).map(member).collect(),
            schema: SCHEMA.to_owned(),
            reconnect_grace_s: 2,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let consortium = Consortium::enrol(
            setup,
            programs,
            Keeper::default(),
            Box::new(|line| println!("$ {line}")),
        )
        .unwrap();
        fs::write(dir.join("task.toml"), task(rounds)).unwrap();
        prepare(&consortium);
        consortium.start_coordinator().unwrap();
        for bank in &banks {
            consortium.start_bank(bank).unwrap();
        }
        let hash = consortium.create_task("task.toml").unwrap();
        consortium.approve_everywhere("tiny", &hash, PATIENCE).unwrap();
        Self {
            consortium,
            banks,
            task: Task::parse(&task(rounds)).unwrap(),
            _scratch: scratch,
        }
    }

    fn wait_for_round(&self, what: &str, wish: impl Fn(&RoundStatus) -> bool) -> RoundStatus {
        let wish = |status: &Status| status.round.as_ref().is_some_and(&wish);
        self.consortium
            .wait_for(what, PATIENCE, wish)
            .unwrap()
            .round
            .unwrap()
    }

    /// Waits for the end, proves that every bank holds the last model, stops all and has the auditor look.
    fn finish(&self) -> History {
        let over = |status: &Status| {
            status.round.is_none()
                && status
                    .tasks
                    .iter()
                    .all(|task| task.status == TaskStatus::Finished)
        };
        self.consortium
            .wait_for("the end of the task", PATIENCE, over)
            .unwrap();
        let model = |bank: &String| {
            let folder = self.consortium.bank_folder(bank).join("models/tiny");
            let bytes = fs::read(folder.join("model.safetensors")).unwrap_or_default();
            let model = veilsum_client::model::Snapshot::from_bytes(&bytes, &self.task).ok()?;
            (model.version == u64::from(self.task.rounds)).then_some(bytes)
        };
        let everywhere = |_: &Status| self.banks.iter().all(|bank| model(bank).is_some());
        self.consortium
            .wait_for("the last model at every bank", PATIENCE, everywhere)
            .unwrap();
        let models: Vec<_> = self.banks.iter().map(model).collect();
        assert!(
            models.windows(2).all(|pair| pair[0] == pair[1]),
            "the banks hold different models"
        );

        self.consortium.stop();
        let mut history = History::default();
        history
            .follow(&self.consortium.log_folder(), self.consortium.log_key())
            .unwrap();
        let verdict = self.consortium.verify().unwrap();
        assert!(verdict.verifies, "{}", verdict.verdict);
        let published = history.rounds().filter(|story| story.is_published()).count();
        assert_eq!(verdict.replayed, Some(published as u64));
        // One round of statistics before the training, one of evaluation behind it.
        assert_eq!(published, self.task.rounds as usize + 2);
        history
    }
}

fn trains(round: &RoundStatus, ready: &str, awaited: &str) -> bool {
    let named = |bank: &str| round.waiting_for.iter().any(|name| name == bank);
    round.kind == "train" && round.phase == "ready" && !named(ready) && named(awaited)
}

#[test]
fn three_banks_train_and_the_auditor_agrees() {
    let scene = Scene::start(&[FEW, FEW + 20, FEW + 40], 2);
    let history = scene.finish();
    let all = Some(scene.banks.clone());
    assert!(
        history
            .rounds()
            .all(|story| story.survivors == all && story.lost().is_empty())
    );
    let auc = history
        .metrics_after(2)
        .and_then(|metrics| metrics.figure(Figure::Auc))
        .unwrap();
    assert!(auc > 0.6, "the model learnt nothing: AUC {auc}");
}

/// One bank's network lets no UDP out.
#[test]
fn a_bank_that_comes_by_tcp_is_one_of_three() {
    let by_tcp = "bank-2";
    let scene = Scene::start_after(&[FEW, FEW, FEW], 2, |consortium| {
        let path = consortium.bank_folder(by_tcp).join("bank.toml");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replace("transport = \"auto\"", "transport = \"tcp\"");
        assert_ne!(text, changed);
        fs::write(&path, changed).unwrap();
    });
    let history = scene.finish();
    let all = Some(scene.banks.clone());
    for round in history.rounds() {
        assert_eq!(round.survivors, all, "round {}", round.round);
    }
    let logs = scene.consortium.setup().dir.join("logs");
    for (bank, way) in [
        ("bank-1", "connected over QUIC;"),
        (by_tcp, "connected over TCP: link.transport is"),
    ] {
        let told = fs::read_to_string(logs.join(format!("{bank}.log"))).unwrap();
        assert!(told.contains(way), "{way:?} is not in: {told}");
    }
}

#[test]
fn a_bank_that_is_killed_in_a_round_is_taken_out_of_the_sum_and_comes_back() {
    let scene = Scene::start(&[MANY, FEW, FEW, FEW, FEW], 6);
    let struck = "bank-5";
    let moment = scene.wait_for_round("a moment to strike", |round| trains(round, struck, "bank-1"));
    scene.consortium.kill(struck);
    scene.wait_for_round("the next round", |round| round.round > moment.round);
    scene.consortium.start_bank(struck).unwrap();
    let history = scene.finish();
    let story = history.round(moment.round).unwrap();
    assert_eq!(story.lost(), [struck]);
    assert_eq!(story.survivors.as_ref().unwrap().len(), 4);
    let last = history.rounds().next_back().unwrap();
    assert_eq!(
        last.survivors,
        Some(scene.banks.clone()),
        "{struck} did not come back"
    );
}

#[test]
fn a_coordinator_that_is_killed_in_a_round_goes_on_with_it() {
    let scene = Scene::start(&[MANY, FEW, FEW], 2);
    let moment = scene.wait_for_round("a moment to strike", |round| trains(round, "bank-3", "bank-1"));
    scene.consortium.kill_coordinator();
    let log = scene.consortium.log_folder();
    assert!(Path::new(&log).join("checkpoint").is_file());
    scene.consortium.start_coordinator().unwrap();
    let history = scene.finish();
    assert!(
        history
            .round(moment.round)
            .is_some_and(|story| story.end.is_some()),
        "the round was forgotten"
    );
}

/// Runs a program to its end in a folder; what it printed, if it ended with `code`.
fn run(program: &Path, folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap() + &said
}

/// An auditor is enrolled, mirrors while the banks train and after it, and needs nothing else to do every sum again.
#[test]
fn an_auditor_mirrors_over_https_and_replays_every_sum() {
    let programs = Programs::beside_this_one().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let scene = Scene::start_after(&[FEW, FEW, FEW], 3, |consortium| {
        let folder = &consortium.setup().dir;
        run(
            &programs.auditor,
            folder,
            &["init", "--name", "firm", "--dir", "firm"],
            0,
        );
        let enrol = ["enrol", "--dir", "coordinator", "firm/firm.request.toml"];
        let said = run(&programs.coordinator, folder, &enrol, 0);
        assert!(said.contains("admitted auditor firm"), "{said}");
        for file in ["auditor.crt.pem", "ca.crt.pem"] {
            let from = folder.join("coordinator/admissions/auditors/firm").join(file);
            fs::copy(from, folder.join("firm").join(file)).unwrap();
        }
        let path = folder.join("coordinator/coordinator.toml");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replacen("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\""), 1);
        assert_ne!(text, changed);
        fs::write(path, changed).unwrap();
    });
    let folder = scene.consortium.setup().dir.clone();
    let (log, archive) = (
        format!("https://127.0.0.1:{port}/log/"),
        format!("https://127.0.0.1:{port}/archive/"),
    );
    // The pinned file is a bank's, as the auditor should have it.
    let pinned = ["--consortium", "bank-1/consortium.toml"];
    let mirror = |identity: &str, code| {
        let arguments = [
            "mirror",
            &log,
            "mirror",
            "--archive",
            &archive,
            "--archive-to",
            "archive",
            "--identity",
            identity,
        ];
        run(
            &programs.auditor,
            &folder,
            &[&arguments[..], &pinned].concat(),
            code,
        )
    };
    scene
        .consortium
        .wait_for_results("a first sum", 1, PATIENCE)
        .unwrap();
    mirror("firm", 0);
    let over = |status: &Status| {
        status.round.is_none()
            && status
                .tasks
                .iter()
                .all(|task| task.status == TaskStatus::Finished)
    };
    scene
        .consortium
        .wait_for("the end of the task", PATIENCE, over)
        .unwrap();
    let said = mirror("firm", 0);
    assert!(said.contains("the log continues the copy"), "{said}");

    // Who is taken off the list reads nothing more, and the copy stays.
    let list = folder.join("coordinator/auditors.toml");
    fs::rename(&list, list.with_extension("away")).unwrap();
    let refused = mirror("firm", 2);
    assert!(refused.contains("403"), "{refused}");
    fs::rename(list.with_extension("away"), list).unwrap();

    scene.finish();
    let report = run(
        &programs.auditor,
        &folder,
        &[
            &["verify", "mirror", "--archive", "archive", "--json"][..],
            &pinned,
        ]
        .concat(),
        0,
    );
    assert!(report.contains("\"replayed\":5"), "{report}");
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A new key epoch needs every bank, so one that does not come up with its broken table would stop all of them.
#[test]
fn a_bank_with_a_broken_table_stops_nobody_and_takes_part_again_once_it_is_mended() {
    const CELL: &str = "UNSPEAKABLE-7731";
    let broken = "bank-5";
    let table_of = |consortium: &Consortium| consortium.bank_folder(broken).join("data.csv");
    let scene = Scene::start_after(&[MANY, FEW, FEW, FEW, FEW], 6, |consortium| {
        let table = table_of(consortium);
        let text = fs::read_to_string(&table).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let cells = format!("{CELL},own,0");
        lines[3] = &cells;
        fs::write(&table, lines.join("\n") + "\n").unwrap();
    });
    let folder = scene.consortium.setup().dir.clone();
    let told = || fs::read_to_string(folder.join("logs/bank-5.log")).unwrap();
    // The round that it said last that it sits out.
    let sat_out = || {
        let line = told()
            .lines()
            .rfind(|line| line.contains(": this bank sits the round out"))?
            .to_owned();
        line.strip_prefix("round ")?
            .split(':')
            .next()?
            .parse::<u64>()
            .ok()
    };
    scene
        .consortium
        .wait_for("a round without it", PATIENCE, |_| sat_out().is_some())
        .unwrap();
    let round = sat_out().unwrap();
    for part in [
        "data.csv: line 4, column \"income\": found \"UNSPEAKABLE-7731\"",
        "ITS DATA CANNOT BE USED",
    ] {
        assert!(told().contains(part), "{part:?} is not in: {}", told());
    }
    assert!(holds(
        &scene.consortium.bank_folder(broken).join("state/status.json"),
        CELL
    ));

    fs::write(table_of(&scene.consortium), table(FEW, 5)).unwrap();
    let history = scene.finish();
    let without: Vec<_> = scene
        .banks
        .iter()
        .filter(|bank| *bank != broken)
        .cloned()
        .collect();
    assert_eq!(history.round(round).unwrap().survivors, Some(without));
    let last = history.rounds().next_back().unwrap();
    assert_eq!(
        last.survivors,
        Some(scene.banks.clone()),
        "{broken} did not come back"
    );
    assert!(
        told().contains("the bank's table is in order: it takes part"),
        "{}",
        told()
    );

    let seen = [
        files(&folder.join("coordinator")),
        vec![folder.join("logs/coordinator.log")],
    ]
    .concat();
    assert!(seen.len() > 20, "{seen:?}");
    for path in seen {
        assert!(!holds(&path, CELL), "{} holds a cell", path.display());
    }
}
