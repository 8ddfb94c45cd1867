//! Into which bins a column's values are sorted.

use std::ops::Range;

use crate::sample::Values;

/// The bins of a column, made from the reference. Missing values are a bin of their own, the last.
#[derive(Clone, Debug, PartialEq)]
pub enum Bins {
    /// Numbers: bin `b` holds those above edge `b - 1` and up to edge `b`; the first and the last are open.
    Numbers {
        /// Ascending, each once.
        edges: Vec<f64>,
    },
    /// Each category is a bin.
    Categories {
        /// The names.
        names: Vec<String>,
    },
}

impl Bins {
    /// For the values of a reference. The edges of numbers are their quantiles, so that each bin holds about as many, with linear interpolation as in
    /// numpy (type 7 of Hyndman and Fan 1996); where they have no more different values than bins are `wanted`, each value is a bin, parted in the middle.
    pub fn of(values: &Values, wanted: usize) -> Self {
        let sorted = match values {
            Values::Categories { names, .. } => {
                return Self::Categories { names: names.clone() };
            }
            Values::Numbers(of) => values.sorted(0..of.len()),
        };
        let wanted = wanted.max(2);
        let mut different = sorted.clone();
        different.dedup();
        let mut edges: Vec<f64> = if different.len() <= wanted {
            let middle = |pair: &[f64]| pair[0] + (pair[1] - pair[0]) / 2.0;
            different.windows(2).map(middle).collect()
        } else {
            (1..wanted)
                .filter_map(|at| quantile(&sorted, at as f64 / wanted as f64))
                .collect()
        };
        edges.dedup();
        Self::Numbers { edges }
    }

    /// How many bins, that of missing values among them.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers { edges } => edges.len() + 2,
            Self::Categories { names } => names.len() + 1,
        }
    }

    /// Never: there is always that of missing values.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many of some rows' values fall into each bin; `None` of values of another kind, or of other categories.
    pub fn count(&self, values: &Values, rows: Range<usize>) -> Option<Vec<u64>> {
        let mut counts = vec![0_u64; self.len()];
        let missing = self.len() - 1;
        let mut add = |bin: usize| {
            if let Some(count) = counts.get_mut(bin.min(missing)) {
                *count += 1;
            }
        };
        match (self, values) {
            (Self::Numbers { edges }, Values::Numbers(of)) => {
                for value in of.get(rows)? {
                    add(match value.is_finite() {
                        true => edges.partition_point(|edge| edge < value),
                        false => missing,
                    });
                }
            }
            (Self::Categories { names }, Values::Categories { names: other, of }) if names == other => {
                for place in of.get(rows)? {
                    add(place.map_or(missing, usize::from));
                }
            }
            _ => return None,
        }
        Some(counts)
    }

    /// What each bin is called.
    pub fn names(&self) -> Vec<String> {
        let mut names = match self {
            Self::Categories { names } => names.clone(),
            Self::Numbers { edges } => {
                let word = |value: &f64| short(*value);
                let mut names: Vec<String> = edges
                    .windows(2)
                    .map(|pair| format!("{} to {}", word(&pair[0]), word(&pair[1])))
                    .collect();
                match (edges.first(), edges.last()) {
                    (Some(first), Some(last)) => {
                        names.insert(0, format!("to {}", word(first)));
                        names.push(format!("above {}", word(last)));
                    }
                    _ => names.push("any".to_owned()),
                }
                names
            }
        };
        names.push("missing".to_owned());
        names
    }
}

/// Four digits that matter.
pub(crate) fn short(value: f64) -> String {
    let digits = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    let decimals = (3.0 - digits).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Of ascending numbers.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = share * last as f64;
    let below = (at.floor() as usize).min(last);
    let (low, high) = (sorted.get(below)?, sorted.get((below + 1).min(last))?);
    Some(low + (high - low) * (at - below as f64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bins_hold_about_as_many_and_missing_values_are_one() {
        let values = Values::Numbers((1..=8).map(f64::from).chain([f64::NAN]).collect());
        let bins = Bins::of(&values, 4);
        // Quantiles of 1 to 8: 2.75, 4.5, 6.25.
        assert_eq!(
            bins,
            Bins::Numbers {
                edges: vec![2.75, 4.5, 6.25]
            }
        );
        assert_eq!(bins.count(&values, 0..9), Some(vec![2, 2, 2, 2, 1]));
        assert_eq!(bins.count(&values, 7..9), Some(vec![0, 0, 0, 1, 1]));
        assert_eq!(bins.count(&values, 7..10), None);
        assert_eq!(
            bins.names(),
            ["to 2.75", "2.75 to 4.5", "4.5 to 6.25", "above 6.25", "missing"]
        );
    }

    #[test]
    fn few_different_values_are_told_apart_however_often_each_comes() {
        for ones in [1, 50, 99] {
            let values = (0..100).map(|at| if at < ones { 1.0 } else { 0.0 });
            let values = Values::Numbers(values.collect());
            let bins = Bins::of(&values, 10);
            assert_eq!(bins, Bins::Numbers { edges: vec![0.5] });
            assert_eq!(bins.count(&values, 0..100), Some(vec![100 - ones, ones, 0]));
        }
        // One value alone, and none.
        let bins = Bins::of(&Values::Numbers(vec![3.0; 4]), 10);
        assert_eq!(bins.names(), ["any", "missing"]);
        assert_eq!(Bins::of(&Values::Numbers(vec![f64::NAN]), 10).len(), 2);
    }

    #[test]
    fn categories_are_bins_and_other_names_are_refused() {
        let values = |names: &[&str], of: &[Option<u16>]| Values::Categories {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            of: of.to_vec(),
        };
        let bins = Bins::of(&values(&["own", "rent"], &[]), 10);
        let some = values(&["own", "rent"], &[Some(1), None, Some(1), Some(0), Some(7)]);
        assert_eq!(bins.count(&some, 0..5), Some(vec![1, 2, 2]));
        assert_eq!(bins.count(&values(&["own"], &[Some(0)]), 0..1), None);
        assert_eq!(bins.count(&Values::Numbers(vec![0.0]), 0..1), None);
    }

    #[test]
    fn edges_are_written_short() {
        let words = [0.0, 12.0, 0.123_456, 1234.5, 1e9, -3.5, 1e-9].map(short);
        assert_eq!(words, ["0", "12", "0.1235", "1234", "1000000000", "-3.5", "0"]);
    }
}
