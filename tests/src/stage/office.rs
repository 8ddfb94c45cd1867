//! The coordinator as its daemon runs it: machine, journal, log, spool and the summing engine.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::epoch::coordinator::{EpochAction, EpochCoordinator};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Millis, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundResult};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{TaskState, Turnout};
use veilsum_protocol::round::ahead::Ahead;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::{Action, CoordinatorRound, Event, Phase};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::record::{Limits, Record, RoundPlan};
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack::pack;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, Rejection, ToBank, ToCoordinator};
use veilsum_protocol::wire::outbound::decode_trailer;
use veilsum_protocol::wire::refusal::RefusalReason;
use veilsum_protocol::wire::statement::Release;

use crate::stage::consortium::{bank, roster, roster_of};
use crate::stage::ledger::{Blobs, Log};
use crate::stage::witnesses::Witnessing;

/// How a round ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub round: Round,
    pub end: Result<Digest, AbortReason>,
    /// One value a lane; empty without a result.
    pub sum: Vec<u32>,
    pub survivors: Vec<BankIndex>,
    pub cohort: Vec<BankIndex>,
    pub acknowledged: Vec<BankIndex>,
}

pub struct Office {
    /// By position.
    pub members: Vec<u16>,
    pub log: Log,
    pub witnessing: Witnessing,
    pub blobs: Blobs,
    pub epoch: Option<EpochCoordinator>,
    pub armed: Option<(Epoch, Digest)>,
    pub approved: BTreeMap<Digest, BTreeSet<BankIndex>>,
    /// What banks refuse, as they said over their last connection.
    pub refused: BTreeMap<(Digest, BankIndex), RefusalReason>,
    pub task: Task,
    pub state: TaskState,
    pub last_result: Digest,
    pub next_round: Round,
    pub attempt: u32,
    /// For whom shares of the step left in an earlier try.
    pub released_for: Option<Vec<BankIndex>>,
    pub machine: Option<CoordinatorRound>,
    /// What banks prepared of the next round.
    ahead: Option<Ahead>,
    /// Asks for it while a round is open, as the daemon does.
    pub asks_ahead: bool,
    journal: Vec<Vec<u8>>,
    pub connected: BTreeSet<BankIndex>,
    spool: BTreeMap<(Round, BankIndex), Vec<u8>>,
    sum: Vec<u32>,
    /// Derived, but not yet published.
    next_state: Option<TaskState>,
    /// Changes the journal before a restart reads it: a disk that lies, or a bank that lied to it.
    pub alter_journal: Option<fn(&mut Record)>,
    pub commits: usize,
    pub outcome: Option<Outcome>,
    pub rejections: Vec<(BankIndex, Rejection)>,
    pub objections: Vec<(BankIndex, ToCoordinator)>,
    pub notices: Vec<String>,
    /// Which roster banks say that they have pinned.
    pub pinned: BTreeMap<BankIndex, Digest>,
    /// Dies when this many commits more are durable, before anything that follows.
    pub kill_after_commits: Option<usize>,
    /// Dies just before this action of its machine, counted from now on.
    pub kill_before_action: Option<usize>,
    pub life: u64,
    is_down: bool,
}

/// What comes out of the office.
pub enum Out {
    Send(BankIndex, ToBank),
    Sum(Vec<(BankIndex, Digest)>, Masks),
    Died,
}

/// Counts down to the moment of a crash; true when it has come.
fn strikes(left: &mut Option<usize>) -> bool {
    let Some(count) = left else {
        return false;
    };
    *count = count.saturating_sub(1);
    let strikes = *count == 0;
    if strikes {
        *left = None;
    }
    strikes
}

impl Office {
    pub fn new(banks: u16, task: Task, blobs: Blobs) -> Self {
        let mut log = Log::default();
        log.append(Entry::from(&roster(banks)));
        Self {
            members: (1..=banks).collect(),
            witnessing: Witnessing::new(&(1..=banks).collect::<Vec<_>>()),
            log,
            blobs,
            epoch: None,
            armed: None,
            approved: BTreeMap::new(),
            refused: BTreeMap::new(),
            state: TaskState::initial(&task),
            task,
            last_result: Digest([0; 32]),
            next_round: Round(1),
            attempt: 0,
            released_for: None,
            machine: None,
            ahead: None,
            asks_ahead: true,
            journal: Vec::new(),
            connected: BTreeSet::new(),
            spool: BTreeMap::new(),
            sum: Vec::new(),
            next_state: None,
            alter_journal: None,
            commits: 0,
            outcome: None,
            rejections: Vec::new(),
            objections: Vec::new(),
            notices: Vec::new(),
            pinned: BTreeMap::new(),
            kill_after_commits: None,
            kill_before_action: None,
            life: 0,
            is_down: false,
        }
    }

    pub fn banks(&self) -> u16 {
        self.members.len() as u16
    }

    pub fn offer(&mut self, task: &Task) {
        let text = task.canonical_text();
        self.blobs.borrow_mut().insert(task.hash(), text.into_bytes());
        self.log.append(Entry::Task {
            name: task.name.clone(),
            task: task.hash(),
        });
    }

    pub fn plan(&self) -> Option<RoundPlan> {
        let plan = Plan::new(&self.task);
        let kind = plan.kind(self.state.step)?;
        let layout = plan.layout(kind);
        let (epoch, directory) = self.armed?;
        Some(RoundPlan {
            epoch,
            directory,
            round: self.next_round,
            task: self.task.hash(),
            kind,
            step: self.state.step,
            attempt: self.attempt,
            state: self.state.hash(),
            last_result: self.last_result,
            layout: layout.digest(),
            lanes: layout.lanes() as u64,
            digit_bits: layout.digit_bits,
            thresholds: Thresholds::with_most_colluders(self.banks()).unwrap(),
            approved: self.released_for.clone().unwrap_or_else(|| {
                let approved = self.approved.get(&self.task.hash());
                let takes_part = |bank: &BankIndex| !self.refused.contains_key(&(self.task.hash(), *bank));
                approved
                    .into_iter()
                    .flatten()
                    .copied()
                    .filter(takes_part)
                    .collect()
            }),
            whole: self.released_for.is_some(),
            limits: Limits::new(&self.task.deadlines, 5),
        })
    }

    pub fn start_round(&mut self, now: Millis) -> Vec<Out> {
        let plan = self.plan().expect("armed, and the task has another step");
        self.next_round = Round(self.next_round.0 + 1);
        self.journal.clear();
        self.outcome = None;
        self.sum.clear();
        let (machine, actions) = CoordinatorRound::start(
            roster_of(&self.members),
            plan,
            self.connected.clone(),
            self.ahead.take(),
            now,
        );
        self.machine = Some(machine);
        let mut out = self.perform(actions);
        out.extend(self.handle(now, None, Event::Tick));
        out
    }

    /// Asks the round's banks that were not asked yet to prepare the one after it.
    pub fn ask_ahead(&mut self) -> Vec<Out> {
        let Some(machine) = self.machine.as_ref().filter(|machine| {
            let is_open = (Phase::Ready..Phase::Closed).contains(&machine.phase());
            let is_last = Plan::new(&self.task).kind(self.state.step + 1).is_none();
            self.asks_ahead && is_open && !is_last
        }) else {
            return Vec::new();
        };
        let epoch = machine.plan().epoch;
        let ahead = self
            .ahead
            .get_or_insert_with(|| Ahead::new(epoch, self.next_round));
        let asked = machine
            .bundles()
            .keys()
            .filter(|bank| self.connected.contains(bank));
        asked
            .filter_map(|bank| Some(Out::Send(*bank, ahead.ask(*bank)?)))
            .collect()
    }

    /// The machine again from its journal; every connection is gone.
    pub fn restart(&mut self, now: Millis) {
        self.is_down = false;
        self.witnessing.restart();
        self.connected.clear();
        self.refused.clear();
        self.next_state = None;
        let mut records: Vec<Record> = self
            .journal
            .iter()
            .map(|bytes| frame::decode(bytes, MESSAGE_LIMIT).unwrap())
            .collect();
        if let Some(alter) = self.alter_journal {
            records.iter_mut().for_each(alter);
        }
        let closed = records.iter().find_map(|record| match record {
            Record::Closed(reason) => Some(*reason),
            _ => None,
        });
        self.machine = CoordinatorRound::restore(roster_of(&self.members), records, now);
        if let (Some(reason), None) = (closed, &self.outcome) {
            let end = reason.map_or(Ok(self.state.hash()), Err);
            self.close(end);
        }
    }

    /// The records of the last round, as the journal holds them.
    pub fn journal(&self) -> &[Vec<u8>] {
        &self.journal
    }

    /// The releases that the last round accepted, in their order.
    pub fn releases(&self) -> Vec<Release> {
        let record = |bytes: &Vec<u8>| match frame::decode(bytes, MESSAGE_LIMIT).unwrap() {
            Record::Released(release) => Some(release.claim().clone()),
            _ => None,
        };
        self.journal.iter().filter_map(record).collect()
    }

    pub fn handle(&mut self, now: Millis, from: Option<BankIndex>, event: Event) -> Vec<Out> {
        let Some(machine) = &mut self.machine else {
            return Vec::new();
        };
        match machine.handle(now, event) {
            Ok(actions) => self.perform(actions),
            Err(rejection) => {
                let Some(bank) = from else {
                    panic!("nobody to reject: {rejection}");
                };
                self.reject(bank, rejection)
            }
        }
    }

    fn reject(&mut self, bank: BankIndex, rejection: Rejection) -> Vec<Out> {
        self.rejections.push((bank, rejection.clone()));
        vec![Out::Send(bank, ToBank::Rejected(rejection))]
    }

    fn perform(&mut self, actions: Vec<Action>) -> Vec<Out> {
        let mut out = Vec::new();
        for action in actions {
            if strikes(&mut self.kill_before_action) {
                self.die(&mut out);
                return out;
            }
            match action {
                Action::Commit(records, entries) => {
                    self.commits += 1;
                    self.journal.extend(
                        records
                            .iter()
                            .map(|record| frame::encode(record, MESSAGE_LIMIT).unwrap()),
                    );
                    for entry in entries {
                        if let Entry::Result(_) = &entry {
                            self.last_result = entry.hash();
                            self.state = self.next_state.take().expect("derived before it is published");
                        }
                        self.log.append(entry);
                    }
                    if strikes(&mut self.kill_after_commits) {
                        self.die(&mut out);
                        return out;
                    }
                }
                Action::Send(bank, message) => out.push(Out::Send(bank, message)),
                Action::Sum(survivors, masks) => out.push(Out::Sum(survivors, masks)),
                Action::Notice(notice) => self.notices.push(notice),
                Action::Close(end) => self.close(end),
            }
        }
        out
    }

    /// True if it is up and has no round: it died before the first record of one.
    pub fn is_idle(&self) -> bool {
        self.machine.is_none() && !self.is_down
    }

    fn die(&mut self, out: &mut Vec<Out>) {
        self.machine = None;
        self.ahead = None;
        self.is_down = true;
        self.life += 1;
        out.push(Out::Died);
    }

    fn close(&mut self, end: Result<Digest, AbortReason>) {
        let machine = self.machine.as_ref().unwrap();
        assert!(self.outcome.is_none(), "a round ends once");
        match &end {
            Ok(next) => {
                assert_eq!(self.state.hash(), *next);
                self.attempt = 0;
                self.released_for = None;
            }
            Err(_) => {
                self.attempt += 1;
                self.released_for = machine.released_for().or(self.released_for.take());
            }
        }
        let round = machine.round();
        let acks = self.log.entries.iter().filter_map(|entry| match entry {
            Entry::Ack { round: of, bank, .. } if *of == round => Some(*bank),
            _ => None,
        });
        self.outcome = Some(Outcome {
            round,
            end,
            sum: self.sum.clone(),
            survivors: machine.survivors(),
            cohort: machine.cohort().to_vec(),
            acknowledged: acks.collect(),
        });
    }

    /// What the engine does: the survivors' vectors added up, the masks off, the next state derived.
    pub fn sum(&mut self, now: Millis, survivors: &[(BankIndex, Digest)], masks: &Masks) -> Vec<Out> {
        let Some(open) = self
            .machine
            .as_ref()
            .and_then(|machine| machine.opened().cloned())
        else {
            return Vec::new();
        };
        let plan = Plan::new(&self.task);
        let ring = Ring::for_sum(self.banks(), open.digit_bits).unwrap();
        let mut accumulator = Accumulator::new(ring, plan.layout(open.kind).lanes());
        for (bank, hash) in survivors {
            let vector = &self.spool[&(open.round, *bank)];
            assert_eq!(Digest::of(vector), *hash);
            accumulator.add(vector).unwrap();
        }
        accumulator.apply(masks);
        self.sum = accumulator.into_lanes();
        let mut packed = Vec::new();
        pack(ring, &self.sum, &mut packed);
        let count = survivors.len() as u16;
        let turnout = Turnout {
            survivors: count,
            banks: open.thresholds.banks,
        };
        let Ok((next, outcome)) = self.state.advance(&self.task, &plan, &self.sum, turnout) else {
            self.sum.clear();
            return self.handle(now, None, Event::SumFailed);
        };
        let result = RoundResult {
            round: open.round,
            open: open.hash(),
            kind: open.kind,
            step: open.step,
            sum: Digest::of(&packed),
            survivors: count,
            weight: outcome.weight,
            next_state: next.hash(),
            metrics: outcome.metrics,
        };
        self.blobs.borrow_mut().insert(result.sum, packed);
        self.next_state = Some(next);
        self.handle(now, None, Event::Summed(Box::new(result)))
    }

    pub fn upload(&mut self, now: Millis, from: BankIndex, trailer: &[u8], vector: Vec<u8>) -> Vec<Out> {
        let Some(machine) = &self.machine else {
            return Vec::new();
        };
        let trailer = decode_trailer(trailer).unwrap();
        let (length, hash) = (vector.len() as u64, Digest::of(&vector));
        if machine.expected_upload(from).is_ok() {
            self.spool.insert((machine.round(), from), vector);
        }
        self.handle(now, Some(from), Event::Uploaded(from, trailer, length, hash))
    }

    pub fn receive(&mut self, now: Millis, from: BankIndex, message: ToCoordinator) -> Vec<Out> {
        let event = match message {
            ToCoordinator::Hello { log_size, .. } => return self.welcome(now, from, log_size),
            ToCoordinator::EpochKeys(_)
            | ToCoordinator::PairCiphertexts { .. }
            | ToCoordinator::PairConfirmations { .. }
            | ToCoordinator::Armed { .. } => return self.epoch_message(from, message),
            ToCoordinator::Approval(approval) => {
                let task = approval.claim().task;
                self.refused.remove(&(task, from));
                if self.approved.entry(task).or_default().insert(from) {
                    self.log.append(Entry::TaskApproval {
                        task,
                        bank: from,
                        signature: approval.signature(),
                    });
                }
                return Vec::new();
            }
            ToCoordinator::Refusal(refusal) => {
                let claim = refusal.claim();
                assert_eq!(claim.bank, from);
                self.refused.insert((claim.task, from), claim.reason);
                return Vec::new();
            }
            ToCoordinator::Bundle(bundle) => match &mut self.ahead {
                Some(ahead) if ahead.round() == bundle.header.claim().round => {
                    let roster = roster_of(&self.members);
                    return match ahead.bundle(from, *bundle, &roster) {
                        Ok(()) => Vec::new(),
                        Err(rejection) => self.reject(from, rejection),
                    };
                }
                _ => Event::Bundle(from, bundle),
            },
            ToCoordinator::Ready {
                statement,
                complaints,
            } => Event::Ready(from, statement, complaints),
            ToCoordinator::Confirm { round, signature } if self.is_round(round) => {
                Event::Confirm(from, signature)
            }
            ToCoordinator::Release { round, release } if self.is_round(round) => {
                Event::Release(from, release)
            }
            ToCoordinator::Derived(derived) => Event::Derived(from, derived),
            ToCoordinator::SitsOut { round } if self.is_round(round) => Event::SitsOut(from),
            ToCoordinator::Cosignature { size, cosignature } => {
                self.cosigned(from, size, cosignature);
                return Vec::new();
            }
            ToCoordinator::RosterApproval(approval) => {
                self.roster_approval(&approval);
                return Vec::new();
            }
            ToCoordinator::RosterPinned { roster } => {
                self.pinned.insert(from, roster);
                return Vec::new();
            }
            ToCoordinator::Objection { .. } | ToCoordinator::RosterRefusal { .. } => {
                self.objections.push((from, message));
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        self.handle(now, Some(from), event)
    }

    fn is_round(&self, round: Round) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|machine| machine.round() == round)
    }

    fn welcome(&mut self, now: Millis, from: BankIndex, log_size: u64) -> Vec<Out> {
        if log_size > self.log.size() {
            let detail = format!("found {log_size} entries, expected at most {}", self.log.size());
            return self.reject(from, Rejection::new(Check::LogFork, detail));
        }
        self.connected.insert(from);
        self.refused.retain(|(_, bank), _| *bank != from);
        if let Some(ahead) = &mut self.ahead {
            ahead.lost(from);
        }
        let head = self.head();
        let mut out = vec![Out::Send(
            from,
            ToBank::Log(self.log.shown_to(from).extension(log_size, head)),
        )];
        let epoch = self
            .epoch
            .as_ref()
            .map(|epoch| epoch.connected(from))
            .unwrap_or_default();
        out.extend(self.epoch_actions(epoch));
        out.extend(self.handle(now, Some(from), Event::Connected(from)));
        out
    }

    pub fn start_epoch(&mut self, number: Epoch) -> Vec<Out> {
        let epoch = EpochCoordinator::new(roster_of(&self.members), number, self.next_round);
        let actions = (1..=self.banks())
            .map(bank)
            .filter(|bank| self.connected.contains(bank))
            .flat_map(|bank| epoch.connected(bank))
            .collect();
        self.epoch = Some(epoch);
        self.epoch_actions(actions)
    }

    fn epoch_message(&mut self, from: BankIndex, message: ToCoordinator) -> Vec<Out> {
        let Some(epoch) = &mut self.epoch else {
            return Vec::new();
        };
        match epoch.handle(from, message) {
            Ok(actions) => self.epoch_actions(actions),
            Err(rejection) => self.reject(from, rejection),
        }
    }

    fn epoch_actions(&mut self, actions: Vec<EpochAction>) -> Vec<Out> {
        let mut out = Vec::new();
        for action in actions {
            match action {
                EpochAction::Log(entry) => self.log.append(entry),
                EpochAction::Send(bank, message) => out.push(Out::Send(bank, message)),
                EpochAction::Armed(directory) => {
                    self.armed = Some((directory.epoch, directory.hash()));
                }
            }
        }
        out
    }
}
