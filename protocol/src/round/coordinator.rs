//! The coordinator's side of one round, as a pure step.
//!
//! Every accepted input becomes a [`Record`]; [`CoordinatorRound::apply`] is the only place that changes state, and it is what a restart
//! runs over the journal. An action list is in the order in which its effects must become true: [`Action::Commit`] first.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::signing::{Signature, VerifyingKey};
use crate::ids::{BankIndex, Digest, Millis, Round};
use crate::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use crate::roster::Roster;
use crate::round::active::complaints_hash;
use crate::round::checks::Check;
use crate::round::context::Context;
use crate::round::prepare::{Place, check_bundle, delivery};
use crate::round::record::{Form, Record, RoundPlan};
use crate::round::recover::Recovery;
use crate::secagg::mask::Masks;
use crate::secagg::ring::Ring;
use crate::wire::canonical::Canonical;
use crate::wire::message::{Bundle, Rejection, ToBank};
use crate::wire::signed::Signed;
use crate::wire::statement::{Derived, Ready, Release, SurvivorList, Trailer};

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
    connected: BTreeSet<BankIndex>,
    lost: BTreeMap<BankIndex, Millis>,
    bundles: BTreeMap<BankIndex, Bundle>,
    open: Option<RoundOpen>,
    ready: BTreeMap<BankIndex, Vec<BankIndex>>,
    cohort: Vec<BankIndex>,
    masked: BTreeMap<BankIndex, Signed<Trailer>>,
    confirmed: BTreeMap<BankIndex, Signature>,
    releases: BTreeMap<BankIndex, Release>,
    result: Option<RoundResult>,
    acknowledged: BTreeSet<BankIndex>,
}

impl CoordinatorRound {
    /// A new round. `connected` are the banks whose control streams are up.
    pub fn start(
        roster: Roster,
        plan: RoundPlan,
        connected: BTreeSet<BankIndex>,
        now: Millis,
    ) -> (Self, Vec<Action>) {
        let started = Record::Started {
            plan: Box::new(plan.clone()),
            at: now,
        };
        let mut machine = Self::empty(roster, plan, now);
        machine.connected = connected;
        let absent = machine
            .plan
            .approved
            .iter()
            .filter(|bank| !machine.connected.contains(bank));
        machine.lost = absent.map(|bank| (*bank, Millis(0))).collect();
        let mut actions = vec![Action::Commit(vec![started], Vec::new())];
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
            connected: BTreeSet::new(),
            lost: BTreeMap::new(),
            bundles: BTreeMap::new(),
            open: None,
            ready: BTreeMap::new(),
            cohort: Vec::new(),
            masked: BTreeMap::new(),
            confirmed: BTreeMap::new(),
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
                self.ready.contains_key(bank)
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
        gone.filter(|at| *at > self.since).chain(self.deadline()).min()
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
            Event::Uploaded(bank, trailer, length, hash) => self.uploaded(bank, trailer, length, hash)?,
            Event::Confirm(bank, signature) => self.confirm(bank, signature)?,
            Event::Release(bank, release) => self.release(bank, release)?,
            Event::Summed(result) => self.summed(now, *result),
            Event::SumFailed => self.abort(AbortReason::BadSum),
            Event::Derived(bank, derived) => self.derived(bank, derived)?,
            Event::Stop => self.abort(AbortReason::Stopped),
        };
        actions.extend(self.advance(now));
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
            Record::Certified { at } => self.enter(Phase::Unmask, at),
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

    fn bundle(&mut self, bank: BankIndex, bundle: Box<Bundle>) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.bundles.get(&bank) {
            return same(first == bundle.as_ref());
        }
        if self.phase != Phase::Prepare || !self.plan.approved.contains(&bank) {
            return Err(self.wrong_phase());
        }
        let place = Place {
            epoch: self.plan.epoch,
            round: self.plan.round,
            bank,
        };
        check_bundle(
            &bundle,
            place,
            self.plan.thresholds.banks,
            &self.signing_key(bank)?,
        )?;
        Ok(vec![self.accept(Record::Prepared(bank, bundle), Vec::new())])
    }

    fn ready(
        &mut self,
        bank: BankIndex,
        statement: Signed<Ready>,
        complaints: Vec<BankIndex>,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.ready.get(&bank) {
            return same(*first == complaints);
        }
        let open = match &self.open {
            Some(open) if self.phase == Phase::Ready && self.bundles.contains_key(&bank) => open.hash(),
            _ => return Err(self.wrong_phase()),
        };
        let expected = Ready {
            round: self.plan.round,
            open,
            complaints: complaints_hash(&complaints),
            bank,
        };
        if statement.open(&self.signing_key(bank)?) != Some(&expected) {
            return Err(Rejection::new(Check::Signature, "under Ready"));
        }
        Ok(vec![self.accept(
            Record::Ready {
                statement,
                complaints,
            },
            Vec::new(),
        )])
    }

    fn uploaded(
        &mut self,
        bank: BankIndex,
        trailer: Signed<Trailer>,
        length: u64,
        hash: Digest,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.masked.get(&bank) {
            return same(*first == trailer);
        }
        self.expected_upload(bank)?;
        let context = self.context().ok_or_else(|| self.wrong_phase())?;
        let expected = Trailer {
            context: context.digest(),
            bank,
            length,
            hash,
        };
        let signed = trailer
            .open(&self.signing_key(bank)?)
            .ok_or_else(|| Rejection::new(Check::Signature, "under the trailer"))?;
        if *signed != expected || length != self.packed_bytes() {
            let detail = format!(
                "found {length} bytes with hash {hash:?}, signed {} bytes with {:?}",
                signed.length, signed.hash
            );
            return Err(Rejection::new(Check::Upload, detail));
        }
        let entry = Entry::Masked {
            round: self.plan.round,
            bank,
            hash,
            length,
            signature: trailer.signature(),
        };
        Ok(vec![self.accept(Record::Masked(trailer), vec![entry])])
    }

    fn context(&self) -> Option<Context> {
        let open = self.open.as_ref().filter(|_| !self.cohort.is_empty())?;
        Some(Context::of(open, &self.cohort))
    }

    fn survivor_list(&self) -> Vec<(BankIndex, Digest)> {
        self.masked
            .iter()
            .map(|(bank, trailer)| (*bank, trailer.claim().hash))
            .collect()
    }

    fn confirm(&mut self, bank: BankIndex, signature: Signature) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.confirmed.get(&bank) {
            return same(*first == signature);
        }
        let context = match self.context() {
            Some(context) if self.phase == Phase::Confirm && self.masked.contains_key(&bank) => context,
            // The certificate is complete without it.
            _ if self.phase > Phase::Confirm => return Ok(Vec::new()),
            _ => return Err(self.wrong_phase()),
        };
        let entry = Entry::Survivors {
            round: self.plan.round,
            list: self.survivor_list(),
        };
        let statement = SurvivorList {
            context: context.digest(),
            survivors: entry.hash(),
        };
        if !self.signing_key(bank)?.verifies(&statement, &signature) {
            return Err(Rejection::new(Check::Signature, "under the list of survivors"));
        }
        Ok(vec![self.accept(Record::Confirmed(bank, signature), Vec::new())])
    }

    fn release(&mut self, bank: BankIndex, release: Signed<Release>) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.releases.get(&bank) {
            return same(first == release.claim());
        }
        let context = match self.context() {
            Some(context) if self.phase == Phase::Unmask && self.masked.contains_key(&bank) => context,
            _ if self.phase > Phase::Unmask => return Ok(Vec::new()),
            _ => return Err(self.wrong_phase()),
        };
        let signed = release
            .open(&self.signing_key(bank)?)
            .filter(|body| body.bank == bank && body.context == context.digest())
            .ok_or_else(|| Rejection::new(Check::Signature, "under the released shares"))?;
        let survivors = self.masked.keys().copied().collect();
        Recovery::check_release(signed, &self.cohort, &survivors)?;
        let entry = Entry::Release {
            round: self.plan.round,
            bank,
            body: release.hash(),
        };
        Ok(vec![self.accept(Record::Released(release), vec![entry])])
    }

    fn derived(&mut self, bank: BankIndex, derived: Signed<Derived>) -> Result<Vec<Action>, Rejection> {
        let Some(result) = self
            .result
            .as_ref()
            .filter(|_| derived.claim().round == self.plan.round)
        else {
            // An acknowledgement of an earlier round, sent again after a reconnection.
            return Ok(Vec::new());
        };
        let expected = Derived {
            round: self.plan.round,
            bank,
            state: result.next_state,
        };
        if derived.open(&self.signing_key(bank)?) != Some(&expected) {
            return Err(Rejection::new(
                Check::DerivedState,
                "the acknowledgement names another state",
            ));
        }
        if self.acknowledged.contains(&bank) {
            return Ok(Vec::new());
        }
        let entry = Entry::Ack {
            round: self.plan.round,
            bank,
            state: result.next_state,
            signature: derived.signature(),
        };
        Ok(vec![self.accept(Record::Acknowledged(bank), vec![entry])])
    }

    fn summed(&mut self, now: Millis, result: RoundResult) -> Vec<Action> {
        if self.phase != Phase::Sum {
            // The round was stopped meanwhile.
            return Vec::new();
        }
        let entry = Entry::Result(result.clone());
        vec![self.accept(
            Record::Published {
                result: Form(result),
                at: now,
            },
            vec![entry],
        )]
    }

    /// Moves on when the phase has what it needs, or has waited long enough.
    fn advance(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        let expired = self.deadline().is_some_and(|deadline| deadline <= now);
        let grace = self.plan.limits.reconnect_grace_s;
        let is_gone = |bank: &BankIndex| {
            self.lost
                .get(bank)
                .is_some_and(|at| at.plus_seconds(grace) <= now)
        };
        let settled = self.waiting_for().iter().all(is_gone);
        let least = usize::from(self.plan.thresholds.min_survivors);
        // Without enough banks the phase waits for more until its end, even when all who are connected have answered.
        let enough = |count: usize| expired || (settled && count >= least);
        match self.phase {
            Phase::Prepare if enough(self.bundles.len()) => {
                if self.bundles.len() < least {
                    return self.abort(AbortReason::TooFewPrepared);
                }
                actions.extend(self.open(now));
            }
            Phase::Ready if enough(self.ready.len()) => {
                let (cohort, left_out) = without_complaints(&self.ready);
                if cohort.len() < least {
                    return self.abort(AbortReason::TooFewReady);
                }
                if !left_out.is_empty() {
                    actions.push(Action::Notice(format!(
                        "left out after complaints about parcels: {left_out:?}"
                    )));
                }
                let entry = Entry::Cohort {
                    round: self.plan.round,
                    banks: cohort.clone(),
                };
                actions.push(self.accept(
                    Record::Cohort {
                        banks: cohort,
                        at: now,
                    },
                    vec![entry],
                ));
            }
            Phase::Collect if enough(self.masked.len()) => {
                if self.masked.len() < least {
                    return self.abort(AbortReason::TooFewUpdates);
                }
                let entry = Entry::Survivors {
                    round: self.plan.round,
                    list: self.survivor_list(),
                };
                actions.push(self.accept(Record::Survivors { at: now }, vec![entry]));
            }
            // Not where the last signature is accepted: a restart may come between that record and this one.
            Phase::Confirm if self.confirmed.len() >= usize::from(self.plan.thresholds.threshold) => {
                let entry = Entry::Certificate {
                    round: self.plan.round,
                    signatures: self
                        .confirmed
                        .iter()
                        .map(|(bank, signature)| (*bank, *signature))
                        .collect(),
                };
                actions.push(self.accept(Record::Certified { at: now }, vec![entry]));
            }
            Phase::Confirm if expired => return self.abort(AbortReason::TooFewConfirmations),
            Phase::Unmask => actions.extend(self.recover(expired)),
            Phase::Publish if expired || settled => actions.extend(self.finish()),
            _ => {}
        }
        actions
    }

    fn open(&mut self, now: Millis) -> Vec<Action> {
        let bundles = self
            .bundles
            .iter()
            .map(|(bank, bundle)| (*bank, bundle.header.hash()))
            .collect();
        let manifest = Entry::PrepareManifest {
            epoch: self.plan.epoch,
            round: self.plan.round,
            bundles,
        };
        let ring = Ring::for_sum(self.plan.thresholds.banks, self.plan.digit_bits);
        let open = RoundOpen {
            epoch: self.plan.epoch,
            round: self.plan.round,
            task: self.plan.task,
            kind: self.plan.kind,
            step: self.plan.step,
            attempt: self.plan.attempt,
            state: self.plan.state,
            last_result: self.plan.last_result,
            layout: self.plan.layout,
            directory: self.plan.directory,
            manifest: manifest.hash(),
            thresholds: self.plan.thresholds,
            digit_bits: self.plan.digit_bits,
            ring_bits: ring.map_or(0, Ring::bits),
            opened_at: now.timestamp(),
            ready_until: now.plus_seconds(self.plan.limits.ready_s).timestamp(),
        };
        let entries = vec![manifest, Entry::RoundOpen(open.clone())];
        let mut actions = vec![self.accept(
            Record::Opened {
                open: Form(open),
                at: now,
            },
            entries,
        )];
        actions.extend(
            self.bundles
                .keys()
                .map(|bank| Action::Send(*bank, self.deliveries(*bank))),
        );
        actions
    }

    fn recover(&mut self, expired: bool) -> Vec<Action> {
        let threshold = usize::from(self.plan.thresholds.threshold);
        let (Some(open), Some(context)) = (&self.open, self.context()) else {
            return Vec::new();
        };
        if self.releases.len() < threshold {
            return if expired {
                self.abort(AbortReason::TooFewShares)
            } else {
                Vec::new()
            };
        }
        let survivors = self.masked.keys().copied().collect();
        let recovery = Recovery {
            open,
            context,
            cohort: &self.cohort,
            survivors: &survivors,
            bundles: &self.bundles,
            releases: &self.releases,
        };
        match recovery.run() {
            Ok(recovered) => {
                self.phase = Phase::Sum;
                let mut actions = vec![Action::Sum(self.survivor_list(), recovered.masks)];
                if !recovered.set_aside.is_empty() {
                    let detail = format!(
                        "set aside the shares of {:?}: they do not fit the commitments",
                        recovered.set_aside
                    );
                    actions.push(Action::Notice(detail));
                }
                actions
            }
            // Another bank's shares may still make it whole.
            Err(_) if !expired && self.releases.len() < self.masked.len() => Vec::new(),
            Err(rejection) => {
                let mut actions = vec![Action::Notice(rejection.to_string())];
                actions.extend(self.abort(AbortReason::BadShares));
                actions
            }
        }
    }

    fn finish(&mut self) -> Vec<Action> {
        let Some(next) = self.result.as_ref().map(|result| result.next_state) else {
            return Vec::new();
        };
        vec![
            self.accept(Record::Closed(None), Vec::new()),
            Action::Close(Ok(next)),
        ]
    }

    /// Ends the round without a result; a published one is finished instead.
    fn abort(&mut self, reason: AbortReason) -> Vec<Action> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        if self.result.is_some() {
            return self.finish();
        }
        let after_release = self.phase >= Phase::Unmask;
        let entry = Entry::Abort {
            round: self.plan.round,
            reason,
            after_release,
        };
        vec![
            self.accept(Record::Closed(Some(reason)), vec![entry]),
            Action::Close(Err(reason)),
        ]
    }
}

/// A repetition of what was accepted changes nothing; something else of the same kind comes too late.
fn same(same: bool) -> Result<Vec<Action>, Rejection> {
    if same {
        Ok(Vec::new())
    } else {
        Err(Rejection::new(Check::SecondMessage, "the first one counts"))
    }
}

/// The largest cohort that a simple rule finds in which nobody complained about anybody: while there is a complaint, the bank with the most
/// complaints by and about it goes. Honest banks never complain about each other, so somebody who complains about
/// many, or is complained about by many, goes first.
fn without_complaints(ready: &BTreeMap<BankIndex, Vec<BankIndex>>) -> (Vec<BankIndex>, Vec<BankIndex>) {
    let mut cohort: BTreeSet<BankIndex> = ready.keys().copied().collect();
    let mut left_out = Vec::new();
    loop {
        let mut count: BTreeMap<BankIndex, (usize, usize)> = BTreeMap::new();
        for (by, complaints) in ready.iter().filter(|(by, _)| cohort.contains(by)) {
            for about in complaints.iter().filter(|about| cohort.contains(about)) {
                count.entry(*by).or_default().0 += 1;
                let about = count.entry(*about).or_default();
                about.0 += 1;
                about.1 += 1;
            }
        }
        // Between equals the one complained about goes: it sent the parcel.
        let Some((worst, _)) = count
            .into_iter()
            .max_by_key(|(bank, count)| (*count, std::cmp::Reverse(*bank)))
        else {
            return (cohort.into_iter().collect(), left_out);
        };
        cohort.remove(&worst);
        left_out.push(worst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bank(index: u16) -> BankIndex {
        BankIndex::new(index).unwrap()
    }

    fn split(complaints: &[(u16, &[u16])]) -> (Vec<u16>, Vec<u16>) {
        let ready = complaints
            .iter()
            .map(|(by, about)| (bank(*by), about.iter().map(|about| bank(*about)).collect()))
            .collect();
        let (cohort, left_out) = without_complaints(&ready);
        let numbers = |banks: Vec<BankIndex>| banks.iter().map(|bank| bank.get()).collect();
        (numbers(cohort), numbers(left_out))
    }

    #[test]
    fn a_bank_that_sent_bad_parcels_or_slanders_all_goes_alone() {
        assert_eq!(split(&[(1, &[]), (2, &[]), (3, &[])]), (vec![1, 2, 3], vec![]));
        assert_eq!(split(&[(1, &[3]), (2, &[3]), (3, &[])]), (vec![1, 2], vec![3]));
        assert_eq!(split(&[(1, &[]), (2, &[]), (3, &[1, 2])]), (vec![1, 2], vec![3]));
        assert_eq!(split(&[(1, &[2]), (2, &[]), (3, &[])]), (vec![1, 3], vec![2]));
        assert_eq!(split(&[(1, &[9]), (2, &[]), (3, &[])]), (vec![1, 2, 3], vec![]));
    }
}
