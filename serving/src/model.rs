//! What a model must be able to do to be served.

use std::fmt;

use crate::card::Card;
use crate::explanation::{Explanation, NotExplained, Question};
use crate::tensor::{Batch, Tensor};

/// A model that scores rows. It is asked by several threads at once if the settings give it several workers.
pub trait Model: Send + Sync + 'static {
    /// What the model says of itself; always the same.
    fn card(&self) -> &Card;

    /// Scores every row of a batch, whose tensors stand in the order of the card's inputs. The answer holds the card's outputs in its order, each
    /// with as many rows as the batch.
    ///
    /// # Errors
    /// The first row that cannot be scored. Nothing is answered for the others then: the batch is scored again without it.
    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem>;

    /// Says of each row why its score is what it is. It may take long, and looks now and then whether anybody still waits.
    ///
    /// # Errors
    /// [`NotExplained`]; of several rows the first that cannot be.
    fn explain(&self, _rows: &Batch, _question: &Question<'_>) -> Result<Vec<Explanation>, NotExplained> {
        Err(NotExplained::Wish(format!(
            "model {:?} has no explanations",
            self.card().name
        )))
    }
}

/// Why a row cannot be scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// Which row of the batch, from 0.
    pub row: usize,
    /// Name of the input.
    pub column: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub expected: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row,
            column,
            found,
            expected,
        } = self;
        write!(
            to,
            "input {column:?}, row {row} (the first is 0): found {found}, expected {expected}"
        )
    }
}

impl std::error::Error for RowProblem {}
