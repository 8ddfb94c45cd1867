use crate::ids::Digest;
use crate::model::{InputShape, Manifest, ModelSpec, Shared, Target};

use super::{
    Changes, EarlyStopping, ExplainedColumn, Groups, ImportanceSpec, Schema, TaskError, TrainingSpec,
    canonical, describe, file,
};

/// What the consortium trains, with every range proved. Only [`Task::parse`] makes one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Lower-case letters, digits and `-`, at most 64; fit for a file name.
    pub name: String,
    /// Training rounds, from 1.
    pub rounds: u32,
    /// Gives model 0 and nothing else, see [`crate::model::initialise`].
    pub seed: u64,
    /// Of how many of the task's last rounds the coordinator keeps what it takes to add them up again; `None`: of all.
    pub archive_rounds: Option<u32>,
    /// The banks' rows.
    pub schema: Schema,
    /// What the statistics round counts of the columns beside their moments; `None`: nothing.
    pub preparation: Option<PreparationSpec>,
    /// The model.
    pub model: ModelSpec,
    /// How a bank trains.
    pub training: TrainingSpec,
    /// How updates become the next model.
    pub aggregation: Aggregation,
    /// How an update becomes lanes.
    pub encoding: Encoding,
    /// How the model is judged.
    pub evaluation: Evaluation,
    /// When training ends before its rounds are used up, if it may.
    pub early_stopping: Option<EarlyStopping>,
    /// How long a phase may last.
    pub deadlines: Deadlines,
}

/// What the consortium learns of its columns before it trains, see [`crate::model::Preparation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparationSpec {
    /// Bins of a number column's histogram, of equal width on its scale.
    pub histogram_bins: u32,
}

/// How the sum of updates becomes the next model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Aggregation {
    /// The server optimiser with what it alone needs.
    pub optimiser: ServerOptimiser,
    /// The server's step size; 1 with FedAvg is the plain average.
    pub learning_rate: f64,
    /// What a bank weighs in the average.
    pub weighting: Weighting,
    /// `W`: no bank weighs more.
    pub max_weight: u32,
}

/// The server optimisers of Reddi et al. 2021, algorithm 2, with FedAvgM of Hsu et al. 2019.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServerOptimiser {
    /// The average update, times the step size.
    FedAvg,
    /// With momentum.
    FedAvgM {
        /// Share of the last step that is kept.
        beta1: f64,
    },
    /// Adam.
    FedAdam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        tau: f64,
    },
    /// Yogi.
    FedYogi {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        tau: f64,
    },
    /// Adagrad.
    FedAdagrad {
        /// Decay of the first moment; the paper's default is 0.
        beta1: f64,
        /// Added to the root of the second moment.
        tau: f64,
    },
}

/// What a bank weighs in the average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Its training rows, at least 1 and at most [`Aggregation::max_weight`].
    Examples,
    /// 1.
    Equal,
}

/// How an update becomes lanes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Encoding {
    /// `p`: bits of a digit.
    pub bits: u8,
    /// `R`: each coordinate of the weighted update is clamped to `[-R, R]`.
    pub range: f64,
    /// The update is scaled down to this L2 norm if it is longer.
    pub clip_norm: f64,
    /// Of a task with control variates: each coordinate of a control's change is clamped to so much on either side, after the change was
    /// scaled down to `clip_norm * control_range / range` if it is longer.
    pub control_range: Option<f64>,
}

/// How the model is judged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// Which of a bank's rows it never trains on.
    pub split: Split,
    /// Bins of the score histogram, equal width over `[0, 1]`.
    pub bins: u32,
    /// The groups of people by which the last model is judged.
    pub groups: Option<Groups>,
    /// How the importance of columns to the last model is measured.
    pub importance: Option<ImportanceSpec>,
}

/// How a bank parts its rows into those that it trains on and those that the model is judged by.
#[derive(Clone, Debug, PartialEq)]
pub enum Split {
    /// By a hash of the row's cells under a salt that only the bank knows.
    Hash {
        /// Share of the rows that is held out.
        share: f64,
    },
    /// By what a column says.
    Column {
        /// The column: one of the schema's, or one that the schema leaves out.
        column: String,
        /// Its values in the rows that are held out, compared after trimming. Rows with any other value are trained on.
        held_out: Vec<String>,
    },
    /// By time: the latest rows are held out, and the others are trained on in the order of time, never shuffled.
    Time {
        /// The column with the time: one of the schema's, or one that the schema leaves out.
        column: String,
        /// Share of the rows that is held out, as near as can be: rows of one time are on one side.
        share: f64,
    },
}

impl Split {
    /// The column that is read for it.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Hash { .. } => None,
            Self::Column { column, .. } | Self::Time { column, .. } => Some(column),
        }
    }
}

/// How long a phase may last, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// For the sealed shares.
    pub prepare_s: u32,
    /// For training.
    pub ready_s: u32,
    /// For masked uploads.
    pub collect_s: u32,
    /// For signatures over the survivors.
    pub confirm_s: u32,
    /// For the shares that strip the masks.
    pub unmask_s: u32,
    /// For the acknowledgement of the next model.
    pub ack_s: u32,
    /// How often a failed step is tried again before the task stops.
    pub attempts: u32,
}

impl Task {
    /// Bytes of the longest normal form: nobody fetches a longer one.
    pub const TEXT_LIMIT: usize = 1 << 20;

    /// Reads a task file. Unknown keys are refused, as are keys that the chosen model or optimiser does not use.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key, what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, TaskError> {
        file::parse(text)
    }

    /// The normal form: every key with its value, in a fixed order, one spelling for each value. It is TOML and
    /// parses to an equal task; two tasks are equal if and only if their normal forms are. A key without a default
    /// that need not be set (`archive_rounds`) stands in it only where it is.
    pub fn canonical_text(&self) -> String {
        canonical::task(self)
    }

    /// SHA-256 of [`Task::canonical_text`], so that `sha256sum` on a file of that text gives the same. Its first
    /// line keeps it apart from everything else that is hashed in the protocol.
    pub fn hash(&self) -> Digest {
        Digest::of(self.canonical_text().as_bytes())
    }

    /// What the operator of a bank approves, in plain words, for a terminal.
    pub fn describe(&self) -> String {
        describe::task(self)
    }

    /// The model in a few words, as [`Task::describe`] has it: its family and its sizes.
    pub fn model_in_words(&self) -> String {
        describe::model(&self.model)
    }

    /// What is another in this task than in an `earlier` one, by the meaning of its keys.
    pub fn changes_since(&self, earlier: &Self) -> Changes {
        Changes::between(earlier, self)
    }

    /// Whether the bank's column of this name is read: given to the model, predicted, or used to group, order, hold out or judge rows.
    pub fn reads(&self, column: &str) -> bool {
        let groups = self.evaluation.groups.as_ref();
        self.schema.reads(column)
            || self.evaluation.split.column() == Some(column)
            || groups.is_some_and(|groups| groups.column == column)
    }

    /// Whether the archive must still hold what it takes to add a round of the task up again, when `age` later rounds of the task have a
    /// result (see [`RoundAges`](crate::log::RoundAges)).
    pub fn archives(&self, age: usize) -> bool {
        self.archive_rounds
            .is_none_or(|rounds| usize::try_from(rounds).map_or(true, |rounds| age < rounds))
    }

    /// The columns whose importance to the last model is measured; none where it is not.
    pub fn explained_columns(&self) -> Vec<ExplainedColumn> {
        let columns = self.schema.explained_columns(self.model.embeds_categories());
        columns
            .filter(|_| self.evaluation.importance.is_some())
            .unwrap_or_default()
    }

    /// What the task's model is given of a row.
    pub fn input_shape(&self) -> InputShape {
        self.schema.input_shape(self.model.embeds_categories())
    }

    /// What the task's model predicts.
    pub fn target(&self) -> Target {
        self.schema.target()
    }

    /// Step size of a bank's training in a training round, from 0.
    pub fn learning_rate(&self, round: u32) -> f64 {
        self.training.learning_rate_in(round, self.rounds)
    }

    /// Which of the model's parameters leave the banks.
    pub fn shared(&self) -> Shared {
        Shared::of(&self.manifest(), &self.training.personal)
    }

    /// The parameters of the task's model.
    pub fn manifest(&self) -> Manifest {
        self.model.manifest(&self.input_shape(), self.target())
    }
}
