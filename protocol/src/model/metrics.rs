use thiserror::Error;

/// Fraction bits of [`ScoreSums::loss`].
const LOSS_FRACTION_BITS: u32 = 24;

/// Groups of equal score width for the calibration error (Guo et al. 2017 use 15; scorecards by custom 10).
const CALIBRATION_GROUPS: u64 = 10;

/// More rows than any consortium has, and few enough that every product below fits.
const MAX_ROWS: u64 = 1 << 48;

/// What is known of a model's scores on held-out rows, of one bank or summed over all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreSums {
    /// How many rows were scored.
    pub rows: u64,
    /// Sum of their log losses, in units of `2^-24` nat.
    pub loss: u64,
    /// Rows with label 0 by score; bin `b` of `B` holds scores from `b/B` to below `(b+1)/B`, the last also 1.
    pub negatives: Vec<u64>,
    /// Rows with label 1, in the same bins.
    pub positives: Vec<u64>,
}

/// How good a model is, from score histograms. `None` where a figure is not defined.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// How many rows were scored.
    pub rows: u64,
    /// How many of them have label 1.
    pub positives: u64,
    /// Area under the ROC curve: the chance that a positive scores above a negative, rows in one bin counting as
    /// ties, half. `None` when a class is missing.
    pub auc: Option<f64>,
    /// Kolmogorov-Smirnov: the largest distance between the classes' distributions of scores, taken at the
    /// bins' edges. `None` when a class is missing.
    pub ks: Option<f64>,
    /// Mean log loss in nats. `None` without rows.
    pub log_loss: Option<f64>,
    /// Expected calibration error (Naeini et al. 2015) over ten groups of equal score width, a row's score taken
    /// as the middle of its bin: the mean distance between predicted and seen rate. `None` without rows.
    pub calibration_error: Option<f64>,
}

/// Sums that no scores can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetricsError {
    /// The two histograms differ in length, or have none.
    #[error(
        "found histograms of {negatives} and {positives} bins, expected two of the same number, at least 1"
    )]
    Bins {
        /// Bins of the negatives.
        negatives: usize,
        /// Bins of the positives.
        positives: usize,
    },
    /// The histograms do not hold as many rows as were counted.
    #[error("the histograms hold {binned} rows, expected {rows}; some bank contributed other than it should")]
    Rows {
        /// Rows in all bins.
        binned: u128,
        /// Rows that were counted.
        rows: u64,
    },
}

impl ScoreSums {
    /// From the sums of one bank: `loss` in nats, finite and not negative, is rounded to the nearest unit.
    pub fn new(rows: u64, loss: f64, negatives: Vec<u64>, positives: Vec<u64>) -> Self {
        let unit = f64::from(1_u32 << LOSS_FRACTION_BITS);
        Self {
            rows,
            loss: (loss * unit).round() as u64,
            negatives,
            positives,
        }
    }

    /// The metrics, in integers up to one division each, so that everybody gets the same bits.
    ///
    /// # Errors
    /// When the parts contradict each other.
    pub fn metrics(&self) -> Result<Metrics, MetricsError> {
        let bins = self.negatives.len();
        if bins == 0 || bins != self.positives.len() {
            return Err(MetricsError::Bins {
                negatives: bins,
                positives: self.positives.len(),
            });
        }
        let total = |histogram: &[u64]| histogram.iter().map(|&count| u128::from(count)).sum::<u128>();
        let (negatives, positives) = (total(&self.negatives), total(&self.positives));
        if negatives + positives != u128::from(self.rows) || self.rows > MAX_ROWS {
            return Err(MetricsError::Rows {
                binned: negatives + positives,
                rows: self.rows,
            });
        }
        let both = negatives > 0 && positives > 0;
        let loss_unit = f64::from(1_u32 << LOSS_FRACTION_BITS);
        Ok(Metrics {
            rows: self.rows,
            positives: positives as u64,
            auc: both.then(|| self.concordant_twice() as f64 / (2 * negatives * positives) as f64),
            ks: both.then(|| self.largest_gap(negatives, positives) as f64 / (negatives * positives) as f64),
            log_loss: (self.rows > 0).then(|| self.loss as f64 / loss_unit / self.rows as f64),
            calibration_error: (self.rows > 0).then(|| self.calibration_error()),
        })
    }

    /// Twice the number of pairs in which the positive scores above the negative, ties counting half.
    fn concordant_twice(&self) -> u128 {
        let mut below = 0_u128;
        let mut twice = 0_u128;
        for (&negative, &positive) in self.negatives.iter().zip(&self.positives) {
            let (negative, positive) = (u128::from(negative), u128::from(positive));
            twice += positive * (2 * below + negative);
            below += negative;
        }
        twice
    }

    /// The largest `|F0 - F1|` over the bins' edges, times `negatives * positives`.
    fn largest_gap(&self, negatives: u128, positives: u128) -> u128 {
        let (mut below0, mut below1) = (0_u128, 0_u128);
        let mut largest = 0;
        for (&negative, &positive) in self.negatives.iter().zip(&self.positives) {
            below0 += u128::from(negative);
            below1 += u128::from(positive);
            largest = largest.max((below0 * positives).abs_diff(below1 * negatives));
        }
        largest
    }

    fn calibration_error(&self) -> f64 {
        // The middle of bin b of B is (2b + 1) / 2B, so everything is an integer times 1 / (2B rows).
        let bins = self.negatives.len() as u64;
        let mut groups = [(0_u128, 0_u128); CALIBRATION_GROUPS as usize];
        for (bin, (&negative, &positive)) in (0_u64..).zip(self.negatives.iter().zip(&self.positives)) {
            let middle = 2 * bin + 1;
            let group = &mut groups[(middle * CALIBRATION_GROUPS / (2 * bins)) as usize];
            group.0 += (u128::from(negative) + u128::from(positive)) * u128::from(middle);
            group.1 += u128::from(positive) * u128::from(2 * bins);
        }
        let distance: u128 = groups
            .iter()
            .map(|&(predicted, seen)| predicted.abs_diff(seen))
            .sum();
        distance as f64 / (u128::from(2 * bins) * u128::from(self.rows)) as f64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sums(negatives: &[u64], positives: &[u64]) -> ScoreSums {
        let rows = negatives.iter().chain(positives).sum();
        ScoreSums::new(rows, 0.0, negatives.to_vec(), positives.to_vec())
    }

    #[test]
    fn by_hand() {
        // Negatives 3 in bin 0, 1 in bin 1; positives 1 in bin 1, 1 in bin 3. Of 8 pairs: bin 1 beats 3 and ties
        // with 1, bin 3 beats 4: 7.5. F0 = 3/4 1 1 1, F1 = 0 1/2 1/2 1: the gap is 3/4.
        let mut of = sums(&[3, 1, 0, 0], &[0, 1, 0, 1]);
        of.loss = 3 << 24;
        let metrics = of.metrics().unwrap();
        assert_eq!((metrics.rows, metrics.positives), (6, 2));
        assert_eq!(metrics.auc, Some(7.5 / 8.0));
        assert_eq!(metrics.ks, Some(0.75));
        assert_eq!(metrics.log_loss, Some(0.5));
        // Middles 1/8, 3/8, 7/8, each in a group of its own: |3/8 - 0| + |6/8 - 1| + |7/8 - 1| = 3/4, over 6 rows.
        assert_eq!(metrics.calibration_error, Some(0.75 / 6.0));
    }

    #[test]
    fn the_best_the_worst_and_the_blind_model() {
        let best = sums(&[5, 0, 0], &[0, 0, 4]).metrics().unwrap();
        assert_eq!((best.auc, best.ks), (Some(1.0), Some(1.0)));
        let worst = sums(&[0, 0, 5], &[4, 0, 0]).metrics().unwrap();
        assert_eq!((worst.auc, worst.ks), (Some(0.0), Some(1.0)));
        let blind = sums(&[0, 5, 0], &[0, 4, 0]).metrics().unwrap();
        assert_eq!((blind.auc, blind.ks), (Some(0.5), Some(0.0)));
    }

    #[test]
    fn a_missing_class_leaves_auc_and_ks_undefined() {
        let one_class = sums(&[2, 3], &[0, 0]).metrics().unwrap();
        assert_eq!((one_class.auc, one_class.ks), (None, None));
        assert_eq!(one_class.log_loss, Some(0.0));
        let nothing = sums(&[0, 0], &[0, 0]).metrics().unwrap();
        assert_eq!(
            (nothing.auc, nothing.log_loss, nothing.calibration_error),
            (None, None, None)
        );
    }

    #[test]
    fn contradicting_sums_are_refused() {
        let good = sums(&[2, 3], &[1, 1]);
        let short = ScoreSums {
            positives: vec![2],
            ..good.clone()
        };
        assert_eq!(
            short.metrics().unwrap_err(),
            MetricsError::Bins {
                negatives: 2,
                positives: 1
            }
        );
        let miscounted = ScoreSums { rows: 8, ..good };
        assert_eq!(
            miscounted.metrics().unwrap_err(),
            MetricsError::Rows { binned: 7, rows: 8 }
        );
        let wrapping = sums_raw(&[u64::MAX, 1], &[0, 0], 0);
        assert!(wrapping.metrics().is_err());
    }

    fn sums_raw(negatives: &[u64], positives: &[u64], rows: u64) -> ScoreSums {
        ScoreSums {
            rows,
            loss: 0,
            negatives: negatives.to_vec(),
            positives: positives.to_vec(),
        }
    }

    mod property {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn auc_is_the_share_of_ordered_pairs(scores in prop::collection::vec((0_usize..8, any::<bool>()), 2..60)) {
                let mut of = sums_raw(&[0; 8], &[0; 8], scores.len() as u64);
                for &(bin, positive) in &scores {
                    if positive { of.positives[bin] += 1 } else { of.negatives[bin] += 1 }
                }
                let mut pairs = 0.0;
                let mut ordered = 0.0;
                for &(high, positive) in &scores {
                    for &(low, other) in &scores {
                        if positive && !other {
                            pairs += 1.0;
                            ordered += match high.cmp(&low) {
                                std::cmp::Ordering::Greater => 1.0,
                                std::cmp::Ordering::Equal => 0.5,
                                std::cmp::Ordering::Less => 0.0,
                            };
                        }
                    }
                }
                let auc = of.metrics().unwrap().auc;
                prop_assert_eq!(auc.is_some(), pairs > 0.0);
                if let Some(auc) = auc {
                    prop_assert!((auc - ordered / pairs).abs() < 1e-12);
                }
            }
        }
    }
}
