//! The engine with its real ledger, log and blobs, and with real participants in the same process instead of a network.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use veilsum_coordinator::engine::driver::{Engine, Input, Parts, Upload};
use veilsum_coordinator::engine::gate::Gate;
use veilsum_coordinator::engine::sessions::Outlet;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::ledger::{Archive, StoredLedger};
use veilsum_coordinator::store::sled::SledStore;
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{ColumnSums, ScoreSums};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::{Action, Event, Participant, Pinned};
use veilsum_protocol::secagg::mask::mask_and_pack;
use veilsum_protocol::secagg::pack::unpack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

const TASK: &str = r#"
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

struct Wire(mpsc::UnboundedSender<ToBank>);

impl Outlet for Wire {
    fn send(&self, message: ToBank) -> bool {
        self.0.send(message).is_ok()
    }
}

/// A participant with everything that its daemon would keep.
struct Bank {
    machine: Participant,
    index: BankIndex,
    entropy: SeededEntropy,
    folder: PathBuf,
    archive: Arc<Archive>,
    task: Option<(Task, Plan, TaskState)>,
    digits: Option<Digits>,
    /// Stops before it uploads in this round.
    dies_in: Option<Round>,
    alive: bool,
}

impl Bank {
    async fn run(
        mut self,
        session: u64,
        inputs: mpsc::Sender<Input>,
        mut wire: mpsc::UnboundedReceiver<ToBank>,
    ) {
        let hello = self.machine.hello("test bank").message().clone();
        inputs
            .send(Input::Message(self.index, session, Box::new(hello)))
            .await
            .unwrap();
        let actions = self.machine.handle(Event::Connected, &mut self.entropy);
        self.act(actions, session, &inputs).await;
        while let Some(message) = wire.recv().await {
            if !self.alive {
                inputs
                    .send(Input::Disconnected(self.index, session))
                    .await
                    .unwrap();
                return;
            }
            match message {
                ToBank::Log(extension) => {
                    for entry in self.machine.verify_log(&extension).unwrap() {
                        let actions = self.machine.handle(Event::Entry(entry), &mut self.entropy);
                        self.act(actions, session, &inputs).await;
                    }
                }
                message => {
                    let actions = self.machine.handle(Event::Message(message), &mut self.entropy);
                    self.act(actions, session, &inputs).await;
                }
            }
        }
    }

    async fn act(&mut self, actions: Vec<Action>, session: u64, inputs: &mpsc::Sender<Input>) {
        let mut queue: std::collections::VecDeque<Action> = actions.into();
        while let Some(action) = queue.pop_front() {
            let event = match action {
                Action::Send(message) => {
                    let message = Box::new(message.message().clone());
                    inputs
                        .send(Input::Message(self.index, session, message))
                        .await
                        .unwrap();
                    continue;
                }
                Action::FetchTask(hash) => {
                    let task = Task::parse(&String::from_utf8(self.fetch(&hash)).unwrap()).unwrap();
                    let (plan, state) = (Plan::new(&task), TaskState::initial(&task));
                    let known = Event::TaskKnown(Box::new(plan.clone()), state.hash());
                    self.task = Some((task, plan, state));
                    queue.extend(self.machine.handle(known, &mut self.entropy));
                    Event::Approved(hash)
                }
                Action::Compute(open) => {
                    self.compute(open.kind);
                    Event::Computed(open.round)
                }
                Action::Mask(round, masks) => {
                    if self.dies_in == Some(round) {
                        self.alive = false;
                        return;
                    }
                    let mut packed = Vec::new();
                    mask_and_pack(&masks, self.digits.as_ref().unwrap(), |bytes| {
                        packed.extend_from_slice(bytes);
                        Ok::<_, ()>(())
                    })
                    .unwrap();
                    std::fs::write(self.upload_path(round), &packed).unwrap();
                    Event::Masked {
                        round,
                        length: packed.len() as u64,
                        hash: Digest::of(&packed),
                    }
                }
                Action::Upload(update) => {
                    let (answer, answered) = oneshot::channel();
                    let upload = Upload {
                        bank: self.index,
                        round: update.round(),
                        path: self.upload_path(update.round()),
                        length: update.length(),
                        hash: update.hash(),
                        trailer: update.trailer_bytes(),
                        answer,
                    };
                    inputs.send(Input::Uploaded(upload)).await.unwrap();
                    answered.await.unwrap().unwrap();
                    continue;
                }
                Action::Derive(open, result) => {
                    let (task, plan, state) = self.task.take().unwrap();
                    let layout = plan.layout(open.kind);
                    let mut lanes = Vec::new();
                    let ring = layout.ring(open.thresholds.banks).unwrap();
                    unpack(ring, &self.fetch(&result.sum), layout.lanes(), |lane| {
                        lanes.push(lane)
                    })
                    .unwrap();
                    let (next, _) = state.advance(&task, &plan, &lanes, result.survivors).unwrap();
                    let hash = next.hash();
                    self.task = Some((task, plan, next));
                    Event::Derived {
                        round: result.round,
                        state: Some(hash),
                    }
                }
                Action::Notice(veilsum_protocol::round::participant::Notice::Refused(rejection)) => {
                    panic!("{} refused: {rejection}", self.index)
                }
                Action::Persist | Action::Close(_) | Action::Notice(_) => continue,
            };
            queue.extend(self.machine.handle(event, &mut self.entropy));
        }
    }

    fn upload_path(&self, round: Round) -> PathBuf {
        self.folder.join(format!("upload-{}-{round}", self.index))
    }

    fn fetch(&self, hash: &Digest) -> Vec<u8> {
        use std::io::Read;
        let mut bytes = Vec::new();
        self.archive
            .open_published(hash)
            .expect("the blob is published")
            .0
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    fn compute(&mut self, kind: RoundKind) {
        let (_, plan, _) = self.task.as_ref().unwrap();
        let scores = ScoreSums::new(4, 2.0, histogram(16, 3), histogram(16, 9));
        let own = f32::from(self.index.get());
        let digits = match kind {
            RoundKind::Statistics => {
                let mut sums = ColumnSums::default();
                (0..10).for_each(|value| sums.add(f64::from(value) / 10.0));
                plan.statistics(&[sums])
            }
            RoundKind::Train => plan.train(&mut [0.01 * own, -0.02 * own], 100, &scores, &mut self.entropy),
            RoundKind::Evaluate => plan.evaluate(&scores),
        };
        self.digits = Some(digits.unwrap());
    }
}

fn histogram(bins: usize, at: usize) -> Vec<u64> {
    (0..bins).map(|bin| if bin == at { 2 } else { 0 }).collect()
}

struct World {
    folder: tempfile::TempDir,
    roster: Roster,
    log_key: VerifierKey,
}

impl World {
    fn new(banks: u16) -> Self {
        let entry = |index: u16| RosterEntry {
            index: BankIndex::new(index).unwrap(),
            name: format!("bank-{index}"),
            signing_key: signing_key(index).verifying_key().0,
            tls_key: Digest::of(&index.to_be_bytes()),
        };
        let roster = Roster::new("test/engine", (1..=banks).map(entry).collect()).unwrap();
        let log_key = VerifierKey::new("test/engine", signing_key(0).verifying_key().0).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            roster,
            log_key,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the coordinator as its daemon would at a start.
    fn engine(
        &self,
    ) -> (
        Engine<StoredLedger<SledStore>>,
        Arc<Archive>,
        mpsc::Sender<Input>,
        mpsc::Receiver<Input>,
    ) {
        let store = SledStore::open(&self.path().join("store")).unwrap();
        let ledger =
            StoredLedger::open(store, &self.path().join("log"), &self.log_key, signing_key(0)).unwrap();
        let archive = Arc::new(Archive::open(self.path()).unwrap());
        let (inputs, receiver) = mpsc::channel(64);
        let engine = Engine::recover(Parts {
            ledger,
            blobs: Arc::clone(&archive) as Arc<_>,
            roster: self.roster.clone(),
            gate: Arc::new(Gate::default()),
            reconnect_grace_s: 0,
            inputs: inputs.clone(),
        })
        .unwrap();
        (engine, archive, inputs, receiver)
    }

    async fn join(
        &self,
        index: u16,
        dies_in: Option<u64>,
        archive: &Arc<Archive>,
        inputs: &mpsc::Sender<Input>,
    ) {
        let bank = BankIndex::new(index).unwrap();
        let pinned = Pinned {
            bank,
            roster: self.roster.clone(),
            log_key: self.log_key.clone(),
            key: signing_key(index),
        };
        let bank = Bank {
            machine: Participant::new(pinned).unwrap(),
            index: bank,
            entropy: SeededEntropy::new(u64::from(index)),
            folder: self.path().to_owned(),
            archive: Arc::clone(archive),
            task: None,
            digits: None,
            dies_in: dies_in.map(Round),
            alive: true,
        };
        let (wire, receiver) = mpsc::unbounded_channel();
        inputs
            .send(Input::Connected(bank.index, 1, Box::new(Wire(wire))))
            .await
            .unwrap();
        tokio::spawn(bank.run(1, inputs.clone(), receiver));
    }
}

fn signing_key(index: u16) -> SigningKey {
    let mut entropy = SeededEntropy::new(1000 + u64::from(index));
    entropy.fill(&mut [0; 3]);
    SigningKey::generate(&mut entropy)
}

async fn status(inputs: &mpsc::Sender<Input>) -> Status {
    let (sender, receiver) = oneshot::channel();
    inputs.send(Input::Status(sender)).await.unwrap();
    receiver.await.unwrap()
}

/// Waits for a state of the consortium, and shows the last one when it does not come.
async fn wait_for(inputs: &mpsc::Sender<Input>, what: impl Fn(&Status) -> bool) -> Status {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = status(inputs).await;
        if what(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "it did not come to that: {now:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn finished(status: &Status) -> bool {
    status.tasks.first().is_some_and(|task| task.step == task.steps) && status.round.is_none()
}

async fn create(inputs: &mpsc::Sender<Input>, text: &str) -> Result<Digest, String> {
    let (sender, receiver) = oneshot::channel();
    inputs
        .send(Input::CreateTask(text.to_owned(), sender))
        .await
        .unwrap();
    receiver.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_runs_to_its_end_and_goes_on_without_a_bank_that_died() {
    let world = World::new(5);
    let (engine, archive, inputs, receiver) = world.engine();
    let running = tokio::spawn(engine.run(receiver, std::future::pending()));
    create(&inputs, TASK).await.unwrap();
    assert!(
        create(&inputs, TASK)
            .await
            .unwrap_err()
            .contains("exists already")
    );
    assert!(create(&inputs, "name = 3").await.unwrap_err().contains("name"));
    for index in 1..=5 {
        // Bank 4 dies in the second round, when the cohort already counts on its masks.
        world
            .join(index, (index == 4).then_some(2), &archive, &inputs)
            .await;
    }
    let end = wait_for(&inputs, finished).await;
    let last = end.last_result.unwrap();
    assert_eq!((last.round, last.survivors, last.rows), (4, 4, Some(16)));
    assert_eq!(last.auc, Some(1.0));
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_journal() {
    let world = World::new(3);
    let mut steps = BTreeMap::new();
    for start in 0..2 {
        let (engine, archive, inputs, receiver) = world.engine();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(engine.run(receiver, async {
            let _ = stopped.await;
        }));
        if start == 0 {
            create(&inputs, TASK).await.unwrap();
        }
        for index in 1..=3 {
            world.join(index, None, &archive, &inputs).await;
        }
        let reached = if start == 0 {
            wait_for(&inputs, |status| {
                status.tasks.first().is_some_and(|task| task.step >= 1)
            })
            .await
        } else {
            wait_for(&inputs, finished).await
        };
        steps.insert(start, reached.tasks.first().unwrap().step);
        let _ = stop.send(());
        running.await.unwrap().unwrap();
    }
    assert_eq!(steps.get(&1), Some(&4));
}

/// A scripted bank that says wire version 2 is told both numbers and is not greeted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_of_another_wire_version_is_told_both_numbers() {
    let world = World::new(3);
    let (engine, _archive, inputs, receiver) = world.engine();
    let running = tokio::spawn(engine.run(receiver, std::future::pending()));
    let bank = BankIndex::new(1).unwrap();
    let (wire, mut heard) = mpsc::unbounded_channel();
    inputs
        .send(Input::Connected(bank, 1, Box::new(Wire(wire))))
        .await
        .unwrap();
    let hello = ToCoordinator::Hello {
        wire: 2,
        software: "a bank of tomorrow".to_owned(),
        log_size: 0,
        armed: None,
    };
    inputs
        .send(Input::Message(bank, 1, Box::new(hello)))
        .await
        .unwrap();
    match heard.recv().await.unwrap() {
        ToBank::Rejected(rejection) => {
            assert_eq!(rejection.check, Check::Version);
            let said = rejection.to_string();
            assert!(
                said.contains("C-708") && said.contains("speaks version 2"),
                "{said}"
            );
            assert!(said.contains("version 1"), "{said}");
        }
        other => panic!("{other:?}"),
    }
    drop(running);
}
