//! How well scores separate defaults: exact values on a scored test fold, with nothing binned.

/// What a set of scores is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Area under the ROC curve, 0.5 for a coin, 1 for a perfect order.
    pub auc: f64,
    /// Kolmogorov-Smirnov distance between the scores of the two classes, in [0, 1].
    pub ks: f64,
    /// Mean negative log-likelihood in nats; the smaller the better.
    pub log_loss: f64,
    /// Number of scored rows.
    pub rows: usize,
}

/// One bin of a calibration curve: what the model said, and what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationPoint {
    /// Mean predicted probability in the bin.
    pub predicted: f64,
    /// Share of positives in the bin.
    pub observed: f64,
    /// Rows in the bin.
    pub rows: usize,
}

/// Why scores could not be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// Scores and labels are not of one length.
    #[error("{scores} scores for {labels} labels: expected one score per label, in the same order")]
    Lengths {
        /// Number of scores.
        scores: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A score is no probability.
    #[error("score {score} in row {row}: expected a probability in [0, 1]; did the training diverge?")]
    NotAProbability {
        /// The row, from 1.
        row: usize,
        /// The score.
        score: f64,
    },
    /// A label is neither 0 nor 1.
    #[error("label {label} in row {row}: expected 0 or 1")]
    Label {
        /// The row, from 1.
        row: usize,
        /// The label.
        label: u8,
    },
    /// Only one class occurs, so there is nothing to separate.
    #[error(
        "{positives} positives and {negatives} negatives: expected at least one of each; take a larger test fold"
    )]
    OneClass {
        /// Rows with label 1.
        positives: usize,
        /// Rows with label 0.
        negatives: usize,
    },
}

/// Probabilities are kept this far from 0 and 1 in the log loss, so that one certain error is not infinite.
const LOG_LOSS_FLOOR: f64 = 1e-15;

/// Judges `scores` (probabilities of label 1) against `labels` (0 or 1), both of shape `[rows]`.
///
/// AUC is the Mann-Whitney statistic by ranks, a tie counting half (Hanley and McNeil 1982); KS is the largest gap
/// between the two empirical distributions, taken behind whole groups of equal scores.
pub fn score(scores: &[f64], labels: &[u8]) -> Result<Score, ScoreError> {
    let (positives, negatives) = classes(scores, labels)?;
    let mut order: Vec<(f64, u8)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));

    let (mut negatives_below, mut positives_below) = (0_usize, 0_usize);
    let (mut half_pairs, mut ks) = (0_u128, 0.0_f64);
    for tied in order.chunk_by(|left, right| left.0 == right.0) {
        let tied_positives = tied.iter().filter(|(_, label)| *label == 1).count();
        let tied_negatives = tied.len() - tied_positives;
        half_pairs += tied_positives as u128 * (2 * negatives_below + tied_negatives) as u128;
        positives_below += tied_positives;
        negatives_below += tied_negatives;
        let gap = negatives_below as f64 / negatives as f64 - positives_below as f64 / positives as f64;
        ks = ks.max(gap.abs());
    }
    let auc = half_pairs as f64 / (2.0 * positives as f64 * negatives as f64);

    let loss: f64 = scores
        .iter()
        .zip(labels)
        .map(|(&score, &label)| {
            let likelihood = if label == 1 { score } else { 1.0 - score };
            -likelihood.max(LOG_LOSS_FLOOR).ln()
        })
        .sum();
    Ok(Score {
        auc,
        ks,
        log_loss: loss / scores.len() as f64,
        rows: scores.len(),
    })
}

/// Calibration curve over at most `bins` bins of equal row count, by rising score. Fewer than `bins` rows give one
/// point each; no rows or no bins give none. Lengths that differ are an error.
pub fn calibration(scores: &[f64], labels: &[u8], bins: usize) -> Result<Vec<CalibrationPoint>, ScoreError> {
    check(scores, labels)?;
    let mut order: Vec<(f64, u8)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));
    let rows = order.len();
    let bins = bins.min(rows);
    let points = (0..bins).map(|bin| {
        let part = &order[bin * rows / bins..(bin + 1) * rows / bins];
        let positives = part.iter().filter(|(_, label)| *label == 1).count();
        CalibrationPoint {
            predicted: part.iter().map(|(score, _)| score).sum::<f64>() / part.len() as f64,
            observed: positives as f64 / part.len() as f64,
            rows: part.len(),
        }
    });
    Ok(points.collect())
}

fn classes(scores: &[f64], labels: &[u8]) -> Result<(usize, usize), ScoreError> {
    check(scores, labels)?;
    let positives = labels.iter().filter(|label| **label == 1).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(ScoreError::OneClass { positives, negatives });
    }
    Ok((positives, negatives))
}

fn check(scores: &[f64], labels: &[u8]) -> Result<(), ScoreError> {
    if scores.len() != labels.len() {
        return Err(ScoreError::Lengths {
            scores: scores.len(),
            labels: labels.len(),
        });
    }
    for (index, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        if !(0.0..=1.0).contains(&score) {
            return Err(ScoreError::NotAProbability {
                row: index + 1,
                score,
            });
        }
        if label > 1 {
            return Err(ScoreError::Label {
                row: index + 1,
                label,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    #[test]
    fn auc_counts_ordered_pairs() {
        // Pairs (positive, negative): (0.35, 0.1) right, (0.35, 0.4) wrong, (0.8, 0.1) right, (0.8, 0.4) right.
        let score = score(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]).unwrap();
        close(score.auc, 0.75);
        // Behind 0.1 half of the negatives and no positive lie below; behind 0.4 all negatives and half the positives.
        close(score.ks, 0.5);
        assert_eq!(score.rows, 4);
    }

    #[test]
    fn a_tie_counts_half() {
        // Four pairs: one tie (1/2), three in order: 3.5 / 4.
        let score = score(&[0.2, 0.5, 0.5, 0.9], &[0, 1, 0, 1]).unwrap();
        close(score.auc, 0.875);
        // Behind 0.2: 1/2 against 0; behind the whole tie: 1 against 1/2. Inside the tie nothing is measured.
        close(score.ks, 0.5);
    }

    #[test]
    fn equal_scores_are_a_coin() {
        let score = score(&[0.3; 5], &[0, 1, 1, 0, 0]).unwrap();
        close(score.auc, 0.5);
        close(score.ks, 0.0);
    }

    #[test]
    fn a_reversed_order_gives_zero_and_full_distance() {
        let score = score(&[0.9, 0.8, 0.2, 0.1], &[0, 0, 1, 1]).unwrap();
        close(score.auc, 0.0);
        close(score.ks, 1.0);
    }

    #[test]
    fn log_loss_by_hand() {
        // -(ln 0.9 + ln 0.8) / 2
        let sure = score(&[0.9, 0.2], &[1, 0]).unwrap();
        close(sure.log_loss, 0.164_252_033_486_018_05);
        // A certain error costs -ln 1e-15 and no more.
        let wrong = score(&[0.0, 0.0], &[1, 0]).unwrap();
        close(wrong.log_loss, 34.538_776_394_910_684 / 2.0);
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let forward = score(&[0.1, 0.7, 0.7, 0.3, 0.9], &[0, 1, 0, 1, 1]).unwrap();
        let backward = score(&[0.9, 0.3, 0.7, 0.7, 0.1], &[1, 1, 0, 1, 0]).unwrap();
        close(forward.auc, backward.auc);
        close(forward.ks, backward.ks);
        close(forward.log_loss, backward.log_loss);
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(
            score(&[0.1], &[0, 1]),
            Err(ScoreError::Lengths { scores: 1, labels: 2 })
        );
        assert_eq!(
            score(&[0.1, 0.2], &[1, 1]),
            Err(ScoreError::OneClass {
                positives: 2,
                negatives: 0
            })
        );
        assert_eq!(
            score(&[], &[]),
            Err(ScoreError::OneClass {
                positives: 0,
                negatives: 0
            })
        );
        assert_eq!(
            score(&[0.1, 1.5], &[0, 1]),
            Err(ScoreError::NotAProbability { row: 2, score: 1.5 })
        );
        assert_eq!(
            score(&[0.1, 0.5], &[0, 2]),
            Err(ScoreError::Label { row: 2, label: 2 })
        );
        let nan = score(&[f64::NAN, 0.5], &[0, 1]).unwrap_err();
        assert!(nan.to_string().contains("row 1"), "{nan}");
    }

    #[test]
    fn calibration_bins_hold_equal_rows() {
        let points = calibration(&[0.8, 0.1, 0.3, 0.6], &[1, 0, 1, 0], 2).unwrap();
        assert_eq!(points.len(), 2);
        close(points[0].predicted, 0.2);
        close(points[0].observed, 0.5);
        close(points[1].predicted, 0.7);
        close(points[1].observed, 0.5);
        assert_eq!(points.iter().map(|point| point.rows).sum::<usize>(), 4);
        assert_eq!(calibration(&[0.5, 0.6, 0.7], &[0, 1, 1], 10).unwrap().len(), 3);
        assert!(calibration(&[], &[], 10).unwrap().is_empty());
    }
}
