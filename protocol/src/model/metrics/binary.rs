use super::{Decision, Figure, GroupSums, Metrics, MetricsError, check_rows, loss_units, mean_loss, total};

/// Groups of equal score width for the calibration error (Guo et al. 2017 use 15; scorecards by custom 10).
const CALIBRATION_GROUPS: u64 = 10;

/// What is known of a model's scores on held-out rows, of one bank or summed over all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinarySums {
    /// How many rows were scored.
    pub rows: u64,
    /// Sum of their log losses, in units of `2^-24` nat.
    pub loss: u64,
    /// Rows with label 0 by score; bin `b` of `B` holds scores from `b/B` to below `(b+1)/B`, the last also 1.
    pub negatives: Vec<u64>,
    /// Rows with label 1, in the same bins.
    pub positives: Vec<u64>,
    /// The same rows by group; empty where none are told apart.
    pub groups: Vec<GroupSums>,
}

impl BinarySums {
    /// From the sums of one bank: `loss` in nats, finite and not negative, is rounded to the nearest unit.
    pub fn new(rows: u64, loss: f64, negatives: Vec<u64>, positives: Vec<u64>) -> Self {
        Self {
            rows,
            loss: loss_units(loss),
            negatives,
            positives,
            groups: Vec::new(),
        }
    }

    /// With the figures over the groups, if a decision is given.
    pub(super) fn metrics(&self, decision: Option<Decision>) -> Result<Metrics, MetricsError> {
        let bins = self.negatives.len();
        if bins == 0 || bins != self.positives.len() {
            return Err(MetricsError::Shape {
                found: format!("histograms of {bins} and {} bins", self.positives.len()),
                expected: "two of the same number, at least 1",
            });
        }
        let (negatives, positives) = (total(&self.negatives), total(&self.positives));
        check_rows(negatives + positives, self.rows)?;
        self.check_groups()?;
        let (some, both) = (self.rows > 0, negatives > 0 && positives > 0);
        let auc =
            || concordant_twice(&self.negatives, &self.positives) as f64 / (2 * negatives * positives) as f64;
        let ks = || self.largest_gap(negatives, positives) as f64 / (negatives * positives) as f64;
        let mut figures = vec![
            (
                Figure::PositiveShare,
                some.then(|| positives as f64 / self.rows as f64),
            ),
            (Figure::Auc, both.then(auc)),
            (Figure::Ks, both.then(ks)),
            (
                Figure::AveragePrecision,
                (positives > 0).then(|| self.average_precision(positives)),
            ),
            (Figure::Brier, some.then(|| self.brier())),
            (Figure::LogLoss, mean_loss(self.loss, self.rows)),
            (Figure::CalibrationError, some.then(|| self.calibration_error())),
        ];
        if let Some(decision) = decision {
            figures.extend(self.fairness(decision));
        }
        Ok(Metrics {
            rows: self.rows,
            figures,
        })
    }

    /// The sum over the bins, from the highest scores down, of the recall gained times the precision so far.
    fn average_precision(&self, positives: u128) -> f64 {
        let (mut hits, mut above, mut sum) = (0_u64, 0_u64, 0.0);
        for (&negative, &positive) in self.negatives.iter().zip(&self.positives).rev() {
            hits += positive;
            above += positive + negative;
            if positive > 0 {
                sum += positive as f64 * (hits as f64 / above as f64);
            }
        }
        sum / positives as f64
    }

    /// With the middle of bin `b` of `B` at `(2b + 1) / 2B` everything is an integer times `1 / (4 B^2 rows)`.
    fn brier(&self) -> f64 {
        let parts = 2 * self.negatives.len() as u128;
        let mut sum = 0_u128;
        for (bin, (&negative, &positive)) in (0_u128..).zip(self.negatives.iter().zip(&self.positives)) {
            let middle = 2 * bin + 1;
            sum += u128::from(negative) * middle * middle;
            sum += u128::from(positive) * (parts - middle) * (parts - middle);
        }
        sum as f64 / (parts * parts * u128::from(self.rows)) as f64
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

/// Twice the number of pairs in which the positive scores above the negative, ties counting half.
pub(super) fn concordant_twice(negatives: &[u64], positives: &[u64]) -> u128 {
    let mut below = 0_u128;
    let mut twice = 0_u128;
    for (&negative, &positive) in negatives.iter().zip(positives) {
        let (negative, positive) = (u128::from(negative), u128::from(positive));
        twice += positive * (2 * below + negative);
        below += negative;
    }
    twice
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sums(negatives: &[u64], positives: &[u64]) -> BinarySums {
        let rows = negatives.iter().chain(positives).sum();
        BinarySums::new(rows, 0.0, negatives.to_vec(), positives.to_vec())
    }

    #[test]
    fn by_hand() {
        // Negatives 3 in bin 0, 1 in bin 1; positives 1 in bin 1, 1 in bin 3. Of 8 pairs: bin 1 beats 3 and ties
        // with 1, bin 3 beats 4: 7.5. F0 = 3/4 1 1 1, F1 = 0 1/2 1/2 1: the gap is 3/4.
        let mut of = sums(&[3, 1, 0, 0], &[0, 1, 0, 1]);
        of.loss = 3 << 24;
        let metrics = of.metrics(None).unwrap();
        assert_eq!(metrics.rows, 6);
        assert_eq!(metrics.figure(Figure::PositiveShare), Some(2.0 / 6.0));
        // From above: 1 of 1, then 2 of 3: (1 + 2/3) / 2.
        assert_eq!(
            metrics.figure(Figure::AveragePrecision),
            Some((1.0 + 2.0 / 3.0) / 2.0)
        );
        // Negatives at 1/8 three times and 3/8, positives 5/8 and 1/8 away: 3/64 + 9/64 + 25/64 + 1/64 = 38/64, over 6 rows.
        assert_eq!(metrics.figure(Figure::Brier), Some(38.0 / 64.0 / 6.0));
        assert_eq!(metrics.figure(Figure::Auc), Some(7.5 / 8.0));
        assert_eq!(metrics.figure(Figure::Ks), Some(0.75));
        assert_eq!(metrics.figure(Figure::LogLoss), Some(0.5));
        // Middles 1/8, 3/8, 7/8, each in a group of its own: |3/8 - 0| + |6/8 - 1| + |7/8 - 1| = 3/4, over 6 rows.
        assert_eq!(metrics.figure(Figure::CalibrationError), Some(0.75 / 6.0));
    }

    #[test]
    fn the_best_the_worst_and_the_blind_model() {
        let best = sums(&[5, 0, 0], &[0, 0, 4]).metrics(None).unwrap();
        assert_eq!(
            (best.figure(Figure::Auc), best.figure(Figure::Ks)),
            (Some(1.0), Some(1.0))
        );
        let worst = sums(&[0, 0, 5], &[4, 0, 0]).metrics(None).unwrap();
        assert_eq!(
            (worst.figure(Figure::Auc), worst.figure(Figure::Ks)),
            (Some(0.0), Some(1.0))
        );
        let blind = sums(&[0, 5, 0], &[0, 4, 0]).metrics(None).unwrap();
        assert_eq!(
            (blind.figure(Figure::Auc), blind.figure(Figure::Ks)),
            (Some(0.5), Some(0.0))
        );
    }

    #[test]
    fn a_missing_class_leaves_auc_and_ks_undefined() {
        let one_class = sums(&[2, 3], &[0, 0]).metrics(None).unwrap();
        assert_eq!(
            (one_class.figure(Figure::Auc), one_class.figure(Figure::Ks)),
            (None, None)
        );
        assert_eq!(one_class.figure(Figure::LogLoss), Some(0.0));
        let nothing = sums(&[0, 0], &[0, 0]).metrics(None).unwrap();
        assert_eq!(
            (
                nothing.figure(Figure::Auc),
                nothing.figure(Figure::LogLoss),
                nothing.figure(Figure::CalibrationError)
            ),
            (None, None, None)
        );
    }

    #[test]
    fn contradicting_sums_are_refused() {
        let good = sums(&[2, 3], &[1, 1]);
        let short = BinarySums {
            positives: vec![2],
            ..good.clone()
        };
        assert_eq!(
            short.metrics(None).unwrap_err(),
            MetricsError::Shape {
                found: "histograms of 2 and 1 bins".to_owned(),
                expected: "two of the same number, at least 1",
            }
        );
        let miscounted = BinarySums { rows: 8, ..good };
        assert_eq!(
            miscounted.metrics(None).unwrap_err(),
            MetricsError::Rows { counted: 7, rows: 8 }
        );
        let wrapping = sums_raw(&[u64::MAX, 1], &[0, 0], 0);
        assert!(wrapping.metrics(None).is_err());
    }

    fn sums_raw(negatives: &[u64], positives: &[u64], rows: u64) -> BinarySums {
        BinarySums {
            rows,
            loss: 0,
            negatives: negatives.to_vec(),
            positives: positives.to_vec(),
            groups: Vec::new(),
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
                let auc = of.metrics(None).unwrap().figure(Figure::Auc);
                prop_assert_eq!(auc.is_some(), pairs > 0.0);
                if let Some(auc) = auc {
                    prop_assert!((auc - ordered / pairs).abs() < 1e-12);
                }
            }
        }
    }
}
