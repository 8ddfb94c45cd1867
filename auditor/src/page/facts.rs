//! What the log says, sorted as the page shows it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::model::Metrics;
use veilsum_protocol::round::params::RoundKind;

use crate::account::{Part, parts};
use crate::verify::history::History;
use crate::verify::record::RoundRecord;

pub(super) struct Facts<'a> {
    pub(super) history: &'a History,
    pub(super) rounds: Vec<RoundFact<'a>>,
    pub(super) banks: Vec<BankFact>,
    pub(super) tasks: Vec<TaskFact<'a>>,
}

/// A round.
pub(super) struct RoundFact<'a> {
    pub(super) number: u64,
    pub(super) kind: Option<RoundKind>,
    pub(super) task: Option<&'a str>,
    pub(super) step: Option<u32>,
    pub(super) attempt: u32,
    pub(super) opened_at: Option<Timestamp>,
    /// Seconds until the next round was opened: the log does not tell when a round ended.
    pub(super) until_next: Option<u64>,
    pub(super) banks: usize,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Result {
        survivors: u16,
    },
    Aborted {
        reason: AbortReason,
        after_release: bool,
    },
    Running,
}

/// A bank, by its name.
pub(super) struct BankFact {
    pub(super) name: String,
    pub(super) enrolled: bool,
    /// Its part in every round.
    pub(super) parts: Vec<Part>,
    counts: BTreeMap<Part, usize>,
    /// Rounds with a result while it was enrolled.
    pub(super) results: usize,
}

/// A task.
pub(super) struct TaskFact<'a> {
    pub(super) name: &'a str,
    pub(super) hash: Digest,
    pub(super) offered_at: u64,
    pub(super) approved_by: Vec<String>,
    pub(super) results: usize,
    pub(super) aborted: usize,
    pub(super) latest_state: Option<Digest>,
    /// Of the state from which a step started, by that step.
    pub(super) measured: Vec<(u32, Metrics)>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        Self {
            history,
            rounds: rounds(history),
            banks: banks(history),
            tasks: tasks(history),
        }
    }
}

impl BankFact {
    pub(super) fn count(&self, part: Part) -> usize {
        self.counts.get(&part).copied().unwrap_or(0)
    }
}

impl RoundFact<'_> {
    pub(super) fn aborted(&self) -> Option<(AbortReason, bool)> {
        match self.outcome {
            Outcome::Aborted {
                reason,
                after_release,
            } => Some((reason, after_release)),
            _ => None,
        }
    }
}

fn rounds(history: &History) -> Vec<RoundFact<'_>> {
    let offers = history.tasks.iter().rev();
    let names: HashMap<Digest, &str> = offers
        .map(|offer| (offer.value.task, offer.value.name.as_str()))
        .collect();
    let mut rounds: Vec<RoundFact<'_>> = Vec::new();
    let mut next: Option<Timestamp> = None;
    for round in history.rounds.iter().rev() {
        let open = round.open.as_ref();
        let opened_at = open.map(|open| open.opened_at);
        let roster = history.roster_at(round.begins_at);
        rounds.push(RoundFact {
            number: round.round.0,
            kind: open.map(|open| open.kind),
            task: open.and_then(|open| names.get(&open.task).copied()),
            step: open.map(|open| open.step),
            attempt: open.map_or(0, |open| open.attempt),
            opened_at,
            until_next: opened_at
                .zip(next)
                .and_then(|(from, to)| to.0.checked_sub(from.0)),
            banks: roster.map_or(0, |roster| roster.value.banks().len()),
            outcome: outcome(round),
        });
        // Behind a round that was never opened the next opening says nothing of this one.
        next = opened_at;
    }
    rounds.reverse();
    rounds
}

fn outcome(round: &RoundRecord) -> Outcome {
    match (&round.result, &round.abort) {
        (Some(result), _) => Outcome::Result {
            survivors: result.survivors,
        },
        (None, Some(abort)) => Outcome::Aborted {
            reason: abort.reason,
            after_release: abort.after_release,
        },
        (None, None) => Outcome::Running,
    }
}

/// By the position in the last roster that names them.
fn banks(history: &History) -> Vec<BankFact> {
    let mut order: Vec<&str> = Vec::new();
    let mut known = BTreeSet::new();
    for roster in history.rosters.iter().rev() {
        let names = roster.value.banks().iter().map(|bank| bank.name.as_str());
        order.extend(names.filter(|name| known.insert(*name)));
    }
    let rows: HashMap<&str, usize> = order.iter().copied().zip(0..).collect();
    let last = history.rosters.last();
    let mut banks: Vec<BankFact> = order
        .iter()
        .map(|name| BankFact {
            name: (*name).to_owned(),
            enrolled: last.is_some_and(|roster| roster.value.named(name).is_some()),
            parts: vec![Part::Absent; history.rounds.len()],
            counts: BTreeMap::new(),
            results: 0,
        })
        .collect();
    for (at, round) in history.rounds.iter().enumerate() {
        let Some(roster) = history.roster_at(round.begins_at) else {
            continue;
        };
        let roster = &roster.value;
        for (bank, part) in roster.banks().iter().zip(parts(round, roster)) {
            let row = rows.get(bank.name.as_str()).and_then(|row| banks.get_mut(*row));
            if let Some(row) = row {
                row.results += usize::from(round.result.is_some());
                *row.counts.entry(part).or_default() += 1;
                if let Some(cell) = row.parts.get_mut(at) {
                    *cell = part;
                }
            }
        }
    }
    banks
}

fn tasks(history: &History) -> Vec<TaskFact<'_>> {
    let mut tasks: Vec<TaskFact<'_>> = Vec::new();
    let mut rows: HashMap<Digest, usize> = HashMap::new();
    for offer in &history.tasks {
        if let Entry::Vacant(row) = rows.entry(offer.value.task) {
            row.insert(tasks.len());
            tasks.push(TaskFact {
                name: &offer.value.name,
                hash: offer.value.task,
                offered_at: offer.index,
                approved_by: Vec::new(),
                results: 0,
                aborted: 0,
                latest_state: None,
                measured: Vec::new(),
            });
        }
    }
    for approval in &history.approvals {
        let roster = history.roster_at(approval.index);
        let bank = approval.value.bank;
        let named = roster.and_then(|roster| roster.value.bank(bank));
        let name = named.map_or_else(|| format!("bank {bank}"), |bank| bank.name.clone());
        let row = rows.get(&approval.value.task).and_then(|row| tasks.get_mut(*row));
        if let Some(row) = row.filter(|row| !row.approved_by.contains(&name)) {
            row.approved_by.push(name);
        }
    }
    for round in &history.rounds {
        let Some(open) = &round.open else {
            continue;
        };
        let Some(row) = rows.get(&open.task).and_then(|row| tasks.get_mut(*row)) else {
            continue;
        };
        row.latest_state.get_or_insert(open.state);
        row.aborted += usize::from(round.result.is_none() && round.abort.is_some());
        if let Some(result) = &round.result {
            row.results += 1;
            row.latest_state = Some(result.next_state);
            if let Some(metrics) = &result.metrics {
                row.measured.push((result.step, metrics.clone()));
            }
        }
    }
    tasks
}
