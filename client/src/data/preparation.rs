//! Counts of the bank's rows for the consortium's preparation, and what an encoding takes from those of all banks.

use veilsum_protocol::model::{ColumnCounts, Preparation, bin_of};
use veilsum_protocol::task::{Column, ColumnEncoding};

use super::layout::PlaceKind;
use super::{DataError, Dataset};

impl Dataset {
    /// The bank's part of the preparation: its training rows by label, and the cells of each column of numbers or categories, of all steps, by
    /// bin or value; `bins` as the task says. Where rows are grouped, each counts once, however many sequences it is a step of.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub fn counts(&self, bins: u32) -> Result<Preparation, DataError> {
        let mut counts = Preparation::empty(self.schema(), bins);
        let by_label = counts.rows.len() > 1;
        // Those that the moments are of, so that the sums of both agree.
        self.rows().scan(self.own_training_rows(), |row, values| {
            let positive = self.labels().get(row as usize) == Some(&1.0);
            let label = usize::from(by_label && positive);
            counts.count_row(label);
            for (at, place) in self.layout().columns.iter().enumerate() {
                let cells = place.first..place.first + place.cells;
                match place.kind {
                    PlaceKind::Number { .. } => {
                        cells.for_each(|cell| counts.count_number(at, label, values.number(cell)));
                    }
                    PlaceKind::Category { .. } => {
                        cells.for_each(|cell| counts.count_value(at, label, values.category(cell)));
                    }
                    PlaceKind::Date { .. } => {}
                }
            }
        })?;
        Ok(counts)
    }
}

/// How the cells of one column become inputs by the consortium's counts.
#[derive(Debug)]
pub(super) enum Learned {
    /// One-hot by quantile bin.
    Quantiles {
        /// The quantile bin of each bin of the histogram.
        of_bin: Vec<u16>,
        /// Quantile bins.
        bins: u16,
    },
    /// The weight of evidence of each bin of the histogram.
    BinEvidence {
        weights: Vec<f32>,
        /// Of cells without a value.
        missing: f32,
    },
    /// The weight of evidence of each value.
    ValueEvidence { weights: Vec<f32> },
}

impl Learned {
    /// From the counts of a column; none for one that is given as it is, or whose counts have no labels.
    pub(super) fn of(column: &Column, counts: &ColumnCounts) -> Option<Self> {
        match column.encoding {
            ColumnEncoding::Plain => None,
            ColumnEncoding::Quantiles { bins } => Some(Self::Quantiles {
                of_bin: counts.quantile_bins(bins),
                bins,
            }),
            ColumnEncoding::BinEvidence { bins } => {
                let evidence = counts.bin_evidence(bins)?;
                let (missing, weights) = evidence.weights.split_last()?;
                let of_bin = counts.quantile_bins(bins).into_iter();
                let weight = |bin: u16| weights.get(usize::from(bin)).map(|weight| *weight as f32);
                Some(Self::BinEvidence {
                    weights: of_bin.map(weight).collect::<Option<_>>()?,
                    missing: *missing as f32,
                })
            }
            ColumnEncoding::ValueEvidence => {
                let weights = counts.value_evidence()?.weights;
                Some(Self::ValueEvidence {
                    weights: weights.into_iter().map(|weight| weight as f32).collect(),
                })
            }
        }
    }

    /// Appends the inputs of a number's cell, `u` in `[0, 1]`, NaN where it is missing.
    pub(super) fn number(&self, u: f32, inputs: &mut Vec<f32>) {
        match self {
            Self::Quantiles { of_bin, bins } => {
                let hot = if u.is_nan() {
                    None
                } else {
                    of_bin.get(bin_of(u, of_bin.len())).copied()
                };
                inputs.extend((0..*bins).map(|bin| if Some(bin) == hot { 1.0 } else { 0.0 }));
            }
            Self::BinEvidence { weights, missing } => {
                let weight = if u.is_nan() {
                    *missing
                } else {
                    weights.get(bin_of(u, weights.len())).copied().unwrap_or_default()
                };
                inputs.push(weight);
            }
            Self::ValueEvidence { .. } => debug_assert!(false, "a number is encoded as a category"),
        }
    }

    /// Appends the input of a category's cell.
    pub(super) fn category(&self, value: usize, inputs: &mut Vec<f32>) {
        if let Self::ValueEvidence { weights } = self {
            inputs.push(weights.get(value).copied().unwrap_or_default());
        } else {
            debug_assert!(false, "a category is encoded as a number");
        }
    }
}

#[cfg(test)]
mod tests;
