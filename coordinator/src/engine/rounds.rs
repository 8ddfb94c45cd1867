//! Rounds: when one starts, and carrying out what its machine decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use veilsum_protocol::ids::{BankIndex, Digest, Millis, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundResult};
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::{Action, CoordinatorRound, Event};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::record::{Limits, Record, RoundPlan};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, Rejection};

use super::driver::{Engine, Input};
use super::ports::{Fault, Ledger};
use super::status::ResultLine;
use super::tasks::{LoadedTask, TaskRecord, TaskStatus};
use crate::aggregate::{SumError, Summation, Summed, sum};

/// Store keys of the open round's journal.
pub(super) const JOURNAL: &str = "round/record/";
/// Store key of the last round's number.
pub(super) const LAST: &str = "round/last";

impl<L: Ledger> Engine<L> {
    pub(super) fn thresholds(&self) -> Result<Thresholds, Fault> {
        let banks = u16::try_from(self.roster.banks().len()).map_err(Fault::new)?;
        Thresholds::with_most_colluders(banks).map_err(Fault::new)
    }

    /// Starts the next round when its banks are there: all that could be, or enough of them for as long as a lost bank is waited for. A
    /// step for which shares left is tried again with exactly the banks that they left for.
    pub(super) fn start_round_if_possible(&mut self) -> Result<(), Fault> {
        if self.round.is_some() || self.set_up.is_some() {
            return Ok(());
        }
        let thresholds = self.thresholds()?;
        let (Some(task), Some(directory)) = (self.tasks.current(), &self.armed) else {
            return Ok(());
        };
        let record = &task.record;
        let Some(kind) = task.plan.kind(record.step) else {
            return Ok(());
        };
        let has_keys = |bank: &BankIndex| self.sessions.has_keys(*bank, directory.epoch);
        let released_for = match self.released_for(record) {
            Ok(banks) => banks,
            // The step cannot be tried again; the status says so.
            Err(_) => return Ok(()),
        };
        let whole = released_for.is_some();
        // Its try would fail, and count as one.
        let refuses = |bank: &BankIndex| self.refusals.has(&record.task, &self.name(*bank));
        if released_for
            .as_ref()
            .is_some_and(|banks| banks.iter().any(refuses))
        {
            self.assembled = None;
            return Ok(());
        }
        // An absent bank may still come; one that is here without the keys would only be waited for in vain.
        let approved: Vec<BankIndex> = released_for.unwrap_or_else(|| {
            let banks = self.roster.banks().iter();
            banks
                .filter(|bank| self.takes_part(record, &bank.name))
                .map(|bank| bank.index)
                .filter(|bank| has_keys(bank) || !self.sessions.is_up(*bank))
                .collect()
        });
        let here = approved.iter().filter(|bank| has_keys(bank)).count();
        let now = self.clock.now();
        if here < usize::from(thresholds.min_survivors) || (whole && here < approved.len()) {
            self.assembled = None;
            return Ok(());
        }
        // Nobody waits for a bank that refuses.
        let may_come = self.roster.banks().len() - self.refused_by(record).len();
        if !whole && here < may_come {
            let since = match self.assembled {
                Some((count, since)) if count == here => since,
                _ => now,
            };
            self.assembled = Some((here, since));
            if since.plus_seconds(self.reconnect_grace_s) > now {
                return Ok(());
            }
        }
        let layout = task.plan.layout(kind);
        let plan = RoundPlan {
            epoch: directory.epoch,
            directory: directory.hash(),
            round: Round(self.last_round.0 + 1),
            task: record.task,
            kind,
            step: record.step,
            attempt: record.attempt,
            state: record.state,
            last_result: record.last_result,
            layout: layout.digest(),
            lanes: u64::try_from(layout.lanes()).map_err(Fault::new)?,
            digit_bits: layout.digit_bits,
            thresholds,
            approved,
            whole,
            limits: Limits::new(&task.task.deadlines, self.reconnect_grace_s),
        };
        tracing::info!(
            "round {}: {} ({} of {} steps of task {}), {here} of {} banks are here",
            plan.round,
            kind.name(),
            record.step + 1,
            record.steps,
            record.name,
            self.roster.banks().len()
        );
        self.last_round = plan.round;
        self.next_record = 0;
        let approved = plan.approved.clone();
        let (machine, actions) = CoordinatorRound::start(
            self.roster.clone(),
            plan,
            self.sessions.banks().collect(),
            self.ahead.take(),
            now,
        );
        self.round = Some(machine);
        self.follow_phase();
        self.round_actions(actions)?;
        for bank in approved {
            if let Some(at) = self.sessions.lost_at(bank).filter(|_| !self.sessions.is_up(bank)) {
                self.round_event_at(at, None, Event::Disconnected(bank))?;
            }
        }
        self.round_event(None, Event::Tick)
    }

    /// A step of the open round's machine; `from` is told when what it sent is refused.
    pub(super) fn round_event(&mut self, from: Option<BankIndex>, event: Event) -> Result<(), Fault> {
        self.round_event_at(self.clock.now(), from, event)
    }

    fn round_event_at(&mut self, now: Millis, from: Option<BankIndex>, event: Event) -> Result<(), Fault> {
        let Some(machine) = &mut self.round else {
            return Ok(());
        };
        let handled = machine.handle(now, event);
        self.follow_phase();
        match (handled, from) {
            (Ok(actions), _) => self.round_actions(actions),
            (Err(rejection), Some(bank)) => {
                self.reject(bank, rejection);
                Ok(())
            }
            (Err(_), None) => Ok(()),
        }
    }

    /// A step whose refusal the caller passes on.
    pub(super) fn try_round_event(&mut self, event: Event) -> Result<Result<(), Rejection>, Fault> {
        let now = self.clock.now();
        let Some(machine) = &mut self.round else {
            return Ok(Err(Rejection::new(Check::Phase, "no round is open")));
        };
        let handled = machine.handle(now, event);
        self.follow_phase();
        match handled {
            Err(rejection) => Ok(Err(rejection)),
            Ok(actions) => self.round_actions(actions).map(Ok),
        }
    }

    /// Keeps the times of the open round's phases.
    fn follow_phase(&mut self) {
        let Some(machine) = &self.round else { return };
        let task = machine.plan().task;
        let record = self.tasks.records().find(|record| record.task == task);
        let name = || record.map(|record| record.name.clone()).unwrap_or_default();
        self.timeline
            .follow(machine, name, self.clock.now(), self.observer.as_ref());
    }

    pub(super) fn round_actions(&mut self, actions: Vec<Action>) -> Result<(), Fault> {
        for action in actions {
            match action {
                Action::Commit(records, entries) => self.commit_round(records, entries)?,
                Action::Send(bank, message) => self.outbox.send(bank, message),
                Action::Sum(survivors, masks) => self.start_sum(survivors, masks)?,
                Action::Notice(text) => tracing::warn!("{text}"),
                Action::Close(result) => self.round_closed(result),
            }
        }
        Ok(())
    }

    fn commit_round(&mut self, records: Vec<Record>, entries: Vec<Entry>) -> Result<(), Fault> {
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        for record in &records {
            match record {
                Record::Started { plan, .. } => {
                    puts.push((LAST.to_owned(), plan.round.0.to_be_bytes().to_vec()));
                }
                Record::Cohort { .. } => self.archive_bundles()?,
                Record::Released(release) => self.outbox.store(release.to_bytes()),
                Record::Certified { .. } => puts.extend(self.remember_released()?),
                Record::Published { result, .. } => puts.extend(self.advance_task(&result.0)?),
                Record::Closed(reason) => {
                    deletes.extend(self.ledger.scan(JOURNAL)?.into_iter().map(|(key, _)| key));
                    deletes.extend(self.outbox.keys(JOURNAL));
                    puts.extend(
                        reason
                            .map(|reason| self.count_attempt(reason))
                            .transpose()?
                            .flatten(),
                    );
                }
                _ => {}
            }
            self.say_progress(record);
        }
        if deletes.is_empty() {
            for record in &records {
                let bytes = frame::encode(record, frame::MAX_BODY).map_err(Fault::new)?;
                puts.push((format!("{JOURNAL}{:08}", self.next_record), bytes));
                self.next_record += 1;
            }
        }
        self.outbox.delete(deletes);
        self.outbox.put(puts);
        self.outbox.log(&entries);
        Ok(())
    }

    /// Keeps the cohort's bundles for those who replay the round.
    fn archive_bundles(&self) -> Result<(), Fault> {
        let Some(machine) = &self.round else { return Ok(()) };
        let (mut banks, mut bundles) = (Vec::new(), Vec::new());
        for (bank, bundle) in machine.bundles() {
            banks.push(*bank);
            bundles.push(frame::encode(bundle, MESSAGE_LIMIT).map_err(Fault::new)?);
        }
        let hashes = self.blobs.put_all(&bundles)?;
        let index = banks.into_iter().zip(hashes).collect();
        self.blobs.index_bundles(machine.round(), &index)
    }

    /// The task's record after a published result, to be committed with it.
    fn advance_task(&mut self, result: &RoundResult) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let Some(plan) = self.round.as_ref().map(CoordinatorRound::plan) else {
            return Ok(None);
        };
        let (Some(task), Some(summed)) = (self.tasks.by_hash(&plan.task), self.summed.take()) else {
            return Ok(None);
        };
        if let Some(why) = stopped_early(task, &summed.state) {
            tracing::info!("task {}: {why}", task.record.name);
        }
        task.record.state = result.next_state;
        task.record.step = summed.state.step;
        task.state = Arc::new(summed.state);
        task.record.attempt = 0;
        task.record.last_result = Entry::Result(result.clone()).hash();
        task.record.released_for = None;
        task.last = Some(result_line(result));
        if task.record.step == task.record.steps && !task.record.status.is_over() {
            task.record.status = TaskStatus::Finished;
        }
        Ok(Some(task.record.put()?))
    }

    /// The task's record before shares leave, to be committed with the certificate that lets them out. A bank is its name here, because
    /// positions may change with the roster.
    fn remember_released(&mut self) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let Some(machine) = &self.round else {
            return Ok(None);
        };
        let released_for = machine.released_for().map(|banks| self.names(&banks));
        let task = self.tasks.by_hash(&machine.plan().task);
        task.map(|task| {
            task.record.released_for = released_for;
            task.record.put()
        })
        .transpose()
    }

    /// The banks with which the task's step must be tried again, if shares left for it.
    ///
    /// # Errors
    /// The names among them that the roster lacks: the step cannot be tried again.
    pub(super) fn released_for(&self, record: &TaskRecord) -> Result<Option<Vec<BankIndex>>, Vec<String>> {
        let Some(names) = &record.released_for else {
            return Ok(None);
        };
        let (mut banks, mut gone) = (Vec::new(), Vec::new());
        for name in names {
            match self.roster.banks().iter().find(|entry| entry.name == *name) {
                Some(entry) => banks.push(entry.index),
                None => gone.push(name.clone()),
            }
        }
        banks.sort_unstable();
        if gone.is_empty() {
            Ok(Some(banks))
        } else {
            Err(gone)
        }
    }

    /// The task's record after a failed attempt, to be committed with the abort.
    fn count_attempt(&mut self, reason: AbortReason) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let Some(plan) = self.round.as_ref().map(CoordinatorRound::plan) else {
            return Ok(None);
        };
        let Some(task) = self.tasks.by_hash(&plan.task) else {
            return Ok(None);
        };
        task.record.attempt += 1;
        let attempts = task.task.deadlines.attempts;
        if task.record.attempt >= attempts && !task.record.status.is_over() {
            let why = format!(
                "step {} failed {attempts} times, at last: {}",
                task.record.step,
                reason.words()
            );
            task.record.status = TaskStatus::Stopped(why);
        }
        Ok(Some(task.record.put()?))
    }

    fn start_sum(
        &mut self,
        survivors: Vec<(BankIndex, Digest)>,
        masks: veilsum_protocol::secagg::mask::Masks,
    ) -> Result<(), Fault> {
        let Some(open) = self.round.as_ref().and_then(CoordinatorRound::opened).cloned() else {
            return Ok(());
        };
        let task = self
            .tasks
            .by_hash(&open.task)
            .ok_or_else(|| Fault::new(format!("round {}: its task is not in the store", open.round)))?;
        let round = open.round;
        tracing::debug!("round {round}: enough shares are here; the sum is made");
        let work = Summation {
            open,
            survivors,
            masks,
            task: Arc::clone(&task.task),
            plan: Arc::clone(&task.plan),
            state: Arc::clone(&task.state),
        };
        let (blobs, inputs) = (Arc::clone(&self.blobs), self.inputs.clone());
        tokio::task::spawn_blocking(move || {
            let result = sum(work, blobs.as_ref());
            // The engine has stopped when nobody takes it; the next start sums again.
            let _ = inputs.blocking_send(Input::Summed(round, Box::new(result)));
        });
        Ok(())
    }

    pub(super) fn sum_ended(&mut self, round: Round, result: Result<Summed, SumError>) -> Result<(), Fault> {
        let Some(open) = self
            .round
            .as_ref()
            .and_then(CoordinatorRound::opened)
            .filter(|open| open.round == round)
        else {
            return Ok(());
        };
        match result {
            Err(SumError::Fault(fault)) => Err(fault),
            Err(SumError::Contributions(error)) => {
                tracing::warn!("round {round}: {error}");
                self.round_event(None, Event::SumFailed)
            }
            Ok(summed) => {
                let survivors = self.round.as_ref().map_or(0, |machine| machine.survivors().len());
                let result = RoundResult {
                    round,
                    open: open.hash(),
                    kind: open.kind,
                    step: open.step,
                    sum: summed.sum,
                    survivors: u16::try_from(survivors).map_err(Fault::new)?,
                    weight: summed.outcome.weight,
                    next_state: summed.state_hash,
                    metrics: summed.outcome.metrics.clone(),
                };
                self.blobs.publish(&result.sum);
                self.last_result = Some(result_line(&result));
                self.summed = Some(summed);
                self.round_event(None, Event::Summed(Box::new(result)))
            }
        }
    }

    fn round_closed(&mut self, result: Result<Digest, AbortReason>) {
        if let (Err(reason), Some(machine)) = (result, &self.round) {
            tracing::warn!(
                "round {}: ended without a result: {}",
                machine.round(),
                reason.words()
            );
        }
        if let Some(machine) = &self.round {
            let survivors = u16::try_from(machine.survivors().len()).unwrap_or(u16::MAX);
            let outcome = result.map(|_| survivors);
            self.timeline
                .close(outcome, self.clock.now(), self.observer.as_ref());
        }
        self.round = None;
        self.summed = None;
        for record in self.tasks.records() {
            if let (TaskStatus::Stopped(why), Err(_)) = (&record.status, result) {
                tracing::warn!("task {} is stopped: {why}", record.name);
            }
        }
        if self.tasks.current().is_none() {
            tracing::info!("no task is left to run");
        }
    }

    fn say_progress(&self, record: &Record) {
        let Some(machine) = &self.round else { return };
        let round = machine.round();
        match record {
            Record::Opened { .. } => {
                tracing::info!("round {round}: open to {} banks", machine.bundles().len());
            }
            Record::Cohort { banks, .. } => {
                tracing::info!(
                    "round {round}: {} banks are ready; they upload masked updates",
                    banks.len()
                );
            }
            Record::Survivors { .. } => {
                let survivors = machine.survivors();
                tracing::debug!(
                    "round {round}: {} updates are stored; their banks confirm the list",
                    survivors.len()
                );
                let dropped: Vec<BankIndex> = machine
                    .cohort()
                    .iter()
                    .copied()
                    .filter(|bank| !survivors.contains(bank))
                    .collect();
                if !dropped.is_empty() {
                    tracing::warn!(
                        "round {round}: goes on without {}",
                        self.names(&dropped).join(", ")
                    );
                }
            }
            Record::Certified { .. } => {
                tracing::debug!("round {round}: the list is certified; the banks release shares");
            }
            Record::Published { result, .. } => {
                let line = result_line(&result.0);
                let before = result.0.metrics.as_ref();
                let before = before.map_or(String::new(), |metrics| {
                    format!("; model before: {}", metrics.words())
                });
                tracing::info!(
                    "round {round}: published, {} banks in the sum{before}",
                    line.survivors
                );
            }
            _ => {}
        }
    }
}

/// Whether a state is the one with which its task's training ended before the rounds were used up, in words.
fn stopped_early(task: &LoadedTask, next: &TaskState) -> Option<String> {
    if task.state.stopping.as_ref()?.end.is_some() {
        return None;
    }
    let end = next.stopping.as_ref()?.end?;
    let rounds = task.task.rounds;
    (end.rounds < rounds).then(|| {
        format!(
            "training ends early, after round {} of {rounds}; the model of round {} is the best and is kept",
            end.rounds, end.kept
        )
    })
}

pub(super) fn result_line(result: &RoundResult) -> ResultLine {
    let metrics = result.metrics.as_ref();
    ResultLine {
        round: result.round.0,
        kind: result.kind.name().to_owned(),
        step: result.step,
        survivors: result.survivors,
        rows: metrics.map(|metrics| metrics.rows),
        figures: metrics.map_or_else(BTreeMap::new, |metrics| {
            let figures = metrics.figures.iter();
            figures
                .map(|(figure, value)| (figure.key().to_owned(), *value))
                .collect()
        }),
    }
}
