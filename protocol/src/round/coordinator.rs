//! The coordinator's side of one round, as a pure step.
//!
//! Every accepted input becomes a [`Record`]; `CoordinatorRound::apply` is the only place that changes state, and it is what a restart
//! runs over the journal. An action list is in the order in which its effects must become true: [`Action::Commit`] first.

mod advance;
mod complaints;
mod inputs;

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::signing::{Signature, VerifyingKey};
use crate::ids::{BankIndex, Digest, Millis, Round};
use crate::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use crate::roster::Roster;
use crate::round::ahead::Ahead;
use crate::round::checks::Check;
use crate::round::prepare::delivery;
use crate::round::record::{Record, RoundPlan};
use crate::secagg::mask::Masks;
use crate::secagg::ring::Ring;
use crate::wire::message::{Bundle, Rejection, ToBank};
use crate::wire::signed::Signed;
use crate::wire::statement::{Derived, Ready, Release, Trailer};

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Banks prepare.
    Prepare,
    /// The round is open; banks compute.
    Ready,
    /// The cohort uploads.
    Collect,
    /// The survivors sign their list.
    Confirm,
    /// They release shares.
    Unmask,
    /// The coordinator sums.
    Sum,
    /// The result is published; banks derive the next state.
    Publish,
    /// Over.
    Closed,
}

impl Phase {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Ready => "ready",
            Self::Collect => "collect",
            Self::Confirm => "confirm",
            Self::Unmask => "unmask",
            Self::Sum => "sum",
            Self::Publish => "publish",
            Self::Closed => "closed",
        }
    }
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// The clock.
    Tick,
    /// A bank's control stream is up.
    Connected(BankIndex),
    /// A bank's control stream is gone.
    Disconnected(BankIndex),
    /// A bank prepared.
    Bundle(BankIndex, Box<Bundle>),
    /// A bank is ready.
    Ready(BankIndex, Signed<Ready>, Vec<BankIndex>),
    /// A bank says that it will not be ready.
    SitsOut(BankIndex),
    /// A masked vector is complete and durable; `length` and `hash` were measured.
    Uploaded(BankIndex, Signed<Trailer>, u64, Digest),
    /// A survivor signed the list.
    Confirm(BankIndex, Signature),
    /// A survivor released its shares.
    Release(BankIndex, Signed<Release>),
    /// The sum is durable and the next state derived.
    Summed(Box<RoundResult>),
    /// The sum is not one of honest contributions.
    SumFailed,
    /// A bank derived the next state.
    Derived(BankIndex, Signed<Derived>),
    /// The operator stops the task.
    Stop,
}

/// What to do, in this order.
pub enum Action {
    /// Make records and log entries durable in one step, before anything that follows.
    Commit(Vec<Record>, Vec<Entry>),
    /// Send to a bank.
    Send(BankIndex, ToBank),
    /// Add up the survivors' vectors, take the masks off, derive the next state, and come back with [`Event::Summed`].
    Sum(Vec<(BankIndex, Digest)>, Masks),
    /// Tell the operator.
    Notice(String),
    /// The round is over: with the hash of the next state, or why without.
    Close(Result<Digest, AbortReason>),
}

/// The machine of one round.
pub struct CoordinatorRound {
    roster: Roster,
    plan: RoundPlan,
    phase: Phase,
    since: Millis,
    /// When it last looked at who is gone.
    looked: Millis,
    connected: BTreeSet<BankIndex>,
    lost: BTreeMap<BankIndex, Millis>,
    bundles: BTreeMap<BankIndex, Bundle>,
    open: Option<RoundOpen>,
    ready: BTreeMap<BankIndex, Vec<BankIndex>>,
    sitting_out: BTreeSet<BankIndex>,
    cohort: Vec<BankIndex>,
    masked: BTreeMap<BankIndex, Signed<Trailer>>,
    confirmed: BTreeMap<BankIndex, Signature>,
    certified: bool,
    releases: BTreeMap<BankIndex, Release>,
    result: Option<RoundResult>,
    acknowledged: BTreeSet<BankIndex>,
}

impl CoordinatorRound {
    /// A new round. `connected` are the banks whose control streams are up, `ahead` the bundles of those that prepared it while the
    /// round before was under way. It opens at the next event if nobody is left to wait for.
    pub fn start(
        roster: Roster,
        plan: RoundPlan,
        connected: BTreeSet<BankIndex>,
        ahead: Option<Ahead>,
        now: Millis,
    ) -> (Self, Vec<Action>) {
        let mut records = vec![Record::Started {
            plan: Box::new(plan.clone()),
            at: now,
        }];
        let ahead = ahead.filter(|ahead| ahead.serves(plan.epoch, plan.round));
        let bundles = ahead.map(Ahead::into_bundles).unwrap_or_default();
        let mut machine = Self::empty(roster, plan, now);
        for (bank, bundle) in bundles {
            if machine.plan.approved.contains(&bank) {
                let record = Record::Prepared(bank, Box::new(bundle));
                machine.apply(record.clone());
                records.push(record);
            }
        }
        machine.connected = connected;
        let absent = machine
            .plan
            .approved
            .iter()
            .filter(|bank| !machine.connected.contains(bank));
        machine.lost = absent.map(|bank| (*bank, Millis(0))).collect();
        let mut actions = vec![Action::Commit(records, Vec::new())];
        actions.extend(
            machine
                .connected
                .clone()
                .into_iter()
                .flat_map(|bank| machine.ask(bank)),
        );
        (machine, actions)
    }

    fn empty(roster: Roster, plan: RoundPlan, since: Millis) -> Self {
        Self {
            roster,
            plan,
            phase: Phase::Prepare,
            since,
            looked: since,
            connected: BTreeSet::new(),
            lost: BTreeMap::new(),
            bundles: BTreeMap::new(),
            open: None,
            ready: BTreeMap::new(),
            sitting_out: BTreeSet::new(),
            cohort: Vec::new(),
            masked: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            certified: false,
            releases: BTreeMap::new(),
            result: None,
            acknowledged: BTreeSet::new(),
        }
    }

    /// The machine that the journal of an unfinished round describes; `None` if the records do not begin with a start. The phase gets
    /// its whole time again, because banks need a moment to come back.
    pub fn restore(roster: Roster, records: impl IntoIterator<Item = Record>, now: Millis) -> Option<Self> {
        let mut records = records.into_iter();
        let Some(Record::Started { plan, .. }) = records.next() else {
            return None;
        };
        let mut machine = Self::empty(roster, *plan, now);
        for record in records {
            machine.apply(record);
        }
        machine.since = now;
        machine.looked = now;
        let banks = machine.plan.approved.iter();
        machine.lost = banks.map(|bank| (*bank, now)).collect();
        Some(machine)
    }

    /// What the round is for.
    pub fn plan(&self) -> &RoundPlan {
        &self.plan
    }

    /// Its number.
    pub fn round(&self) -> Round {
        self.plan.round
    }

    /// Its phase.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The banks that the phase still waits for.
    pub fn waiting_for(&self) -> Vec<BankIndex> {
        let missing = |from: &mut dyn Iterator<Item = BankIndex>, have: &dyn Fn(&BankIndex) -> bool| {
            from.filter(|bank| !have(bank)).collect()
        };
        match self.phase {
            Phase::Prepare => missing(&mut self.plan.approved.iter().copied(), &|bank| {
                self.bundles.contains_key(bank)
            }),
            Phase::Ready => missing(&mut self.bundles.keys().copied(), &|bank| {
                self.ready.contains_key(bank) || self.sitting_out.contains(bank)
            }),
            Phase::Collect => missing(&mut self.cohort.iter().copied(), &|bank| {
                self.masked.contains_key(bank)
            }),
            Phase::Confirm => missing(&mut self.masked.keys().copied(), &|bank| {
                self.confirmed.contains_key(bank)
            }),
            Phase::Unmask => missing(&mut self.masked.keys().copied(), &|bank| {
                self.releases.contains_key(bank)
            }),
            Phase::Publish => missing(&mut self.masked.keys().copied(), &|bank| {
                self.acknowledged.contains(bank)
            }),
            Phase::Sum | Phase::Closed => Vec::new(),
        }
    }

    /// Banks that the phase has heard from.
    pub fn heard_from(&self) -> usize {
        match self.phase {
            Phase::Prepare => self.bundles.len(),
            Phase::Ready => self.ready.len(),
            Phase::Collect => self.masked.len(),
            Phase::Confirm => self.confirmed.len(),
            Phase::Unmask => self.releases.len(),
            Phase::Sum => self.masked.len(),
            Phase::Publish | Phase::Closed => self.acknowledged.len(),
        }
    }

    /// The `RoundOpen` entry, once the round is open.
    pub fn opened(&self) -> Option<&RoundOpen> {
        self.open.as_ref()
    }

    /// The bundles of the banks that prepared.
    pub fn bundles(&self) -> &BTreeMap<BankIndex, Bundle> {
        &self.bundles
    }

    /// `U2`; empty before it is fixed.
    pub fn cohort(&self) -> &[BankIndex] {
        &self.cohort
    }

    /// The survivors, once they are fixed; before, whose updates are stored.
    pub fn survivors(&self) -> Vec<BankIndex> {
        self.masked.keys().copied().collect()
    }

    /// The survivors, from the certificate on until the result is published: shares may have left for them, and their banks confirm no
    /// other survivors of the step (C-407). After an abort it is tried again with exactly these ([`RoundPlan::whole`]).
    pub fn released_for(&self) -> Option<Vec<BankIndex>> {
        (self.certified && self.result.is_none()).then(|| self.survivors())
    }

    /// Fewest banks with which the round goes on.
    fn least(&self) -> usize {
        let least = usize::from(self.plan.thresholds.min_survivors);
        if self.plan.whole {
            least.max(self.plan.approved.len())
        } else {
            least
        }
    }

    /// Until when the phase lasts at most.
    pub fn deadline(&self) -> Option<Millis> {
        let limits = &self.plan.limits;
        let seconds = match self.phase {
            Phase::Prepare => limits.prepare_s,
            Phase::Ready => limits.ready_s,
            Phase::Collect => limits.collect_s,
            Phase::Confirm => limits.confirm_s,
            Phase::Unmask => limits.unmask_s,
            Phase::Publish => limits.ack_s,
            Phase::Sum | Phase::Closed => return None,
        };
        Some(self.since.plus_seconds(seconds))
    }

    /// When the machine wants its next [`Event::Tick`].
    pub fn next_deadline(&self) -> Option<Millis> {
        let grace = self.plan.limits.reconnect_grace_s;
        let waiting = self.waiting_for();
        let gone = self
            .lost
            .iter()
            .filter(|(bank, _)| waiting.contains(bank))
            .map(|(_, at)| at.plus_seconds(grace));
        // A moment that has passed was looked at when it came; only a later one, or the phase's end, is worth waking for.
        gone.filter(|at| *at > self.looked).chain(self.deadline()).min()
    }

    /// The packed length of an upload, if this bank may upload now.
    ///
    /// # Errors
    /// C-701 in another phase or for a bank outside the cohort, C-703 if its update is stored already.
    pub fn expected_upload(&self, bank: BankIndex) -> Result<u64, Rejection> {
        if self.masked.contains_key(&bank) {
            return Err(Rejection::new(Check::SecondMessage, "the update is stored"));
        }
        if self.phase != Phase::Collect || !self.cohort.contains(&bank) {
            let detail = format!(
                "round {} takes no update of this bank in phase {}",
                self.plan.round,
                self.phase.name()
            );
            return Err(Rejection::new(Check::Phase, detail));
        }
        Ok(self.packed_bytes())
    }

    /// True if the last byte of a packed vector of this round has no bit set behind the last lane.
    pub fn is_filling_clean(&self, last_byte: u8) -> bool {
        let ring = Ring::for_sum(self.plan.thresholds.banks, self.plan.digit_bits);
        let used = ring.map_or(0, |ring| self.plan.lanes.wrapping_mul(u64::from(ring.bits())) % 8);
        used == 0 || last_byte >> used == 0
    }

    fn packed_bytes(&self) -> u64 {
        let lanes = usize::try_from(self.plan.lanes).unwrap_or(usize::MAX);
        let ring = Ring::for_sum(self.plan.thresholds.banks, self.plan.digit_bits);
        ring.map_or(0, |ring| ring.packed_bytes(lanes) as u64)
    }

    /// One step.
    ///
    /// # Errors
    /// A [`Rejection`] for the bank that sent something wrong. Nothing has changed then.
    pub fn handle(&mut self, now: Millis, event: Event) -> Result<Vec<Action>, Rejection> {
        let mut actions = match event {
            Event::Tick => Vec::new(),
            Event::Connected(bank) => {
                self.connected.insert(bank);
                self.lost.remove(&bank);
                self.ask(bank)
            }
            Event::Disconnected(bank) => {
                self.connected.remove(&bank);
                self.lost.insert(bank, now);
                Vec::new()
            }
            Event::Bundle(bank, bundle) => self.bundle(bank, bundle)?,
            Event::Ready(bank, statement, complaints) => self.ready(bank, statement, complaints)?,
            Event::SitsOut(bank) => {
                // Not in the journal: the bank says so again when it is connected after a restart.
                self.sitting_out.insert(bank);
                Vec::new()
            }
            Event::Uploaded(bank, trailer, length, hash) => self.uploaded(bank, trailer, length, hash)?,
            Event::Confirm(bank, signature) => self.confirm(bank, signature)?,
            Event::Release(bank, release) => self.release(bank, release)?,
            Event::Summed(result) => self.summed(now, *result),
            Event::SumFailed => self.abort(AbortReason::BadSum),
            Event::Derived(bank, derived) => self.derived(bank, derived)?,
            Event::Stop => self.abort(AbortReason::Stopped),
        };
        actions.extend(self.advance(now));
        self.looked = now;
        Ok(actions)
    }

    /// Changes the state by an accepted input. Nothing else does.
    fn apply(&mut self, record: Record) {
        match record {
            Record::Started { .. } => {}
            Record::Prepared(bank, bundle) => {
                self.bundles.insert(bank, *bundle);
            }
            Record::Opened { open, at } => {
                self.open = Some(open.0);
                self.enter(Phase::Ready, at);
            }
            Record::Ready {
                statement,
                complaints,
            } => {
                self.ready.insert(statement.claim().bank, complaints);
            }
            Record::Cohort { banks, at } => {
                self.cohort = banks;
                self.enter(Phase::Collect, at);
            }
            Record::Masked(trailer) => {
                self.masked.insert(trailer.claim().bank, trailer);
            }
            Record::Survivors { at } => self.enter(Phase::Confirm, at),
            Record::Confirmed(bank, signature) => {
                self.confirmed.insert(bank, signature);
            }
            Record::Certified { at } => {
                self.certified = true;
                self.enter(Phase::Unmask, at);
            }
            Record::Released(release) => {
                self.releases
                    .insert(release.claim().bank, release.claim().clone());
            }
            Record::Published { result, at } => {
                self.result = Some(result.0);
                self.enter(Phase::Publish, at);
            }
            Record::Acknowledged(bank) => {
                self.acknowledged.insert(bank);
            }
            Record::Closed(_) => self.phase = Phase::Closed,
        }
    }

    fn enter(&mut self, phase: Phase, at: Millis) {
        self.phase = phase;
        self.since = at;
    }

    fn accept(&mut self, record: Record, entries: Vec<Entry>) -> Action {
        self.apply(record.clone());
        Action::Commit(vec![record], entries)
    }

    fn signing_key(&self, bank: BankIndex) -> Result<VerifyingKey, Rejection> {
        let entry = self.roster.bank(bank);
        entry
            .map(|entry| VerifyingKey(entry.signing_key))
            .ok_or_else(|| Rejection::new(Check::Roster, bank.to_string()))
    }

    fn wrong_phase(&self) -> Rejection {
        Rejection::new(
            Check::Phase,
            format!("round {} is in phase {}", self.plan.round, self.phase.name()),
        )
    }

    /// What a bank that (re)connects needs beside the log.
    fn ask(&self, bank: BankIndex) -> Vec<Action> {
        let message = match self.phase {
            Phase::Prepare if self.plan.approved.contains(&bank) && !self.bundles.contains_key(&bank) => {
                ToBank::PrepareAsk {
                    epoch: self.plan.epoch,
                    round: self.plan.round,
                }
            }
            Phase::Ready if self.bundles.contains_key(&bank) => self.deliveries(bank),
            _ => return Vec::new(),
        };
        vec![Action::Send(bank, message)]
    }

    fn deliveries(&self, to: BankIndex) -> ToBank {
        let others = self.bundles.iter().filter(|(from, _)| **from != to);
        ToBank::Deliveries {
            round: self.plan.round,
            deliveries: others.filter_map(|(_, bundle)| delivery(bundle, to)).collect(),
        }
    }
}
