use super::super::moments::ONE;
use super::{Figure, MAX_ROWS, Metrics, MetricsError};

/// What is known of predicted numbers on held-out rows, of one bank or summed over all. Labels and predictions are on the label's agreed scale, from
/// 0 to 1; a prediction outside counts as the nearer end. All sums are in units of `2^-32`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NumberSums {
    /// How many rows were predicted.
    pub rows: u64,
    /// Sum of the labels.
    pub labels: u64,
    /// Sum of the labels' squares.
    pub label_squares: u64,
    /// Sum of the distances of prediction and label.
    pub absolute: u64,
    /// Sum of the squared distances.
    pub squared: u64,
}

impl NumberSums {
    /// Counts one more row.
    pub fn add(&mut self, label: f64, prediction: f64) {
        let (label, prediction) = (label.clamp(0.0, 1.0), prediction.clamp(0.0, 1.0));
        let off = (prediction - label).abs();
        let units = |value: f64| (value * ONE).round() as u64;
        self.rows += 1;
        self.labels += units(label);
        self.label_squares += units(label * label);
        self.absolute += units(off);
        self.squared += units(off * off);
    }

    pub(super) fn metrics(&self) -> Result<Metrics, MetricsError> {
        for (what, found) in [
            ("sum of labels", self.labels),
            ("sum of squared labels", self.label_squares),
            ("sum of errors", self.absolute),
            ("sum of squared errors", self.squared),
        ] {
            // Each value is at most 1.
            if self.rows > MAX_ROWS || u128::from(found) > u128::from(self.rows) << 32 {
                return Err(MetricsError::Impossible {
                    what,
                    found,
                    rows: self.rows,
                });
            }
        }
        let rows = self.rows as f64;
        let mean = |sum: u64| (self.rows > 0).then(|| sum as f64 / ONE / rows);
        let variance = mean(self.label_squares)
            .zip(mean(self.labels))
            .map(|(squares, mean)| squares - mean * mean);
        let unexplained = mean(self.squared);
        Ok(Metrics {
            rows: self.rows,
            figures: vec![
                (Figure::Rmse, unexplained.map(f64::sqrt)),
                (Figure::Mae, mean(self.absolute)),
                (
                    Figure::RSquared,
                    // Below this, rounding can make a variance of a constant.
                    variance
                        .filter(|variance| *variance > 1.0 / f64::from(1_u32 << 30))
                        .zip(unexplained)
                        .map(|(variance, unexplained)| 1.0 - unexplained / variance),
                ),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(pairs: &[(f64, f64)]) -> NumberSums {
        let mut sums = NumberSums::default();
        pairs
            .iter()
            .for_each(|&(label, prediction)| sums.add(label, prediction));
        sums
    }

    /// By hand: errors 1/4, 1/4, 0, 1/2 give squares 1/16, 1/16, 0, 1/4, a mean of 3/32; labels 0, 1/2, 1/2, 1 have mean 1/2 and variance 1/8.
    #[test]
    fn by_hand() {
        let metrics = of(&[(0.0, 0.25), (0.5, 0.25), (0.5, 0.5), (1.0, 0.5)])
            .metrics()
            .unwrap();
        let close = |figure, expected: f64| {
            let found = metrics.figure(figure).unwrap();
            assert!((found - expected).abs() < 1e-9, "{figure:?} {found}");
        };
        close(Figure::Rmse, (3.0_f64 / 32.0).sqrt());
        close(Figure::Mae, 0.25);
        close(Figure::RSquared, 0.25);
    }

    #[test]
    fn what_is_outside_the_scale_counts_as_its_end() {
        assert_eq!(
            of(&[(0.5, 7.0), (0.5, f64::NEG_INFINITY)]),
            of(&[(0.5, 1.0), (0.5, 0.0)])
        );
    }

    #[test]
    fn constant_labels_nothing_and_the_impossible() {
        assert_eq!(
            of(&[(0.5, 0.5); 3]).metrics().unwrap().figure(Figure::RSquared),
            None
        );
        assert!(
            of(&[])
                .metrics()
                .unwrap()
                .figures
                .iter()
                .all(|(_, value)| value.is_none())
        );
        let sums = NumberSums {
            squared: 3 << 32,
            ..of(&[(0.5, 0.5); 2])
        };
        assert!(matches!(
            sums.metrics(),
            Err(MetricsError::Impossible { rows: 2, .. })
        ));
    }
}
