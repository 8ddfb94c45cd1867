use veilsum_protocol::model::Figure;

use super::{LOG_LOSS_FLOOR, Score, ScoreError, probabilities, same_length};

/// Accuracy, macro F1 and log loss of class probabilities, shape `[rows, classes]`. Of equal probabilities the first class is the prediction, as at the
/// banks. F1 is 0 for a class that is never predicted rightly; classes that no row has and no row was given are left out of the mean.
pub(super) fn score(classes: usize, scores: &[f64], labels: &[f64]) -> Result<Score, ScoreError> {
    same_length(scores.len(), labels.len(), classes)?;
    probabilities(scores, classes)?;
    if labels.is_empty() {
        return Err(ScoreError::OneValue { rows: 0 });
    }
    let (mut seen, mut taken, mut hits) = (vec![0_u32; classes], vec![0_u32; classes], vec![0_u32; classes]);
    let mut loss = 0.0;
    for (row, (label, scores)) in (1..).zip(labels.iter().zip(scores.chunks_exact(classes))) {
        let wrong = || ScoreError::Label {
            row,
            label: *label,
            expected: "the number of a class",
        };
        let class = (0..classes)
            .find(|class| *class as f64 == *label)
            .ok_or_else(wrong)?;
        let likeliest = (0..classes)
            .rev()
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
            .unwrap_or(0);
        seen[class] += 1;
        taken[likeliest] += 1;
        hits[class] += u32::from(class == likeliest);
        loss -= scores[class].max(LOG_LOSS_FLOOR).ln();
    }
    let f1: Vec<f64> = (0..classes)
        .filter(|class| seen[*class] + taken[*class] > 0)
        .map(|class| f64::from(2 * hits[class]) / f64::from(seen[class] + taken[class]))
        .collect();
    let rows = labels.len() as f64;
    Ok(Score {
        figures: [
            (Figure::Accuracy, f64::from(hits.iter().sum::<u32>()) / rows),
            (Figure::MacroF1, f1.iter().sum::<f64>() / f1.len() as f64),
            (Figure::LogLoss, loss / rows),
        ],
        rows: labels.len(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} is not {right}");
    }

    /// Rows 1, 2 and 4 are right. F1: class 0 2*1/(1+1), class 1 2*1/(2+1), class 2 2*1/(1+2).
    #[test]
    fn by_hand() {
        let scores = [
            [0.5, 0.25, 0.25],
            [0.25, 0.5, 0.25],
            [0.25, 0.25, 0.5],
            [0.0, 0.0, 1.0],
        ]
        .concat();
        let score = score(3, &scores, &[0.0, 1.0, 1.0, 2.0]).unwrap();
        close(score.figures[0].1, 0.75);
        close(score.figures[1].1, (1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0);
        // -(ln 1/2 + ln 1/2 + ln 1/4 + ln 1) / 4 = ln 2
        close(score.figures[2].1, std::f64::consts::LN_2);
        assert_eq!(score.rows, 4);
    }

    #[test]
    fn of_equal_probabilities_the_first_class_is_meant_and_absent_classes_do_not_count() {
        let score = score(4, &[0.25; 8], &[0.0, 1.0]).unwrap();
        close(score.figures[0].1, 0.5);
        // Class 0: 2*1/(1+2); class 1: 0; classes 2 and 3 are nowhere.
        close(score.figures[1].1, 1.0 / 3.0);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(matches!(
            score(3, &[0.5; 4], &[0.0]),
            Err(ScoreError::Lengths {
                found: 4,
                labels: 1,
                each: 3
            })
        ));
        assert!(matches!(
            score(3, &[0.2; 3], &[3.0]),
            Err(ScoreError::Label { row: 1, .. })
        ));
        assert!(matches!(
            score(3, &[0.2, 0.2, 0.2, 0.2, 1.5, 0.2], &[0.0, 0.0]),
            Err(ScoreError::NotAProbability { row: 2, .. })
        ));
        assert_eq!(score(3, &[], &[]), Err(ScoreError::OneValue { rows: 0 }));
    }
}
