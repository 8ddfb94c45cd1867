//! A column as it was, and how far rows are from it.

use std::ops::Range;

use serde::Serialize;

use crate::bins::{Bins, quantile};
use crate::kolmogorov::{Ks, ks};
use crate::level::{Level, Limits};
use crate::sample::{Invalid, Named, Values};
use crate::stability::{chance, psi};

/// A column of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    name: String,
    bins: Bins,
    counts: Vec<u64>,
    /// Ascending; empty of categories.
    sorted: Vec<f64>,
}

/// How far some rows of a column are from the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Rows that were looked at.
    pub rows: u64,
    /// Share of them without a value.
    pub missing: f64,
    /// Their mean; none of categories.
    pub mean: Option<f64>,
    /// The population stability index.
    pub psi: f64,
    /// What the index is below 99 times of 100 if nothing has changed.
    pub chance: f64,
    /// The test of Kolmogorov and Smirnov; none of categories.
    pub ks: Option<Ks>,
    /// Rows in each bin.
    #[serde(skip)]
    pub counts: Vec<u64>,
    /// None of fewer rows than the limits ask for.
    pub level: Option<Level>,
}

impl Baseline {
    /// Of all values.
    ///
    /// # Errors
    /// Without any.
    pub fn of(column: &Named, limits: &Limits) -> Result<Self, Invalid> {
        let empty = || Invalid::NoReference {
            what: column.name.clone(),
        };
        if column.values.is_empty() {
            return Err(empty());
        }
        let rows = 0..column.values.len();
        let bins = Bins::of(&column.values, limits.bins);
        let counts = bins.count(&column.values, rows.clone()).ok_or_else(empty)?;
        Ok(Self {
            name: column.name.clone(),
            bins,
            counts,
            sorted: column.values.sorted(rows),
        })
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bins.
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    /// Rows of the reference in each.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The mean of the reference; none of categories.
    pub fn mean(&self) -> Option<f64> {
        mean(&self.sorted)
    }

    /// From where to where nearly all of the reference's numbers lie: its quantiles 1 and 99 of 100.
    pub(crate) fn middle(&self) -> Option<(f64, f64)> {
        Some((quantile(&self.sorted, 0.01)?, quantile(&self.sorted, 0.99)?))
    }

    /// Numbers of the reference in each of some bins of equal width; those outside count at the ends.
    pub(crate) fn histogram(&self, (from, to): (f64, f64), bins: usize) -> Vec<u64> {
        histogram(&self.sorted, (from, to), bins)
    }

    /// How far some rows of the column are from it.
    ///
    /// # Errors
    /// Values of another kind, or no such rows.
    pub fn drift(&self, values: &Values, rows: Range<usize>, limits: &Limits) -> Result<Drift, Invalid> {
        let other = || Invalid::Kind {
            what: self.name.clone(),
        };
        let counts = self.bins.count(values, rows.clone()).ok_or_else(other)?;
        let many = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let missing = counts.last().copied().unwrap_or_default();
        let sorted = values.sorted(rows);
        let ks = ks(&self.sorted, &sorted);
        // Of no rows nothing is said.
        let index = psi(&self.counts, &counts).unwrap_or_default();
        let chance = chance(&self.counts, &counts).unwrap_or_default();
        let level = || {
            let by_index = match index > chance {
                true => limits.psi.rising(index),
                false => Level::Steady,
            };
            let apart = |ks: &Ks| ks.distance >= limits.ks.distance && ks.p < limits.ks.p;
            match ks.as_ref().is_some_and(apart) {
                true => by_index.max(Level::Watch),
                false => by_index,
            }
        };
        Ok(Drift {
            rows: many,
            missing: missing as f64 / many.max(1) as f64,
            mean: mean(&sorted),
            psi: index,
            chance,
            ks,
            level: (many >= limits.least_rows).then(level),
            counts,
        })
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// How many numbers fall into each of `bins` of equal width.
pub(crate) fn histogram(values: &[f64], (from, to): (f64, f64), bins: usize) -> Vec<u64> {
    let mut counts = vec![0; bins];
    let width = (to - from).max(f64::MIN_POSITIVE);
    for value in values.iter().filter(|value| value.is_finite()) {
        let at = ((value - from) / width * bins as f64).clamp(0.0, bins.saturating_sub(1) as f64);
        if let Some(count) = counts.get_mut(at as usize) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(values: impl IntoIterator<Item = f64>) -> Named {
        Named {
            name: "income".to_owned(),
            values: Values::Numbers(values.into_iter().collect()),
        }
    }

    #[test]
    fn what_moves_is_found_and_what_stays_is_steady() {
        let limits = Limits::default();
        let base = Baseline::of(&named((0..1000).map(f64::from)), &limits).unwrap();
        let looked = |by: f64| {
            let moved = named((0..500).map(|at| f64::from(at) * 2.0 + by)).values;
            base.drift(&moved, 0..500, &limits).unwrap()
        };
        let same = looked(0.5);
        assert_eq!(same.level, Some(Level::Steady), "{same:?}");
        assert!(same.psi < 0.01);
        assert_eq!(looked(400.0).level, Some(Level::Act));
        let some = looked(80.0);
        assert_eq!(some.level, Some(Level::Watch), "{some:?}");
        assert!((some.mean.unwrap() - 579.0).abs() < 1e-9);
        // Values that are missing are drift as well.
        let lost = named((0..500).map(|at| {
            if at % 2 == 0 {
                f64::NAN
            } else {
                f64::from(at) * 2.0
            }
        }))
        .values;
        let lost = base.drift(&lost, 0..500, &limits).unwrap();
        assert_eq!((lost.level, lost.missing), (Some(Level::Act), 0.5));
    }

    #[test]
    fn few_rows_have_no_level_and_chance_alone_is_steady() {
        let limits = Limits {
            least_rows: 20,
            ..Limits::default()
        };
        let base = Baseline::of(&named((0..1000).map(f64::from)), &limits).unwrap();
        // Of twenty rows four are in the first tenth and one in each of the last two, where two each were to be expected.
        let tenths = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9];
        let few = named(tenths.map(|tenth| 50.0 + 100.0 * f64::from(tenth))).values;
        let found = base.drift(&few, 0..20, &limits).unwrap();
        assert!(
            found.psi > limits.psi.watch && found.psi < found.chance,
            "{found:?}"
        );
        assert_eq!(found.level, Some(Level::Steady));
        assert_eq!(base.drift(&few, 0..19, &limits).unwrap().level, None);
        assert!(base.drift(&few, 0..21, &limits).is_err());
        assert!(Baseline::of(&named([]), &limits).is_err());
    }
}
