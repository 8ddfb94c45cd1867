use thiserror::Error;

use crate::data::DataError;

/// Why training or scoring failed.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Parameters, inputs or rows that do not belong together.
    #[error("{what}: found {found}, expected {expected}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its size.
        found: String,
        /// The size that it should have.
        expected: String,
    },
    /// The loss or the parameters became NaN or infinite.
    #[error(
        "{what} became {value} in local epoch {epoch}; the learning rate is too high for these rows: propose a task with \
         a smaller training.learning_rate, a log scale for heavy-tailed columns, or another optimiser"
    )]
    Diverged {
        /// Loss or parameters.
        what: &'static str,
        /// NaN or infinity.
        value: f64,
        /// Local epoch, from 1.
        epoch: u32,
    },
    /// The model to be scored gives NaN.
    #[error("the model gives {0} as a score; its parameters are damaged or it has diverged")]
    Score(f32),
    /// No thread could be started to prepare batches.
    #[error(
        "the system gives no thread that prepares batches: {0}; allow the daemon more processes (ulimit -u, TasksMax) \
         or free memory"
    )]
    Thread(#[source] std::io::Error),
    /// Rows that lie in a file cannot be read back.
    #[error(transparent)]
    Rows(#[from] DataError),
    /// libtorch failed, for want of memory perhaps.
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

impl TrainError {
    pub(crate) fn shape(what: &'static str, found: impl ToString, expected: impl ToString) -> Self {
        Self::Shape {
            what,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
