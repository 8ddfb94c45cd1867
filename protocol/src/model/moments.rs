use thiserror::Error;

/// More training rows than this a bank does not count, so that the consortium's sums of up to 511 banks, in
/// units of `2^-32`, stay below `2^64`.
pub const MAX_ROWS: u32 = 1 << 23;

/// Parts of 1 in the fixed-point sums.
pub(super) const ONE: f64 = 4_294_967_296.0;

/// Below this a variance is no more than what the rounding of fixed-point sums can make of a constant.
const LEAST_VARIANCE: f64 = 1.0 / (1_u64 << 30) as f64;

/// Sums over the training rows for one standardised input, of values `u` in `[0, 1]`; missing ones do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ColumnSums {
    /// How many values.
    pub count: u64,
    /// Sum of `u`, in units of `2^-32`.
    pub sum: u64,
    /// Sum of `u^2`, in units of `2^-32`.
    pub sum_of_squares: u64,
}

impl ColumnSums {
    /// Counts one more value, in `[0, 1]`; each of the two sums is rounded to the nearest unit.
    pub fn add(&mut self, u: f64) {
        debug_assert!((0.0..=1.0).contains(&u), "{u} is not on the unit interval");
        self.count += 1;
        self.sum += (u * ONE).round() as u64;
        self.sum_of_squares += (u * u * ONE).round() as u64;
    }
}

/// The moments that standardise a model's inputs, one entry for each of [`crate::task::Schema::standardised`].
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Means of the values on `[0, 1]`.
    pub mean: Vec<f32>,
    /// Standard deviations of the values on `[0, 1]`; 1 where the column is constant.
    pub std: Vec<f32>,
}

/// Sums that no values on the unit interval can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the sums of number column {index} are impossible: {sums:?} cannot come from values between 0 and 1; some bank \
     contributed other than it should"
)]
pub struct MomentsError {
    /// Position among the standardised inputs, from 0.
    pub index: usize,
    /// The sums.
    pub sums: ColumnSums,
}

impl Moments {
    /// Mean and standard deviation (of the population) from the consortium's sums, in a fixed order of exactly
    /// rounded f64 operations, rounded once to f32.
    ///
    /// A column without a single value gets mean 0 and deviation 1; one whose variance is under `2^-30` counts as
    /// constant and gets deviation 1.
    ///
    /// # Errors
    /// The first column whose sums are impossible.
    pub fn from_sums(columns: &[ColumnSums]) -> Result<Self, MomentsError> {
        let mut moments = Self {
            mean: Vec::with_capacity(columns.len()),
            std: Vec::with_capacity(columns.len()),
        };
        for (index, &sums) in columns.iter().enumerate() {
            if !possible(sums) {
                return Err(MomentsError { index, sums });
            }
            let (mean, std) = if sums.count == 0 {
                (0.0, 1.0)
            } else {
                mean_and_deviation(sums)
            };
            moments.mean.push(mean as f32);
            moments.std.push(std as f32);
        }
        Ok(moments)
    }

    /// The standardised input: `(u - mean) / std` for the column at `index`, and 0, which is the mean, when the
    /// value is missing (NaN). `None` when there is no such column.
    pub fn standardise(&self, index: usize, u: f32) -> Option<f32> {
        let (mean, std) = (self.mean.get(index)?, self.std.get(index)?);
        Some(if u.is_nan() { 0.0 } else { (u - mean) / std })
    }
}

/// Whether values in `[0, 1]` can have these sums, each value's rounding being at most half a unit.
fn possible(
    ColumnSums {
        count,
        sum,
        sum_of_squares,
    }: ColumnSums,
) -> bool {
    if count >= 1 << 32 {
        return false;
    }
    let (count, sum, squares) = (u128::from(count), u128::from(sum), u128::from(sum_of_squares));
    // u <= 1, u^2 <= u, and (sum of u)^2 <= count * sum of u^2 (Cauchy and Schwarz).
    sum <= count << 32
        && squares <= sum + count
        && (sum.saturating_sub(count).pow(2) >> 32) <= count * (squares + count)
}

fn mean_and_deviation(sums: ColumnSums) -> (f64, f64) {
    let count = sums.count as f64;
    let mean = sums.sum as f64 / ONE / count;
    let variance = sums.sum_of_squares as f64 / ONE / count - mean * mean;
    (
        mean,
        if variance < LEAST_VARIANCE {
            1.0
        } else {
            variance.sqrt()
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sums(values: &[f64]) -> ColumnSums {
        let mut sums = ColumnSums::default();
        values.iter().for_each(|&u| sums.add(u));
        sums
    }

    #[test]
    fn of_four_values_by_hand() {
        // Mean 1/2; deviations -1/2, -1/4, 1/4, 1/2: variance (1/4 + 1/16) / 2 = 5/32. All sums are exact.
        let moments = Moments::from_sums(&[sums(&[0.0, 0.25, 0.75, 1.0])]).unwrap();
        assert_eq!(moments.mean, [0.5]);
        assert_eq!(moments.std, [(5.0_f64 / 32.0).sqrt() as f32]);
        assert_eq!(moments.standardise(0, 0.5), Some(0.0));
        assert_eq!(moments.standardise(0, f32::NAN), Some(0.0));
        assert_eq!(moments.standardise(1, 0.5), None);
    }

    #[test]
    fn a_constant_column_and_an_empty_one_have_deviation_1() {
        let moments =
            Moments::from_sums(&[sums(&[0.3; 1000]), ColumnSums::default(), sums(&[1.0; 7])]).unwrap();
        assert_eq!(moments.std, [1.0, 1.0, 1.0]);
        assert_eq!(moments.mean[1], 0.0);
        assert!((moments.mean[0] - 0.3).abs() < 1e-7);
    }

    #[test]
    fn the_largest_consortium_does_not_wrap() {
        let all = u64::from(MAX_ROWS) * 511;
        let largest = ColumnSums {
            count: all,
            sum: all << 32,
            sum_of_squares: all << 32,
        };
        assert!(largest.sum >> 32 == all);
        assert_eq!(Moments::from_sums(&[largest]).unwrap().mean, [1.0]);
    }

    #[test]
    fn impossible_sums_are_refused() {
        let good = sums(&[0.5, 0.75]);
        assert!(Moments::from_sums(&[good]).is_ok());
        for bad in [
            ColumnSums {
                sum: (2 << 32) + 1,
                ..good
            },
            ColumnSums {
                sum_of_squares: good.sum + 3,
                ..good
            },
            // (sum u)^2 <= n sum u^2 (Cauchy and Schwarz)
            ColumnSums {
                sum_of_squares: good.sum_of_squares / 2,
                ..good
            },
            ColumnSums { count: 0, ..good },
        ] {
            let error = Moments::from_sums(&[good, bad]).unwrap_err();
            assert_eq!((error.index, error.sums), (1, bad));
        }
    }

    mod property {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn sums_of_real_values_are_never_refused_and_near_the_truth(
                values in prop::collection::vec(0.0_f64..=1.0, 1..200),
                constant in any::<bool>(),
            ) {
                let values = if constant { vec![values[0]; values.len()] } else { values };
                let moments = Moments::from_sums(&[sums(&values)]).unwrap();
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n;
                prop_assert!((f64::from(moments.mean[0]) - mean).abs() < 1e-6);
                if variance > 1e-6 {
                    prop_assert!((f64::from(moments.std[0]) - variance.sqrt()).abs() < 1e-5);
                } else if constant {
                    prop_assert_eq!(moments.std[0], 1.0);
                }
            }
        }
    }
}
