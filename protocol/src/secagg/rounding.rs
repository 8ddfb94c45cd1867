//! Stochastic rounding of real values to digits, as many side by side as the processor's registers hold.
//!
//! The instructions change how fast it is and no bit of what comes out: each does what IEEE 754 says, and none joins two.
#![allow(unsafe_code)]

use std::sync::OnceLock;

/// 2^52: a double at least as large has no bits behind the point, and its lowest bits are those of the integer.
const INTEGERS: f64 = 4_503_599_627_370_496.0;

/// Stochastic rounding of one value, without a branch or a conversion that a processor cannot do for several lanes at once.
#[derive(Clone, Copy)]
pub(super) struct Rounding {
    range: f64,
    scale: f64,
    steps: f64,
    greatest: f64,
}

impl Rounding {
    pub(super) fn new(greatest: u32, range: f32, scale: f64) -> Self {
        let (greatest, range) = (f64::from(greatest), f64::from(range));
        Self {
            range,
            scale,
            steps: greatest / (2.0 * range),
            greatest,
        }
    }

    /// Writes the digit of each value, rounded by the uniform number beside it, and tells whether all values are finite: if not, the digits say
    /// nothing. All three are equally long.
    pub(super) fn digits(self, values: &[f32], random: &[u32], digits: &mut [u32]) -> bool {
        self.digits_by(Way::fastest(), values, random, digits)
    }

    fn digits_by(self, way: Way, values: &[f32], random: &[u32], digits: &mut [u32]) -> bool {
        match way {
            Way::Plain => self.all(values, random, digits),
            // SAFETY: the processor has the features, for `Way::all` gave this one.
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => unsafe { by_avx2(self, values, random, digits) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Way::Avx512 => unsafe { by_avx512(self, values, random, digits) },
        }
    }

    // Taken into each of the functions that call it, and compiled for the instructions of that.
    #[inline(always)]
    fn all(self, values: &[f32], random: &[u32], digits: &mut [u32]) -> bool {
        for ((digit, value), random) in digits.iter_mut().zip(values).zip(random) {
            *digit = self.digit(*value, *random);
        }
        // Without an early end the compiler takes several at a time.
        values
            .iter()
            .fold(true, |finite, value| finite & value.is_finite())
    }

    /// The digit of a finite value; `random` is uniform.
    #[inline(always)]
    fn digit(self, value: f32, random: u32) -> u32 {
        let u = within(f64::from(value), -self.range, self.range) * self.scale;
        let uniform = (f64::from_bits(INTEGERS.to_bits() | u64::from(random)) - INTEGERS) / 4_294_967_296.0;
        let exact = within((u + self.range) * self.steps + uniform, 0.0, self.greatest);
        let nearest = (exact + INTEGERS) - INTEGERS;
        let down = nearest - if nearest > exact { 1.0 } else { 0.0 };
        // Only the low bits are the integer's.
        (down + INTEGERS).to_bits() as u32
    }
}

/// A value that is not NaN, between the limits. `clamp` also looks at its limits, for every value anew.
#[inline(always)]
fn within(value: f64, least: f64, greatest: f64) -> f64 {
    let value = if value < least { least } else { value };
    if value > greatest { greatest } else { value }
}

/// Instructions that the loop is compiled for. All but the plain ones come from [`Way::all`], which looks for them.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Those that every processor of the target has.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Way {
    fn fastest() -> Self {
        Self::all().first().copied().unwrap_or(Self::Plain)
    }

    /// All that the processor has, the fastest first.
    fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Way>> = OnceLock::new();
        ALL.get_or_init(|| {
            let mut ways = Vec::new();
            #[cfg(target_arch = "x86_64")]
            {
                let avx2 = is_x86_feature_detected!("avx2");
                let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq");
                let avx512 =
                    avx512 && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512bw");
                ways.extend((avx2 && avx512).then_some(Self::Avx512));
                ways.extend(avx2.then_some(Self::Avx2));
            }
            ways.push(Self::Plain);
            ways
        })
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn by_avx2(rounding: Rounding, values: &[f32], random: &[u32], digits: &mut [u32]) -> bool {
    rounding.all(values, random, digits)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512dq,avx512vl,avx512bw")]
fn by_avx512(rounding: Rounding, values: &[f32], random: &[u32], digits: &mut [u32]) -> bool {
    rounding.all(values, random, digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounding_by_every_way_is_that_of_the_plain_formula(
            values in prop::collection::vec(prop_oneof![-1.5f32..1.5, -1e-6f32..1e-6, prop::num::f32::NORMAL], 1..40),
            range in prop_oneof![Just(1.0f32), 1e-6f32..1e6],
            scale in 0.001f64..=1.0,
            bits in 2u8..=20,
            random in prop::collection::vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 40),
            bad in prop::option::of((0usize..40, prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)])),
        ) {
            let greatest = (1u32 << bits) - 1;
            let rounding = Rounding::new(greatest, range, scale);
            let random = &random[..values.len()];
            let expected: Vec<u32> = values
                .iter()
                .zip(random)
                .map(|(value, random)| plain(*value, *random, greatest, range, scale))
                .collect();
            for way in Way::all() {
                let mut digits = vec![0; values.len()];
                prop_assert!(rounding.digits_by(*way, &values, random, &mut digits));
                prop_assert_eq!(&digits, &expected, "{:?}", way);
                if let Some((at, bad)) = bad {
                    let mut values = values.clone();
                    let at = at % values.len();
                    values[at] = bad;
                    prop_assert!(!rounding.digits_by(*way, &values, random, &mut digits), "{:?}", way);
                }
            }
        }
    }

    /// The formula as it is written.
    fn plain(value: f32, random: u32, greatest: u32, range: f32, scale: f64) -> u32 {
        let (greatest, range) = (f64::from(greatest), f64::from(range));
        let u = f64::from(value).clamp(-range, range) * scale;
        let random = f64::from(random) / 4_294_967_296.0;
        let steps = greatest / (2.0 * range);
        ((u + range) * steps + random).clamp(0.0, greatest).floor() as u32
    }
}
