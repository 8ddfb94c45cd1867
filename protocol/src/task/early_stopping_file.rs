//! The table `early_stopping` of a task.

use serde::Deserialize;

use crate::model::{Figure, Target};

use super::ranges::{integer, zero_or};
use super::{EarlyStopping, Keep, TaskError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EarlyStoppingFile {
    figure: String,
    patience: i64,
    least_gain: Option<f64>,
    keep: Option<KeepFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeepFile {
    Best,
    Last,
}

impl EarlyStoppingFile {
    pub(super) fn check(self, target: Target) -> Result<EarlyStopping, TaskError> {
        Ok(EarlyStopping {
            figure: figure(&self.figure, target)?,
            patience: integer("early_stopping.patience", self.patience, 1..=100_000)?,
            least_gain: zero_or(
                "early_stopping.least_gain",
                self.least_gain.unwrap_or(0.0),
                1000.0,
            )?,
            keep: match self.keep {
                None | Some(KeepFile::Best) => Keep::Best,
                Some(KeepFile::Last) => Keep::Last,
            },
        })
    }
}

fn figure(name: &str, target: Target) -> Result<Figure, TaskError> {
    let figures = EarlyStopping::figures(target);
    figures
        .iter()
        .find(|figure| figure.key() == name)
        .copied()
        .ok_or_else(|| {
            let labels = match target {
                Target::Binary => "is 0 or 1",
                Target::Classes(_) => "names a class",
                Target::Number => "is a number",
            };
            let names: Vec<_> = figures.iter().map(|figure| figure.key()).collect();
            TaskError::invalid(
                "early_stopping.figure",
                format!("{name:?} for a label that {labels}"),
                format!("one of {}", names.join(", ")),
            )
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, target: Target) -> Result<EarlyStopping, TaskError> {
        toml::from_str::<EarlyStoppingFile>(text)?.check(target)
    }

    #[test]
    fn the_figure_is_one_of_the_label_s_kind() {
        for (target, figures) in [
            (
                Target::Binary,
                "auc ks average_precision brier log_loss calibration_error",
            ),
            (Target::Classes(3), "log_loss accuracy macro_f1"),
            (Target::Number, "rmse mae r_squared"),
        ] {
            for figure in figures.split(' ') {
                let read = read(&format!("figure = \"{figure}\"\npatience = 3"), target).unwrap();
                assert_eq!(read.figure.key(), figure);
                assert_eq!((read.patience, read.least_gain, read.keep), (3, 0.0, Keep::Best));
            }
        }
        for (text, target, message) in [
            (
                "figure = \"rmse\"\npatience = 3",
                Target::Binary,
                "early_stopping.figure: found \"rmse\" for a label that is 0 or 1, expected one of auc, ks,",
            ),
            (
                "figure = \"positive_share\"\npatience = 3",
                Target::Binary,
                "early_stopping.figure: found \"positive_share\"",
            ),
            ("figure = \"auc\"", Target::Binary, "missing field `patience`"),
            (
                "figure = \"auc\"\npatience = 0",
                Target::Binary,
                "early_stopping.patience: 0 is out of range",
            ),
            (
                "figure = \"auc\"\npatience = 1\nleast_gain = -0.1",
                Target::Binary,
                "early_stopping.least_gain: -0.1 is out of range",
            ),
        ] {
            let error = read(text, target).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn better_is_up_or_down_by_the_figure_and_by_more_than_the_least_gain() {
        let by = |figure: &str, least_gain: f64| {
            let text = format!("figure = \"{figure}\"\npatience = 1\nleast_gain = {least_gain:?}");
            read(&text, Target::Binary).unwrap()
        };
        assert!(by("auc", 0.0).is_better(0.51, 0.5) && !by("auc", 0.0).is_better(0.5, 0.5));
        assert!(!by("auc", 0.25).is_better(0.75, 0.5) && by("auc", 0.25).is_better(0.8, 0.5));
        assert!(by("log_loss", 0.0).is_better(0.4, 0.5) && !by("log_loss", 0.0).is_better(0.6, 0.5));
    }
}
