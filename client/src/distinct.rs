//! How many different values a column has, in bounded memory: for the look for keys and for the profile of a table.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Hashes that are kept. Up to so many values the count is exact; above, its standard error is one part in their square root, 1.6 %.
const KEPT: usize = 4096;

/// The least hashes of the values seen (Bar-Yossef et al. 2002, k minimum values): where the largest of the `k` least of evenly spread hashes
/// stands, tells how many there are.
#[derive(Debug, Default)]
pub(crate) struct DistinctSketch {
    least: BTreeSet<u64>,
}

impl DistinctSketch {
    pub(crate) fn see(&mut self, value: &str) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if self.least.len() < KEPT {
            self.least.insert(hash);
        } else if self.least.last().is_some_and(|largest| hash < *largest) && self.least.insert(hash) {
            self.least.pop_last();
        }
    }

    /// How many different values were seen: exact while they are few, else an estimate.
    pub(crate) fn count(&self) -> f64 {
        match self.least.last() {
            Some(&largest) if self.least.len() == KEPT => {
                (KEPT - 1) as f64 / (largest as f64 / u64::MAX as f64)
            }
            _ => self.least.len() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_and_many_estimated() {
        let mut distinct = DistinctSketch::default();
        for value in 0..9000 {
            distinct.see(&(value % 3000).to_string());
        }
        assert_eq!(distinct.count(), 3000.0);
        for value in 0..200_000 {
            distinct.see(&value.to_string());
        }
        // Four standard errors.
        assert!(
            (distinct.count() / 200_000.0 - 1.0).abs() < 0.0625,
            "{}",
            distinct.count()
        );
    }
}
