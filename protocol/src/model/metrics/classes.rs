use super::{Figure, Metrics, MetricsError, check_rows, loss_units, mean_loss, total};

/// What is known of predicted classes on held-out rows, of one bank or summed over all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSums {
    /// How many rows were scored.
    pub rows: u64,
    /// Sum of the cross entropies, in units of `2^-24` nat.
    pub loss: u64,
    /// The confusion matrix, shape `[classes, classes]`, row-major: rows of class `i` that were taken for class `j` at `[i, j]`.
    pub confusion: Vec<u64>,
}

impl ClassSums {
    /// From the sums of one bank: `loss` in nats, finite and not negative, is rounded to the nearest unit.
    pub fn new(rows: u64, loss: f64, confusion: Vec<u64>) -> Self {
        Self {
            rows,
            loss: loss_units(loss),
            confusion,
        }
    }

    /// Number of classes.
    ///
    /// # Errors
    /// If the matrix is not square.
    pub fn classes(&self) -> Result<usize, MetricsError> {
        let classes = self.confusion.len().isqrt();
        if classes == 0 || classes * classes != self.confusion.len() {
            return Err(MetricsError::Shape {
                found: format!("a confusion matrix of {} counts", self.confusion.len()),
                expected: "a square one",
            });
        }
        Ok(classes)
    }

    pub(super) fn metrics(&self) -> Result<Metrics, MetricsError> {
        let classes = self.classes()?;
        check_rows(total(&self.confusion), self.rows)?;
        let hits = |class: usize| self.confusion[class * classes + class];
        let right: u64 = (0..classes).map(hits).sum();
        let (mut sum, mut counted) = (0.0, 0_u32);
        for class in 0..classes {
            let seen: u64 = self.confusion[class * classes..(class + 1) * classes]
                .iter()
                .sum();
            let taken: u64 = self.confusion.iter().skip(class).step_by(classes).sum();
            if seen + taken > 0 {
                sum += (2 * hits(class)) as f64 / (seen + taken) as f64;
                counted += 1;
            }
        }
        let some = self.rows > 0;
        Ok(Metrics {
            rows: self.rows,
            figures: vec![
                (Figure::LogLoss, mean_loss(self.loss, self.rows)),
                (Figure::Accuracy, some.then(|| right as f64 / self.rows as f64)),
                (Figure::MacroF1, some.then(|| sum / f64::from(counted))),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Six of ten rows are on the diagonal. F1 of the classes: 2*3 / (5 + 4), 2*2 / (3 + 4), 2*1 / (2 + 2).
    #[test]
    fn by_hand() {
        let sums = ClassSums::new(10, 5.0, vec![3, 1, 1, 1, 2, 0, 0, 1, 1]);
        let metrics = sums.metrics().unwrap();
        assert_eq!(metrics.rows, 10);
        assert_eq!(metrics.figure(Figure::Accuracy), Some(0.6));
        let f1 = metrics.figure(Figure::MacroF1).unwrap();
        assert!((f1 - (2.0 / 3.0 + 4.0 / 7.0 + 0.5) / 3.0).abs() < 1e-12, "{f1}");
        assert_eq!(metrics.figure(Figure::LogLoss), Some(0.5));
        assert_eq!(metrics.figure(Figure::Auc), None);
    }

    #[test]
    fn no_rows_and_wrong_matrices() {
        let nothing = ClassSums::new(0, 0.0, vec![0; 9]).metrics().unwrap();
        assert!(nothing.figures.iter().all(|(_, value)| value.is_none()));
        assert!(ClassSums::new(0, 0.0, vec![0; 8]).metrics().is_err());
        assert!(ClassSums::new(0, 0.0, Vec::new()).metrics().is_err());
        let miscounted = ClassSums::new(4, 0.0, vec![1, 0, 1, 1]).metrics().unwrap_err();
        assert_eq!(miscounted, MetricsError::Rows { counted: 3, rows: 4 });
    }
}
