//! How many different values a column has, in bounded memory: for the look for keys and for the profile of a table.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;

use crate::data::Short;

/// Hashes that are kept. Up to so many values the count is exact; above, its standard error is one part in their square root, 1.6 %.
const KEPT: usize = 4096;

/// Places for hashes that were seen of late, a power of two. Most columns have so few values that nearly all are found here.
const LATELY: usize = 2048;

/// Any seed would do; with a fixed one, every run counts alike.
const STATE: FixedState = FixedState::with_seed(1);

/// The least hashes of the values seen (Bar-Yossef et al. 2002, k minimum values): where the largest of the `k` least of evenly spread hashes
/// stands, tells how many there are.
#[derive(Debug)]
pub(crate) struct DistinctSketch {
    least: BTreeSet<u64>,
    /// No larger hash is kept any more.
    bound: u64,
    /// By its lowest bits, the last hash that was seen.
    lately: Vec<u64>,
}

impl Default for DistinctSketch {
    fn default() -> Self {
        Self {
            least: BTreeSet::new(),
            bound: u64::MAX,
            lately: vec![0; LATELY],
        }
    }
}

impl DistinctSketch {
    pub(crate) fn see(&mut self, value: &str) {
        match Short::new(value.as_bytes()) {
            Some(short) => self.see_short(short),
            None => self.see_hash(STATE.hash_one(value.as_bytes())),
        }
    }

    /// A value of few bytes, which is hashed without a look at its length first.
    #[inline]
    pub(crate) fn see_short(&mut self, value: Short) {
        let [low, high] = value.key();
        self.see_hash(STATE.hash_one((low, high)));
    }

    #[inline]
    fn see_hash(&mut self, hash: u64) {
        let place = hash as usize % LATELY;
        if hash <= self.bound && self.lately[place] != hash {
            self.lately[place] = hash;
            self.keep(hash);
        }
    }

    fn keep(&mut self, hash: u64) {
        if self.least.insert(hash) && self.least.len() > KEPT {
            self.least.pop_last();
        }
        if self.least.len() == KEPT {
            self.bound = self.least.last().copied().unwrap_or(u64::MAX);
        }
    }

    /// Takes what another sketch saw.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.least.iter().for_each(|hash| self.keep(*hash));
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
        let count = distinct.count();
        assert!((count / 200_000.0 - 1.0).abs() < 0.0625, "{count}");
        // Seen in two parts, by whichever hand.
        let (mut first, mut second) = (DistinctSketch::default(), DistinctSketch::default());
        for value in 0..200_000 {
            let part = if value % 3 == 0 { &mut first } else { &mut second };
            part.see(&value.to_string());
        }
        first.merge(&second);
        assert_eq!(first.count(), count);
    }
}
