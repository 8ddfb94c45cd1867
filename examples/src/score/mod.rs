//! What a model is worth: exact figures over a scored test fold, with nothing binned.

mod binary;
mod classes;
mod number;

use veilsum_protocol::model::{Better, Figure, Target};

pub use binary::{CalibrationPoint, calibration};

/// What a model's predictions are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The figures of the label's kind, the main one first: AUC, KS and log loss for 0 or 1; accuracy, macro F1 and log loss for classes; RMSE, MAE and
    /// explained variance for numbers.
    pub figures: [(Figure, f64); 3],
    /// Number of scored rows.
    pub rows: usize,
}

/// Why predictions could not be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// Predictions and labels do not fit together.
    #[error("{found} predictions for {labels} labels: expected {each} per label, in the same order")]
    Lengths {
        /// Number of predictions.
        found: usize,
        /// Number of labels.
        labels: usize,
        /// Predictions of a row.
        each: usize,
    },
    /// A score is no probability.
    #[error("score {score} in row {row}: expected a probability in [0, 1]; did the training diverge?")]
    NotAProbability {
        /// The row, from 1.
        row: usize,
        /// The score.
        score: f64,
    },
    /// A label is not of its kind.
    #[error("label {label} in row {row}: expected {expected}")]
    Label {
        /// The row, from 1.
        row: usize,
        /// The label.
        label: f64,
        /// What it should be.
        expected: &'static str,
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
    /// All labels are the same number, or there is none.
    #[error("{rows} rows with one label: expected labels that differ; take a larger test fold")]
    OneValue {
        /// Number of rows.
        rows: usize,
    },
}

/// Probabilities are kept this far from 0 and 1 in the log loss, so that one certain error is not infinite.
const LOG_LOSS_FLOOR: f64 = 1e-15;

/// Judges what [`veilsum_client::train::predict`] gives for rows with these labels: for 0 or 1 the probabilities of label 1, shape `[rows]`; for classes
/// the probability of each, shape `[rows, classes]`; for numbers the numbers on the label's agreed scale, shape `[rows]`.
///
/// # Errors
/// When predictions and labels do not belong together, or nothing can be told from them.
pub fn judge(target: Target, predictions: &[f64], labels: &[f64]) -> Result<Score, ScoreError> {
    match target {
        Target::Binary => binary::score(predictions, labels),
        Target::Classes(classes) => classes::score(usize::from(classes), predictions, labels),
        Target::Number => number::score(predictions, labels),
    }
}

/// The figure that models with such a label are compared by.
pub fn main_figure(target: Target) -> Figure {
    match target {
        Target::Binary => Figure::Auc,
        Target::Classes(_) => Figure::Accuracy,
        Target::Number => Figure::Rmse,
    }
}

impl Score {
    /// The figure that models are compared by.
    pub fn main(&self) -> (Figure, f64) {
        self.figures[0]
    }

    /// By how much it is better than another one in the main figure; negative if it is worse.
    pub fn gain_over(&self, other: &Self) -> f64 {
        let (figure, value) = self.main();
        gain(figure, value, other.main().1)
    }

    /// The mean of some scores, all on the same fold, figure by figure.
    pub fn mean(scores: &[Self]) -> Option<Self> {
        let mut mean = *scores.first()?;
        for (place, (_, value)) in (0..).zip(&mut mean.figures) {
            *value = scores.iter().map(|score| score.figures[place].1).sum::<f64>() / scores.len() as f64;
        }
        Some(mean)
    }

    /// The best of some scores by the main figure.
    pub fn best<'a>(scores: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        scores
            .into_iter()
            .max_by(|left, right| left.gain_over(right).total_cmp(&0.0))
    }
}

/// By how much `value` is better than `other`; negative if it is worse.
pub fn gain(figure: Figure, value: f64, other: f64) -> f64 {
    match figure.better() {
        Better::Lower => other - value,
        Better::Higher | Better::Neither => value - other,
    }
}

/// Digits behind the point that tell two models apart: errors on the label's scale of 0 to 1 are small.
pub fn digits(figure: Figure) -> usize {
    match figure {
        Figure::Rmse | Figure::Mae => 4,
        _ => 3,
    }
}

/// The figure in words that fit into a sentence: `log loss`, but `AUC`.
pub fn in_words(figure: Figure) -> String {
    match figure {
        Figure::LogLoss | Figure::Accuracy => figure.title().to_lowercase(),
        Figure::MacroF1 => "macro F1".to_owned(),
        Figure::RSquared => "explained variance".to_owned(),
        _ => figure.title().to_owned(),
    }
}

fn same_length(predictions: usize, labels: usize, each: usize) -> Result<(), ScoreError> {
    if predictions == labels * each {
        return Ok(());
    }
    Err(ScoreError::Lengths {
        found: predictions,
        labels,
        each,
    })
}

fn probabilities(scores: &[f64], each: usize) -> Result<(), ScoreError> {
    match scores.iter().position(|score| !(0.0..=1.0).contains(score)) {
        Some(at) => Err(ScoreError::NotAProbability {
            row: at / each + 1,
            score: scores[at],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn better_is_larger_or_smaller_by_the_figure() {
        assert_eq!(gain(Figure::Auc, 0.75, 0.5), 0.25);
        assert_eq!(gain(Figure::Rmse, 0.75, 0.5), -0.25);
        let rmse = |value: f64| Score {
            figures: [
                (Figure::Rmse, value),
                (Figure::Mae, value / 2.0),
                (Figure::RSquared, 1.0 - value),
            ],
            rows: 4,
        };
        let scores = [rmse(0.5), rmse(0.25), rmse(0.75)];
        assert_eq!(Score::best(&scores), Some(&scores[1]));
        assert_eq!(Score::mean(&scores), Some(rmse(0.5)));
        assert_eq!(Score::mean(&[]), None);
        assert_eq!(scores[1].gain_over(&scores[0]), 0.25);
    }
}
