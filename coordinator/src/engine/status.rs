//! What an operator wants to know at a glance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Digest;

use super::consents::RefusedBy;
use super::driver::Engine;
use super::ports::Ledger;
use super::roster::ProposalLine;
use super::tasks::{LoadedTask, TaskStatus};
use super::timeline::{PhaseSpan, RoundSpan};
use super::waiting::Waiting;

/// The consortium now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub consortium: String,
    /// Version of the coordinator.
    pub version: String,
    /// When this was so, in Unix milliseconds.
    pub at: u64,
    /// When the coordinator was started, in Unix milliseconds.
    pub started: u64,
    /// The armed key epoch.
    pub epoch: Option<u64>,
    /// One line that says what is waited for.
    pub waiting_for: String,
    /// Until when at most, in Unix milliseconds; `None` if the wait has no end of its own.
    pub waits_until: Option<u64>,
    /// Fewest banks with which a round goes on.
    pub least_banks: u16,
    /// Every bank, by position.
    pub banks: Vec<BankStatus>,
    /// Every task, in the order of creation.
    pub tasks: Vec<TaskLine>,
    /// The change of the roster that is under way.
    pub proposal: Option<ProposalLine>,
    /// The round in progress.
    pub round: Option<RoundStatus>,
    /// The last rounds since the coordinator was started, oldest first.
    pub past: Vec<RoundSpan>,
    /// The last published result.
    pub last_result: Option<ResultLine>,
    /// Entries in the log.
    pub log_size: u64,
    /// The published checkpoint, with the cosignatures of banks.
    pub checkpoint: String,
    /// Entries under the published checkpoint.
    pub published: u64,
    /// Cosignatures of banks under it.
    pub cosignatures: usize,
}

/// One bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BankStatus {
    /// Position in the roster.
    pub index: u16,
    /// Its name.
    pub name: String,
    /// True if its control stream is up.
    pub connected: bool,
    /// Its software, if connected.
    pub software: Option<String>,
    /// True if it has the keys of the armed epoch.
    pub has_keys: bool,
    /// Since when it is away, in Unix milliseconds, if its connection ended since the coordinator was started.
    pub away_since: Option<u64>,
    /// Until when the certificate is valid that it showed last, in Unix seconds, if it came since the coordinator was started.
    #[serde(default)]
    pub certificate_until: Option<i64>,
    /// How often a newer connection with its key took the place of one that stood, since the coordinator was started.
    #[serde(default)]
    pub replaced: u64,
    /// From where it connects, if two daemons run with its identity: the connection before, and the one now.
    #[serde(default)]
    pub two_places: Option<[String; 2]>,
}

/// One task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskLine {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub task: Digest,
    /// Whether it goes on.
    pub status: TaskStatus,
    /// Steps that are done.
    pub step: u32,
    /// Number of steps.
    pub steps: u32,
    /// Names of the banks that approved, as the log has it; one that refuses since stands there, too.
    pub approved: Vec<String>,
    /// The banks that refuse it now; none of a task that is over. Said again by each bank on every connection, and not durable here.
    pub refused: Vec<RefusedBy>,
    /// Names of the banks that have said nothing of it.
    pub silent: Vec<String>,
    /// True if so many refuse it that no round of it can begin.
    pub out_of_reach: bool,
    /// True if its rounds are the next to start: one task runs at a time, the first that is neither over nor paused.
    pub current: bool,
    /// Failed tries of the step that is next.
    pub attempt: u32,
    /// Failed tries of a step after which the task is stopped.
    pub attempts: u32,
    /// Its last published result.
    pub last_result: Option<ResultLine>,
}

/// A task as its operator looks at it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskDetail {
    /// How it stands.
    pub line: TaskLine,
    /// What it reads, trains and sends, in plain words.
    pub description: String,
    /// Its normal form, of which [`TaskLine::task`] is the hash.
    pub text: String,
}

/// The round in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoundStatus {
    /// Its number.
    pub round: u64,
    /// Name of its task.
    pub task: String,
    /// What is computed.
    pub kind: String,
    /// Step of the task, from 0.
    pub step: u32,
    /// Its phase.
    pub phase: String,
    /// Banks that the phase has heard from.
    pub heard_from: usize,
    /// Names of the banks that it waits for.
    pub waiting_for: Vec<String>,
    /// Names of the banks in the cohort, once it is fixed.
    pub cohort: Vec<String>,
    /// Names of the banks whose updates are stored.
    pub stored: Vec<String>,
    /// Seconds until the phase ends at the latest.
    pub seconds_left: Option<u64>,
    /// When that is, in Unix milliseconds.
    pub until: Option<u64>,
    /// Its phases so far; since the last start of the coordinator.
    pub phases: Vec<PhaseSpan>,
}

/// The last published result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultLine {
    /// Its round.
    pub round: u64,
    /// What was computed.
    pub kind: String,
    /// Step of the task, from 0.
    pub step: u32,
    /// Number of banks in the sum.
    pub survivors: u16,
    /// Rows on which the model before the step was scored.
    pub rows: Option<u64>,
    /// The figures of the model before the step, by their keys; none in a statistics round.
    #[serde(flatten)]
    pub figures: BTreeMap<String, Option<f64>>,
}

impl<L: Ledger> Engine<L> {
    /// The consortium now.
    pub(super) fn status(&self) -> Status {
        let banks = self.roster.banks().iter().map(|entry| {
            let connected = self.sessions.is_up(entry.index);
            let lost = self.sessions.lost_at(entry.index).filter(|_| !connected);
            let met = self.membership.met(entry);
            BankStatus {
                index: entry.index.get(),
                name: entry.name.clone(),
                connected,
                software: self.sessions.software(entry.index).map(str::to_owned),
                has_keys: self
                    .armed
                    .as_ref()
                    .is_some_and(|directory| self.sessions.has_keys(entry.index, directory.epoch)),
                away_since: lost.map(|at| at.0),
                certificate_until: met.certificate_until,
                replaced: met.replaced,
                two_places: met.two_places,
            }
        });
        let now = self.clock.now();
        let Waiting { line, until } = self.waiting();
        let published = self.ledger.published();
        Status {
            consortium: self.roster.consortium().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: now.0,
            started: self.clock.started().0,
            epoch: self.armed.as_ref().map(|directory| directory.epoch.0),
            waiting_for: line,
            waits_until: until.map(|at| at.0),
            least_banks: self.thresholds().map_or(0, |thresholds| thresholds.min_survivors),
            banks: banks.collect(),
            tasks: self.tasks.all().map(|task| self.task_status(task)).collect(),
            proposal: self.proposal_line(),
            round: self.round_status(now.0),
            past: self.timeline.past().cloned().collect(),
            last_result: self.last_result.clone(),
            log_size: self.ledger.log_size(),
            checkpoint: published
                .map(|head| head.note().as_str().to_owned())
                .unwrap_or_default(),
            published: published.map_or(0, |head| head.checkpoint().size),
            cosignatures: published.map_or(0, |head| head.note().signatures().len().saturating_sub(1)),
        }
    }

    fn round_status(&self, now: u64) -> Option<RoundStatus> {
        let machine = self.round.as_ref()?;
        let plan = machine.plan();
        let task = self.tasks.records().find(|record| record.task == plan.task);
        let open = self
            .timeline
            .open()
            .filter(|open| open.round == machine.round().0);
        Some(RoundStatus {
            round: machine.round().0,
            task: task.map(|record| record.name.clone()).unwrap_or_default(),
            kind: plan.kind.name().to_owned(),
            step: plan.step,
            phase: machine.phase().name().to_owned(),
            heard_from: machine.heard_from(),
            waiting_for: self.names(&machine.waiting_for()),
            cohort: self.names(machine.cohort()),
            stored: self.names(&machine.survivors()),
            seconds_left: machine.deadline().map(|at| at.0.saturating_sub(now) / 1000),
            until: machine.deadline().map(|at| at.0),
            phases: open.map(|open| open.phases.clone()).unwrap_or_default(),
        })
    }

    pub(super) fn task_status(&self, task: &LoadedTask) -> TaskLine {
        let record = &task.record;
        let current = self.tasks.current();
        TaskLine {
            name: record.name.clone(),
            task: record.task,
            status: record.status.clone(),
            step: record.step,
            steps: record.steps,
            approved: record.approved.iter().cloned().collect(),
            refused: self.refused_by(record),
            silent: self.silent_on(record),
            out_of_reach: !record.status.is_over() && self.is_out_of_reach(record),
            current: current.is_some_and(|current| current.record.task == record.task),
            attempt: record.attempt,
            attempts: task.task.deadlines.attempts,
            last_result: task.last.clone(),
        }
    }
}
