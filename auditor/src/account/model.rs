//! A state of a task, or a task: where it comes from, who agreed to it, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::roster::Roster;

use super::AccountError;
use super::lines::{Lines, ranges};
use crate::verify::Audit;
use crate::verify::examined::{Standing, examine};
use crate::verify::history::History;
use crate::verify::record::RoundRecord;
use crate::verify::report::CheckReport;
use crate::verify::tell::Figures;

/// Fewest digits of a hash that name it.
const MIN_DIGITS: usize = 8;
const HASH_DIGITS: usize = 64;

/// Said wherever a privacy loss would be looked for. The log's format has no field for one.
const PRIVACY: &str = "no differential privacy is applied: no budget is spent, and no epsilon can be given; masks hide single updates, not what \
                       the sum shows";

/// What a hash names.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ModelAccount {
    /// A state of a task: a model, or the statistics before the first one.
    State(Box<StateAccount>),
    /// A task.
    Task(Box<TaskAccount>),
}

/// A bank that approved a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Approver {
    /// Its name, by the roster of that time.
    pub bank: String,
    /// Index of the approval's entry.
    pub entry: u64,
}

/// A state of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateAccount {
    /// Its hash.
    pub state: String,
    /// The task's name, if the log offered it.
    pub task_name: Option<String>,
    /// The task's hash.
    pub task: String,
    /// What made it; none for the first state, which follows from the task's text alone.
    pub made_by: Option<Making>,
    /// Banks that approved the task.
    pub approved_by: Vec<Approver>,
    /// Figures over all banks of the state before; none where there is none, or it was not judged.
    pub metrics_before: Option<Figures>,
    /// Figures over all banks of this state, from the round that went on from it.
    pub metrics: Option<Figures>,
    /// Whether it is the task's latest state.
    pub latest: bool,
    /// What is spent of a privacy budget.
    pub privacy: &'static str,
    /// Whether the log's checks hold for all this.
    pub standing: Standing,
}

/// The round that made a state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Making {
    /// Its number.
    pub round: u64,
    /// statistics, train or evaluate.
    pub kind: &'static str,
    /// The task's step, from 0.
    pub step: u32,
    /// Hash of the state that it went on from.
    pub from_state: String,
    /// Hash of the sum.
    pub sum: String,
    /// Banks whose updates are in the sum.
    pub in_the_sum: Vec<String>,
    /// Weight of the sum; 0 unless the round trained.
    pub weight: u64,
    /// Banks that derived this state themselves and signed that they did.
    pub derived_by: Vec<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskAccount {
    /// Its hash.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Index of the entry that offered it.
    pub offered_at: u64,
    /// Banks that approved it.
    pub approved_by: Vec<Approver>,
    /// Its rounds with a result.
    pub rounds: Vec<u64>,
    /// Its rounds that were aborted.
    pub aborted: Vec<u64>,
    /// Steps that are done.
    pub steps: u32,
    /// Hash of its latest state; none before its first round was opened.
    pub latest_state: Option<String>,
    /// Figures over all banks of the first state that was judged.
    pub first_metrics: Option<Figures>,
    /// Figures over all banks of the last state that was judged.
    pub last_metrics: Option<Figures>,
    /// What is spent of a privacy budget.
    pub privacy: &'static str,
    /// Whether the log's checks hold for all this.
    pub standing: Standing,
}

/// Tells what the log says of the state or the task whose hash begins with `prefix`, at least 8 hex digits.
///
/// # Errors
/// [`AccountError`] if none or several have it, or the log cannot be looked at.
pub fn tell_model(audit: &Audit, prefix: &str) -> Result<ModelAccount, AccountError> {
    let prefix = prefix.to_ascii_lowercase();
    let digits = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !(MIN_DIGITS..=HASH_DIGITS).contains(&prefix.len()) {
        return Err(AccountError::NoPrefix { found: prefix });
    }
    let (history, checks) = examine(audit)?;
    let named = Named::of(&history);
    let found: BTreeSet<Digest> = named
        .states
        .keys()
        .chain(&named.tasks)
        .filter(|hash| hash.to_hex().starts_with(&prefix))
        .copied()
        .collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(AccountError::NoModel { prefix }),
        (Some(hash), None) => Ok(match named.states.get(&hash) {
            Some(task) => ModelAccount::State(Box::new(state(&history, &checks, hash, *task))),
            None => ModelAccount::Task(Box::new(task(&history, &checks, hash))),
        }),
        (Some(first), Some(second)) => Err(AccountError::Ambiguous {
            prefix,
            found: [first, second]
                .into_iter()
                .chain(found)
                .map(Digest::to_hex)
                .collect(),
        }),
    }
}

/// Every hash that can be asked for.
struct Named {
    /// A state with the task that it is of.
    states: BTreeMap<Digest, Digest>,
    tasks: BTreeSet<Digest>,
}

impl Named {
    fn of(history: &History) -> Self {
        let mut states = BTreeMap::new();
        for round in &history.rounds {
            if let Some(open) = &round.open {
                states.entry(open.state).or_insert(open.task);
                if let Some(result) = &round.result {
                    states.entry(result.next_state).or_insert(open.task);
                }
            }
        }
        Self {
            states,
            tasks: history.tasks.iter().map(|offer| offer.value.task).collect(),
        }
    }
}

fn of_task(history: &History, task: Digest) -> impl DoubleEndedIterator<Item = &RoundRecord> {
    let mine = move |round: &&RoundRecord| round.open.as_ref().is_some_and(|open| open.task == task);
    history.rounds.iter().filter(mine)
}

fn figures(round: &RoundRecord) -> Option<Figures> {
    round.result.as_ref()?.metrics.as_ref().map(Figures::from)
}

/// The first round with a result that went on from a state, where it judged it.
fn judged(history: &History, task: Digest, state: Digest) -> Option<Figures> {
    let from = |round: &&RoundRecord| round.open.as_ref().is_some_and(|open| open.state == state);
    of_task(history, task).filter(from).find_map(figures)
}

fn latest(history: &History, task: Digest) -> Option<Digest> {
    let published = |round: &RoundRecord| Some(round.result.as_ref()?.next_state);
    of_task(history, task)
        .rev()
        .find_map(published)
        .or_else(|| Some(of_task(history, task).next()?.open.as_ref()?.state))
}

fn state(history: &History, checks: &[CheckReport], state: Digest, task: Digest) -> StateAccount {
    let leads_here = |round: &&RoundRecord| {
        round
            .result
            .as_ref()
            .is_some_and(|result| result.next_state == state)
    };
    let maker = of_task(history, task).find(leads_here);
    let from = maker.and_then(|round| Some(round.open.as_ref()?.state));
    let approved_by = approvers(history, task);
    let rounds: BTreeSet<u64> = of_task(history, task)
        .filter(|round| {
            let from_here = round.open.as_ref().is_some_and(|open| open.state == state);
            from_here || leads_here(round)
        })
        .map(|round| round.round.0)
        .collect();
    StateAccount {
        state: state.to_hex(),
        task_name: name_of(history, task),
        task: task.to_hex(),
        made_by: maker.and_then(|round| making(history, round)),
        metrics_before: from.and_then(|from| judged(history, task, from)),
        metrics: judged(history, task, state),
        latest: latest(history, task) == Some(state),
        privacy: PRIVACY,
        standing: standing(history, checks, task, &approved_by, &rounds),
        approved_by,
    }
}

fn making(history: &History, round: &RoundRecord) -> Option<Making> {
    let (open, result) = (round.open.as_ref()?, round.result.as_ref()?);
    let roster = history.roster_at(round.begins_at).map(|roster| &roster.value);
    let survivors = round.survivors.iter().flatten();
    let agree = round.acks.iter().filter(|ack| ack.agrees);
    Some(Making {
        round: round.round.0,
        kind: open.kind.name(),
        step: open.step,
        from_state: open.state.to_hex(),
        sum: result.sum.to_hex(),
        in_the_sum: survivors.map(|bank| bank_name(roster, *bank)).collect(),
        weight: result.weight,
        derived_by: agree.map(|ack| bank_name(roster, ack.bank)).collect(),
    })
}

fn task(history: &History, checks: &[CheckReport], task: Digest) -> TaskAccount {
    let offer = history.tasks.iter().find(|offer| offer.value.task == task);
    let numbers = |wanted: fn(&RoundRecord) -> bool| -> Vec<u64> {
        let rounds = of_task(history, task).filter(|round| wanted(round));
        rounds.map(|round| round.round.0).collect()
    };
    let approved_by = approvers(history, task);
    let all: BTreeSet<u64> = of_task(history, task).map(|round| round.round.0).collect();
    let done = of_task(history, task).filter_map(|round| Some(round.result.as_ref()?.step));
    // Counted, not numbered: training that stops early leaves steps out.
    let done: BTreeSet<u32> = done.collect();
    TaskAccount {
        task: task.to_hex(),
        name: name_of(history, task).unwrap_or_default(),
        offered_at: offer.map_or(0, |offer| offer.index),
        rounds: numbers(|round| round.result.is_some()),
        aborted: numbers(|round| round.result.is_none() && round.abort.is_some()),
        steps: u32::try_from(done.len()).unwrap_or(u32::MAX),
        latest_state: latest(history, task).map(Digest::to_hex),
        first_metrics: of_task(history, task).find_map(figures),
        last_metrics: of_task(history, task).rev().find_map(figures),
        privacy: PRIVACY,
        standing: standing(history, checks, task, &approved_by, &all),
        approved_by,
    }
}

/// Each bank once, with its first approval.
fn approvers(history: &History, task: Digest) -> Vec<Approver> {
    let mut seen = BTreeSet::new();
    let approvals = history
        .approvals
        .iter()
        .filter(|logged| logged.value.task == task);
    approvals
        .map(|logged| Approver {
            bank: bank_name(
                history.roster_at(logged.index).map(|roster| &roster.value),
                logged.value.bank,
            ),
            entry: logged.index,
        })
        .filter(|approver| seen.insert(approver.bank.clone()))
        .collect()
}

fn name_of(history: &History, task: Digest) -> Option<String> {
    let offer = history.tasks.iter().find(|offer| offer.value.task == task)?;
    Some(offer.value.name.clone())
}

fn bank_name(roster: Option<&Roster>, bank: BankIndex) -> String {
    match roster.and_then(|roster| roster.bank(bank)) {
        Some(entry) => entry.name.clone(),
        None => format!("bank {bank}"),
    }
}

fn standing(
    history: &History,
    checks: &[CheckReport],
    task: Digest,
    approved_by: &[Approver],
    rounds: &BTreeSet<u64>,
) -> Standing {
    let offers = history.tasks.iter().filter(|offer| offer.value.task == task);
    let mut entries: BTreeSet<u64> = offers.map(|offer| offer.index).collect();
    entries.extend(approved_by.iter().map(|approver| approver.entry));
    Standing::of(checks, |place| {
        place.round.is_some_and(|round| rounds.contains(&round))
            || place.entry.is_some_and(|entry| entries.contains(&entry))
    })
}

impl ModelAccount {
    /// Whether the log's checks hold.
    pub fn standing(&self) -> &Standing {
        match self {
            Self::State(state) => &state.standing,
            Self::Task(task) => &task.standing,
        }
    }

    /// Several lines for a terminal.
    pub fn text(&self) -> String {
        match self {
            Self::State(state) => state.text(),
            Self::Task(task) => task.text(),
        }
    }
}

fn banks(names: &[String]) -> String {
    if names.is_empty() {
        return "no bank".to_owned();
    }
    let word = if names.len() == 1 { "bank" } else { "banks" };
    format!("{} {word}: {}", names.len(), names.join(", "))
}

fn approved(lines: &mut Lines, approved_by: &[Approver]) {
    let names: Vec<String> = approved_by.iter().map(|approver| approver.bank.clone()).collect();
    lines.push("approved by", &banks(&names));
}

fn measured(figures: Option<&Figures>) -> String {
    figures.map_or("not measured".to_owned(), Figures::words)
}

impl StateAccount {
    fn text(&self) -> String {
        let mut lines = Lines::titled(&format!("State {}", self.state));
        let name = self.task_name.as_deref().unwrap_or("a task without a name");
        lines.push("task", &format!("{name} ({})", self.task));
        approved(&mut lines, &self.approved_by);
        match &self.made_by {
            None => lines.push("made by", "no round: it follows from the task's text alone"),
            Some(making) => {
                let Making {
                    round,
                    kind,
                    step,
                    from_state,
                    sum,
                    ..
                } = making;
                lines.push("made by", &format!("round {round}, {kind}, step {step}"));
                lines.push("from", &format!("state {from_state}"));
                lines.push("sum", &format!("published under {sum}"));
                lines.push("in the sum", &banks(&making.in_the_sum));
                if making.weight > 0 {
                    lines.push("weight", &making.weight.to_string());
                }
                lines.push(
                    "derived by",
                    &format!("{}, each for itself", banks(&making.derived_by)),
                );
            }
        }
        if self.made_by.is_some() {
            lines.push("before", &measured(self.metrics_before.as_ref()));
        }
        lines.push("judged", &measured(self.metrics.as_ref()));
        lines.push(
            "latest",
            if self.latest {
                "yes"
            } else {
                "no: the task went on from it"
            },
        );
        lines.push("privacy", self.privacy);
        lines.standing(&self.standing);
        lines.into_text()
    }
}

impl TaskAccount {
    fn text(&self) -> String {
        let mut lines = Lines::titled(&format!("Task {} ({})", self.name, self.task));
        lines.push("offered", &format!("in entry {}", self.offered_at));
        approved(&mut lines, &self.approved_by);
        lines.push(
            "rounds",
            &format!(
                "{} with a result, {} aborted",
                self.rounds.len(),
                self.aborted.len()
            ),
        );
        if !self.rounds.is_empty() {
            lines.push("with a result", &ranges(&self.rounds));
        }
        if !self.aborted.is_empty() {
            lines.push("aborted", &ranges(&self.aborted));
        }
        lines.push("steps done", &self.steps.to_string());
        let latest = self.latest_state.as_deref();
        lines.push(
            "latest",
            &latest.map_or("no state yet".to_owned(), |state| format!("state {state}")),
        );
        lines.push("first judged", &measured(self.first_metrics.as_ref()));
        lines.push("last judged", &measured(self.last_metrics.as_ref()));
        lines.push("privacy", self.privacy);
        lines.standing(&self.standing);
        lines.into_text()
    }
}
