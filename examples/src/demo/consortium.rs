//! A consortium in one folder: `coordinator/`, a folder for each bank, and `logs/` with the trace of each process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use veilsum_client::enrol::init::CONFIG_FILE;
use veilsum_coordinator::admin::{self, Answer, Request};
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::enrol::init::Folder;
use veilsum_protocol::consortium::Consortium as ConsortiumFile;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::VerifierKey;

use super::office::{Office, add_key, free_port, set_key};
use super::{DemoError, Keeper, Programs};

/// The coordinator's name among the daemons, and its folder.
pub const COORDINATOR: &str = "coordinator";

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(15);

/// What a consortium is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The folder to make it in; everything in it is new.
    pub dir: PathBuf,
    /// Name of the consortium and origin of its log.
    pub name: String,
    /// The banks, in the order of their names.
    pub banks: Vec<Member>,
    /// The schema that every bank agreed to, TOML.
    pub schema: String,
    /// `reconnect_grace_s` of the coordinator.
    pub reconnect_grace_s: u32,
    /// `idle_s` of the coordinator: a bank that is killed is noticed after so many seconds.
    pub idle_s: u32,
}

/// One bank.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name in the roster.
    pub name: String,
    /// Its table, CSV, or its images; moved into the bank's folder.
    pub table: PathBuf,
    /// The labels of its images, which stand in a file of their own; moved as well.
    pub labels: Option<PathBuf>,
}

/// Where a bank's table lies in its folder, unless it is images.
const TABLE: &str = "data.csv";

/// Where images and their labels lie.
const IMAGES: &str = "images.idx3-ubyte";
const LABELS: &str = "labels.idx1-ubyte";

impl Member {
    /// The table, and the labels of images, in a bank's folder.
    pub(super) fn files_in(&self, folder: &Path) -> (PathBuf, Option<PathBuf>) {
        match self.labels {
            None => (folder.join(TABLE), None),
            Some(_) => (folder.join(IMAGES), Some(folder.join(LABELS))),
        }
    }

    /// Moves the files into the bank's folder, and names them in its configuration where they do not have the usual name.
    fn move_into(&self, folder: &Path) -> Result<(), DemoError> {
        let (table, labels) = self.files_in(folder);
        fs::rename(&self.table, &table).map_err(DemoError::file(&self.table))?;
        if let (Some(from), Some(to)) = (&self.labels, labels) {
            fs::rename(from, &to).map_err(DemoError::file(from))?;
            let config = folder.join("bank.toml");
            set_key(&config, "file", format!("{IMAGES:?}"))?;
            add_key(&config, "data", "labels", format!("{LABELS:?}"))?;
        }
        Ok(())
    }
}

/// The auditor's report.
#[derive(Clone, Debug, Deserialize)]
pub struct Verdict {
    /// Whether everything holds.
    pub verifies: bool,
    /// In one sentence.
    pub verdict: String,
    /// Entries of the log.
    pub entries: u64,
    /// Masked sums that were computed again.
    pub replayed: Option<u64>,
}

/// The auditor's page, in the demo's folder.
pub const AUDIT_PAGE: &str = "audit.html";

/// Processes that were started for one consortium, and the folder where they live.
pub struct Consortium {
    setup: Setup,
    programs: Programs,
    keeper: Keeper,
    tell: Box<dyn Fn(&str) + Send>,
    log_key: VerifierKey,
}

impl Consortium {
    /// Enrols the banks with the operators' own commands: every key is made where it stays. Nothing runs yet.
    /// `tell` is called with each command, as it would be typed in the folder, before it is run.
    ///
    /// # Errors
    /// The first command that fails, with what it said.
    pub fn enrol(
        setup: Setup,
        programs: Programs,
        keeper: Keeper,
        tell: Box<dyn Fn(&str) + Send>,
    ) -> Result<Self, DemoError> {
        let dir = &setup.dir;
        fs::create_dir_all(dir.join("logs")).map_err(DemoError::file(dir))?;
        let office = Office {
            programs: &programs,
            dir,
            tell: &tell,
        };
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        office.coordinator(&[
            "init",
            "--name",
            &setup.name,
            "--listen",
            &listen,
            "--host",
            "127.0.0.1",
            "--dir",
            COORDINATOR,
        ])?;
        let config = Folder::at(&dir.join(COORDINATOR)).config();
        set_key(&config, "reconnect_grace_s", setup.reconnect_grace_s)?;
        set_key(&config, "idle_s", setup.idle_s)?;
        let mut enrol = vec!["enrol".to_owned(), "--dir".to_owned(), COORDINATOR.to_owned()];
        for bank in &setup.banks {
            let name = &bank.name;
            office.client(&["init", "--name", name, "--dir", name])?;
            // A bank gives signs of life three times as often as its own: quiet training would lose a connection that the coordinator drops sooner.
            set_key(&dir.join(name).join(CONFIG_FILE), "idle_s", setup.idle_s)?;
            enrol.push(format!("{name}/{name}.request.toml"));
        }
        office.coordinator(&enrol.iter().map(String::as_str).collect::<Vec<_>>())?;
        for bank in &setup.banks {
            let name = &bank.name;
            tell(&format!("cp {COORDINATOR}/admissions/{name}/* {name}/"));
            let admission = Folder::at(&dir.join(COORDINATOR)).admission(name);
            for file in ["bank.crt.pem", "consortium.toml"] {
                let from = admission.join(file);
                fs::copy(&from, dir.join(name).join(file)).map_err(DemoError::file(&from))?;
            }
            let schema = dir.join(name).join("schema.toml");
            fs::write(&schema, &setup.schema).map_err(DemoError::file(&schema))?;
            bank.move_into(&dir.join(name))?;
        }
        Self::adopt(setup, programs, keeper, tell)
    }

    /// Takes over folders that were made otherwise: `coordinator/`, with a roster or without one yet, and those of the banks. The tables of
    /// `setup` stay where they are.
    ///
    /// # Errors
    /// If there is no consortium file.
    pub fn adopt(
        setup: Setup,
        programs: Programs,
        keeper: Keeper,
        tell: Box<dyn Fn(&str) + Send>,
    ) -> Result<Self, DemoError> {
        let path = Folder::at(&setup.dir.join(COORDINATOR)).consortium();
        let text = fs::read_to_string(&path).map_err(DemoError::file(&path))?;
        let file: ConsortiumFile = toml::from_str(&text).map_err(|error| DemoError::content(&path, error))?;
        Ok(Self {
            setup,
            programs,
            keeper,
            tell,
            log_key: file.log_key,
        })
    }

    /// What it was made of.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The coordinator's configuration.
    pub fn coordinator_config(&self) -> PathBuf {
        Folder::at(&self.setup.dir.join(COORDINATOR)).config()
    }

    /// Where the trace of a daemon is written.
    pub fn trace(&self, name: &str) -> PathBuf {
        self.setup.dir.join("logs").join(format!("{name}.log"))
    }

    /// A bank's own folder.
    pub fn bank_folder(&self, name: &str) -> PathBuf {
        self.setup.dir.join(name)
    }

    /// The folder of the public log.
    pub fn log_folder(&self) -> PathBuf {
        self.setup.dir.join(COORDINATOR).join("log")
    }

    /// The coordinator's blobs and their index.
    pub fn archive(&self) -> PathBuf {
        self.setup.dir.join(COORDINATOR).join("data")
    }

    /// The key that signs the log, as every bank pins it.
    pub fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// Starts the coordinator and waits until its operator's socket answers.
    ///
    /// # Errors
    /// [`DemoError::Died`] with its last words, or [`DemoError::TooLong`].
    pub fn start_coordinator(&self) -> Result<(), DemoError> {
        self.start(COORDINATOR, &self.programs.coordinator)?;
        self.wait_for("the coordinator to answer", Duration::from_secs(30), |_| true)
            .map(drop)
    }

    /// Starts a bank's daemon.
    ///
    /// # Errors
    /// If it cannot be started; what goes wrong in it shows later, in [`Consortium::wait_for`].
    pub fn start_bank(&self, name: &str) -> Result<(), DemoError> {
        self.start(name, &self.programs.client)
    }

    /// Starts the coordinator's or a bank's daemon under another program, such as a tracer: its words come first.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_under(&self, launcher: &[&str], name: &str) -> Result<(), DemoError> {
        let daemon = if name == COORDINATOR {
            &self.programs.coordinator
        } else {
            &self.programs.client
        };
        let Some((program, words)) = launcher.split_first() else {
            return self.start(name, daemon);
        };
        let mut command = Command::new(program);
        command.args(words).arg(daemon);
        self.run_daemon(name, command)
    }

    /// The process of a daemon that runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.keeper.pid(name)
    }

    /// How a daemon ended by itself, once; `None` while it runs.
    pub fn ended(&self, name: &str) -> Option<String> {
        self.keeper.ended(name)
    }

    /// SIGKILL to a bank's daemon, or to the coordinator's.
    pub fn kill(&self, name: &str) {
        (self.tell)(&format!("kill -9 {name}"));
        self.keeper.kill(name);
    }

    /// SIGKILL to the coordinator.
    pub fn kill_coordinator(&self) {
        self.kill(COORDINATOR);
    }

    /// Offers the task in `file`, a path inside the consortium's folder.
    ///
    /// # Errors
    /// What the coordinator has against it.
    pub fn create_task(&self, file: &str) -> Result<Digest, DemoError> {
        let told = self
            .office()
            .coordinator(&["task", "create", "--dir", COORDINATOR, file])?;
        told.split_whitespace()
            .find_map(Digest::from_hex)
            .ok_or_else(|| DemoError::content(Path::new(file), format!("the coordinator said {told:?}")))
    }

    /// Approves a task in a bank's name. The bank must have heard of it.
    ///
    /// # Errors
    /// What the bank's program has against it.
    pub fn approve(&self, bank: &str, task: &str) -> Result<(), DemoError> {
        self.office()
            .client(&["task", "approve", "--dir", bank, "--yes", task])
            .map(drop)
    }

    /// What the coordinator says of itself; `None` while nobody answers.
    ///
    /// # Errors
    /// [`DemoError::Died`] if a daemon has ended by itself.
    pub fn status(&self) -> Result<Option<Status>, DemoError> {
        self.keeper.check()?;
        match admin::ask(&self.archive(), &Request::Status) {
            Ok(Answer::Status(status)) => Ok(Some(*status)),
            _ => Ok(None),
        }
    }

    /// Looks at the status again and again until it is as wished, and gives it.
    ///
    /// # Errors
    /// [`DemoError::TooLong`] after `patience`, [`DemoError::Died`] if a daemon has ended by itself.
    pub fn wait_for(
        &self,
        what: &str,
        patience: Duration,
        wish: impl Fn(&Status) -> bool,
    ) -> Result<Status, DemoError> {
        let until = Instant::now() + patience;
        let mut said = "nothing yet".to_owned();
        while Instant::now() < until {
            if let Some(status) = self.status()? {
                if wish(&status) {
                    return Ok(status);
                }
                said = status.waiting_for;
            }
            thread::sleep(PAUSE);
        }
        Err(DemoError::TooLong {
            what: what.to_owned(),
            seconds: patience.as_secs(),
            said,
        })
    }

    /// Waits for so many more results of the first task, and gives the status then.
    ///
    /// # Errors
    /// As [`Consortium::wait_for`].
    pub fn wait_for_results(&self, what: &str, more: u32, patience: Duration) -> Result<Status, DemoError> {
        let step = |status: &Status| status.tasks.first().map_or(0, |task| task.step);
        let now = step(&self.wait_for(what, patience, |_| true)?);
        self.wait_for(what, patience, |status| step(status) >= now.saturating_add(more))
    }

    /// Waits until every bank that runs has been offered the task, and approves it in each.
    ///
    /// # Errors
    /// As [`Consortium::approve`] and [`Consortium::wait_for`].
    pub fn approve_everywhere(&self, name: &str, task: &Digest, patience: Duration) -> Result<(), DemoError> {
        let banks: Vec<&str> = self.setup.banks.iter().map(|bank| bank.name.as_str()).collect();
        let running = banks.into_iter().filter(|bank| self.keeper.runs(bank));
        for bank in running {
            let office = Office {
                tell: &|_| (),
                ..self.office()
            };
            let has_it = |_: &Status| {
                let offered = office.client(&["task", "list", "--dir", bank, "--json"]);
                offered.is_ok_and(|offered| offered.contains(&task.to_hex()))
            };
            self.wait_for(&format!("task {name} to reach {bank}"), patience, has_it)?;
            self.approve(bank, name)?;
        }
        Ok(())
    }

    /// Stops every daemon in good order.
    pub fn stop(&self) {
        self.keeper.stop_all();
    }

    /// Runs the auditor's program over the log and the archive, with the consortium file that the first bank pinned and that bank's
    /// receipts. It leaves its page in `audit.html`.
    ///
    /// # Errors
    /// If it cannot look; a log that does not verify is a [`Verdict`].
    pub fn verify(&self) -> Result<Verdict, DemoError> {
        let receipts = format!("{}/state/receipts", self.first_bank());
        let mut arguments = self.audit();
        arguments.extend(["--receipts", &receipts, "--report", AUDIT_PAGE, "--json"].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let office = self.office();
        let text = office.run(&self.programs.auditor, "veilsum-auditor", &arguments, &[0, 1])?;
        parse(&text, Path::new("the auditor's report"))
    }

    fn first_bank(&self) -> &str {
        self.setup.banks.first().map_or("", |bank| bank.name.as_str())
    }

    fn audit(&self) -> Vec<String> {
        let pinned = format!("{}/consortium.toml", self.first_bank());
        [
            "verify",
            "coordinator/log",
            "--consortium",
            &pinned,
            "--archive",
            "coordinator/data",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The audit as a command for a shell, from any folder.
    pub fn audit_command(&self) -> String {
        format!(
            "(cd '{}' && '{}' {})",
            self.setup.dir.display(),
            self.programs.auditor.display(),
            self.audit().join(" ")
        )
    }

    fn office(&self) -> Office<'_> {
        Office {
            programs: &self.programs,
            dir: &self.setup.dir,
            tell: &self.tell,
        }
    }

    fn start(&self, name: &str, program: &Path) -> Result<(), DemoError> {
        self.run_daemon(name, Command::new(program))
    }

    fn run_daemon(&self, name: &str, mut command: Command) -> Result<(), DemoError> {
        let log = self.trace(name);
        command.args(["run", "--dir", name]).current_dir(&self.setup.dir);
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = words.collect();
        let program = short(Path::new(command.get_program()));
        (self.tell)(&format!("{program} {} &", words.join(" ")));
        self.keeper.start(name, &mut command, &log)
    }
}

fn short(program: &Path) -> String {
    program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn parse<T: DeserializeOwned>(text: &str, what: &Path) -> Result<T, DemoError> {
    serde_json::from_str(text).map_err(|error| DemoError::content(what, error))
}
