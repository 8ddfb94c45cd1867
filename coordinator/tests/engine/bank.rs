//! A bank with everything that its daemon would keep, and with what may go wrong with it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use veilsum_coordinator::engine::driver::{Input, Upload};
use veilsum_coordinator::engine::sessions::Outlet;
use veilsum_coordinator::ledger::Archive;
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::ids::{BankIndex, Digest, Round, Timestamp};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{TaskState, Turnout};
use veilsum_protocol::model::{ColumnSums, ScoreSums};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::{Action, DerivedState, Event, Notice, Participant};
use veilsum_protocol::secagg::mask::mask_and_pack;
use veilsum_protocol::secagg::pack::unpack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_protocol::wire::refusal::RefusalReason;

pub struct Wire(pub mpsc::UnboundedSender<ToBank>, pub Digest);

impl Outlet for Wire {
    fn goes_by(&self, roster: &Digest) -> bool {
        self.1 == *roster
    }

    fn send(&self, message: ToBank) -> bool {
        self.0.send(message).is_ok()
    }
}

/// What goes wrong.
#[derive(Default)]
pub struct Trouble {
    /// It stops before it masks in this round.
    pub dies_in: Option<Round>,
    /// It stops when such a message comes, before it is acted on.
    pub dies_at: Option<fn(&ToBank) -> bool>,
    /// Its masked updates never arrive.
    pub loses_uploads: bool,
    /// Its messages of this kind never arrive.
    pub loses: Option<fn(&ToCoordinator) -> bool>,
}

pub struct Bank {
    pub machine: Participant,
    pub index: BankIndex,
    pub entropy: SeededEntropy,
    pub folder: PathBuf,
    pub tasks: BTreeMap<Digest, (Task, Plan, TaskState)>,
    pub digits: Option<Digits>,
    pub masked: BTreeMap<Round, Vec<u8>>,
    pub trouble: Trouble,
    pub alive: bool,
    /// The roster that it put into its own file.
    pub pinned: Option<Roster>,
    pub refuses_rosters: bool,
    /// Why it refuses every task; it approves them otherwise.
    pub refuses: Option<RefusalReason>,
    /// Checks with which it refused something.
    pub refused: Vec<Check>,
    /// Rounds that it was asked to prepare, and in which it was then.
    pub asked: Vec<(Round, Option<Round>)>,
}

/// A connection, and where published blobs are fetched.
pub struct Line {
    pub session: u64,
    pub inputs: mpsc::Sender<Input>,
    pub archive: Arc<Archive>,
}

impl Bank {
    /// Serves until it dies or the coordinator is gone; what it keeps comes back.
    pub async fn run(mut self, line: Line, mut wire: mpsc::UnboundedReceiver<ToBank>) -> Self {
        if !std::mem::replace(&mut self.alive, true) {
            let actions = self.machine.handle(Event::Started, &mut self.entropy);
            self.act(actions, &line).await;
        }
        // Nothing is said yet: it has no connection.
        for task in self.tasks.keys().copied().collect::<Vec<_>>() {
            if self.machine.refusal(&task) != self.refuses {
                let word = self.word(task);
                drop(self.machine.handle(word, &mut self.entropy));
            }
        }
        let hello = self.machine.hello("test bank").message().clone();
        self.say(hello, &line).await;
        let actions = self.machine.handle(Event::Connected, &mut self.entropy);
        self.act(actions, &line).await;
        while self.alive {
            let Some(message) = wire.recv().await else {
                return self;
            };
            if self.trouble.dies_at.is_some_and(|dies| dies(&message)) {
                self.alive = false;
                break;
            }
            match message {
                ToBank::Log(extension) => {
                    let Ok(actions) = self.machine.verify_log(&extension, Timestamp(1)) else {
                        panic!("the log of an honest coordinator is followed");
                    };
                    self.act(actions, &line).await;
                }
                ToBank::Witnessed { size, cosignatures } => {
                    let Ok(released) = self.machine.witnessed(size, &cosignatures) else {
                        panic!("the cosignatures of an honest coordinator are enough");
                    };
                    for entry in released.entries {
                        let actions = self.machine.handle(Event::Entry(entry), &mut self.entropy);
                        self.act(actions, &line).await;
                    }
                }
                message => {
                    if let ToBank::PrepareAsk { round, .. } = &message {
                        self.asked.push((*round, self.machine.active_round()));
                    }
                    let actions = self.machine.handle(Event::Message(message), &mut self.entropy);
                    self.act(actions, &line).await;
                }
            }
        }
        self.trouble = Trouble::default();
        let gone = Input::Disconnected(self.index, line.session);
        // The coordinator may have died too.
        let _ = line.inputs.send(gone).await;
        self
    }

    fn word(&self, task: Digest) -> Event {
        match self.refuses {
            Some(reason) => Event::Refused(task, reason),
            None => Event::Approved(task),
        }
    }

    async fn say(&self, message: ToCoordinator, line: &Line) {
        if !self.trouble.loses.is_some_and(|loses| loses(&message)) {
            let input = Input::Message(self.index, line.session, Box::new(message), Box::new(()));
            // A coordinator that has died hears it after the reconnection.
            let _ = line.inputs.send(input).await;
        }
    }

    async fn act(&mut self, actions: Vec<Action>, line: &Line) {
        let mut queue: VecDeque<Action> = actions.into();
        while let Some(action) = queue.pop_front() {
            let event = match action {
                Action::Send(message) => {
                    self.say(message.message().clone(), line).await;
                    continue;
                }
                Action::FetchTask(hash) => {
                    let text = String::from_utf8(fetch(&line.archive, &hash)).unwrap();
                    let task = Task::parse(&text).unwrap();
                    let (plan, state) = (Plan::new(&task), TaskState::initial(&task));
                    let known = Event::TaskKnown(Box::new(plan.clone()), state.hash());
                    self.tasks.insert(hash, (task, plan, state));
                    queue.extend(self.machine.handle(known, &mut self.entropy));
                    self.word(hash)
                }
                Action::Compute(open) if self.refuses.is_some() => Event::NotComputed(open.round),
                Action::Compute(open) => {
                    self.compute(&open.task, open.kind);
                    Event::Computed(open.round)
                }
                Action::Mask(round, masks) => {
                    if self.trouble.dies_in == Some(round) {
                        self.alive = false;
                        return;
                    }
                    let mut packed = Vec::new();
                    mask_and_pack(&masks, self.digits.as_ref().unwrap(), |bytes| {
                        packed.extend_from_slice(bytes);
                        Ok::<_, ()>(())
                    })
                    .unwrap();
                    let (length, hash) = (packed.len() as u64, Digest::of(&packed));
                    self.masked.insert(round, packed);
                    Event::Masked { round, length, hash }
                }
                Action::Upload(_) if self.trouble.loses_uploads => continue,
                Action::Upload(update) => {
                    let path = self
                        .folder
                        .join(format!("upload-{}-{}", self.index, update.round()));
                    std::fs::write(&path, &self.masked[&update.round()]).unwrap();
                    let (answer, answered) = oneshot::channel();
                    let upload = Upload {
                        bank: self.index,
                        round: update.round(),
                        path,
                        length: update.length(),
                        hash: update.hash(),
                        trailer: update.trailer_bytes(),
                        answer,
                    };
                    let _ = line.inputs.send(Input::Uploaded(upload)).await;
                    // Too late is an answer as well.
                    let _ = answered.await;
                    continue;
                }
                Action::Derive(open, result) => {
                    let (task, plan, state) = self.tasks.remove(&open.task).unwrap();
                    let layout = plan.layout(open.kind);
                    let mut lanes = Vec::new();
                    let ring = layout.ring(open.thresholds.banks).unwrap();
                    let sum = fetch(&line.archive, &result.sum);
                    unpack(ring, &sum, layout.lanes(), |lane| lanes.push(lane)).unwrap();
                    let turnout = Turnout {
                        survivors: result.survivors,
                        banks: open.thresholds.banks,
                    };
                    let (next, _) = state.advance(&task, &plan, &lanes, turnout).unwrap();
                    let derived = DerivedState {
                        hash: next.hash(),
                        step: next.step,
                    };
                    self.tasks.insert(open.task, (task, plan, next));
                    Event::Derived {
                        round: result.round,
                        state: Some(derived),
                    }
                }
                Action::Notice(Notice::Refused(rejection)) => {
                    self.refused.push(rejection.check);
                    continue;
                }
                // Its operator says yes to everything, unless the test says otherwise.
                Action::Notice(Notice::RosterProposed(proposal)) if !self.refuses_rosters => {
                    Event::RosterApproved(proposal)
                }
                Action::Notice(Notice::RosterProposed(proposal)) => Event::RosterRefused(proposal),
                Action::Pin(roster) => {
                    self.pinned = Some(*roster);
                    continue;
                }
                Action::Persist | Action::Close(_) | Action::Notice(_) => continue,
            };
            queue.extend(self.machine.handle(event, &mut self.entropy));
        }
    }

    fn compute(&mut self, task: &Digest, kind: RoundKind) {
        let (_, plan, _) = &self.tasks[task];
        let scores = ScoreSums::binary(4, 2.0, histogram(16, 3), histogram(16, 9));
        let own = f32::from(self.index.get());
        let digits = match kind {
            RoundKind::Statistics => {
                let mut sums = ColumnSums::default();
                (0..10).for_each(|value| sums.add(f64::from(value) / 10.0));
                plan.statistics(&[sums])
            }
            RoundKind::Train => plan.train(&mut [0.01 * own, -0.02 * own], 100, &scores, &mut self.entropy),
            RoundKind::Evaluate => plan.evaluate(&scores, None),
            RoundKind::Support | RoundKind::Vocabulary => panic!("no step of this task"),
        };
        self.digits = Some(digits.unwrap());
    }
}

fn fetch(archive: &Archive, hash: &Digest) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    archive
        .open_published(hash)
        .expect("the blob is published")
        .0
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn histogram(bins: usize, at: usize) -> Vec<u64> {
    (0..bins).map(|bin| if bin == at { 2 } else { 0 }).collect()
}
