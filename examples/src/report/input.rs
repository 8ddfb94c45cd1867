//! What a report tells, as plain values.

use veilsum_protocol::model::ColumnFigures;

use super::published::Published;
use crate::score::{CalibrationPoint, Score};

/// Everything that the page shows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the consortium.
    pub consortium: String,
    /// Name of the task.
    pub task: String,
    /// What the figures mean and what they do not, a paragraph each.
    pub notes: Vec<String>,
    /// Short facts under the title, in order: model, rows, threshold, duration and the like.
    pub facts: Vec<Fact>,
    /// The roster: the names of all banks, in order.
    pub banks: Vec<String>,
    /// The rounds, oldest first.
    pub rounds: Vec<RoundRow>,
    /// Whose rows the figures of each round come from, as a half sentence that follows "Measured": for example
    /// "on the common test fold".
    pub measured: String,
    /// The models, judged on one test fold.
    pub results: Vec<TableRow>,
    /// Whose rows the results were judged on, as a half sentence that follows "Judged": for example
    /// "on 4,000 applications that no bank trained on".
    pub judged: String,
    /// Calibration of the federated model, by rising prediction; empty where it predicts no probability of a yes.
    pub calibration: Vec<CalibrationPoint>,
    /// What the banks counted of their columns before they trained; empty for a task that does not prepare.
    pub columns: Vec<ColumnFigures>,
    /// What the consortium's sums show.
    pub published: Published,
    /// What went wrong, or was made to, and when.
    pub incidents: Vec<Incident>,
    /// The log's last checkpoint, verbatim.
    pub checkpoint: String,
    /// What was verified, and with what outcome.
    pub checks: Vec<Check>,
}

/// A label and its value.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// How much or which.
    pub value: String,
}

/// One round as the log tells it.
#[derive(Clone, Debug, Default)]
pub struct RoundRow {
    /// The protocol's round number; a retry has one of its own.
    pub round: u64,
    /// The task's step that the round served, from 0.
    pub step: u64,
    /// What the round was for, for example `statistics` or `training`.
    pub kind: String,
    /// Banks in the cohort.
    pub cohort: Vec<String>,
    /// Number of banks whose update is in the sum; 0 if the round was aborted.
    pub survivors: usize,
    /// Banks of the cohort that dropped out.
    pub dropped: Vec<String>,
    /// The model that the round made, if measured.
    pub score: Option<Score>,
    /// From the opening of the round to its result, in seconds.
    pub seconds: f64,
}

/// Which side of the comparison a model stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Trained by one bank on its own rows.
    Alone,
    /// Trained on all banks' rows on one machine, which the banks may not do.
    Pooled,
    /// Trained by the banks together, under masks.
    Federated,
    /// Another model, shown for comparison.
    Reference,
}

impl Role {
    /// How the model was trained, in the words of tables.
    pub fn words(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Pooled => "pooled",
            Self::Federated => "under masks",
            Self::Reference => "reference",
        }
    }
}

/// One model, judged. All models of a report are judged by the same figures.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// Name of the model or its bank.
    pub name: String,
    /// What it stands for.
    pub role: Role,
    /// What it is worth.
    pub score: Score,
    /// Rows that it was trained on.
    pub rows: usize,
}

/// Something that went wrong, or was made to go wrong.
#[derive(Clone, Debug)]
pub struct Incident {
    /// The round in which it happened.
    pub round: u64,
    /// The bank.
    pub bank: String,
    /// What happened, in plain words.
    pub text: String,
}

/// One thing that was verified.
#[derive(Clone, Debug)]
pub struct Check {
    /// Whether it holds.
    pub passed: bool,
    /// What was checked, and the evidence.
    pub text: String,
}
