use std::collections::HashMap;

use crate::distinct::DistinctSketch;

/// Values of a column that are counted one by one, and bytes of their texts.
const MOST_VALUES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

/// The different values of a column: each with its count while they are few, afterwards how many there are about.
pub(super) enum Distinct {
    Few {
        counts: HashMap<Box<str>, u64>,
        bytes: usize,
    },
    Many(DistinctSketch),
}

impl Distinct {
    pub(super) fn new() -> Self {
        Self::Few {
            counts: HashMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn add(&mut self, value: &str) {
        match self {
            Self::Few { counts, bytes } => {
                if let Some(count) = counts.get_mut(value) {
                    *count += 1;
                    return;
                }
                if counts.len() < MOST_VALUES && *bytes + value.len() <= MOST_BYTES {
                    *bytes += value.len();
                    counts.insert(value.into(), 1);
                    return;
                }
                let mut sketch = DistinctSketch::default();
                counts.keys().for_each(|known| sketch.see(known));
                sketch.see(value);
                *self = Self::Many(sketch);
            }
            Self::Many(sketch) => sketch.see(value),
        }
    }

    /// How many different values, and whether that is exact.
    pub(super) fn count(&self) -> (u64, bool) {
        match self {
            Self::Few { counts, .. } => (counts.len() as u64, true),
            Self::Many(sketch) => (sketch.count().round() as u64, false),
        }
    }

    /// The values with their counts, the most frequent first; `None` where they are too many.
    pub(super) fn values(&self) -> Option<Vec<(&str, u64)>> {
        let Self::Few { counts, .. } = self else {
            return None;
        };
        let mut values: Vec<_> = counts.iter().map(|(value, count)| (&**value, *count)).collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_and_many_are_estimated() {
        let mut distinct = Distinct::new();
        for i in 0..30_000 {
            distinct.add(&(i % 9_000).to_string());
        }
        assert_eq!(distinct.count(), (9_000, true));
        assert_eq!(distinct.values().map(|values| values[0]), Some(("0", 4)));
        for i in 0..200_000 {
            distinct.add(&i.to_string());
        }
        let (count, exact) = distinct.count();
        // Four standard errors.
        assert!(!exact && (187_000..213_000).contains(&count), "{count}");
        assert!(distinct.values().is_none());
    }
}
