//! What can go wrong: input that cannot be explained, and a model that gave no score.

use thiserror::Error;

/// An input that no explanation can be made of.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Rows without inputs.
    #[error("rows: their width is 0; a row needs at least one input")]
    NoWidth,
    /// Values that do not fill whole rows.
    #[error("rows: {values} values do not make whole rows of width {width}; give a multiple of the width")]
    PartialRow {
        /// How many were given.
        values: usize,
        /// Inputs of a row.
        width: usize,
    },
    /// An input that is no number.
    #[error(
        "rows: input {input} of row {row} is {found}, expected a finite number; give a missing value as the model reads it, with its flag"
    )]
    InputNotFinite {
        /// Counted from 0.
        row: usize,
        /// Counted from 0.
        input: usize,
        /// What it is.
        found: f32,
    },
    /// Two things that must be of one size are not.
    #[error("{field}: found {found} {unit}, expected {expected}; {remedy}")]
    Size {
        /// What has the wrong size.
        field: &'static str,
        /// How large it is.
        found: usize,
        /// How large it must be.
        expected: usize,
        /// What is counted.
        unit: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Nothing to compare the row with.
    #[error(
        "background: it has no rows; give at least one row to compare with, for instance 10 to 100 of the training rows"
    )]
    NoBackground,
    /// Nothing where at least one is needed.
    #[error("{field}: found none, expected at least one; {remedy}")]
    Empty {
        /// What is empty.
        field: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A feature without inputs.
    #[error("groups: feature {feature:?} has no inputs; leave it out or name its inputs")]
    EmptyGroup {
        /// Its name.
        feature: String,
    },
    /// An input that the rows do not have.
    #[error("groups: feature {feature:?} names input {input}, expected one below the rows' width {width}")]
    InputOutside {
        /// The feature that names it.
        feature: String,
        /// Counted from 0.
        input: usize,
        /// Inputs of a row.
        width: usize,
    },
    /// An input that two features name.
    #[error(
        "groups: input {input} belongs to feature {first:?} and to {second:?}; each input belongs to exactly one"
    )]
    InputTwice {
        /// Counted from 0.
        input: usize,
        /// The feature that named it first.
        first: String,
        /// The feature that named it again.
        second: String,
    },
    /// An input that no feature names.
    #[error("groups: input {input} belongs to no feature; each input belongs to exactly one")]
    InputUnnamed {
        /// Counted from 0.
        input: usize,
    },
    /// A name that two features have.
    #[error("groups: two features are called {name:?}; give each a name of its own")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A score that is no number.
    #[error(
        "scores: the model gave {found} for row {row} of a batch, expected a finite number; look at the model and at the row's inputs"
    )]
    ScoreNotFinite {
        /// Of the batch or the list of coalitions, counted from 0.
        row: usize,
        /// What it gave.
        found: f64,
    },
    /// Too few coalitions for the features.
    #[error(
        "budget: {found} coalitions are too few for {features} features that vary, expected at least {least}; raise the budget, or group features"
    )]
    BudgetTooSmall {
        /// The budget.
        found: usize,
        /// Features that vary.
        features: usize,
        /// What is needed.
        least: usize,
    },
    /// A number outside its range.
    #[error("{field}: found {found}, expected {expected}")]
    OutOfRange {
        /// What it is.
        field: &'static str,
        /// The number.
        found: f64,
        /// Its range, in words.
        expected: &'static str,
    },
    /// A name that no feature has.
    #[error("{field}: no feature is called {name:?}; give the name exactly as the feature has it")]
    Unknown {
        /// Where it was named.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Equations that have no single answer.
    #[error(
        "{field}: the equations have no single answer, for the samples do not tell the features apart; raise the number of samples"
    )]
    Singular {
        /// Which explanation.
        field: &'static str,
    },
    /// A value of another kind than the feature's.
    #[error(
        "feature {feature:?}: found {found}, expected {expected}; give its value in the kind that the feature was declared with"
    )]
    Kind {
        /// Its name.
        feature: String,
        /// What was given.
        found: &'static str,
        /// What it was declared as.
        expected: &'static str,
    },
}

impl Invalid {
    /// A number outside its range.
    pub(crate) fn range(field: &'static str, found: f64, expected: &'static str) -> Self {
        Self::OutOfRange {
            field,
            found,
            expected,
        }
    }

    /// Refuses what has not the expected size.
    pub(crate) fn size(
        (field, unit): (&'static str, &'static str),
        found: usize,
        expected: usize,
        remedy: &'static str,
    ) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self::Size {
            field,
            found,
            expected,
            unit,
            remedy,
        })
    }
}

/// Why a row was not explained; `E` is the model's own error.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Error<E> {
    /// The input cannot be explained.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The model gave no scores.
    #[error("the model gave no scores: {0}")]
    Model(E),
}
