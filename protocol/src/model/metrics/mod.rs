//! How good a model is: sums over held-out rows that add up across banks, and the figures that follow from them.
//!
//! Every figure is computed from integers with one division at the end, or from a few exactly rounded operations in a fixed order, so that
//! coordinator, banks and auditors get the same bits from the same sums.

mod binary;
mod classes;
mod figure;
mod groups;
mod importance;
mod number;

pub use binary::BinarySums;
pub use classes::ClassSums;
pub use figure::{Better, Figure};
pub use groups::{Decision, GroupFigures, GroupSums, LEAST_GROUP_ROWS, Share, Spread};
pub use importance::ImportanceSums;
pub use number::NumberSums;

use thiserror::Error;

/// Fraction bits of a summed loss in nats.
const LOSS_FRACTION_BITS: u32 = 24;

/// More rows than any consortium has, and few enough that every product in this module fits.
const MAX_ROWS: u64 = 1 << 48;

/// What is known of a model's predictions on held-out rows, of one bank or summed over all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreSums {
    /// Of a model that scores rows for one label.
    Binary(BinarySums),
    /// Of a model that chooses among classes.
    Classes(ClassSums),
    /// Of a model that predicts a number.
    Number(NumberSums),
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// How many rows were scored.
    pub rows: u64,
    /// The figures of the model's kind, in ascending order of [`Figure`]; `None` where one is not defined.
    pub figures: Vec<(Figure, Option<f64>)>,
}

/// Sums that no scores can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetricsError {
    /// Two histograms differ in length, or a table is not square, or there is none.
    #[error("found {found}, expected {expected}")]
    Shape {
        /// The lengths.
        found: String,
        /// What they should be.
        expected: &'static str,
    },
    /// The counts do not hold as many rows as were counted.
    #[error("the counts hold {counted} rows, expected {rows}; some bank contributed other than it should")]
    Rows {
        /// Rows in all counts.
        counted: u128,
        /// Rows that were counted.
        rows: u64,
    },
    /// The groups are not the whole, so that a row is of none or of several.
    #[error(
        "the groups hold {counted} rows with label {label} in bin {bin}, expected {all}; some bank contributed other than it should"
    )]
    Groups {
        /// The label.
        label: u8,
        /// The bin of their scores, from 0.
        bin: usize,
        /// Rows in all groups.
        counted: u128,
        /// Rows of the whole.
        all: u64,
    },
    /// Sums that values on the unit interval cannot have.
    #[error("the {what} of {rows} rows cannot be {found}; some bank contributed other than it should")]
    Impossible {
        /// Which sum.
        what: &'static str,
        /// The sum.
        found: u64,
        /// How many rows.
        rows: u64,
    },
}

impl ScoreSums {
    /// From the sums of one bank's binary model: see [`BinarySums::new`].
    pub fn binary(rows: u64, loss: f64, negatives: Vec<u64>, positives: Vec<u64>) -> Self {
        Self::Binary(BinarySums::new(rows, loss, negatives, positives))
    }

    /// The figures.
    ///
    /// # Errors
    /// When the parts contradict each other.
    pub fn metrics(&self) -> Result<Metrics, MetricsError> {
        self.metrics_under(None)
    }

    /// The figures, with those over the groups where a decision about people is given.
    ///
    /// # Errors
    /// When the parts contradict each other.
    pub fn metrics_under(&self, decision: Option<Decision>) -> Result<Metrics, MetricsError> {
        match self {
            Self::Binary(sums) => sums.metrics(decision),
            Self::Classes(sums) => sums.metrics(),
            Self::Number(sums) => sums.metrics(),
        }
    }
}

impl Metrics {
    /// The figures in one line, such as `AUC 0.7812, log loss 0.4410`; one that is not defined is `-`.
    pub fn words(&self) -> String {
        let word = |(figure, value): &(Figure, Option<f64>)| {
            let value = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
            format!("{} {value}", figure.title())
        };
        self.figures.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// A figure, where it is one of the model's kind and is defined.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        self.figures
            .iter()
            .find(|(name, _)| *name == figure)
            .and_then(|(_, value)| *value)
    }
}

/// A sum of losses in nats as fixed point; finite and not negative.
fn loss_units(loss: f64) -> u64 {
    (loss * f64::from(1_u32 << LOSS_FRACTION_BITS)).round() as u64
}

/// The mean of so many fixed-point losses, in nats.
fn mean_loss(units: u64, rows: u64) -> Option<f64> {
    (rows > 0).then(|| units as f64 / f64::from(1_u32 << LOSS_FRACTION_BITS) / rows as f64)
}

fn total(counts: &[u64]) -> u128 {
    counts.iter().map(|&count| u128::from(count)).sum()
}

fn check_rows(counted: u128, rows: u64) -> Result<(), MetricsError> {
    if counted == u128::from(rows) && rows <= MAX_ROWS {
        return Ok(());
    }
    Err(MetricsError::Rows { counted, rows })
}
