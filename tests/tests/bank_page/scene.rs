//! Three banks, the first of which serves its page.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use veilsum_client::participant::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::{Keeper, Programs};
use veilsum_protocol::ids::Digest;

/// Longest that anything may take; processes of several tests share the machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The bank whose page is looked at.
pub const BANK: &str = "bank-1";

const SCHEMA: &str = "version = 1\nlabel = \"late\"\nleave_out = [\"remark\"]\n\
    [[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 100000\n\
    [[column]]\nname = \"region\"\ntype = \"category\"\nvalues = [\"north\", \"south\"]\nother = \"bucket\"\n";

/// A cell of the bank's table that nobody else has.
pub const CELL: &str = "kestrel-4471";

pub struct Scene {
    pub consortium: Consortium,
    client: PathBuf,
    _scratch: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One scene at a time: four processes and a browser fill two cores.
static TURN: Mutex<()> = Mutex::new(());

impl Scene {
    /// All are connected, and nothing is offered yet.
    pub fn start() -> Self {
        Self::with_rows(|_| 80)
    }

    /// The same with so many rows at each bank: one with many keeps the others waiting in each round.
    pub fn with_rows(count: impl Fn(usize) -> usize) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let member = |number: usize| {
            let name = format!("bank-{number}");
            let table = scratch.path().join(format!("{name}.csv"));
            fs::write(&table, rows(number, count(number))).unwrap();
            Member {
                name,
                table,
                labels: None,
            }
        };
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: (1..=3).map(member).collect(),
            schema: SCHEMA.to_owned(),
            reconnect_grace_s: 5,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let client = programs.client.clone();
        let consortium = Consortium::enrol(setup, programs, Keeper::default(), Box::new(|_| ())).unwrap();
        let config = consortium.bank_folder(BANK).join("bank.toml");
        let text = fs::read_to_string(&config).unwrap();
        assert!(text.contains("listen = \"\""));
        fs::write(&config, text.replace("listen = \"\"", "listen = \"127.0.0.1:0\"")).unwrap();
        consortium.start_coordinator().unwrap();
        for number in 1..=3 {
            consortium.start_bank(&format!("bank-{number}")).unwrap();
        }
        Self {
            consortium,
            client,
            _scratch: scratch,
            _turn: turn,
        }
    }

    /// Offers a task, which every bank but `without` approves.
    pub fn offer(&self, name: &str, rounds: u32, without: &[&str]) -> Digest {
        let file = format!("{name}.toml");
        let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
        let text = format!(
            "name = \"{name}\"\nrounds = {rounds}\nseed = 5\n[schema]\n{schema}[model]\nfamily = \"logistic\"\n\
             [training]\noptimiser = \"sgd\"\nlearning_rate = 0.5\nbatch_size = 16\nlocal_epochs = 1\n[evaluation]\nbins = 16\nimportance = {{}}\n"
        );
        fs::write(self.consortium.setup().dir.join(&file), text).unwrap();
        let hash = self.consortium.create_task(&file).unwrap();
        self.until("the task is known", |status| {
            status.tasks.iter().any(|task| task.name == name)
        });
        for number in 1..=3 {
            let bank = format!("bank-{number}");
            if !without.contains(&bank.as_str()) {
                self.approve(&bank, name);
            }
        }
        hash
    }

    /// The bank hears of the task in its own time.
    pub fn approve(&self, bank: &str, task: &str) {
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.consortium.approve(bank, task) {
            assert!(Instant::now() < until, "{bank} cannot approve {task}: {error}");
            thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// Waits for the end of every task at the coordinator and for the last step at the bank.
    pub fn finished(&self) {
        self.consortium
            .wait_for("the end of the tasks", PATIENCE, |status| {
                status.round.is_none()
                    && status
                        .tasks
                        .iter()
                        .all(|task| task.status == TaskStatus::Finished)
            })
            .unwrap();
        self.until("the last step", |status| {
            status.tasks.iter().all(|task| task.step == task.steps)
        });
    }

    /// Waits until the bank's status is as wished.
    pub fn until(&self, what: &str, wished: impl Fn(&Status) -> bool) -> Status {
        let path = self.consortium.bank_folder(BANK).join("state/status.json");
        let until = Instant::now() + PATIENCE;
        loop {
            let status = Status::read(&path).ok().flatten();
            if let Some(status) = status.clone().filter(|status| wished(status)) {
                return status;
            }
            assert!(Instant::now() < until, "{what} did not come: {status:?}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A command of the bank in its folder.
    pub fn client(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The same, to be started by the test.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command
            .args(words)
            .args(["--dir", BANK])
            .current_dir(&self.consortium.setup().dir);
        command
    }

    /// The port of the page, and a link.
    pub fn link(&self) -> (u16, String) {
        let status = self.until("the page", |status| status.page.is_some());
        let port = status.page.unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        let output = self.client(&["--json", "page"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (port, answer["link"].as_str().unwrap().to_owned())
    }
}

fn rows(bank: usize, count: usize) -> String {
    let rows = (0..count).map(|row| {
        let income = 1000 * bank + row * 997 % 90_000;
        let region = ["north", "south"][(row / 3 + bank) % 2];
        let late = u32::from(income + 7000 * (row % 5) > 50_000);
        let remark = if bank == 1 { CELL } else { "none" };
        format!("{income},{region},{remark},{late}\n")
    });
    std::iter::once("income,region,remark,late\n".to_owned())
        .chain(rows)
        .collect()
}
