//! Five banks of which one, `bank-5`, is tapped, and whose keys the test holds; the others train.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use veilsum_client::app;
use veilsum_client::transport::tls_config;
use veilsum_coordinator::config::{Config, Limits};
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_coordinator::enrol::init::Folder;
use veilsum_coordinator::transport::ServerIdentity;
pub use veilsum_examples::demo::consortium::COORDINATOR;
use veilsum_examples::demo::consortium::{Consortium, Member, Setup};
use veilsum_examples::demo::{Keeper, Programs};
use veilsum_protocol::ids::Digest;
use veilsum_tests::peer::Call;

use crate::memory::{bound, files, peak};
use crate::tap::Tap;

/// Longest wait for anything that must come.
pub const PATIENCE: Duration = Duration::from_secs(120);

const BANKS: usize = 5;
/// The bank whose line is tapped.
pub const TAPPED: &str = "bank-5";

/// Starts a daemon with few file descriptors, and with all that the system allows of core dumps.
const LAUNCHER: [&str; 4] = [
    "sh",
    "-c",
    "ulimit -n 200; ulimit -c unlimited; exec \"$@\"",
    "sh",
];

/// What the coordinator allows: less than usual, so that what is pinned beyond it stands out.
const LIMITS: [(&str, u32); 9] = [
    ("message_bytes", 1 << 20),
    ("outbound_messages", 64),
    ("max_handshakes", 16),
    ("streams", 4),
    ("stream_window_bytes", 1 << 16),
    ("connection_window_bytes", 1 << 17),
    ("send_window_bytes", 1 << 17),
    ("handshake_s", 2),
    ("stall_s", 1),
];

/// What the banks train on.
pub struct Material {
    /// The schema, without its place in the task.
    pub schema: &'static str,
    /// Of the model.
    pub model: &'static str,
    /// A bank's table, by its position.
    pub table: fn(usize) -> String,
    /// What daemons tell: a filter of `tracing`.
    pub trace: &'static str,
}

pub struct Scene {
    pub consortium: Consortium,
    pub runtime: Runtime,
    /// As `bank-5`.
    pub call: Call,
    pub tap: Tap,
    pub task: Digest,
    pub limits: Limits,
    trace: &'static str,
    _scratch: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One scene at a time: six processes fill two cores.
static TURN: Mutex<()> = Mutex::new(());

impl Scene {
    /// All five train, and two results are published.
    pub fn start(material: &Material) -> Self {
        // A scene that failed says so itself.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("c");
        let member = |number: usize| {
            let name = format!("bank-{number}");
            let table = scratch.path().join(format!("{name}.csv"));
            fs::write(&table, (material.table)(number)).unwrap();
            Member {
                name,
                table,
                labels: None,
            }
        };
        let setup = Setup {
            dir: dir.clone(),
            name: "test".to_owned(),
            banks: (1..=BANKS).map(member).collect(),
            schema: material.schema.to_owned(),
            reconnect_grace_s: 1,
            idle_s: 5,
        };
        let programs = Programs::beside_this_one().unwrap();
        let consortium = Consortium::enrol(setup, programs, Keeper::default(), Box::new(|_| ())).unwrap();
        let config = Folder::at(&dir.join(COORDINATOR)).config();
        for (key, value) in LIMITS {
            set_number(&config, key, value);
        }
        let limits = Config::load(&config, []).unwrap().limits;
        fs::write(dir.join("task.toml"), task(material)).unwrap();

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let call = call(&consortium.bank_folder(TAPPED));
        let tap = runtime.block_on(async { Tap::listen(server(&dir.join(COORDINATOR)), call.clone()) });
        divert(&consortium.bank_folder(TAPPED), call.address, tap.address);
        let mut scene = Self {
            consortium,
            runtime,
            call,
            tap,
            task: Digest([0; 32]),
            limits,
            trace: material.trace,
            _scratch: scratch,
            _turn: turn,
        };
        scene.start_coordinator();
        for number in 1..=BANKS {
            scene.start_bank(&format!("bank-{number}"));
        }
        scene.task = scene.consortium.create_task("task.toml").unwrap();
        scene
            .consortium
            .approve_everywhere("long", &scene.task, PATIENCE)
            .unwrap();
        let status = scene.rounds_go_on("the first rounds");
        assert_eq!(status.epoch, Some(1));
        scene
    }

    fn launch(&self, name: &str) {
        let trace = format!("VEILSUM_TRACE={}", self.trace);
        let words = ["env", &trace].into_iter().chain(LAUNCHER);
        let words: Vec<&str> = words.collect();
        self.consortium.start_under(&words, name).unwrap();
    }

    pub fn start_coordinator(&self) {
        self.launch(COORDINATOR);
        self.consortium
            .wait_for("the coordinator to answer", PATIENCE, |_| true)
            .unwrap();
    }

    pub fn start_bank(&self, name: &str) {
        self.launch(name);
    }

    /// Waits for two more results.
    pub fn rounds_go_on(&self, what: &str) -> Status {
        let status = self.consortium.wait_for_results(what, 2, PATIENCE).unwrap();
        assert!(
            matches!(status.tasks[0].status, TaskStatus::Running),
            "{what}: {:?}",
            status.tasks[0]
        );
        status
    }

    /// Waits until every bank is connected and one more sum holds them all.
    pub fn everybody_is_in(&self) {
        let now = self
            .rounds_go_on("rounds")
            .last_result
            .map_or(0, |result| result.round);
        let all = |status: &Status| {
            let result = status.last_result.as_ref();
            result.is_some_and(|result| result.round > now && usize::from(result.survivors) == BANKS)
        };
        self.consortium
            .wait_for("a sum of all banks", PATIENCE, all)
            .unwrap();
    }

    /// Attacks until two more results are published and the attack has hit at least `least` times. The coordinator must live, in the memory
    /// that its limits say.
    pub fn under_attack<A: Future<Output = ()> + Send + 'static>(
        &self,
        what: &str,
        least: usize,
        attack: impl FnOnce(Hits) -> A,
    ) {
        let hits = Hits::default();
        let began = Instant::now();
        let attacker = self.runtime.spawn(attack(hits.clone()));
        self.rounds_go_on(what);
        while hits.number() < least {
            if attacker.is_finished() {
                self.ended(attacker);
                panic!("{what}: the attack gave up after {} hits", hits.number());
            }
            assert!(began.elapsed() < PATIENCE, "{what}: only {} hits", hits.number());
            // The coordinator must still be there.
            self.consortium.status().unwrap();
            thread::park_timeout(Duration::from_millis(5));
        }
        attacker.abort();
        self.ended(attacker);
        let pid = self.consortium.pid(COORDINATOR).unwrap();
        let (peak, bound) = (peak(pid), bound(&self.limits, 1));
        println!(
            "{what}: {} hits in {:.1} s; {} MiB at most, bound {} MiB; {} files",
            hits.number(),
            began.elapsed().as_secs_f64(),
            peak >> 20,
            bound >> 20,
            files(pid),
        );
        assert!(
            peak <= bound,
            "{what}: {peak} bytes in memory, at most {bound} may be"
        );
    }

    /// What a daemon told on standard output and standard error.
    pub fn log(&self, name: &str) -> PathBuf {
        self.consortium
            .setup()
            .dir
            .join("logs")
            .join(format!("{name}.log"))
    }

    fn ended(&self, attacker: JoinHandle<()>) {
        if let Err(error) = self.runtime.block_on(attacker)
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }

    /// Stops everything; the auditor agrees with the log and every sum.
    pub fn finish(self) {
        self.consortium.stop();
        // A task that panics does not end the daemon.
        let told = fs::read_to_string(self.log(COORDINATOR)).unwrap();
        assert!(!told.contains("panicked"), "{told}");
        let verdict = self.consortium.verify().unwrap();
        assert!(verdict.verifies, "{}", verdict.verdict);
        assert!(verdict.replayed.is_some_and(|sums| sums > 0));
    }
}

/// How often an attack did what it is there to do.
#[derive(Clone, Default)]
pub struct Hits(Arc<AtomicUsize>);

impl Hits {
    pub fn hit(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn number(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn task(material: &Material) -> String {
    let schema = material.schema.replace("[[column]]", "[[schema.column]]");
    format!(
        "name = \"long\"\nrounds = 4000\nseed = 5\n[schema]\n{schema}[model]\n{}\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 8\nlocal_epochs = 1\n\
         [encoding]\n[evaluation]\nbins = 16\n\
         [deadlines]\nprepare_s = 1\nready_s = 4\ncollect_s = 4\nconfirm_s = 4\nunmask_s = 4\nack_s = 4\nattempts = 100\n",
        material.model
    )
}

/// As an operator would with an editor.
fn set_number(path: &Path, key: &str, value: u32) {
    let text = fs::read_to_string(path).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{key} = ")))
        .unwrap();
    fs::write(path, text.replace(line, &format!("{key} = {value}"))).unwrap();
}

/// Who has the files of this bank, and calls the coordinator.
fn call(folder: &Path) -> Call {
    let config = app::config(folder).unwrap();
    let (consortium, roster) = app::consortium(&config).unwrap();
    let identity = app::identity(&config, &consortium, &roster).unwrap();
    let options = app::link_options(&config, &consortium, &identity).unwrap();
    Call {
        address: options.address.parse().unwrap(),
        server_name: options.server_name.clone(),
        tls: tls_config(&options).unwrap(),
    }
}

/// The coordinator's own TLS.
fn server(folder: &Path) -> rustls::ServerConfig {
    let folder = Folder::at(folder);
    let (certificate, key) = (
        folder.identity("server.crt.pem"),
        folder.identity("server.key.pem"),
    );
    let ca = fs::read_to_string(folder.identity("ca.crt.pem")).unwrap();
    let identity = ServerIdentity::load(&certificate, &key, &ca).unwrap();
    veilsum_coordinator::transport::tls_config(&identity).unwrap()
}

/// Has a bank call another address, by TCP.
fn divert(folder: &Path, from: SocketAddr, to: SocketAddr) {
    let consortium = folder.join("consortium.toml");
    let text = fs::read_to_string(&consortium).unwrap();
    assert!(text.contains(&from.to_string()));
    fs::write(&consortium, text.replace(&from.to_string(), &to.to_string())).unwrap();
    let config = folder.join("bank.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains("transport = \"auto\""));
    fs::write(
        &config,
        text.replace("transport = \"auto\"", "transport = \"tcp\""),
    )
    .unwrap();
}
