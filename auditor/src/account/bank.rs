//! A bank through all rosters and rounds of the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use veilsum_protocol::ids::{BankIndex, Digest};

use super::lines::{Lines, ranges};
use super::{AccountError, Part, parts};
use crate::verify::Audit;
use crate::verify::examined::{Standing, examine};
use crate::verify::history::History;
use crate::verify::record::RoundRecord;
use crate::verify::report::CheckReport;

/// Names that an error lists.
const NAMES: usize = 20;

/// What the log says of a bank. A bank is known by its name; its place and its keys may change from roster to roster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BankAccount {
    /// Its name.
    pub bank: String,
    /// The rosters that name it, in order.
    pub rosters: Vec<InRoster>,
    /// Whether the last roster names it.
    pub enrolled: bool,
    /// The tasks that were offered while it was enrolled.
    pub tasks: Vec<TaskVote>,
    /// Its part in the rounds of these rosters.
    pub turnout: Turnout,
    /// Its acknowledgements that name the published state.
    pub acks_that_agree: usize,
    /// All of its acknowledgements.
    pub acks: usize,
    /// Whether the log's checks hold for all this.
    pub standing: Standing,
}

/// A bank's place in a roster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InRoster {
    /// Index of the roster's entry in the log, from 0.
    pub entry: u64,
    /// Hash of the roster.
    pub roster: String,
    /// The bank's position, from 1.
    pub position: u16,
    /// Its Ed25519 public key for what it signs, in hex.
    pub signing_key: String,
}

/// Whether a bank approved a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskVote {
    /// The task's name.
    pub name: String,
    /// The task's hash.
    pub task: String,
    /// Index of the approval's entry; none if there is no approval in the log.
    pub approved_at: Option<u64>,
}

/// Numbers of rounds by what the bank did in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Turnout {
    /// Its update is in the published sum.
    pub in_the_sum: Vec<u64>,
    /// It was in the cohort, and not among the survivors.
    pub dropped_out: Vec<u64>,
    /// It prepared, and was not in the cohort.
    pub not_ready: Vec<u64>,
    /// It did not prepare.
    pub not_prepared: Vec<u64>,
    /// It did its part until the round was aborted.
    pub took_part_in_aborted: Vec<u64>,
    /// The round ended before the log says who prepared it, or is not over.
    pub undecided: Vec<u64>,
    /// Rounds with a result while it was enrolled.
    pub results: usize,
    /// Share of these in whose sum it is; none without a result.
    pub rate: Option<f64>,
}

/// Tells what the log says of the bank called `name`.
///
/// # Errors
/// [`AccountError::NoBank`], or that the log cannot be looked at.
pub fn tell_bank(audit: &Audit, name: &str) -> Result<BankAccount, AccountError> {
    let (history, checks) = examine(audit)?;
    account(&history, &checks, name)
}

fn account(history: &History, checks: &[CheckReport], name: &str) -> Result<BankAccount, AccountError> {
    let rosters: Vec<InRoster> = history
        .rosters
        .iter()
        .filter_map(|logged| {
            let entry = logged.value.named(name)?;
            Some(InRoster {
                entry: logged.index,
                roster: logged.hash.to_hex(),
                position: entry.index.get(),
                signing_key: hex::encode(entry.signing_key),
            })
        })
        .collect();
    if rosters.is_empty() {
        return Err(unknown(history, name));
    }
    let (mut turnout, mut acks, mut agree) = (Turnout::default(), 0, 0);
    let mut numbers = BTreeSet::new();
    for round in &history.rounds {
        let Some((bank, part)) = part_of(history, round, name) else {
            continue;
        };
        numbers.insert(round.round.0);
        turnout.take(round, part);
        for ack in round.acks.iter().filter(|ack| ack.bank == bank) {
            acks += 1;
            agree += usize::from(ack.agrees);
        }
    }
    turnout.rate = (turnout.results > 0).then(|| turnout.in_the_sum.len() as f64 / turnout.results as f64);
    let tasks = votes(history, name);
    let mut entries: BTreeSet<u64> = rosters.iter().map(|roster| roster.entry).collect();
    entries.extend(tasks.iter().filter_map(|task| task.approved_at));
    let standing = Standing::of(checks, |place| {
        place.round.is_some_and(|round| numbers.contains(&round))
            || place.entry.is_some_and(|entry| entries.contains(&entry))
    });
    Ok(BankAccount {
        bank: name.to_owned(),
        enrolled: history
            .rosters
            .last()
            .is_some_and(|roster| roster.value.named(name).is_some()),
        rosters,
        tasks,
        turnout,
        acks_that_agree: agree,
        acks,
        standing,
    })
}

fn unknown(history: &History, name: &str) -> AccountError {
    let banks = history.rosters.iter().flat_map(|roster| roster.value.banks());
    let names: BTreeSet<&str> = banks.map(|bank| bank.name.as_str()).collect();
    let mut known: Vec<&str> = names.iter().copied().take(NAMES).collect();
    if names.len() > NAMES {
        known.push("...");
    }
    AccountError::NoBank {
        name: name.to_owned(),
        known: known.join(", "),
    }
}

fn part_of(history: &History, round: &RoundRecord, name: &str) -> Option<(BankIndex, Part)> {
    let roster = &history.roster_at(round.begins_at)?.value;
    let bank = roster.named(name)?.index;
    let at = usize::from(bank.get()).checked_sub(1)?;
    Some((bank, *parts(round, roster).get(at)?))
}

/// An approval counts under the position that the bank had when it was logged.
fn votes(history: &History, name: &str) -> Vec<TaskVote> {
    let position = |index: u64| {
        let roster = history.roster_at(index)?;
        roster.value.named(name).map(|bank| bank.index)
    };
    let mut approved: BTreeMap<Digest, u64> = BTreeMap::new();
    for logged in &history.approvals {
        if position(logged.index) == Some(logged.value.bank) {
            approved.entry(logged.value.task).or_insert(logged.index);
        }
    }
    let mut seen = BTreeSet::new();
    let offers = history.tasks.iter().filter(|offer| seen.insert(offer.value.task));
    offers
        .filter(|offer| position(offer.index).is_some() || approved.contains_key(&offer.value.task))
        .map(|offer| TaskVote {
            name: offer.value.name.clone(),
            task: offer.value.task.to_hex(),
            approved_at: approved.get(&offer.value.task).copied(),
        })
        .collect()
}

impl Turnout {
    fn take(&mut self, round: &RoundRecord, part: Part) {
        self.results += usize::from(round.result.is_some());
        let rounds = match part {
            Part::InSum => &mut self.in_the_sum,
            Part::DroppedOut => &mut self.dropped_out,
            Part::NotReady => &mut self.not_ready,
            Part::NotPrepared => &mut self.not_prepared,
            Part::Aborted => &mut self.took_part_in_aborted,
            Part::Running | Part::Untold => &mut self.undecided,
            Part::Absent => return,
        };
        rounds.push(round.round.0);
    }
}

impl BankAccount {
    /// Several lines for a terminal.
    pub fn text(&self) -> String {
        let mut lines = Lines::titled(&format!("Bank {}", self.bank));
        let enrolled = if self.enrolled {
            "yes"
        } else {
            "no: the last roster does not name it"
        };
        lines.push("enrolled", enrolled);
        for roster in &self.rosters {
            let InRoster {
                entry,
                position,
                roster,
                signing_key,
            } = roster;
            lines.push(
                "roster",
                &format!("{roster} (entry {entry}): bank {position}, signs with {signing_key}"),
            );
        }
        for task in &self.tasks {
            let vote = match task.approved_at {
                Some(entry) => format!("approved in entry {entry}"),
                None => "no approval in the log".to_owned(),
            };
            lines.push("task", &format!("{} ({}): {vote}", task.name, task.task));
        }
        let turnout = &self.turnout;
        for (label, rounds) in [
            ("in the sum", &turnout.in_the_sum),
            ("dropped out", &turnout.dropped_out),
            ("not ready", &turnout.not_ready),
            ("not prepared", &turnout.not_prepared),
            ("aborted", &turnout.took_part_in_aborted),
            ("undecided", &turnout.undecided),
        ] {
            if !rounds.is_empty() {
                let word = if rounds.len() == 1 { "round" } else { "rounds" };
                lines.push(label, &format!("{} {word}: {}", rounds.len(), ranges(rounds)));
            }
        }
        let rate = match turnout.rate {
            Some(rate) => format!(
                "{:.1} %: in the sum of {} of {} rounds with a result",
                100.0 * rate,
                turnout.in_the_sum.len(),
                turnout.results
            ),
            None => "no round with a result while it was enrolled".to_owned(),
        };
        lines.push("participation", &rate);
        let acks = format!(
            "{} of {} acknowledgements name the published state",
            self.acks_that_agree, self.acks
        );
        lines.push("derived", &acks);
        lines.standing(&self.standing);
        lines.into_text()
    }
}
