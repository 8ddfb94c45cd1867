//! A coordinator as its daemon starts it, again and again over one folder, and the banks that join it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use veilsum_coordinator::engine::broadcast::Feed;
use veilsum_coordinator::engine::driver::{Engine, Input, Parts};
use veilsum_coordinator::engine::gate::Gate;
use veilsum_coordinator::engine::ports::{Commit, Fault, Membership, Store, StoreError, View};
use veilsum_coordinator::engine::roster::RosterView;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::ledger::{Archive, StoredLedger};
use veilsum_coordinator::store::sled::SledStore;
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::participant::{Participant, Pinned};
use veilsum_protocol::wire::canonical::Canonical;

use crate::bank::{Bank, Line, Trouble, Wire};

pub const TASK: &str = r#"
name = "small"
rounds = 2
seed = 1
[schema]
version = 1
label = "default"
[[schema.column]]
name = "income"
type = "number"
min = 0.0
max = 10.0
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
prepare_s = 5
ready_s = 5
collect_s = 5
confirm_s = 5
unmask_s = 5
ack_s = 5
attempts = 2
"#;

/// What the daemon gives the banks to agree on keys, in seconds.
const SET_UP_LIMIT_S: u32 = 60;

/// A commit of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So many of its life, from 1.
    Commit(usize),
    /// The one with the result that is this of its life, from 1.
    Result(usize),
}

/// A process that dies around a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Around which.
    pub at: Moment,
    /// True: the commit is on the disk, and nothing that follows happened.
    pub lands: bool,
}

pub struct MortalStore {
    store: SledStore,
    folder: PathBuf,
    death: Option<Death>,
    commits: usize,
    results: usize,
    dead: bool,
}

impl Store for MortalStore {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.commits += 1;
        let is_result = |bytes: &&Vec<u8>| matches!(Entry::from_bytes(bytes), Ok(Entry::Result(_)));
        self.results += commit.entries.iter().filter(is_result).count();
        let reached = |death: &Death| match death.at {
            Moment::Commit(number) => self.commits >= number,
            Moment::Result(number) => self.results >= number,
        };
        match self.death.filter(reached) {
            None => self.store.commit(commit),
            Some(death) => {
                if death.lands && !self.dead {
                    self.store.commit(commit)?;
                }
                self.dead = true;
                Err(StoreError::Failed {
                    path: self.folder.clone(),
                })
            }
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.store.scan(prefix)
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        self.store.log_size()
    }

    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.store.entries(from, to)
    }

    fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.store.checkpoint()
    }

    fn view(&self) -> Result<View, StoreError> {
        self.store.view()
    }
}

pub struct World {
    folder: tempfile::TempDir,
    roster: Roster,
    log_key: VerifierKey,
    sessions: AtomicU64,
    seats: Arc<Seats>,
}

/// The door, with everybody before it who is to join.
#[derive(Default)]
struct Seats(Mutex<Option<Roster>>);

impl Membership for Seats {
    fn seat(&self, roster: &Roster) -> Result<(), Fault> {
        *self.0.lock().unwrap() = Some(roster.clone());
        Ok(())
    }

    fn expect(&self, _: &[RosterEntry], _: &str) {}

    fn is_here(&self, _: &RosterEntry) -> bool {
        true
    }
}

/// A coordinator that runs.
pub struct Office {
    pub inputs: mpsc::Sender<Input>,
    pub feed: Feed,
    archive: Arc<Archive>,
    running: JoinHandle<Result<(), Fault>>,
    stop: oneshot::Sender<()>,
}

impl Office {
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.running.await.unwrap().unwrap();
    }

    /// It is gone at once.
    pub async fn kill(self) {
        self.running.abort();
        // Whether it had died of itself before.
        drop(self.running.await);
    }

    /// Waits until it dies of itself.
    pub async fn death(self) {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.running).await;
        let ended = ended.expect("the commit is never reached").unwrap();
        assert!(ended.is_err());
    }
}

impl World {
    pub fn new(banks: u16) -> Self {
        let roster = roster_of(&(1..=banks).collect::<Vec<_>>());
        let log_key = VerifierKey::new("test/engine", signing_key(0).verifying_key().0).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            roster,
            log_key,
            sessions: AtomicU64::new(1),
            seats: Arc::default(),
        }
    }

    /// New banks pin the roster of these members, by position; and the consortium file names it at the next start.
    pub fn reform(&mut self, members: &[u16]) {
        self.roster = roster_of(members);
    }

    /// The roster that the coordinator goes by.
    pub fn roster(&self) -> Roster {
        let seated = self.seats.0.lock().unwrap().clone();
        seated.unwrap_or_else(|| self.roster.clone())
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    #[allow(dead_code)]
    pub fn log_key(&self) -> VerifierKey {
        self.log_key.clone()
    }

    fn store(&self) -> SledStore {
        SledStore::open(&self.path().join("store")).unwrap()
    }

    /// The coordinator as its daemon would start it.
    pub fn start(&self) -> Office {
        self.start_with(None, SET_UP_LIMIT_S)
    }

    /// Why it does not start.
    pub fn refused(&self) -> String {
        let (inputs, _) = mpsc::channel(1);
        match self.engine(None, SET_UP_LIMIT_S, inputs) {
            Ok(_) => panic!("it starts"),
            Err(fault) => fault.to_string(),
        }
    }

    pub fn start_with(&self, death: Option<Death>, set_up_limit_s: u32) -> Office {
        let (inputs, receiver) = mpsc::channel(64);
        let (engine, archive) = self.engine(death, set_up_limit_s, inputs.clone()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let feed = engine.feed();
        let running = tokio::spawn(engine.run(receiver, async {
            let _ = stopped.await;
        }));
        Office {
            inputs,
            feed,
            archive,
            running,
            stop,
        }
    }

    fn engine(
        &self,
        death: Option<Death>,
        set_up_limit_s: u32,
        inputs: mpsc::Sender<Input>,
    ) -> Result<(Engine<StoredLedger<MortalStore>>, Arc<Archive>), Fault> {
        let store = MortalStore {
            store: self.store(),
            folder: self.path().to_owned(),
            death,
            commits: 0,
            results: 0,
            dead: false,
        };
        let ledger =
            StoredLedger::open(store, &self.path().join("log"), &self.log_key, signing_key(0)).unwrap();
        let archive = Arc::new(Archive::open(self.path()).unwrap());
        let engine = Engine::recover(Parts {
            ledger,
            blobs: Arc::clone(&archive) as Arc<_>,
            roster: self.roster.clone(),
            membership: Arc::clone(&self.seats) as _,
            gate: Arc::new(Gate::default()),
            reconnect_grace_s: 0,
            set_up_limit_s,
            inputs,
        })?;
        Ok((engine, archive))
    }

    /// A bank without any state. `life` tells apart what it draws.
    pub fn bank(&self, index: u16, life: u16) -> Bank {
        let bank = BankIndex::new(index).unwrap();
        let pinned = Pinned {
            bank,
            roster: self.roster.clone(),
            log_key: self.log_key.clone(),
            key: signing_key(self.member(index)),
            witness_key: witness_key(self.member(index)),
        };
        Bank {
            machine: Participant::new(pinned).unwrap(),
            index: bank,
            entropy: SeededEntropy::new(u64::from(index) + 1000 * u64::from(life)),
            folder: self.path().to_owned(),
            tasks: std::collections::BTreeMap::new(),
            digits: None,
            masked: std::collections::BTreeMap::new(),
            trouble: Trouble::default(),
            alive: true,
            pinned: None,
            refuses_rosters: false,
            refuses: None,
            refused: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// The number of the bank at a position, which it keeps wherever it stands.
    fn member(&self, index: u16) -> u16 {
        let entry = self.roster.bank(BankIndex::new(index).unwrap()).unwrap();
        entry.name.strip_prefix("bank-").unwrap().parse().unwrap()
    }

    pub fn banks(&self) -> Vec<Bank> {
        let banks = self.roster.banks().iter();
        banks.map(|entry| self.bank(entry.index.get(), 0)).collect()
    }

    pub async fn join(&self, office: &Office, mut bank: Bank) -> JoinHandle<Bank> {
        // Its position goes by the roster that the coordinator goes by.
        let roster = self.roster();
        let name = bank
            .machine
            .roster()
            .bank(bank.machine.bank())
            .unwrap()
            .name
            .clone();
        bank.index = roster.named(&name).unwrap().index;
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        let (wire, receiver) = mpsc::unbounded_channel();
        let connected = Input::Connected(bank.index, session, Box::new(Wire(wire, roster.hash())));
        // A coordinator that has died takes it no more; the bank sees its end at once.
        let _ = office.inputs.send(connected).await;
        let line = Line {
            session,
            inputs: office.inputs.clone(),
            archive: Arc::clone(&office.archive),
        };
        tokio::spawn(bank.run(line, receiver))
    }

    pub async fn join_all(&self, office: &Office, banks: Vec<Bank>) -> Vec<JoinHandle<Bank>> {
        let mut joined = Vec::new();
        for bank in banks {
            joined.push(self.join(office, bank).await);
        }
        joined
    }

    /// All banks, armed for epoch 1; the coordinator is stopped.
    pub async fn armed(&self) -> Vec<Bank> {
        let office = self.start();
        let joined = self.join_all(&office, self.banks()).await;
        wait_for(&office, |status| status.epoch == Some(1)).await;
        office.stop().await;
        back(joined).await
    }

    /// The log of a coordinator that is stopped.
    pub fn log(&self) -> Vec<Entry> {
        let store = self.store();
        let entries = store.entries(0, store.log_size().unwrap()).unwrap();
        entries
            .iter()
            .map(|bytes| Entry::from_bytes(bytes).unwrap())
            .collect()
    }
}

/// The banks as they are when their connections have ended.
pub async fn back(joined: Vec<JoinHandle<Bank>>) -> Vec<Bank> {
    let mut banks = Vec::new();
    for bank in joined {
        banks.push(bank.await.unwrap());
    }
    banks
}

/// Proposes a roster with these members more and without those.
pub async fn propose(office: &Office, add: &[u16], remove: &[u16]) -> Result<RosterView, String> {
    let (sender, receiver) = oneshot::channel();
    let add = if add.is_empty() { Vec::new() } else { members(add) };
    let remove = remove.iter().map(|member| format!("bank-{member}")).collect();
    let input = Input::ProposeRoster(add, remove, sender);
    office.inputs.send(input).await.unwrap();
    receiver.await.unwrap()
}

/// Each member has the name and the key of its number.
pub fn roster_of(list: &[u16]) -> Roster {
    Roster::new("test/engine", members(list)).unwrap()
}

fn members(list: &[u16]) -> Vec<RosterEntry> {
    let entry = |(position, member): (u16, &u16)| RosterEntry {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{member}"),
        signing_key: signing_key(*member).verifying_key().0,
        witness_key: witness_key(*member).verifying_key().0,
        tls_key: Digest::of(&member.to_be_bytes()),
    };
    (1..).zip(list).map(entry).collect()
}

pub fn signing_key(index: u16) -> SigningKey {
    let mut entropy = SeededEntropy::new(1000 + u64::from(index));
    entropy.fill(&mut [0; 3]);
    SigningKey::generate(&mut entropy)
}

fn witness_key(index: u16) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(2000 + u64::from(index)))
}

pub async fn status(office: &Office) -> Status {
    let (sender, receiver) = oneshot::channel();
    office.inputs.send(Input::Status(sender)).await.unwrap();
    receiver.await.unwrap()
}

/// Waits for a state of the consortium, and shows the last one when it does not come.
pub async fn wait_for(office: &Office, what: impl Fn(&Status) -> bool) -> Status {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = status(office).await;
        if what(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "it did not come to that: {now:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn finished(status: &Status) -> bool {
    status.tasks.first().is_some_and(|task| task.step == task.steps) && status.round.is_none()
}

pub async fn create(office: &Office, text: &str) -> Result<Digest, String> {
    ask(office, |to| Input::CreateTask(text.to_owned(), to)).await
}

/// What the operator asks of the engine, and what it says.
pub async fn ask<T>(office: &Office, question: impl FnOnce(oneshot::Sender<T>) -> Input) -> T {
    let (sender, receiver) = oneshot::channel();
    office.inputs.send(question(sender)).await.unwrap();
    receiver.await.unwrap()
}
