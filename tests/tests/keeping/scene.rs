//! A consortium that trains for as long as the test likes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{COORDINATOR, Consortium, Member, Setup};
use veilsum_examples::demo::history::History;
use veilsum_examples::demo::{Keeper, Programs};

/// Longest that anything may take; processes of several tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

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
importance = {{ rows = 20 }}
[deadlines]
# A bank that is lost between its bundle and its word holds a round up for so long, where three are too few without it.
ready_s = 60
collect_s = 20
attempts = 5
"#
    )
}

pub(crate) fn table(rows: u32, bank: u32) -> String {
    let mut text = "income,home,late\n".to_owned();
    for row in 0..rows {
        let income = (row * 37 + bank * 101) % 1000;
        let late = u32::from(income < 300) ^ u32::from(row % 11 == 0);
        let home = if row % 3 == 0 { "rent" } else { "own" };
        writeln!(text, "{income},{home},{late}").unwrap();
    }
    text
}

pub(crate) struct Scene {
    pub(crate) consortium: Consortium,
    pub(crate) banks: Vec<String>,
    pub(crate) programs: Programs,
    rounds: u32,
    scratch: TempDir,
}

/// Waits for a state, and fails instead of hanging.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        thread::sleep(Duration::from_millis(20));
    }
}

impl Scene {
    /// Three banks are enrolled; nothing runs.
    pub(crate) fn enrolled(rounds: u32, reconnect_grace_s: u32) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let banks: Vec<String> = (1..=3).map(|number| format!("bank-{number}")).collect();
        let members = (1..).zip(&banks).map(|(number, name)| {
            let path = scratch.path().join(format!("{name}.csv"));
            fs::write(&path, table(80 + 10 * number, number)).unwrap();
            Member {
                name: name.clone(),
                table: path,
                labels: None,
            }
        });
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: members.collect(),
            schema: SCHEMA.to_owned(),
            reconnect_grace_s,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let say = Box::new(|line: &str| println!("$ {line}"));
        let consortium = Consortium::enrol(setup, programs.clone(), Keeper::default(), say).unwrap();
        fs::write(dir.join("task.toml"), task(rounds)).unwrap();
        Self {
            consortium,
            banks,
            programs,
            rounds,
            scratch,
        }
    }

    /// Everybody runs, and the task is approved everywhere.
    pub(crate) fn run(&self) {
        self.consortium.start_coordinator().unwrap();
        for bank in &self.banks {
            self.consortium.start_bank(bank).unwrap();
        }
        self.approved();
    }

    pub(crate) fn approved(&self) {
        let hash = self.consortium.create_task("task.toml").unwrap();
        self.consortium
            .approve_everywhere("tiny", &hash, PATIENCE)
            .unwrap();
    }

    /// The folder of everybody's folders.
    pub(crate) fn dir(&self) -> PathBuf {
        self.scratch.path().join("c")
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn trace(&self, name: &str) -> String {
        fs::read_to_string(self.consortium.trace(name)).unwrap_or_default()
    }

    pub(crate) fn results(&self, what: &str, more: u32) -> Status {
        self.consortium.wait_for_results(what, more, PATIENCE).unwrap()
    }

    pub(crate) fn wait(&self, what: &str, wish: impl Fn(&Status) -> bool) -> Status {
        self.consortium.wait_for(what, PATIENCE, wish).unwrap()
    }

    /// Stops one daemon as systemd does, and waits for its end.
    pub(crate) fn stop(&self, name: &str) {
        let pid = self.consortium.pid(name).unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let ended = eventually("the end of a daemon", || self.consortium.ended(name));
        assert!(ended.contains('0'), "{name}: {ended}\n{}", self.trace(name));
    }

    pub(crate) fn start(&self, name: &str) {
        if name == COORDINATOR {
            self.consortium.start_coordinator().unwrap();
        } else {
            self.consortium.start_bank(name).unwrap();
        }
    }

    pub(crate) fn output(&self, program: &Path, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.dir())
            .output()
            .unwrap()
    }

    /// What a command printed, if its exit code is the one that is expected.
    pub(crate) fn told(&self, program: &Path, arguments: &[&str], code: i32) -> String {
        told(&self.output(program, arguments), code)
    }

    pub(crate) fn operator(&self, arguments: &[&str], code: i32) -> String {
        self.told(&self.programs.coordinator, arguments, code)
    }

    pub(crate) fn client(&self, arguments: &[&str], code: i32) -> String {
        self.told(&self.programs.client, arguments, code)
    }

    /// Waits for the end of the task, has the auditor look, and gives the story of every round.
    pub(crate) fn finish(&self) -> History {
        let over = |status: &Status| {
            let mut tasks = status.tasks.iter();
            status.round.is_none() && tasks.all(|task| task.status == TaskStatus::Finished)
        };
        self.wait("the end of the task", over);
        let model = |bank: &String| fs::read(self.folder(bank).join("models/tiny/model.json")).ok();
        let everywhere = |_: &Status| {
            let models: Vec<_> = self.banks.iter().map(model).collect();
            models.iter().all(Option::is_some)
        };
        self.wait("a model at every bank", everywhere);
        self.consortium.stop();
        let mut history = History::default();
        history
            .follow(&self.consortium.log_folder(), self.consortium.log_key())
            .unwrap();
        let verdict = self.consortium.verify().unwrap();
        assert!(verdict.verifies, "{}", verdict.verdict);
        let published = history.rounds().filter(|story| story.is_published()).count();
        // One round of statistics before the training, one of evaluation behind it.
        assert_eq!(published, self.rounds as usize + 2);
        assert_eq!(verdict.replayed, Some(published as u64));
        history
    }
}

pub(crate) fn told(output: &Output, code: i32) -> String {
    let all = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part).into_owned());
    let all = all.concat();
    assert!(!all.contains("panicked"), "{all}");
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

/// Checks that a text has all of these parts.
pub(crate) fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
