//! A column as it is shown to people. Values in its units and weights take the platform's logarithm and exponential.

use super::{Evidence, Preparation};
use crate::task::{ColumnEncoding, ColumnKind, Scale, Schema};

/// Quantile bins over which the information value of a number column is shown whose encoding names none.
pub const SHOWN_BINS: u16 = 10;

/// What a consortium knows of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnFigures {
    /// The column's name.
    pub name: String,
    /// Cells of the training rows of all banks in the sum.
    pub cells: u64,
    /// Share of them without a value; none for a category, whose bucket counts them among others.
    pub missing: Option<f64>,
    /// How they spread.
    pub spread: ColumnSpread,
    /// For a label of 0 or 1, by the column's encoding: over its quantile bins, or over [`SHOWN_BINS`] where it has none, or over the
    /// values.
    pub evidence: Option<Evidence>,
}

/// How a column's cells spread.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnSpread {
    /// Of a number.
    Number {
        /// The agreed range.
        range: [f64; 2],
        /// Whether the bins are of equal width on a logarithmic scale.
        log: bool,
        /// Cells in each bin from the range's lower end to its upper.
        bins: Vec<u64>,
        /// A quarter, half and three quarters of the values lie below; off by less than a bin.
        quartiles: Option<[f64; 3]>,
    },
    /// Of a category: cells by value, the bucket last.
    Category(Vec<(String, u64)>),
}

impl Preparation {
    /// The columns that are counted, numbers and categories, in the schema's order.
    pub fn figures(&self, schema: &Schema) -> Vec<ColumnFigures> {
        let columns = schema.columns.iter().zip(&self.columns);
        let figures = columns.filter_map(|(column, counts)| match &column.kind {
            ColumnKind::Number(number) => {
                let quartile = |part| {
                    Some(
                        number
                            .scale
                            .value(counts.quantile(part, 4)?, number.min, number.max),
                    )
                };
                let bins = match column.encoding {
                    ColumnEncoding::Quantiles { bins } | ColumnEncoding::BinEvidence { bins } => bins,
                    ColumnEncoding::Plain | ColumnEncoding::ValueEvidence => SHOWN_BINS,
                };
                Some(ColumnFigures {
                    name: column.name.clone(),
                    cells: counts.cells(),
                    missing: counts.missing_share(),
                    spread: ColumnSpread::Number {
                        range: [number.min, number.max],
                        log: number.scale == Scale::Log,
                        bins: counts.by_place(),
                        quartiles: quartile(1)
                            .zip(quartile(2))
                            .zip(quartile(3))
                            .map(|((first, second), third)| [first, second, third]),
                    },
                    evidence: counts.bin_evidence(bins),
                })
            }
            ColumnKind::Category(category) => {
                let names = category.place_names().into_iter();
                Some(ColumnFigures {
                    name: column.name.clone(),
                    cells: counts.cells(),
                    missing: None,
                    spread: ColumnSpread::Category(names.zip(counts.by_place()).collect()),
                    evidence: counts.value_evidence(),
                })
            }
            ColumnKind::Date(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => None,
        });
        figures.collect()
    }
}
