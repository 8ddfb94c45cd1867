//! A bank as its daemon runs it: the machine, a disk, and work that takes time. It can be killed at any moment; what is not on the
//! disk is gone then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::entry::{RoundOpen, RoundResult};
use veilsum_protocol::log::follower::LoggedEntry;
use veilsum_protocol::log::{Cosignature, Receipt};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{TaskState, Turnout};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::{Action, DerivedState, Event, Notice, Participant, Progress};
use veilsum_protocol::secagg::mask::{Masks, mask_and_pack};
use veilsum_protocol::secagg::pack::unpack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Extension, MESSAGE_LIMIT, ToBank, ToCoordinator};
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::stage::consortium::{Contribution, bank as numbered, member_of, pinned};
use crate::stage::ledger::Blobs;
use crate::stage::witnesses::SEEN_AT;

/// What a bank sends, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Keys,
    Bundle,
    Ready,
    Upload,
    Confirm,
    Release,
    Derived,
    Cosignature,
    RosterApproval,
    RosterPinned,
    Refusal,
    Other,
}

/// When a bank is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// Just before it sends.
    Before(Step),
    /// Just after it sent.
    After(Step),
    /// When this many snapshots more are on the disk, before anything that depends on the last.
    Persisted(usize),
    /// Just before that snapshot is written.
    BeforePersist(usize),
    /// Just before its machine's action with this number from now on, whatever it is.
    BeforeAction(usize),
    /// Just after that action.
    AfterAction(usize),
    /// While it writes the file that its work with this number from now on leads to.
    Writing(usize, Unsynced),
}

/// What a crash leaves of a file that was written and not yet made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    Lost,
    Torn,
    Whole,
}

/// Work that the machine asked for.
pub enum Effect {
    Fetch(Digest),
    Compute(RoundOpen),
    Mask(Round, Masks),
    Derive(RoundOpen, RoundResult),
}

/// What comes out of a bank.
pub enum Out {
    Message(Step, Vec<u8>),
    Upload {
        round: Round,
        trailer: Vec<u8>,
        vector: Vec<u8>,
    },
    Later(Effect),
}

/// How a bank makes its contribution to a step.
pub type Contribute = Box<dyn Fn(BankIndex, RoundKind, u32) -> Contribution>;

#[derive(Default)]
struct Disk {
    snapshot: Option<Vec<u8>>,
    tasks: BTreeMap<Digest, Task>,
    /// The operator's, which the daemon reads again at every start.
    approvals: BTreeSet<Digest>,
    /// Likewise; a refusal counts before an approval, and whoever computes looks here, too.
    refusals: BTreeMap<Digest, RefusalReason>,
    states: BTreeMap<Digest, TaskState>,
    digits: BTreeMap<Round, Vec<u32>>,
    masked: BTreeMap<Round, Vec<u8>>,
}

pub struct Node {
    pub bank: BankIndex,
    /// Who is in the roster that it pins, by position.
    pub members: Vec<u16>,
    /// Who is in the roster that its own file names since an approved change, while the coordinator goes by the one before.
    pub followed: Option<Vec<u16>>,
    pub machine: Option<Participant>,
    entropy: SeededEntropy,
    disk: Disk,
    blobs: Blobs,
    queue: VecDeque<LoggedEntry>,
    waiting: bool,
    /// Counts starts, so that work of an earlier one comes to nothing.
    pub life: u64,
    /// Starts from the disk.
    pub starts: u64,
    pub kill: Option<Kill>,
    pub approves: bool,
    /// Its data is gone.
    pub fails: bool,
    pub notices: Vec<Notice>,
    /// What was masked, and what the masked vector is: never a second one for a round.
    pub contributed: BTreeMap<Round, Vec<u32>>,
    pub uploaded: BTreeMap<Round, Vec<u8>>,
    pub snapshots: usize,
    /// Rounds in the order in which contributions to them were computed.
    pub computed: Vec<Round>,
    /// It was killed by its own [`Kill`] just now.
    pub fell: bool,
    /// Extensions of the log that it did not follow.
    pub follow_errors: Vec<String>,
    /// What it can prove to be in the log.
    pub receipts: Vec<Receipt>,
}

impl Node {
    pub fn new(bank: BankIndex, banks: u16, blobs: Blobs) -> Self {
        let members: Vec<u16> = (1..=banks).collect();
        Self {
            bank,
            machine: Some(Participant::new(pinned(bank, &members)).unwrap()),
            members,
            followed: None,
            entropy: SeededEntropy::new(u64::from(bank.get()) << 32),
            disk: Disk::default(),
            blobs,
            queue: VecDeque::new(),
            waiting: false,
            life: 0,
            starts: 0,
            kill: None,
            approves: true,
            fails: false,
            notices: Vec::new(),
            contributed: BTreeMap::new(),
            uploaded: BTreeMap::new(),
            snapshots: 0,
            computed: Vec::new(),
            fell: false,
            follow_errors: Vec::new(),
            receipts: Vec::new(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.machine.is_some()
    }

    pub fn die(&mut self) {
        self.machine = None;
        self.queue.clear();
        self.waiting = false;
        self.life += 1;
    }

    /// Everything that it had made durable is gone.
    pub fn lose_disk(&mut self) {
        self.disk = Disk::default();
    }

    /// Starts again from the disk alone, with other randomness than before.
    pub fn start(&mut self) -> Vec<Out> {
        self.life += 1;
        self.starts += 1;
        self.entropy = SeededEntropy::new((u64::from(self.bank.get()) << 32) + self.life);
        let member = self.members[usize::from(self.bank.get()) - 1];
        let members = self.followed.as_ref().unwrap_or(&self.members);
        let place = members.iter().position(|other| *other == member).unwrap();
        let pinned = pinned(numbered(place as u16 + 1), members);
        self.machine = Some(match &self.disk.snapshot {
            None => Participant::new(pinned).unwrap(),
            Some(bytes) => Participant::restore(pinned, bytes).unwrap(),
        });
        let mut out = Vec::new();
        for task in self.disk.tasks.values().cloned().collect::<Vec<_>>() {
            let initial = TaskState::initial(&task).hash();
            out.extend(self.handle(Event::TaskKnown(Box::new(Plan::new(&task)), initial)));
        }
        out.extend(self.handle(Event::Started));
        for task in self.disk.approvals.clone() {
            if !self.disk.refusals.contains_key(&task) {
                out.extend(self.handle(Event::Approved(task)));
            }
        }
        for (task, reason) in self.disk.refusals.clone() {
            out.extend(self.handle(Event::Refused(task, reason)));
        }
        out
    }

    /// The bank's word on a task, which its disk keeps before the machine hears of it.
    pub fn decide(&mut self, task: Digest, refuses: Option<RefusalReason>) -> Vec<Out> {
        match refuses {
            Some(reason) => {
                self.disk.refusals.insert(task, reason);
                self.handle(Event::Refused(task, reason))
            }
            None => {
                self.disk.approvals.insert(task);
                self.disk.refusals.remove(&task);
                self.handle(Event::Approved(task))
            }
        }
    }

    pub fn hello(&self) -> Vec<u8> {
        let hello = self.machine.as_ref().unwrap().hello("test 1");
        frame::encode(hello.message(), MESSAGE_LIMIT).unwrap()
    }

    pub fn receive(&mut self, message: ToBank) -> Vec<Out> {
        match message {
            ToBank::Log(extension) => self.follow(&extension),
            ToBank::Witnessed { size, cosignatures } => self.witnessed(size, &cosignatures),
            other => self.handle(Event::Message(other)),
        }
    }

    fn follow(&mut self, extension: &Extension) -> Vec<Out> {
        let Some(machine) = &mut self.machine else {
            return Vec::new();
        };
        match machine.verify_log(extension, SEEN_AT) {
            Ok(actions) => self.perform_all(actions),
            Err(error) => {
                self.follow_errors.push(error.to_string());
                Vec::new()
            }
        }
    }

    fn witnessed(&mut self, size: u64, cosignatures: &[(BankIndex, Cosignature)]) -> Vec<Out> {
        let Some(machine) = &mut self.machine else {
            return Vec::new();
        };
        let released = match machine.witnessed(size, cosignatures) {
            Ok(released) => released,
            Err(actions) => return self.perform_all(actions),
        };
        self.receipts.extend(released.receipts);
        self.queue.extend(released.entries);
        self.act()
    }

    /// Acts on the entries that came, until one has work to wait for.
    fn act(&mut self) -> Vec<Out> {
        let mut out = Vec::new();
        while !self.waiting && self.is_up() {
            let Some(entry) = self.queue.pop_front() else {
                break;
            };
            out.extend(self.handle(Event::Entry(entry)));
        }
        out
    }

    pub fn handle(&mut self, event: Event) -> Vec<Out> {
        let Some(machine) = &mut self.machine else {
            return Vec::new();
        };
        let actions = machine.handle(event, &mut self.entropy);
        self.perform_all(actions)
    }

    fn perform_all(&mut self, actions: Vec<Action>) -> Vec<Out> {
        let mut out = Vec::new();
        for action in actions {
            let dies_before = self.strikes(|kill| match kill {
                Kill::BeforeAction(count) => Some(count),
                _ => None,
            });
            let dies_after = self.strikes(|kill| match kill {
                Kill::AfterAction(count) => Some(count),
                _ => None,
            });
            if dies_before || !self.perform(action, &mut out) || dies_after {
                self.fall();
                break;
            }
        }
        out
    }

    fn fall(&mut self) {
        self.die();
        self.fell = true;
    }

    /// Counts down the kill that `which` picks; true when its moment has come.
    fn strikes(&mut self, which: impl Fn(&mut Kill) -> Option<&mut usize>) -> bool {
        let Some(count) = self.kill.as_mut().and_then(which) else {
            return false;
        };
        *count = count.saturating_sub(1);
        let strikes = *count == 0;
        if strikes {
            self.kill = None;
        }
        strikes
    }

    /// What a crash in the middle of writing a file leaves of it; `None` if there is no crash.
    fn crash_while_writing(&mut self) -> Option<Unsynced> {
        let Some(Kill::Writing(_, left)) = self.kill else {
            return None;
        };
        let strikes = self.strikes(|kill| match kill {
            Kill::Writing(count, _) => Some(count),
            _ => None,
        });
        strikes.then(|| {
            self.fall();
            left
        })
    }

    /// False if the bank was killed at this action.
    fn perform(&mut self, action: Action, out: &mut Vec<Out>) -> bool {
        match action {
            Action::Persist => {
                let count = match &mut self.kill {
                    Some(Kill::Persisted(count) | Kill::BeforePersist(count)) => {
                        *count = count.saturating_sub(1);
                        *count
                    }
                    _ => 1,
                };
                if count == 0 && matches!(self.kill, Some(Kill::BeforePersist(_))) {
                    self.kill = None;
                    return false;
                }
                self.disk.snapshot = self.machine.as_ref().map(|machine| machine.snapshot().to_vec());
                self.snapshots += 1;
                if count == 0 {
                    self.kill = None;
                    return false;
                }
            }
            Action::Send(message) => {
                let bytes = frame::encode(message.message(), MESSAGE_LIMIT).unwrap();
                return self.send(step(message.message()), |step| Out::Message(step, bytes), out);
            }
            Action::Upload(update) => {
                let vector = self.disk.masked[&update.round()].clone();
                assert_eq!(
                    (update.length(), update.hash()),
                    (vector.len() as u64, Digest::of(&vector))
                );
                let first = self
                    .uploaded
                    .entry(update.round())
                    .or_insert_with(|| vector.clone());
                assert_eq!(*first, vector, "a second masked vector for a round");
                let upload = Out::Upload {
                    round: update.round(),
                    trailer: update.trailer_bytes(),
                    vector,
                };
                return self.send(Step::Upload, |_| upload, out);
            }
            Action::FetchTask(task) => {
                self.waiting = true;
                out.push(Out::Later(Effect::Fetch(task)));
            }
            Action::Compute(open) => out.push(Out::Later(Effect::Compute(open))),
            Action::Mask(round, masks) => out.push(Out::Later(Effect::Mask(round, masks))),
            Action::Derive(open, result) => {
                self.waiting = true;
                out.push(Out::Later(Effect::Derive(open, result)));
            }
            Action::Close(round) => {
                self.disk.digits.remove(&round);
                self.disk.masked.remove(&round);
            }
            Action::Pin(roster) => self.followed = Some(roster.banks().iter().map(member_of).collect()),
            Action::Notice(notice) => self.notices.push(notice),
        }
        true
    }

    fn send(&mut self, step: Step, message: impl FnOnce(Step) -> Out, out: &mut Vec<Out>) -> bool {
        if self.kill == Some(Kill::Before(step)) {
            self.kill = None;
            return false;
        }
        out.push(message(step));
        if self.kill == Some(Kill::After(step)) {
            self.kill = None;
            return false;
        }
        true
    }

    /// Does the work, makes it durable and tells the machine.
    pub fn work(&mut self, effect: Effect, contribute: &Contribute) -> Vec<Out> {
        let mut out = match effect {
            Effect::Fetch(hash) => self.fetched(hash),
            Effect::Compute(open) if self.fails || self.disk.refusals.contains_key(&open.task) => {
                self.handle(Event::NotComputed(open.round))
            }
            Effect::Compute(open) => {
                let task = &self.disk.tasks[&open.task];
                let plan = Plan::new(task);
                let digits = match contribute(self.bank, open.kind, open.step) {
                    Contribution::Statistics(columns) => plan.statistics(&columns),
                    Contribution::Train {
                        mut update,
                        weight,
                        scores,
                    } => plan.train(&mut update, weight, &scores, &mut self.entropy),
                    Contribution::Evaluate(scores) => plan.evaluate(&scores, None),
                };
                self.computed.push(open.round);
                let lanes = digits.unwrap().lanes().to_vec();
                if let Some(left) = self.crash_while_writing() {
                    leave(&mut self.disk.digits, open.round, lanes, left);
                    return Vec::new();
                }
                self.disk.digits.insert(open.round, lanes);
                self.handle(Event::Computed(open.round))
            }
            Effect::Mask(round, masks) => match self.disk.digits.get(&round) {
                None => Vec::new(),
                Some(lanes) => {
                    let first = self.contributed.entry(round).or_insert_with(|| lanes.clone());
                    assert_eq!(first, lanes, "other digits under the same masks");
                    let digits = Digits::from_lanes(16, lanes.clone()).unwrap();
                    let mut vector = Vec::new();
                    mask_and_pack::<()>(&masks, &digits, |bytes| {
                        vector.extend_from_slice(bytes);
                        Ok(())
                    })
                    .unwrap();
                    let (length, hash) = (vector.len() as u64, Digest::of(&vector));
                    if let Some(left) = self.crash_while_writing() {
                        leave(&mut self.disk.masked, round, vector, left);
                        return Vec::new();
                    }
                    self.disk.masked.insert(round, vector);
                    self.handle(Event::Masked { round, length, hash })
                }
            },
            Effect::Derive(open, result) => {
                let (round, state) = (result.round, self.derive(&open, &result));
                self.waiting = false;
                self.handle(Event::Derived {
                    round,
                    state: Some(state),
                })
            }
        };
        out.extend(self.act());
        out
    }

    fn fetched(&mut self, hash: Digest) -> Vec<Out> {
        let text = self.blobs.borrow()[&hash].clone();
        let task = Task::parse(std::str::from_utf8(&text).unwrap()).unwrap();
        assert_eq!(task.hash(), hash);
        let initial = TaskState::initial(&task);
        let event = Event::TaskKnown(Box::new(Plan::new(&task)), initial.hash());
        self.disk.states.insert(initial.hash(), initial);
        self.disk.tasks.insert(hash, task);
        self.waiting = false;
        if self.approves {
            self.disk.approvals.insert(hash);
        }
        let mut out = self.handle(event);
        if self.approves {
            out.extend(self.handle(Event::Approved(hash)));
        }
        out
    }

    /// The state that the logged sum leads to; zeros if it leads to none.
    fn derive(&mut self, open: &RoundOpen, result: &RoundResult) -> DerivedState {
        let task = &self.disk.tasks[&open.task];
        let plan = Plan::new(task);
        let packed = self.blobs.borrow()[&result.sum].clone();
        assert_eq!(Digest::of(&packed), result.sum);
        let ring = Ring::for_sum(open.thresholds.banks, open.digit_bits).unwrap();
        let mut sum = Vec::new();
        unpack(ring, &packed, plan.layout(open.kind).lanes(), |lane| {
            sum.push(lane)
        })
        .unwrap();
        let progress = self.machine.as_ref().unwrap().progress(&open.task).unwrap();
        let turnout = Turnout {
            survivors: result.survivors,
            banks: open.thresholds.banks,
        };
        match self.disk.states[&progress.state].advance(task, &plan, &sum, turnout) {
            Err(_) => DerivedState {
                hash: Digest([0; 32]),
                step: 0,
            },
            Ok((next, _)) => {
                let (hash, step) = (next.hash(), next.step);
                self.disk.states.insert(hash, next);
                DerivedState { hash, step }
            }
        }
    }

    /// Hash of the state that this bank stands at.
    pub fn state(&self, task: &Digest) -> Digest {
        self.progress(task).state
    }

    /// How far this bank has derived a task.
    pub fn progress(&self, task: &Digest) -> Progress {
        self.machine.as_ref().unwrap().progress(task).unwrap()
    }
}

/// A file after a crash that came before it was durable.
fn leave<T>(files: &mut BTreeMap<Round, Vec<T>>, round: Round, mut content: Vec<T>, left: Unsynced) {
    match left {
        Unsynced::Lost => {
            files.remove(&round);
        }
        Unsynced::Torn => {
            content.truncate(content.len() / 2);
            files.insert(round, content);
        }
        Unsynced::Whole => {
            files.insert(round, content);
        }
    }
}

fn step(message: &ToCoordinator) -> Step {
    match message {
        ToCoordinator::EpochKeys(_) => Step::Keys,
        ToCoordinator::Bundle(_) => Step::Bundle,
        ToCoordinator::Ready { .. } => Step::Ready,
        ToCoordinator::Confirm { .. } => Step::Confirm,
        ToCoordinator::Release { .. } => Step::Release,
        ToCoordinator::Derived(_) => Step::Derived,
        ToCoordinator::Cosignature { .. } => Step::Cosignature,
        ToCoordinator::RosterApproval(_) => Step::RosterApproval,
        ToCoordinator::RosterPinned { .. } => Step::RosterPinned,
        ToCoordinator::Refusal(_) => Step::Refusal,
        _ => Step::Other,
    }
}
