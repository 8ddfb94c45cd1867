//! Why there is no explanation.

use veilsum_explain::{Error, Invalid};

use crate::data::DataError;
use crate::scoring::ScorerError;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The model's rows are no columns.
    #[error(
        "this model reads images, and its inputs are no columns and no words: explanations are for tables, sequences and texts"
    )]
    Images,
    /// There is no such output.
    #[error("found the output {found:?}, expected one of {}", expected.join(", "))]
    Output {
        /// What was asked for.
        found: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// The method is not for this model.
    #[error("the method {method} is not for this model: {why}; take {instead}")]
    Method {
        /// What was asked for.
        method: &'static str,
        /// Why not.
        why: &'static str,
        /// Which ones are.
        instead: &'static str,
    },
    /// A column that is named is none of the model's.
    #[error("found the column {found:?} among {list}, expected columns that the model reads: {}", expected.join(", "))]
    Column {
        /// Which list names it.
        list: &'static str,
        /// What was found.
        found: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// A column that is named where a text's words are explained.
    #[error(
        "found the column {found:?} among {list}, expected none: this model reads a text, of whose words none is a column; leave the list out"
    )]
    NoColumns {
        /// Which list names it.
        list: &'static str,
        /// What was found.
        found: String,
    },
    /// A text without a word.
    #[error("row {row}: found a text without a word, expected at least one")]
    NoWords {
        /// From 1.
        row: usize,
    },
    /// Nobody waits for it any more.
    #[error("the time is over")]
    Late,
    /// The rows, or the model.
    #[error(transparent)]
    Scorer(Box<ScorerError>),
    /// The bank's table.
    #[error(transparent)]
    Table(Box<DataError>),
    /// What was given to the method.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl From<ScorerError> for ExplainError {
    fn from(error: ScorerError) -> Self {
        Self::Scorer(Box::new(error))
    }
}

impl From<DataError> for ExplainError {
    fn from(error: DataError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<Error<ScorerError>> for ExplainError {
    fn from(error: Error<ScorerError>) -> Self {
        match error {
            Error::Model(error) => error.into(),
            Error::Invalid(error) => Self::Invalid(error),
        }
    }
}
