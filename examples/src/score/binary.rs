use veilsum_protocol::model::Figure;

use super::{LOG_LOSS_FLOOR, Score, ScoreError, probabilities, same_length};

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

/// Judges `scores` (probabilities of label 1) against `labels` (0 or 1), both of shape `[rows]`.
///
/// AUC is the Mann-Whitney statistic by ranks, a tie counting half (Hanley and McNeil 1982); KS is the largest gap
/// between the two empirical distributions, taken behind whole groups of equal scores.
pub(super) fn score(scores: &[f64], labels: &[f64]) -> Result<Score, ScoreError> {
    let (positives, negatives) = classes(scores, labels)?;
    let mut order: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));

    let (mut negatives_below, mut positives_below) = (0_usize, 0_usize);
    let (mut half_pairs, mut ks) = (0_u128, 0.0_f64);
    for tied in order.chunk_by(|left, right| left.0 == right.0) {
        let tied_positives = tied.iter().filter(|(_, label)| *label == 1.0).count();
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
            let likelihood = if label == 1.0 { score } else { 1.0 - score };
            -likelihood.max(LOG_LOSS_FLOOR).ln()
        })
        .sum();
    Ok(Score {
        figures: [
            (Figure::Auc, auc),
            (Figure::Ks, ks),
            (Figure::LogLoss, loss / scores.len() as f64),
        ],
        rows: scores.len(),
    })
}

/// Calibration curve over at most `bins` bins of equal row count, by rising score. Fewer than `bins` rows give one
/// point each; no rows or no bins give none. Lengths that differ are an error.
pub fn calibration(scores: &[f64], labels: &[f64], bins: usize) -> Result<Vec<CalibrationPoint>, ScoreError> {
    check(scores, labels)?;
    let mut order: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|left, right| left.0.total_cmp(&right.0));
    let rows = order.len();
    let bins = bins.min(rows);
    let points = (0..bins).map(|bin| {
        let part = &order[bin * rows / bins..(bin + 1) * rows / bins];
        let positives = part.iter().filter(|(_, label)| *label == 1.0).count();
        CalibrationPoint {
            predicted: part.iter().map(|(score, _)| score).sum::<f64>() / part.len() as f64,
            observed: positives as f64 / part.len() as f64,
            rows: part.len(),
        }
    });
    Ok(points.collect())
}

fn classes(scores: &[f64], labels: &[f64]) -> Result<(usize, usize), ScoreError> {
    check(scores, labels)?;
    let positives = labels.iter().filter(|label| **label == 1.0).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(ScoreError::OneClass { positives, negatives });
    }
    Ok((positives, negatives))
}

fn check(scores: &[f64], labels: &[f64]) -> Result<(), ScoreError> {
    same_length(scores.len(), labels.len(), 1)?;
    probabilities(scores, 1)?;
    match labels.iter().position(|&label| label != 0.0 && label != 1.0) {
        Some(at) => Err(ScoreError::Label {
            row: at + 1,
            label: labels[at],
            expected: "0 or 1",
        }),
        None => Ok(()),
    }
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
        let score = score(&[0.1, 0.4, 0.35, 0.8], &[0.0, 0.0, 1.0, 1.0]).unwrap();
        close(score.figures[0].1, 0.75);
        // Behind 0.1 half of the negatives and no positive lie below; behind 0.4 all negatives and half the positives.
        close(score.figures[1].1, 0.5);
        assert_eq!(score.rows, 4);
    }

    #[test]
    fn a_tie_counts_half() {
        // Four pairs: one tie (1/2), three in order: 3.5 / 4.
        let score = score(&[0.2, 0.5, 0.5, 0.9], &[0.0, 1.0, 0.0, 1.0]).unwrap();
        close(score.figures[0].1, 0.875);
        // Behind 0.2: 1/2 against 0; behind the whole tie: 1 against 1/2. Inside the tie nothing is measured.
        close(score.figures[1].1, 0.5);
    }

    #[test]
    fn equal_scores_are_a_coin() {
        let score = score(&[0.3; 5], &[0.0, 1.0, 1.0, 0.0, 0.0]).unwrap();
        close(score.figures[0].1, 0.5);
        close(score.figures[1].1, 0.0);
    }

    #[test]
    fn a_reversed_order_gives_zero_and_full_distance() {
        let score = score(&[0.9, 0.8, 0.2, 0.1], &[0.0, 0.0, 1.0, 1.0]).unwrap();
        close(score.figures[0].1, 0.0);
        close(score.figures[1].1, 1.0);
    }

    #[test]
    fn log_loss_by_hand() {
        // -(ln 0.9 + ln 0.8) / 2
        let sure = score(&[0.9, 0.2], &[1.0, 0.0]).unwrap();
        close(sure.figures[2].1, 0.164_252_033_486_018_05);
        // A certain error costs -ln 1e-15 and no more.
        let wrong = score(&[0.0, 0.0], &[1.0, 0.0]).unwrap();
        close(wrong.figures[2].1, 34.538_776_394_910_684 / 2.0);
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let forward = score(&[0.1, 0.7, 0.7, 0.3, 0.9], &[0.0, 1.0, 0.0, 1.0, 1.0]).unwrap();
        let backward = score(&[0.9, 0.3, 0.7, 0.7, 0.1], &[1.0, 1.0, 0.0, 1.0, 0.0]).unwrap();
        close(forward.figures[0].1, backward.figures[0].1);
        close(forward.figures[1].1, backward.figures[1].1);
        close(forward.figures[2].1, backward.figures[2].1);
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(
            score(&[0.1], &[0.0, 1.0]),
            Err(ScoreError::Lengths {
                found: 1,
                labels: 2,
                each: 1
            })
        );
        assert_eq!(
            score(&[0.1, 0.2], &[1.0, 1.0]),
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
            score(&[0.1, 1.5], &[0.0, 1.0]),
            Err(ScoreError::NotAProbability { row: 2, score: 1.5 })
        );
        assert_eq!(
            score(&[0.1, 0.5], &[0.0, 2.0]),
            Err(ScoreError::Label {
                row: 2,
                label: 2.0,
                expected: "0 or 1"
            })
        );
        let nan = score(&[f64::NAN, 0.5], &[0.0, 1.0]).unwrap_err();
        assert!(nan.to_string().contains("row 1"), "{nan}");
    }

    #[test]
    fn calibration_bins_hold_equal_rows() {
        let points = calibration(&[0.8, 0.1, 0.3, 0.6], &[1.0, 0.0, 1.0, 0.0], 2).unwrap();
        assert_eq!(points.len(), 2);
        close(points[0].predicted, 0.2);
        close(points[0].observed, 0.5);
        close(points[1].predicted, 0.7);
        close(points[1].observed, 0.5);
        assert_eq!(points.iter().map(|point| point.rows).sum::<usize>(), 4);
        assert_eq!(
            calibration(&[0.5, 0.6, 0.7], &[0.0, 1.0, 1.0], 10).unwrap().len(),
            3
        );
        assert!(calibration(&[], &[], 10).unwrap().is_empty());
    }
}
