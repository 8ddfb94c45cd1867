//! Randomness that a seed repeats on every machine and with every version of a crate: ChaCha and nothing between it and the numbers.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Evenly from 0 to below 1, in steps of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (0.5_f64).powi(53)
    }

    /// Evenly from 0 to below `bound`; 0 of a bound of 0. By multiplication, with rejection of what would favour some (Lemire 2019).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound < 2 {
            return 0;
        }
        let favoured = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.0.next_u64()) * u128::from(bound);
            if wide as u64 >= favoured {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Puts `count` elements, chosen evenly, at the head of `all`, in a random order.
    pub(crate) fn choose<T>(&mut self, all: &mut [T], count: usize) {
        for at in 0..count.min(all.len()) {
            let other = at + self.below(all.len() - at);
            all.swap(at, other);
        }
    }

    /// A place, by weights that are not negative; the last one with a weight if rounding leaves nothing.
    pub(crate) fn by_weight(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        let mut last = 0;
        for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            last = at;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }
}
