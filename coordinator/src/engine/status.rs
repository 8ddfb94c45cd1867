//! What an operator wants to know at a glance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::{BankIndex, Digest};

use super::driver::Engine;
use super::ports::Ledger;
use super::tasks::{TaskRecord, TaskStatus};

/// The consortium now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub consortium: String,
    /// Version of the coordinator.
    pub version: String,
    /// The armed key epoch.
    pub epoch: Option<u64>,
    /// One line that says what is waited for.
    pub waiting_for: String,
    /// Every bank, by position.
    pub banks: Vec<BankStatus>,
    /// Every task, in the order of creation.
    pub tasks: Vec<TaskLine>,
    /// The round in progress.
    pub round: Option<RoundStatus>,
    /// The last published result.
    pub last_result: Option<ResultLine>,
    /// Entries in the log.
    pub log_size: u64,
    /// The signed checkpoint over them.
    pub checkpoint: String,
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
    /// Names of the banks that approved.
    pub approved: Vec<String>,
}

/// The round in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoundStatus {
    /// Its number.
    pub round: u64,
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
}

/// The last published result.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let banks = self.roster.banks().iter().map(|entry| BankStatus {
            index: entry.index.get(),
            name: entry.name.clone(),
            connected: self.sessions.is_up(entry.index),
            software: self.sessions.software(entry.index).map(str::to_owned),
        });
        let tasks = self.tasks.records().map(|record| TaskLine {
            name: record.name.clone(),
            task: record.task,
            status: record.status.clone(),
            step: record.step,
            steps: record.steps,
            approved: record.approved.iter().cloned().collect(),
        });
        let now = self.clock.now();
        let round = self.round.as_ref().map(|machine| RoundStatus {
            round: machine.round().0,
            kind: machine.plan().kind.name().to_owned(),
            step: machine.plan().step,
            phase: machine.phase().name().to_owned(),
            heard_from: machine.heard_from(),
            waiting_for: self.names(&machine.waiting_for()),
            cohort: self.names(machine.cohort()),
            stored: self.names(&machine.survivors()),
            seconds_left: machine.deadline().map(|at| at.0.saturating_sub(now.0) / 1000),
        });
        Status {
            consortium: self.roster.consortium().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.armed.as_ref().map(|directory| directory.epoch.0),
            waiting_for: self.waiting_line(),
            banks: banks.collect(),
            tasks: tasks.collect(),
            round,
            last_result: self.last_result.clone(),
            log_size: self.ledger.log_size(),
            checkpoint: self
                .ledger
                .published()
                .map(|head| head.note().as_str().to_owned())
                .unwrap_or_default(),
        }
    }

    /// One line: what is waited for, and until when.
    fn waiting_line(&self) -> String {
        if let Some(machine) = &self.round {
            let waiting = machine.waiting_for();
            if waiting.is_empty() {
                return format!("round {}: phase {}", machine.round(), machine.phase().name());
            }
            let left = machine
                .deadline()
                .map(|at| at.0.saturating_sub(self.clock.now().0) / 1000);
            return format!(
                "round {}: phase {}, {} banks have answered; waiting for {}, {} s left",
                machine.round(),
                machine.phase().name(),
                machine.heard_from(),
                self.names(&waiting).join(", "),
                left.unwrap_or(0)
            );
        }
        if let (true, Some(line)) = (self.is_changing(), self.roster_line()) {
            return line;
        }
        let epoch = self.epoch_line();
        if let (true, Some(line)) = (self.armed.is_none() || self.set_up.is_some(), &epoch) {
            return line.clone();
        }
        let task = match self.tasks.current() {
            None => "no task is left to run; create one with `veilsum-coordinator task create`".to_owned(),
            Some(task) => self.task_line(&task.record),
        };
        epoch
            .into_iter()
            .fold(task, |line, epoch| format!("{line}; {epoch}"))
    }

    fn task_line(&self, record: &TaskRecord) -> String {
        let all = self.roster.banks();
        let (name, step) = (&record.name, record.step + 1);
        let needed: Vec<BankIndex> = match self.released_for(record) {
            Ok(None) => all.iter().map(|entry| entry.index).collect(),
            Ok(Some(banks)) => banks,
            Err(gone) => {
                return format!(
                    "task {name}: step {step} failed when shares had left for its banks, so it can be repeated with these alone, and the roster lacks {}; stop the task and create a new one",
                    gone.join(", ")
                );
            }
        };
        let missing: Vec<BankIndex> = needed
            .iter()
            .copied()
            .filter(|bank| !record.approved.contains(&self.name(*bank)) || !self.sessions.is_up(*bank))
            .collect();
        let here = needed.len() - missing.len();
        let missing = self.names(&missing).join(", ");
        if record.released_for.is_some() {
            return format!(
                "task {name}: step {step} failed when shares had left for {}, so it is repeated with exactly these; waiting for {missing}",
                self.names(&needed).join(", ")
            );
        }
        format!(
            "task {name}: {here} of {} banks have approved it and are connected; waiting for {missing}",
            all.len()
        )
    }

    /// Says on the trace what is waited for between rounds, once each time that it changes.
    pub(super) fn say_what_is_waited_for(&mut self) {
        if self.round.is_some() {
            return;
        }
        let line = self.waiting_line();
        if line != self.said {
            tracing::info!("{line}");
            self.said = line;
        }
    }
}
