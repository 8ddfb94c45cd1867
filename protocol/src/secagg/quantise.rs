//! From real numbers and counts to digits of `p` bits, and from a sum of digits back.
//!
//! A real value `u` in `[-R, R]` becomes `floor((u + R) / s + uniform)` with step `s = 2R / (2^p - 1)`: stochastic rounding, so
//! the error of a sum has mean zero and stays below `s` for every bank. An integer becomes limbs of `p` bits, least first.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::rounding::Rounding;
use crate::crypto::entropy::Entropy;
use crate::crypto::prg::{CHUNK_BYTES, MaskStream};

/// Why a value cannot be encoded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuantiseError {
    /// NaN or infinity.
    #[error(
        "value {at} of the update is {value}: training diverged; lower the learning rate or check the data"
    )]
    NotFinite {
        /// Its place in the vector.
        at: usize,
        /// What stood there.
        value: f32,
    },
    /// An integer takes more limbs than its segment has.
    #[error("{value} does not fit into {limbs} limbs of {digit_bits} bits")]
    TooLarge {
        /// The integer.
        value: u64,
        /// Limbs it may take.
        limbs: u8,
        /// Bits of a limb.
        digit_bits: u8,
    },
    /// A vector that is not the layout's.
    #[error("{found} values, expected {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many the layout has.
        expected: usize,
    },
    /// The weight lies outside `1..=W`.
    #[error("weight {weight} is outside 1..={max}")]
    Weight {
        /// The weight.
        weight: u32,
        /// `W`.
        max: u32,
    },
}

/// Digits of `p` bits: a bank's contribution before it is masked. It says everything about the bank's data, so it is wiped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Digits {
    #[zeroize(skip)]
    digit_bits: u8,
    lanes: Vec<u32>,
}

impl Digits {
    /// Empty, with room for `lanes`.
    pub fn with_capacity(digit_bits: u8, lanes: usize) -> Self {
        Self {
            digit_bits,
            lanes: Vec::with_capacity(lanes),
        }
    }

    /// From lanes that were stored; `None` if one is not a digit.
    pub fn from_lanes(digit_bits: u8, lanes: Vec<u32>) -> Option<Self> {
        let digits = Self { digit_bits, lanes };
        digits
            .lanes
            .iter()
            .all(|lane| *lane <= digits.greatest())
            .then_some(digits)
    }

    /// The digits, one a lane.
    pub fn lanes(&self) -> &[u32] {
        &self.lanes
    }

    fn greatest(&self) -> u32 {
        (1 << self.digit_bits) - 1
    }

    /// Appends real values. `scale` in (0, 1] multiplies each (the bank's share `w / W`); `range` is `R`, and values outside
    /// `[-R, R]` are clamped to it before they are scaled.
    ///
    /// # Errors
    /// If a value is NaN or infinite.
    pub fn push_reals<E: Entropy + ?Sized>(
        &mut self,
        values: &[f32],
        range: f32,
        scale: f64,
        entropy: &mut E,
    ) -> Result<(), QuantiseError> {
        let rounding = Rounding::new(self.greatest(), range, scale);
        // The system's generator is asked once: a stream under a seed of its own is as uniform, and many times as fast.
        let stream = MaskStream::new(&entropy.secret());
        let mut uniform = Zeroizing::new(vec![0u32; CHUNK_BYTES / 4]);
        for (block, values) in values.chunks(CHUNK_BYTES / 4).enumerate() {
            stream.words(block as u64, &mut uniform[..values.len()]);
            let before = self.lanes.len();
            self.lanes.resize(before + values.len(), 0);
            let finite = rounding.digits(values, &uniform[..values.len()], &mut self.lanes[before..]);
            if !finite && let Some(at) = values.iter().position(|value| !value.is_finite()) {
                self.lanes.truncate(before);
                return Err(QuantiseError::NotFinite {
                    at: CHUNK_BYTES / 4 * block + at,
                    value: values[at],
                });
            }
        }
        Ok(())
    }

    /// Appends one integer as `limbs` digits, least significant first.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn push_integer(&mut self, value: u64, limbs: u8) -> Result<(), QuantiseError> {
        let mut rest = u128::from(value);
        for _ in 0..limbs {
            // The mask keeps at most 20 bits.
            self.lanes.push((rest & u128::from(self.greatest())) as u32);
            rest >>= self.digit_bits;
        }
        if rest != 0 {
            return Err(QuantiseError::TooLarge {
                value,
                limbs,
                digit_bits: self.digit_bits,
            });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Digits({} lanes of {} bits)",
            self.lanes.len(),
            self.digit_bits
        )
    }
}

/// The sum of the scaled real values behind one lane: `sum_q * s - m R` for `survivors = m`.
pub fn real_sum(sum: u32, survivors: u16, digit_bits: u8, range: f32) -> f64 {
    let range = f64::from(range);
    let step = 2.0 * range / f64::from((1u32 << digit_bits) - 1);
    f64::from(sum) * step - f64::from(survivors) * range
}

/// The sum of the integers behind the lanes of one value, least significant limb first; at most 6 limbs of 20 bits.
pub fn integer_sum(limbs: &[u32], digit_bits: u8) -> u128 {
    limbs
        .iter()
        .rev()
        .fold(0u128, |sum, limb| (sum << digit_bits) + u128::from(*limb))
}

/// Scales `update` so that its L2 norm is at most `limit` (DP-FedAvg, McMahan et al. 2018, algorithm 1).
///
/// `update`: shape `[d]`. Returns the factor, in (0, 1]; a zero vector gives 1.
pub fn clip_l2(update: &mut [f32], limit: f32) -> f64 {
    let norm = update
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm <= f64::from(limit) || !norm.is_finite() {
        return 1.0;
    }
    let factor = f64::from(limit) / norm;
    for value in update {
        *value = (f64::from(*value) * factor) as f32;
    }
    factor
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::entropy::SeededEntropy;

    proptest! {
        #[test]
        fn a_real_comes_back_within_one_step(value in -1.5f32..1.5, scale in 0.01f64..=1.0, seed: u64, bits in 2u8..=20) {
            let mut digits = Digits::with_capacity(bits, 1);
            digits.push_reals(&[value], 1.0, scale, &mut SeededEntropy::new(seed)).unwrap();
            let step = 2.0 / f64::from((1u32 << bits) - 1);
            let expected = f64::from(value.clamp(-1.0, 1.0)) * scale;
            prop_assert!((real_sum(digits.lanes()[0], 1, bits, 1.0) - expected).abs() <= step);
        }

        #[test]
        fn integers_come_back_exactly(values: Vec<u64>, bits in 11u8..=20) {
            let mut sums = vec![0u32; 6];
            let mut total = 0u128;
            for value in values.iter().take(100) {
                let mut digits = Digits::with_capacity(bits, 6);
                digits.push_integer(*value, 6).unwrap();
                for (sum, lane) in sums.iter_mut().zip(digits.lanes()) {
                    *sum += lane;
                }
                total += u128::from(*value);
            }
            prop_assert_eq!(integer_sum(&sums, bits), total);
        }
    }

    #[test]
    fn rounding_is_unbiased() {
        // 0.3 steps above a digit: the mean of 10,000 roundings lies within five standard errors, 5 * sqrt(.21 / 10_000).
        let step = 2.0 / 65_535.0;
        let value = (-1.0 + 30_000.3 * step) as f32;
        let mut digits = Digits::with_capacity(16, 10_000);
        digits
            .push_reals(&vec![value; 10_000], 1.0, 1.0, &mut SeededEntropy::new(5))
            .unwrap();
        let mean = digits.lanes().iter().map(|lane| f64::from(*lane)).sum::<f64>() / 10_000.0;
        let exact = (f64::from(value) + 1.0) / step;
        assert!((mean - exact).abs() < 0.023, "{mean} {exact}");
    }

    #[test]
    fn what_is_not_a_number_or_too_large_is_refused() {
        let mut digits = Digits::with_capacity(16, 4);
        let mut entropy = SeededEntropy::new(1);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let result = digits.push_reals(&[0.0, bad], 1.0, 1.0, &mut entropy);
            assert!(matches!(result, Err(QuantiseError::NotFinite { at: 1, .. })));
        }
        assert!(digits.push_integer(65_536, 1).is_err());
        assert!(digits.push_integer(65_535, 1).is_ok());
        assert!(Digits::from_lanes(16, vec![65_536]).is_none());
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut update = [3.0, 4.0];
        assert_eq!(clip_l2(&mut update, 1.0), 0.2);
        assert_eq!(update, [0.6, 0.8]);
        assert_eq!(clip_l2(&mut [0.0], 1.0), 1.0);
        let mut short = [0.3, 0.4];
        assert_eq!(clip_l2(&mut short, 1.0), 1.0);
        assert_eq!(short, [0.3, 0.4]);
    }
}
