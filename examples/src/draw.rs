//! Draws from a seed, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Beta, Distribution, LogNormal, Normal, Poisson, StandardUniform};

/// One of many independent streams of a seed.
pub(crate) fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// In `[0, 1)`.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    StandardUniform.sample(rng)
}

/// In `[low, high)`.
pub(crate) fn between(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * uniform(rng)
}

pub(crate) fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    uniform(rng) < probability
}

/// An index, each with a chance in proportion to its weight. Weights are not negative and not all zero.
pub(crate) fn pick(rng: &mut ChaCha8Rng, weights: &[f64]) -> usize {
    let mut left = uniform(rng) * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    // Rounding may leave a sliver behind the last weight that counts.
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

/// One of some things, all alike. There is at least one.
pub(crate) fn one_of<'a, T: ?Sized>(rng: &mut ChaCha8Rng, things: &[&'a T]) -> &'a T {
    // Below the length, which is far below 2^52.
    things[(uniform(rng) * things.len() as f64) as usize]
}

/// A whole number from `least` to `most`, all alike.
pub(crate) fn whole(rng: &mut ChaCha8Rng, least: u32, most: u32) -> u32 {
    // Below the number of choices.
    least + (uniform(rng) * f64::from(most - least + 1)) as u32
}

pub(crate) fn normal(rng: &mut ChaCha8Rng, mean: f64, deviation: f64) -> f64 {
    Normal::new(mean, deviation)
        .expect("every deviation in this crate is positive and finite")
        .sample(rng)
}

pub(crate) fn log_normal(rng: &mut ChaCha8Rng, median: f64, spread: f64) -> f64 {
    LogNormal::new(median.ln(), spread)
        .expect("every spread in this crate is positive and finite")
        .sample(rng)
}

pub(crate) fn beta(rng: &mut ChaCha8Rng, a: f64, b: f64) -> f64 {
    Beta::new(a, b)
        .expect("every shape in this crate is positive and finite")
        .sample(rng)
}

pub(crate) fn poisson(rng: &mut ChaCha8Rng, mean: f64) -> u32 {
    let count: f64 = Poisson::new(mean)
        .expect("every mean in this crate is positive and below 30")
        .sample(rng);
    // A Poisson count of so small a mean is far below 2^32; the cast saturates in any case.
    count as u32
}
