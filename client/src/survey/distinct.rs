use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Values of a column that are counted one by one, and bytes of their texts.
const MOST_VALUES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;

/// `2^12` registers: a standard error of 1.04 / 64, that is 1.6 %.
const REGISTER_BITS: u32 = 12;

/// The different values of a column: each with its count while they are few, afterwards how many there are about, by
/// HyperLogLog (Flajolet et al. 2007).
pub(super) enum Distinct {
    Few {
        counts: HashMap<Box<str>, u64>,
        bytes: usize,
    },
    Many {
        registers: Box<[u8]>,
    },
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
                let mut registers = vec![0; 1 << REGISTER_BITS].into_boxed_slice();
                counts.keys().for_each(|known| note(&mut registers, known));
                note(&mut registers, value);
                *self = Self::Many { registers };
            }
            Self::Many { registers } => note(registers, value),
        }
    }

    /// How many different values, and whether that is exact.
    pub(super) fn count(&self) -> (u64, bool) {
        match self {
            Self::Few { counts, .. } => (counts.len() as u64, true),
            Self::Many { registers } => (estimate(registers), false),
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

fn note(registers: &mut [u8], value: &str) {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    let hash = hasher.finish();
    let register = (hash >> (64 - REGISTER_BITS)) as usize;
    // The bit ends the run of zeros where all others are.
    let rank = (hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1)).leading_zeros() + 1;
    registers[register] = registers[register].max(rank as u8);
}

fn estimate(registers: &[u8]) -> u64 {
    let count = registers.len() as f64;
    let sum: f64 = registers.iter().map(|rank| 2_f64.powi(-i32::from(*rank))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    let best = if raw <= 2.5 * count && empty > 0 {
        count * (count / empty as f64).ln()
    } else {
        raw
    };
    best.round() as u64
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
