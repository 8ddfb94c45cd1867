//! What a consortium knows of its columns before it trains, from counts that the statistics round adds up under masks: rows by label, missing
//! cells, histograms, and what follows from them.
//!
//! * [`Preparation`]: the counts, their place in a contribution and the checks of their sum; all integers.
//! * `bins`: quantiles, and the consortium's quantile bins.
//! * `evidence`: weight of evidence and information value. They take a logarithm of the platform and are for those who read and for a
//!   bank's own rows; nothing that is hashed or logged hangs on them.
//! * `figures`: a column as it is shown.

mod bins;
mod evidence;
mod figures;
mod form;

pub use evidence::Evidence;
pub use figures::{ColumnFigures, ColumnSpread, SHOWN_BINS};

use thiserror::Error;

use super::{ColumnSums, Target};
use crate::task::{ColumnKind, Schema};

/// More cells than any consortium has, and few enough that every product in this module fits.
const MAX_CELLS: u64 = 1 << 48;

/// Training rows counted by column, value and label: of one bank, or summed over all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// Rows by label, shape `[labels]`: those with label 0 and those with label 1; all rows alone where the label is not binary.
    pub rows: Vec<u64>,
    /// One for each column of the schema, in its order.
    pub columns: Vec<ColumnCounts>,
}

/// The cells of one column, those of all its steps together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnCounts {
    /// Shape `[labels, places]`: cells in each bin of a number, of equal width on the column's scale from 0 to 1; or with each value of
    /// a category, in the agreed order before the bucket for others.
    pub present: Vec<Vec<u64>>,
    /// Shape `[labels]`: cells of a number column without a value. 0 in a category, whose bucket counts them.
    pub missing: Vec<u64>,
}

/// Counts that no rows can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column:?}: found {found}, expected {expected}; some bank contributed other than it should")]
pub struct PreparationError {
    /// The column's name.
    pub column: String,
    /// What its counts say.
    pub found: String,
    /// What the other counts say.
    pub expected: String,
}

/// The segments that the statistics round has for it, with the values of each.
const SEGMENTS: [&str; 4] = ["rows", "bins", "missing", "values"];

/// How many counts there are of each row: by label if it is binary.
fn labels(target: Target) -> usize {
    match target {
        Target::Binary => 2,
        Target::Classes(_) | Target::Number => 1,
    }
}

/// Bins or values of a column. Only numbers and categories are counted.
fn places(kind: &ColumnKind, bins: u32) -> usize {
    match kind {
        ColumnKind::Number(_) => bins as usize,
        ColumnKind::Category(category) => category.places(),
        ColumnKind::Date(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => 0,
    }
}

impl Preparation {
    /// Nothing counted yet, with `bins` bins for each number column.
    pub fn empty(schema: &Schema, bins: u32) -> Self {
        let labels = labels(schema.target());
        let columns = schema.columns.iter().map(|column| ColumnCounts {
            present: vec![vec![0; places(&column.kind, bins)]; labels],
            missing: vec![0; labels],
        });
        Self {
            rows: vec![0; labels],
            columns: columns.collect(),
        }
    }

    /// How many counts a task has, so that one with too many is refused when it is read.
    pub fn size(schema: &Schema, bins: u32) -> usize {
        let places = |kind| places(kind, bins).saturating_add(1);
        let columns = schema.columns.iter().map(|column| places(&column.kind));
        labels(schema.target()).saturating_mul(columns.fold(1, usize::saturating_add))
    }

    /// The segments behind the moments, by name with how many counts each has.
    pub(super) fn segments(schema: &Schema, bins: u32) -> Vec<(&'static str, u32)> {
        let empty = Self::empty(schema, bins);
        let flat = empty.flat(schema);
        let count = |values: &Vec<u64>| {
            u32::try_from(values.len()).expect("a task's counts are bounded far below 2^32")
        };
        SEGMENTS.into_iter().zip(flat.iter().map(count)).collect()
    }

    /// The counts in the order of the segments: within one column by column, within a column by label.
    pub(super) fn flat(&self, schema: &Schema) -> [Vec<u64>; 4] {
        let (mut bins, mut missing, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (column, counts) in schema.columns.iter().zip(&self.columns) {
            match column.kind {
                ColumnKind::Number(_) => {
                    bins.extend(counts.present.iter().flatten());
                    missing.extend(&counts.missing);
                }
                ColumnKind::Category(_) => values.extend(counts.present.iter().flatten()),
                ColumnKind::Date(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => {}
            }
        }
        [self.rows.clone(), bins, missing, values]
    }

    /// From the sums of a statistics round: `read` gives a segment's sums, `None` if the layout has none of that name.
    pub(super) fn from_sums<E>(
        schema: &Schema,
        bins: u32,
        mut read: impl FnMut(&'static str) -> Result<Vec<u64>, E>,
    ) -> Result<Self, E> {
        let [rows, bin_counts, missing, values] = SEGMENTS;
        let mut whole = Self::empty(schema, bins);
        let fill = |places: &mut dyn Iterator<Item = &mut u64>, sums: &mut dyn Iterator<Item = u64>| {
            places.zip(sums).for_each(|(place, sum)| *place = sum);
        };
        fill(&mut whole.rows.iter_mut(), &mut read(rows)?.into_iter());
        let mut bin_counts = read(bin_counts)?.into_iter();
        let mut missing = read(missing)?.into_iter();
        let mut values = read(values)?.into_iter();
        for (column, counts) in schema.columns.iter().zip(&mut whole.columns) {
            let present = &mut counts.present.iter_mut().flatten();
            match column.kind {
                ColumnKind::Number(_) => {
                    fill(present, &mut bin_counts);
                    fill(&mut counts.missing.iter_mut(), &mut missing);
                }
                ColumnKind::Category(_) => fill(present, &mut values),
                ColumnKind::Date(_) | ColumnKind::Text(_) | ColumnKind::Image(_) => {}
            }
        }
        Ok(whole)
    }

    /// Whether rows can have these counts, `sums` being those of [`Schema::standardised`] of the same rows.
    ///
    /// # Errors
    /// The first column that contradicts the rows, or the sums of its own values.
    pub(super) fn check(&self, schema: &Schema, sums: &[ColumnSums]) -> Result<(), PreparationError> {
        let mut sums = sums.iter();
        for (column, counts) in schema.columns.iter().zip(&self.columns) {
            match &column.kind {
                ColumnKind::Number(_) | ColumnKind::Category(_) => {}
                ColumnKind::Date(date) => {
                    // Its own sums, of which there are no counts.
                    sums.by_ref()
                        .take(1 + usize::from(date.since_previous))
                        .for_each(drop);
                    continue;
                }
                ColumnKind::Text(_) | ColumnKind::Image(_) => continue,
            }
            let wrong = |found: String, expected: String| {
                Err(PreparationError {
                    column: column.name.clone(),
                    found,
                    expected,
                })
            };
            let cells = column.cells().len() as u128;
            for (label, (present, (missing, rows))) in counts
                .present
                .iter()
                .zip(counts.missing.iter().zip(&self.rows))
                .enumerate()
            {
                let found = total(present) + u128::from(*missing);
                let expected = u128::from(*rows) * cells;
                if found != expected || expected > u128::from(MAX_CELLS) {
                    return wrong(
                        format!("{found} cells of rows in group {label} of the labels"),
                        format!("{expected}, as there are rows, and at most {MAX_CELLS}"),
                    );
                }
            }
            if let ColumnKind::Number(_) = column.kind
                && let Some(sums) = sums.next()
                && let Err((found, expected)) = counts.agrees(sums)
            {
                return wrong(found, expected);
            }
        }
        Ok(())
    }

    /// One more row with this label.
    pub fn count_row(&mut self, label: usize) {
        add_one(self.rows.get_mut(label));
    }

    /// One more cell of a number column: `u` in `[0, 1]`, NaN where it is missing.
    pub fn count_number(&mut self, column: usize, label: usize, u: f32) {
        if let Some(counts) = self.columns.get_mut(column) {
            add_one(if u.is_nan() {
                counts.missing.get_mut(label)
            } else {
                let places = counts.present.get_mut(label);
                places.and_then(|places| {
                    let bin = bin_of(u, places.len());
                    places.get_mut(bin)
                })
            });
        }
    }

    /// One more cell of a category column: the index of its value, or the number of values for the bucket.
    pub fn count_value(&mut self, column: usize, label: usize, value: usize) {
        let counts = self.columns.get_mut(column);
        let places = counts.and_then(|counts| counts.present.get_mut(label));
        add_one(places.and_then(|places| places.get_mut(value)));
    }

    /// Adds another's counts, of the same schema and bins.
    pub fn add(&mut self, other: &Self) {
        let add = |mine: &mut Vec<u64>, theirs: &[u64]| {
            mine.iter_mut()
                .zip(theirs)
                .for_each(|(mine, theirs)| *mine += theirs);
        };
        add(&mut self.rows, &other.rows);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            add(&mut mine.missing, &theirs.missing);
            for (mine, theirs) in mine.present.iter_mut().zip(&theirs.present) {
                add(mine, theirs);
            }
        }
    }

    /// Whether these are counts of such a schema with so many bins.
    pub fn fits(&self, schema: &Schema, bins: u32) -> bool {
        let shape = |of: &Self| {
            let columns = of.columns.iter();
            let columns = columns.map(|column| {
                let places: Vec<_> = column.present.iter().map(Vec::len).collect();
                (column.missing.len(), places)
            });
            (of.rows.len(), columns.collect::<Vec<_>>())
        };
        shape(self) == shape(&Self::empty(schema, bins))
    }
}

impl ColumnCounts {
    /// Cells, with or without a value.
    pub fn cells(&self) -> u64 {
        let present = self.present.iter().flatten().sum::<u64>();
        present + self.missing.iter().sum::<u64>()
    }

    /// Share of the cells of a number column that have no value; none without cells.
    pub fn missing_share(&self) -> Option<f64> {
        let cells = self.cells();
        (cells > 0).then(|| self.missing.iter().sum::<u64>() as f64 / cells as f64)
    }

    /// Cells in each place, whatever their label.
    pub fn by_place(&self) -> Vec<u64> {
        let places = self.present.first().map_or(0, Vec::len);
        let mut sums = vec![0; places];
        for counts in &self.present {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// Whether values in these bins can have these sums: as many of them, and their sum between what the bins' lower and upper edges add up
    /// to. The sum is in units of `2^-32`, each value rounded by half a unit at most.
    fn agrees(&self, sums: &ColumnSums) -> Result<(), (String, String)> {
        let bins = self.by_place();
        let count = total(&bins);
        if count != u128::from(sums.count) {
            return Err((
                format!("{count} values in its histogram"),
                format!("{}, as were summed", sums.count),
            ));
        }
        let parts = bins.len() as u128;
        let lower: u128 = (0_u128..)
            .zip(&bins)
            .map(|(bin, count)| bin * u128::from(*count))
            .sum();
        let (low, high) = (lower << 32, (lower + count) << 32);
        let (twice, rounding) = (2 * parts * u128::from(sums.sum), parts * count);
        if twice + rounding >= 2 * low && twice <= 2 * high + rounding {
            return Ok(());
        }
        Err((
            format!("a sum of {} units", sums.sum),
            format!(
                "one between {} and {}, as its histogram says",
                low / parts.max(1),
                high / parts.max(1)
            ),
        ))
    }
}

/// The bin, of so many, of a value in `[0, 1]`: bin `b` of `B` holds values from `b/B` to below `(b+1)/B`, the last also 1. The product is
/// exact, so the bin is the same everywhere.
pub fn bin_of(u: f32, bins: usize) -> usize {
    let bin = f64::from(u) * bins as f64;
    (bin as usize).min(bins.saturating_sub(1))
}

fn add_one(count: Option<&mut u64>) {
    debug_assert!(count.is_some(), "a cell of no column, label or place");
    if let Some(count) = count {
        *count += 1;
    }
}

fn total(counts: &[u64]) -> u128 {
    counts.iter().map(|&count| u128::from(count)).sum()
}

#[cfg(test)]
mod tests;
