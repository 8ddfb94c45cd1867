//! A consortium of three banks on paper: a log with its key, a link that the test answers, and one bank's folder.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::{Signature, SigningKey};
use veilsum_protocol::ids::{BankIndex, Digest, Timestamp};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{
    Checkpoint, CompactRange, Cosignature, VerifiedCheckpoint, VerifierKey, leaf_hash,
};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::participant::{Participant, Pinned};
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Extension, Leaf, ToBank, ToCoordinator};
use veilsum_protocol::wire::outbound::{OutboundMessage, OutboundUpdate};

use crate::data::Room;
use crate::desensitise::PolicySource;
use crate::egress::Ledger;
use crate::participant::contribution::Source;
use crate::participant::{
    Channel, ConsortiumFile, Driver, DriverError, Home, Parts, Status, Tasks, Trainer, Voice, restore,
};
use crate::train::{DeviceChoice, Runtime};
use crate::transport::{DownReason, Event as LinkEvent, FetchError, NotSent, Positions, UploadError, Way};

/// Longest that any step of a test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a step, and fails instead of hanging.
async fn soon<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step)
        .await
        .expect("a step took too long")
}

pub(super) const SCHEMA: &str = r#"
version = 1
label = "y"
[[column]]
name = "a"
type = "number"
min = 0
max = 10
"#;

const TASK: &str = r#"
name = "credit"
rounds = 2
seed = 3
[schema]
version = 1
label = "y"
column = [{ name = "a", type = "number", min = 0, max = 10 }]
[model]
family = "logistic"
[training]
optimiser = "sgd"
learning_rate = 0.5
batch_size = 8
local_epochs = 2
[evaluation]
hold_out = 0.25
bins = 16
"#;

pub(super) fn task() -> Task {
    Task::parse(TASK).unwrap()
}

/// Rows of a bank: the label follows the number.
pub(super) fn table(rows: u32) -> String {
    let row = |row: u32| {
        format!(
            "{},{}\n",
            f64::from(row * 7 % 100) / 10.0,
            u8::from(row * 7 % 100 > 45)
        )
    };
    "a,y\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

pub(super) fn source(folder: &Path, rows: u32) -> Source {
    std::fs::write(folder.join("schema.toml"), SCHEMA).unwrap();
    std::fs::write(folder.join("data.csv"), table(rows)).unwrap();
    Source {
        files: folder.join("data.csv").into(),
        schema: folder.join("schema.toml"),
        policy: PolicySource {
            policy: folder.join("policy.toml"),
            is_named: false,
            key: folder.join("desensitise.key"),
        },
        salt: [9; 32],
        room: Room::in_memory(),
        runtime: Runtime::start(DeviceChoice::Cpu, 1).unwrap(),
    }
}

/// The log, as the coordinator writes it.
pub(super) struct Log {
    key: SigningKey,
    leaves: Vec<Vec<u8>>,
}

impl Log {
    pub(super) fn verifier(&self) -> VerifierKey {
        VerifierKey::new("demo", self.key.verifying_key().0).unwrap()
    }

    pub(super) fn push(&mut self, entry: &Entry) {
        self.leaves.push(entry.to_bytes());
    }

    /// All banks' cosignatures under the newest head.
    pub(super) fn witnessed(&self) -> ToBank {
        let head = self.head();
        let cosign = |(position, seed): (u16, &u64)| {
            let cosignature = Cosignature::sign(&witness_key(*seed), head.note().text(), Timestamp(1));
            (BankIndex::new(position).unwrap(), cosignature)
        };
        ToBank::Witnessed {
            size: head.checkpoint().size,
            cosignatures: (1..).zip(&KEYS).map(cosign).collect(),
        }
    }

    fn head(&self) -> VerifiedCheckpoint {
        let mut range = CompactRange::new();
        for leaf in &self.leaves {
            range.append_leaf_hash(leaf_hash(leaf));
        }
        let head = Checkpoint {
            origin: "demo".to_owned(),
            size: range.size(),
            root: range.root(),
        };
        head.sign(&self.verifier(), |bytes| self.key.sign_bytes(bytes).0)
            .unwrap()
    }

    /// Everything from entry `from` on.
    pub(super) fn extension(&self, from: usize) -> ToBank {
        ToBank::Log(Extension {
            from: from as u64,
            leaves: self.leaves[from..].iter().cloned().map(Leaf::Entry).collect(),
            checkpoint: self.head().note().as_str().to_owned(),
        })
    }
}

/// Something that the daemon did on its link.
pub(super) enum Act {
    Sent(ToCoordinator),
    Fetch(Digest, oneshot::Sender<Result<Vec<u8>, FetchError>>),
}

#[derive(Clone)]
pub(super) struct PaperLink(mpsc::UnboundedSender<Act>);

impl Channel for PaperLink {
    async fn send(&self, message: &OutboundMessage) -> Result<(), NotSent> {
        self.0
            .send(Act::Sent(message.message().clone()))
            .map_err(|_| NotSent)
    }

    async fn upload(&self, _: &OutboundUpdate, _: &Path) -> Result<(), UploadError> {
        // These scenes hold no round in which this bank takes part.
        std::future::pending().await
    }

    async fn fetch(&self, hash: Digest, _: usize) -> Result<Vec<u8>, FetchError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.0.send(Act::Fetch(hash, reply));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

/// A running daemon.
pub(super) struct Running {
    pub(super) link: mpsc::Sender<LinkEvent<ToBank>>,
    acts: mpsc::UnboundedReceiver<Act>,
    stop: Option<oneshot::Sender<()>>,
    daemon: JoinHandle<Result<(), DriverError>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Running {
    pub(super) async fn tell(&self, message: ToBank) {
        soon(self.link.send(LinkEvent::Message(message))).await.unwrap();
    }

    /// The log from `from` on, which this bank and all others cosign.
    pub(super) async fn follow(&mut self, log: &Log, from: usize) {
        self.tell(log.extension(from)).await;
        match self.sent().await {
            ToCoordinator::Cosignature { size, .. } => assert_eq!(size, log.leaves.len() as u64),
            other => panic!("{other:?} was sent in place of a cosignature"),
        }
        self.tell(log.witnessed()).await;
    }

    pub(super) async fn up(&mut self) -> u64 {
        soon(self.link.send(LinkEvent::Up(Way {
            transport: veilsum_link::Transport::Quic,
            why: None,
        })))
        .await
        .unwrap();
        match self.sent().await {
            ToCoordinator::Hello { log_size, .. } => log_size,
            other => panic!("{other:?} came before the hello"),
        }
    }

    pub(super) async fn down(&self) {
        let event = LinkEvent::Down {
            reason: DownReason::Replaced,
            retry_in: Duration::from_secs(1),
        };
        soon(self.link.send(event)).await.unwrap();
    }

    pub(super) async fn sent(&mut self) -> ToCoordinator {
        match soon(self.acts.recv()).await.unwrap() {
            Act::Sent(message) => message,
            Act::Fetch(hash, _) => panic!("a blob was asked for: {hash}"),
        }
    }

    pub(super) async fn asked(&mut self, hash: Digest) -> oneshot::Sender<Result<Vec<u8>, FetchError>> {
        match soon(self.acts.recv()).await.unwrap() {
            Act::Fetch(asked, reply) => {
                assert_eq!(asked, hash);
                reply
            }
            Act::Sent(message) => panic!("{message:?} was sent"),
        }
    }

    /// Lets the daemon do all that it can, and checks that it did nothing on the link.
    pub(super) async fn is_quiet(&mut self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        assert!(self.acts.try_recv().is_err());
    }

    pub(super) fn said(&self, part: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.contains(part))
    }

    pub(super) fn lines(&self, look: impl FnMut(&String)) {
        self.lines.lock().unwrap().iter().for_each(look);
    }

    /// Ends without a chance to write anything.
    pub(super) async fn crash(self) {
        self.daemon.abort();
        let _ = soon(self.daemon).await;
    }

    /// Waits for its end, and checks that it did nothing more on the link.
    pub(super) async fn ended(mut self) -> Result<(), DriverError> {
        let outcome = soon(self.daemon).await.unwrap();
        assert!(self.acts.try_recv().is_err());
        outcome
    }

    pub(super) async fn stop(mut self) -> Result<(), DriverError> {
        self.stop.take().unwrap().send(()).unwrap();
        soon(self.daemon).await.unwrap()
    }
}

pub(super) struct Scene {
    pub(super) folder: tempfile::TempDir,
    pub(super) roster: Roster,
    keys: Vec<u64>,
    pub(super) log: Log,
}

fn roster(keys: &[u64]) -> Roster {
    let entry = |(position, seed): (u16, &u64)| RosterEntry {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{position}"),
        signing_key: signing_key(*seed).verifying_key().0,
        witness_key: witness_key(*seed).verifying_key().0,
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    Roster::new("demo", (1..).zip(keys).map(entry).collect()).unwrap()
}

/// The banks of the first roster.
const KEYS: [u64; 3] = [11, 12, 13];

fn witness_key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(100 + seed))
}

fn signing_key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(seed))
}

impl Scene {
    pub(super) fn new() -> Self {
        let keys = KEYS.to_vec();
        let roster = roster(&keys);
        let mut log = Log {
            key: signing_key(1),
            leaves: Vec::new(),
        };
        log.push(&Entry::from(&roster));
        Self {
            folder: tempfile::tempdir().unwrap(),
            roster,
            keys,
            log,
        }
    }

    /// A roster with one more bank, as a new consortium file would bring it.
    pub(super) fn add_bank(&mut self) {
        self.keys.push(14);
        self.roster = roster(&self.keys);
    }

    pub(super) fn offer(&mut self) -> Task {
        let task = task();
        self.log.push(&Entry::Task {
            name: task.name.clone(),
            task: task.hash(),
        });
        task
    }

    /// What every bank signs.
    pub(super) fn signatures<T: Canonical>(&self, statement: &T) -> Vec<(BankIndex, Signature)> {
        let keys = self.keys.iter().map(|seed| signing_key(*seed));
        let banks = self.roster.banks().iter().map(|bank| bank.index);
        banks.zip(keys.map(|key| key.sign(statement))).collect()
    }

    /// What a command of the operator writes into beside the daemon, which has the rest of the home to itself.
    pub(super) fn tasks(&self) -> Tasks {
        Home::tasks(&self.folder.path().join("state")).unwrap()
    }

    pub(super) fn home(&self) -> Home {
        Home::open(
            &self.folder.path().join("state"),
            self.folder.path().join("models"),
        )
        .unwrap()
    }

    fn pinned(&self) -> Pinned {
        Pinned {
            bank: BankIndex::new(1).unwrap(),
            roster: self.roster.clone(),
            log_key: self.log.verifier(),
            key: signing_key(self.keys[0]),
            witness_key: witness_key(self.keys[0]),
        }
    }

    /// The participant as it stands on disk.
    pub(super) fn saved(&self) -> Participant {
        restore(&self.home(), self.pinned()).unwrap()
    }

    pub(super) fn start(&self) -> Running {
        let home = self.home();
        let participant = restore(&home, self.pinned()).unwrap();
        let (acting, acts) = mpsc::unbounded_channel();
        let (link, events) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel::<()>();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let say = Box::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        let voice = Voice::new(say, home.status.clone(), Status::default());
        let source = source(self.folder.path(), 40);
        let policy = source.policy.clone();
        let trainer = Trainer::start(source, home.rounds.clone(), home.own.clone()).unwrap();
        let parts = Parts {
            participant,
            entropy: SeededEntropy::new(5),
            channel: PaperLink(acting),
            home,
            policy,
            trainer,
            voice,
            consortium: ConsortiumFile::new(self.folder.path().join("consortium.toml")),
            positions: Positions::of([BankIndex::new(1).unwrap()]),
            ledger: Ledger::in_memory(),
            address: "coordinator:7443".to_owned(),
            certificate: mpsc::unbounded_channel().1,
        };
        let daemon = tokio::spawn(async move {
            let stop = async move {
                let _ = stopped.await;
            };
            Driver::start(parts)?.run(events, stop).await
        });
        Running {
            link,
            acts,
            stop: Some(stop),
            daemon,
            lines,
        }
    }
}
