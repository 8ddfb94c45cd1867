use veilsum_protocol::model::Figure;

use super::{Score, ScoreError, same_length};

/// RMSE, MAE and explained variance of predicted numbers, all on the label's agreed scale from 0 to 1. A prediction outside counts as the nearer end, as
/// in the consortium's own figures.
pub(super) fn score(predictions: &[f64], labels: &[f64]) -> Result<Score, ScoreError> {
    same_length(predictions.len(), labels.len(), 1)?;
    if let Some(at) = labels.iter().position(|label| !(0.0..=1.0).contains(label)) {
        return Err(ScoreError::Label {
            row: at + 1,
            label: labels[at],
            expected: "a number on the label's scale, from 0 to 1",
        });
    }
    let rows = labels.len() as f64;
    let mean = labels.iter().sum::<f64>() / rows;
    let variance = labels
        .iter()
        .map(|label| (label - mean) * (label - mean))
        .sum::<f64>()
        / rows;
    // A rest of rounding can make a variance of a constant.
    if labels.is_empty() || variance <= f64::EPSILON {
        return Err(ScoreError::OneValue { rows: labels.len() });
    }
    let off = || {
        predictions
            .iter()
            .zip(labels)
            .map(|(prediction, label)| prediction.clamp(0.0, 1.0) - label)
    };
    let squared = off().map(|off| off * off).sum::<f64>() / rows;
    Ok(Score {
        figures: [
            (Figure::Rmse, squared.sqrt()),
            (Figure::Mae, off().map(f64::abs).sum::<f64>() / rows),
            (Figure::RSquared, 1.0 - squared / variance),
        ],
        rows: labels.len(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Errors 1/4, 1/4, 0, 1/2 give squares of 3/32 on average; labels 0, 1/2, 1/2, 1 have variance 1/8.
    #[test]
    fn by_hand() {
        let score = score(&[0.25, 0.25, 0.5, 0.5], &[0.0, 0.5, 0.5, 1.0]).unwrap();
        let expected = [(3.0_f64 / 32.0).sqrt(), 0.25, 0.25];
        for ((figure, value), expected) in score.figures.into_iter().zip(expected) {
            assert!((value - expected).abs() < 1e-15, "{figure:?} {value}");
        }
    }

    #[test]
    fn what_is_outside_the_scale_counts_as_its_end() {
        assert_eq!(
            score(&[-3.0, 7.0], &[0.5, 0.25]),
            score(&[0.0, 1.0], &[0.5, 0.25])
        );
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(score(&[], &[]), Err(ScoreError::OneValue { rows: 0 }));
        assert_eq!(
            score(&[0.1, 0.2], &[0.1, 0.1]),
            Err(ScoreError::OneValue { rows: 2 })
        );
        assert!(matches!(
            score(&[0.1, 0.2], &[0.1, 1.25]),
            Err(ScoreError::Label { row: 2, .. })
        ));
        assert!(matches!(
            score(&[0.1], &[0.1, 0.2]),
            Err(ScoreError::Lengths { .. })
        ));
    }
}
