//! A bank's whole side of the protocol, as a pure step: an event in, actions out, in the order in which they must become true.
//!
//! The bank acts on the log, not on requests, and on no entry that fewer than `t` banks have seen: `RoundOpen` means compute, `Cohort` mask and upload, `Survivors` confirm, `Certificate`
//! release, `Result` derive. The confirmation alone may leave earlier, when the list is shown. [`Action::Persist`] comes before every [`Action::Send`] that depends on it; whoever runs the machine
//! makes [`Participant::snapshot`] durable there, and a machine restored from it never answers differently.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::entropy::Entropy;
use crate::crypto::signing::SigningKey;
use crate::epoch::directory::KeyDirectory;
use crate::epoch::participant::{EpochParticipant, Identity};
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::cosignature::Witnesses;
use crate::log::entry::{Entry, RoundOpen, RoundResult};
use crate::log::follower::{LogFollower, LoggedEntry};
use crate::log::roster_chain::RosterChain;
use crate::log::{VerifiedCheckpoint, VerifierKey};
use crate::model::plan::Plan;
use crate::roster::Roster;
use crate::round::active::{ActiveRound, Standing};
use crate::round::params::{ThresholdError, Thresholds};
use crate::round::released::Released;
use crate::round::watch::Watch;
use crate::secagg::mask::Masks;
use crate::wire::message::{Rejection, ToBank, ToCoordinator};
use crate::wire::outbound::{OutboundMessage, OutboundUpdate};
use crate::wire::refusal::RefusalReason;
use crate::wire::signed::Signed;
use crate::wire::statement::Derived;

/// Something happened.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one event lives at a time")]
pub enum Event {
    /// The daemon started with this machine restored.
    Started,
    /// The control stream is up (again).
    Connected,
    /// A message of the coordinator, other than [`ToBank::Log`] and [`ToBank::Witnessed`], which go through
    /// [`Participant::verify_log`] and [`Participant::witnessed`].
    Message(ToBank),
    /// The next entry of the log, verified.
    Entry(LoggedEntry),
    /// A task's text was fetched or read again: its plan, and the hash of its initial state.
    TaskKnown(Box<Plan>, Digest),
    /// A task's text is not there, or no task that this version can read: it is passed over.
    TaskUnreadable(Digest),
    /// The bank's operator approved a task.
    Approved(Digest),
    /// The bank refuses a task, by its operator's word or its own policy. To be told again after a restart.
    Refused(Digest, RefusalReason),
    /// The bank refuses a task no more, and has not approved it.
    Reconsidered(Digest),
    /// The bank's operator approved a proposed roster, by the hash of the proposal.
    RosterApproved(Digest),
    /// The bank's operator refused it.
    RosterRefused(Digest),
    /// The contribution cannot be computed: training failed, or the data is gone. Nobody is told why.
    NotComputed(Round),
    /// The digits of the round are durable.
    Computed(Round),
    /// The masked vector is durable.
    Masked {
        /// The round.
        round: Round,
        /// Bytes of the packed vector.
        length: u64,
        /// SHA-256 of the packed vector.
        hash: Digest,
    },
    /// The next state was derived from the logged sum and is durable.
    Derived {
        /// The round.
        round: Round,
        /// The derived state; `None` if the sum leads to none, which is refused (C-501).
        state: Option<DerivedState>,
    },
}

/// A state that this bank derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedState {
    /// Its hash.
    pub hash: Digest,
    /// Steps that are done in it. The step after the one that led to it, unless the task's training has stopped early.
    pub step: u32,
}

/// What to do, in this order.
pub enum Action {
    /// Make [`Participant::snapshot`] durable before anything that follows.
    Persist,
    /// Send a control message.
    Send(OutboundMessage),
    /// Fetch a task's text and come back with [`Event::TaskKnown`], before the next entry.
    FetchTask(Digest),
    /// Compute the contribution to the round, make its digits durable, come back with [`Event::Computed`].
    Compute(RoundOpen),
    /// Mask the digits, make the packed vector durable, come back with [`Event::Masked`].
    Mask(Round, Masks),
    /// Upload the packed vector with this trailer; again after every reconnection until the round goes on.
    Upload(OutboundUpdate),
    /// Fetch the sum, derive the next state, make it durable, come back with [`Event::Derived`], before the next entry.
    Derive(RoundOpen, RoundResult),
    /// The round is over for this bank: its digits and masked vector can go.
    Close(Round),
    /// Make durable that this roster takes the place of the pinned one in the bank's own files. To do it again changes nothing.
    Pin(Box<Roster>),
    /// Tell the bank's operator.
    Notice(Notice),
}

/// Something that the bank's operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// All pair keys of the epoch are confirmed.
    Armed(Epoch),
    /// A round was opened for a task that nobody approved here.
    NotApproved(Digest),
    /// A round was opened for a task that this bank refuses; it sits it out.
    TaskRefused(Round, Digest),
    /// The coordinator or a peer broke a rule; the bank does not go along.
    Refused(Rejection),
    /// The coordinator refused something that this bank sent.
    Rejected(Rejection),
    /// A round ended without a result.
    Aborted(Round, crate::log::entry::AbortReason),
    /// A change of the roster is proposed, and this bank's operator has a say in it.
    RosterProposed(Digest),
    /// The proposal was withdrawn, or another one took its place.
    RosterWithdrawn(Digest),
    /// What the operator approved is not proposed, or not any more.
    RosterNotProposed(Digest),
    /// The approved roster is in force, and this bank has this position in it.
    RosterChanged(BankIndex),
    /// The approved roster is in force, and this bank is not in it.
    RosterLeft,
}

/// How far this bank has derived a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps that are done.
    pub step: u32,
    /// Hash of the state.
    pub state: Digest,
    /// Hash of the last `Result` entry; zeros before the first.
    pub last_result: Digest,
}

/// Who a participant is and what it pins.
pub struct Pinned {
    /// Its position in the roster.
    pub bank: BankIndex,
    /// The roster.
    pub roster: Roster,
    /// The log's verifier key.
    pub log_key: VerifierKey,
    /// The bank's signing key.
    pub key: SigningKey,
    /// The key with which it cosigns the log's heads.
    pub witness_key: SigningKey,
}

/// The machine.
pub struct Participant {
    pub(super) me: BankIndex,
    pub(super) roster: Roster,
    pub(super) roster_hash: Digest,
    pub(super) thresholds: Thresholds,
    pub(super) key: SigningKey,
    witness_key: SigningKey,
    pub(super) witnesses: Witnesses,
    pub(super) follower: LogFollower,
    pub(super) epochs: EpochParticipant,
    pub(super) directories: BTreeMap<Epoch, Digest>,
    pub(super) plans: BTreeMap<Digest, Plan>,
    pub(super) approved: BTreeSet<Digest>,
    /// Tasks that the bank refuses now, among them ones that it approved before.
    pub(super) refused: BTreeMap<Digest, RefusalReason>,
    pub(super) progress: BTreeMap<Digest, Progress>,
    /// The rosters of the log, and the change that is proposed.
    pub(super) chain: RosterChain,
    /// The proposal that the operator approved last.
    pub(super) consent: Option<Digest>,
    /// The roster that the pinned one followed by an approved change: the bank's own files may still name it after a crash.
    pub(super) followed: Option<Roster>,
    /// The last opened round, as the log tells it.
    pub(super) watch: Option<Watch>,
    pub(super) released: Released,
    pub(super) last_round: Round,
    /// The round that this bank is in, or will be in next.
    pub(super) active: Option<Box<ActiveRound>>,
    /// Rounds after it, prepared while it is under way, in their order.
    #[expect(
        clippy::vec_box,
        reason = "a list that moves its items leaves copies of their secrets behind"
    )]
    pub(super) ahead: Vec<Box<ActiveRound>>,
    pub(super) derived: Option<Signed<Derived>>,
    /// The entry whose effect is under way: a task that is fetched or a result that is derived. Until that is done the entry does not
    /// count as acted on, so a snapshot stands before it and the log gives it again after a restart.
    pub(super) awaited: Option<LoggedEntry>,
    /// A directory that came before its entry in the log. The coordinator sends it again after a restart.
    pub(super) early_directory: Option<KeyDirectory>,
}

/// The parts of a machine that checks need, borrowed apart from the round.
macro_rules! standing {
    ($self:ident) => {
        Standing {
            me: $self.me,
            roster: &$self.roster,
            thresholds: &$self.thresholds,
            key: &$self.key,
        }
    };
}

macro_rules! identity {
    ($self:ident) => {
        Identity {
            bank: $self.me,
            roster: &$self.roster,
            roster_hash: $self.roster_hash,
            key: &$self.key,
        }
    };
}

mod consents;
mod entries;
mod following;
mod rosters;
mod slots;

impl Participant {
    /// A bank that has not seen the log yet.
    ///
    /// # Errors
    /// If the roster's size allows no thresholds.
    pub fn new(pinned: Pinned) -> Result<Self, ThresholdError> {
        let banks =
            u16::try_from(pinned.roster.banks().len()).map_err(|_| ThresholdError::Banks(u16::MAX))?;
        Ok(Self {
            me: pinned.bank,
            roster_hash: pinned.roster.hash(),
            thresholds: Thresholds::with_most_colluders(banks)?,
            witnesses: Witnesses::of(&pinned.roster),
            roster: pinned.roster,
            key: pinned.key,
            witness_key: pinned.witness_key,
            follower: LogFollower::new(pinned.log_key),
            epochs: EpochParticipant::default(),
            directories: BTreeMap::new(),
            plans: BTreeMap::new(),
            approved: BTreeSet::new(),
            refused: BTreeMap::new(),
            progress: BTreeMap::new(),
            chain: RosterChain::default(),
            consent: None,
            followed: None,
            watch: None,
            released: Released::default(),
            last_round: Round(0),
            active: None,
            ahead: Vec::new(),
            derived: None,
            awaited: None,
            early_directory: None,
        })
    }

    /// A bank that lost its state and remembers a head of the log that it had seen: it follows the log from its start, and no log but one that goes
    /// on from that head.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn remembering(pinned: Pinned, seen: &VerifiedCheckpoint) -> Result<Self, ThresholdError> {
        let follower = LogFollower::remembering(pinned.log_key.clone(), seen);
        Ok(Self {
            follower,
            ..Self::new(pinned)?
        })
    }

    /// The largest head of the log that this bank has seen.
    pub fn seen(&self) -> Option<&VerifiedCheckpoint> {
        self.follower.seen()
    }

    /// Number of log entries that this bank has acted on.
    pub fn log_size(&self) -> u64 {
        self.follower.size()
    }

    /// The newest epoch that this bank is armed for.
    pub fn armed(&self) -> Option<Epoch> {
        self.epochs.armed().map(crate::epoch::keyring::Keyring::epoch)
    }

    /// The round whose digits and masked vector this bank may still need.
    pub fn active_round(&self) -> Option<Round> {
        self.active.as_ref().map(|active| active.round)
    }

    /// How far a task was derived; `None` if it is not known here.
    pub fn progress(&self, task: &Digest) -> Option<Progress> {
        self.progress.get(task).copied()
    }

    /// True if what this bank contributed to `round`, the last that was opened, is in the certified sum.
    pub fn is_in_sum(&self, round: Round) -> bool {
        let key = self.key.verifying_key();
        let watch = self.watch.as_ref().filter(|watch| watch.open().round == round);
        watch.is_some_and(|watch| watch.certified_with(&key.0).is_some())
    }

    /// The first message of a connection.
    pub fn hello(&self, software: &str) -> OutboundMessage {
        OutboundMessage::hello(software, self.log_size(), self.epochs.epochs())
    }

    /// One step.
    pub fn handle<E: Entropy>(&mut self, event: Event, entropy: &mut E) -> Vec<Action> {
        close_last(self.step(event, entropy))
    }

    fn step<E: Entropy>(&mut self, event: Event, entropy: &mut E) -> Vec<Action> {
        match event {
            Event::Started => self.resume(),
            Event::Connected => self.resend(),
            Event::Message(message) => self.message(message, entropy),
            Event::Entry(logged) => self.logged(logged, entropy),
            Event::TaskUnreadable(task) => {
                self.task_fetched(task);
                vec![Action::Persist]
            }
            Event::NotComputed(round) => {
                if let Some(active) = self.active.as_mut().filter(|active| active.round == round) {
                    active.sits_out = true;
                }
                vec![send(ToCoordinator::SitsOut { round })]
            }
            Event::TaskKnown(plan, initial) => {
                self.task_fetched(plan.task());
                let start = Progress {
                    step: 0,
                    state: initial,
                    last_result: Digest([0; 32]),
                };
                self.progress.entry(plan.task()).or_insert(start);
                self.plans.insert(plan.task(), *plan);
                vec![Action::Persist]
            }
            Event::Approved(task) => self.approve(task),
            Event::Refused(task, reason) => self.refuse_task(task, reason),
            Event::Reconsidered(task) => self.reconsider(task),
            Event::RosterApproved(proposal) => self.approve_roster(proposal),
            Event::RosterRefused(proposal) => self.refuse_roster(proposal),
            Event::Computed(round) => self.computed(round),
            Event::Masked { round, length, hash } => self.masked(round, length, hash),
            Event::Derived { round, state } => self.derive(round, state),
        }
    }

    /// The entry whose task was fetched counts as acted on.
    fn task_fetched(&mut self, task: Digest) {
        let fetched = self.awaited.take_if(
            |logged| matches!(&logged.entry, Some(Entry::Task { task: named, .. }) if *named == task),
        );
        if let Some(logged) = fetched {
            self.follower.acted_on(&logged);
        }
    }

    /// Acts on an entry once. After a reconnection the log may give entries again that are acted on or under way.
    fn logged<E: Entropy>(&mut self, logged: LoggedEntry, entropy: &mut E) -> Vec<Action> {
        let under_way = self
            .awaited
            .as_ref()
            .is_some_and(|awaited| awaited.index == logged.index);
        if under_way || logged.index < self.follower.size() {
            return Vec::new();
        }
        let actions = match logged.entry.clone() {
            Some(entry) => self.entry(entry, entropy),
            None => Vec::new(),
        };
        let waits = |action: &Action| matches!(action, Action::FetchTask(_) | Action::Derive(..));
        if actions.iter().any(waits) {
            self.awaited = Some(logged);
        } else {
            self.follower.acted_on(&logged);
        }
        actions
    }

    /// What a restart interrupted.
    fn resume(&mut self) -> Vec<Action> {
        let mut actions = self.pin_again();
        let Some(active) = &self.active else {
            return actions;
        };
        actions.extend(
            match (
                &active.open,
                active.computed,
                active.masks(self.me),
                &active.trailer,
            ) {
                (Some(open), false, ..) if active.complaints.is_some() => vec![Action::Compute(open.clone())],
                (_, true, Some(masks), None) => vec![Action::Mask(active.round, masks)],
                _ => Vec::new(),
            },
        );
        actions
    }

    /// Whatever the coordinator may still be waiting for. Everything here was durable before it was first sent.
    fn resend(&self) -> Vec<Action> {
        let mut messages = self.epochs.pending(&identity!(self));
        messages.extend(self.consents());
        messages.extend(self.derived.map(ToCoordinator::Derived));
        messages.extend(self.roster_messages());
        let mut actions: Vec<Action> = messages.into_iter().map(send).collect();
        let Some(active) = &self.active else {
            return actions;
        };
        if let Some(release) = &active.release {
            actions.push(send(ToCoordinator::Release {
                round: active.round,
                release: release.clone(),
            }));
        } else if active.survivors.is_some() {
            actions.extend(self.confirm(active));
        } else if let Some(trailer) = active.trailer {
            actions.push(Action::Upload(OutboundUpdate::new(active.round, trailer)));
        } else if let (None, Some((statement, complaints))) = (&active.cohort, active.ready(&standing!(self)))
        {
            actions.push(send(ToCoordinator::Ready {
                statement,
                complaints,
            }));
        } else if active.sits_out {
            actions.push(send(ToCoordinator::SitsOut { round: active.round }));
        } else if active.open.is_none() && active.round <= self.last_round {
            actions.push(send(ToCoordinator::Bundle(Box::new(active.bundle.clone()))));
        }
        actions
    }

    fn message<E: Entropy>(&mut self, message: ToBank, entropy: &mut E) -> Vec<Action> {
        let before = self.armed();
        let me = identity!(self);
        let answer = match message {
            ToBank::EpochAsk { epoch } => self.epochs.ask(&me, epoch, entropy),
            ToBank::Directory(directory) => return self.directory(*directory, entropy),
            ToBank::PairCiphertexts { epoch, ciphertexts } => {
                self.epochs.ciphertexts(&me, epoch, &ciphertexts)
            }
            ToBank::PairConfirmations { epoch, confirmations } => {
                self.epochs.confirmations(&me, epoch, &confirmations)
            }
            ToBank::PrepareAsk { epoch, round } => return self.prepare(epoch, round, entropy),
            ToBank::Deliveries { round, deliveries } => return self.deliveries(round, deliveries),
            ToBank::Rejected(rejection) => return vec![Action::Notice(Notice::Rejected(rejection))],
            ToBank::Welcome { .. } | ToBank::Log(_) | ToBank::Witnessed { .. } => return Vec::new(),
        };
        self.epoch_answer(before, answer)
    }

    /// A directory serves once the log names it; one that overtook its entry waits for it.
    fn directory<E: Entropy>(&mut self, directory: KeyDirectory, entropy: &mut E) -> Vec<Action> {
        let Some(logged) = self.directories.get(&directory.epoch).copied() else {
            self.early_directory = Some(directory);
            return Vec::new();
        };
        let before = self.armed();
        let answer = self
            .epochs
            .directory(&identity!(self), directory, logged, entropy);
        self.epoch_answer(before, answer)
    }

    fn epoch_answer(
        &mut self,
        before: Option<Epoch>,
        answer: Result<Vec<ToCoordinator>, Rejection>,
    ) -> Vec<Action> {
        match answer {
            // What was right in a message that is refused counts, and is said again after a reconnection.
            Err(rejection) => {
                let mut actions = vec![Action::Persist];
                actions.extend(self.refuse(rejection, None));
                actions
            }
            Ok(messages) => {
                let mut actions = vec![Action::Persist];
                actions.extend(messages.into_iter().map(send));
                if let (true, Some(epoch)) = (self.armed() != before, self.armed()) {
                    actions.extend(self.close(self.last_round));
                    actions.push(Action::Notice(Notice::Armed(epoch)));
                }
                actions
            }
        }
    }

    fn refuse(&self, rejection: Rejection, round: Option<Round>) -> Vec<Action> {
        let objection = ToCoordinator::Objection {
            check: rejection.check,
            round,
        };
        vec![send(objection), Action::Notice(Notice::Refused(rejection))]
    }
}

/// A round's files go only when the record that no longer needs them is durable: a crash in between leaves files, never a record
/// whose files are gone.
fn close_last(actions: Vec<Action>) -> Vec<Action> {
    let (closing, mut rest): (Vec<_>, Vec<_>) = actions
        .into_iter()
        .partition(|action| matches!(action, Action::Close(_)));
    if !closing.is_empty() {
        let recorded = rest.iter().rposition(|action| matches!(action, Action::Persist));
        let at = recorded.map_or_else(
            || {
                rest.insert(0, Action::Persist);
                1
            },
            |at| at + 1,
        );
        rest.splice(at..at, closing);
    }
    rest
}

fn send(message: ToCoordinator) -> Action {
    Action::Send(OutboundMessage::new(message))
}
