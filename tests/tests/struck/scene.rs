//! A small consortium of processes in which one can be struck, and what must hold after every strike.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use veilsum_auditor::source::MirrorSource;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
pub use veilsum_examples::demo::consortium::COORDINATOR;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::{Keeper, Programs};

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon that lives so long under a strike makes fewer calls than the strike's number. Five processes that start under a tracer may
/// take many seconds before the first call.
const LIFE: Duration = Duration::from_secs(60);

/// Three of four are enough, so rounds go on without the bank that is struck.
const BANKS: usize = 4;
pub const STRUCK: &str = "bank-2";

pub const DISK: &str = "fsync,fdatasync,rename,renameat,renameat2";
/// Datagrams, and what TLS writes to a stream.
pub const NETWORK: &str = "sendto,sendmsg,sendmmsg,writev";

const SCHEMA: &str =
    "version = 1\nlabel = \"late\"\n[[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\n";

fn task() -> String {
    format!(
        "name = \"long\"\nrounds = 4000\nseed = 5\n[schema]\n{}[model]\nfamily = \"logistic\"\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 8\nlocal_epochs = 1\n\
         [encoding]\n[evaluation]\nbins = 16\n\
         [deadlines]\nprepare_s = 4\nready_s = 4\ncollect_s = 4\nconfirm_s = 4\nunmask_s = 4\nack_s = 4\nattempts = 100\n",
        SCHEMA.replace("[[column]]", "[[schema.column]]")
    )
}

pub struct Scene {
    consortium: Consortium,
    banks: Vec<String>,
    /// Every entry that was ever published.
    published: Vec<Vec<u8>>,
    /// Strikes that killed a daemon.
    strikes: usize,
    _scratch: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One scene at a time: five processes of which one is traced fill two cores, and a strike waits for its call.
static TURN: Mutex<()> = Mutex::new(());

impl Scene {
    pub fn start() -> Self {
        let found = Command::new("strace").arg("--version").output();
        assert!(
            found.is_ok_and(|output| output.status.success()),
            "found no strace, which strikes the daemons; install it (Debian: apt install strace)"
        );
        // A scene that failed says so itself.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let banks: Vec<String> = (1..=BANKS).map(|number| format!("bank-{number}")).collect();
        let member = |name: &String| {
            let path = scratch.path().join(format!("{name}.csv"));
            let rows = (0..60).map(|row| {
                let income = row * 37 % 1000;
                format!("{income},{}\n", u32::from(income < 300))
            });
            fs::write(
                &path,
                std::iter::once("income,late\n".to_owned())
                    .chain(rows)
                    .collect::<String>(),
            )
            .unwrap();
            Member {
                name: name.clone(),
                table: path,
                labels: None,
            }
        };
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: banks.iter().map(member).collect(),
            schema: SCHEMA.to_owned(),
            reconnect_grace_s: 1,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let consortium = Consortium::enrol(setup, programs, Keeper::default(), Box::new(|_| ())).unwrap();
        fs::write(dir.join("task.toml"), task()).unwrap();
        // A race would end otherwise each time, and with it the calls that are made.
        for (bank, way) in banks.iter().zip(["quic", "tcp"].into_iter().cycle()) {
            let config = consortium.bank_folder(bank).join("bank.toml");
            let text = fs::read_to_string(&config).unwrap();
            let changed = text.replace("transport = \"auto\"", &format!("transport = \"{way}\""));
            assert_ne!(changed, text);
            fs::write(&config, changed).unwrap();
        }
        let mut scene = Self {
            consortium,
            banks,
            published: Vec::new(),
            strikes: 0,
            _scratch: scratch,
            _turn: turn,
        };
        scene.consortium.start_coordinator().unwrap();
        scene.start_banks();
        let hash = scene.consortium.create_task("task.toml").unwrap();
        scene
            .consortium
            .approve_everywhere("long", &hash, PATIENCE)
            .unwrap();
        scene.rounds_go_on("the first rounds");
        scene
    }

    pub fn start_banks(&self) {
        for bank in &self.banks {
            self.consortium.start_bank(bank).unwrap();
        }
    }

    /// Waits for two more results, and proves that the log only grew.
    pub fn rounds_go_on(&mut self, what: &str) {
        let status = self.consortium.wait_for_results(what, 2, PATIENCE).unwrap();
        assert!(
            matches!(status.tasks[0].status, TaskStatus::Running),
            "{what}: {:?}",
            status.tasks[0]
        );
        self.log_only_grew(what);
    }

    pub fn log_only_grew(&mut self, what: &str) {
        let until = Instant::now() + PATIENCE;
        let log = loop {
            match MirrorSource::open(&self.consortium.log_folder(), self.consortium.log_key()) {
                Ok(log) => break log,
                // The coordinator publishes while this looks.
                Err(error) => assert!(Instant::now() < until, "{what}: {error}"),
            }
        };
        let entries = log.entries();
        assert!(entries.len() >= self.published.len(), "{what}: the log shrank");
        assert!(
            entries
                .iter()
                .zip(&self.published)
                .all(|(now, before)| now == before),
            "{what}: a published entry changed"
        );
        self.published = entries.to_vec();
    }

    /// Starts a daemon that is killed at the call with this number; false if it lives.
    fn strike(&mut self, name: &str, calls: &str, number: usize) -> bool {
        let Some(outcome) = self.start_struck(name, calls, &format!("signal=KILL:when={number}")) else {
            return false;
        };
        assert_eq!(outcome, "signal 9", "{name} at {calls} {number}");
        self.strikes += 1;
        true
    }

    /// Starts a daemon in which `fault` is injected into these calls; how it ended, or `None` if it lives.
    pub fn start_struck(&mut self, name: &str, calls: &str, fault: &str) -> Option<String> {
        let inject = format!("inject={calls}:{fault}");
        let trace = format!("trace={calls}");
        let launcher = [
            "strace",
            "-f",
            "-qqq",
            "-o",
            "/dev/null",
            "-e",
            &trace,
            "-e",
            &inject,
            "--",
        ];
        self.consortium.kill(name);
        self.consortium.start_under(&launcher, name).unwrap();
        if name == COORDINATOR {
            // They would wait longer and longer between their attempts.
            for bank in self.banks.clone() {
                self.consortium.kill(&bank);
            }
            self.start_banks();
        }
        let until = Instant::now() + LIFE;
        while Instant::now() < until {
            if let Some(outcome) = self.consortium.ended(name) {
                return Some(outcome);
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        None
    }

    /// Strikes one number after the other, and has the daemon go on after each.
    pub fn strike_all(&mut self, name: &str, calls: &str, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let what = format!("{name} was killed at {calls} {number}");
            let died = self.strike(name, calls, number);
            // Nobody writes now, if it was the coordinator: what is published is whole.
            self.log_only_grew(&what);
            self.start_again(name, &what);
            if !died {
                break;
            }
        }
    }

    /// Without any fault, and rounds go on.
    pub fn start_again(&mut self, name: &str, what: &str) {
        self.consortium.kill(name);
        if name == COORDINATOR {
            self.consortium.start_coordinator().unwrap();
        } else {
            self.consortium.start_bank(name).unwrap();
        }
        self.rounds_go_on(what);
    }

    /// What a daemon has printed so far.
    pub fn printed_by(&self, name: &str) -> String {
        let log = self
            .consortium
            .setup()
            .dir
            .join("logs")
            .join(format!("{name}.log"));
        fs::read_to_string(log).unwrap()
    }

    /// Every bank is back and the auditor agrees.
    pub fn finish(mut self, least: usize) {
        let everybody = |status: &Status| {
            status
                .round
                .as_ref()
                .is_some_and(|round| round.waiting_for.is_empty() || round.heard_from == BANKS)
                && status.banks.iter().all(|bank| bank.connected)
        };
        self.consortium
            .wait_for("everybody to be back", PATIENCE, everybody)
            .unwrap();
        self.rounds_go_on("the last rounds");
        self.consortium.stop();
        let verdict = self.consortium.verify().unwrap();
        assert!(verdict.verifies, "{}", verdict.verdict);
        assert!(verdict.replayed.is_some_and(|sums| sums > 0));
        println!(
            "{} strikes, {} entries, {:?} sums replayed",
            self.strikes,
            self.published.len(),
            verdict.replayed
        );
        assert!(self.strikes >= least, "only {} strikes", self.strikes);
    }
}
