//! What is looked at: rows in the order of time, column by column.

use std::ops::Range;

use thiserror::Error;
use veilsum_protocol::task::Scale;

/// Input that nothing can be said of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Lists that must be of one length are not.
    #[error("{what}: found {found} values, expected {expected}, one for each row")]
    Size {
        /// Of what.
        what: String,
        /// Values.
        found: usize,
        /// Rows.
        expected: usize,
    },
    /// Nothing to compare with.
    #[error("{what}: the reference has no rows; give at least one")]
    NoReference {
        /// Of what.
        what: String,
    },
    /// A column that is a number in one sample and a category in the other, or has other categories there.
    #[error(
        "{what}: the reference and the rows that are looked at are of different kinds; read both under one schema"
    )]
    Kind {
        /// Which column.
        what: String,
    },
    /// Rows out of order.
    #[error("times: row {row} is earlier than the one before it; give the rows in the order of time")]
    Order {
        /// Counted from 0.
        row: usize,
    },
    /// A time that no calendar has.
    #[error("times: found {found} ms since 1970, expected a time from the year -9999 to 9999")]
    Time {
        /// What was found.
        found: i64,
    },
    /// A limit out of its range.
    #[error("{key}: found {found}, expected {expected}")]
    Limit {
        /// Its name.
        key: &'static str,
        /// What was found.
        found: String,
        /// Its range.
        expected: &'static str,
    },
    /// Sums that contradict each other.
    #[error("figures: {0}")]
    Figures(String),
}

/// The values of a column, one for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// Places in a list of names; `None` where a value is missing or is none of them.
    Categories {
        /// The names.
        names: Vec<String>,
        /// Of each row, its place.
        of: Vec<Option<u16>>,
    },
}

impl Values {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(of) => of.len(),
            Self::Categories { of, .. } => of.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some rows' numbers that are there, ascending; none of categories.
    pub(crate) fn sorted(&self, rows: Range<usize>) -> Vec<f64> {
        let Self::Numbers(of) = self else {
            return Vec::new();
        };
        let some = of.get(rows).unwrap_or_default();
        let mut there: Vec<f64> = some.iter().copied().filter(|value| value.is_finite()).collect();
        there.sort_unstable_by(f64::total_cmp);
        there
    }
}

/// A column with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The values.
    pub values: Values,
}

/// What the model said of each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// The probability of label 1.
    Binary(Vec<f64>),
    /// The likeliest class, and its probability.
    Classes {
        /// Names of all classes.
        names: Vec<String>,
        /// Of each row, the place of the likeliest.
        chosen: Vec<u16>,
        /// Of each row, that one's probability.
        probability: Vec<f64>,
    },
    /// A number on the label's own scale.
    Number {
        /// Of each row.
        values: Vec<f64>,
        /// What the label is.
        range: NumberRange,
    },
}

/// The agreed scale of a label that is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberRange {
    /// From here.
    pub min: f64,
    /// To here.
    pub max: f64,
    /// In which steps between.
    pub scale: Scale,
}

impl NumberRange {
    /// A value on the scale from 0 to 1, on which the consortium measures errors.
    pub(crate) fn unit(self, value: f64) -> f64 {
        self.scale
            .unit(value.clamp(self.min, self.max), self.min, self.max)
    }
}

impl Predictions {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Binary(of) | Self::Number { values: of, .. } => of.len(),
            Self::Classes { chosen, .. } => chosen.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As columns, whose drift is that of what the model says.
    pub fn columns(&self) -> Vec<Named> {
        let named = |name: &str, values| Named {
            name: name.to_owned(),
            values,
        };
        match self {
            Self::Binary(of) => vec![named("score", Values::Numbers(of.clone()))],
            Self::Number { values, .. } => vec![named("prediction", Values::Numbers(values.clone()))],
            Self::Classes {
                names,
                chosen,
                probability,
            } => {
                let of = chosen.iter().map(|place| Some(*place)).collect();
                let names = names.clone();
                vec![
                    named("class", Values::Categories { names, of }),
                    named("probability of the class", Values::Numbers(probability.clone())),
                ]
            }
        }
    }
}

/// A column that tells groups of people apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The column.
    pub name: String,
    /// Names of its groups.
    pub groups: Vec<String>,
    /// Of each row the place of its group; `None` where it is not known.
    pub of: Vec<Option<u16>>,
}

/// Decisions of one version of a model, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When each row was answered, in milliseconds since 1970 UTC, ascending.
    pub times_ms: Vec<i64>,
    /// What the model said.
    pub predictions: Predictions,
    /// What the model was told; none of texts and images.
    pub columns: Vec<Named>,
    /// What came true, where it is known: 0 or 1, a class's place, or a number on the label's own scale. Empty where no outcome is known.
    pub outcomes: Vec<Option<f64>>,
    /// Groups of people to look at.
    pub groupings: Vec<Grouping>,
}

impl Sample {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let rows = self.times_ms.len();
        let sizes = [("predictions", self.predictions.len())].into_iter();
        let sizes = sizes
            .chain(
                self.columns
                    .iter()
                    .map(|column| (column.name.as_str(), column.values.len())),
            )
            .chain(
                self.groupings
                    .iter()
                    .map(|group| (group.name.as_str(), group.of.len())),
            )
            .chain((!self.outcomes.is_empty()).then_some(("outcomes", self.outcomes.len())));
        for (what, found) in sizes {
            if found != rows {
                return Err(Invalid::Size {
                    what: what.to_owned(),
                    found,
                    expected: rows,
                });
            }
        }
        let late = self.times_ms.windows(2).position(|pair| pair[0] > pair[1]);
        match late {
            Some(before) => Err(Invalid::Order { row: before + 1 }),
            None => Ok(()),
        }
    }
}
