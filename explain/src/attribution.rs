//! What each feature added to a row's score.

use crate::error::Invalid;

/// How far a row's score is from the base, shared out among its features.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// The score without any of the row's features: the mean score of the background. In the score's unit.
    pub base: f64,
    /// The row's score.
    pub score: f64,
    /// What each feature added, in the features' order and the score's unit.
    pub values: Vec<f64>,
}

impl Attribution {
    /// What the features do not account for: 0 but for rounding where the method is locally accurate.
    pub fn residual(&self) -> f64 {
        self.score - self.base - self.values.iter().sum::<f64>()
    }

    /// Features from the largest amount down, whichever way it goes; of equal amounts the first feature first.
    pub fn ranked(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by(|one, two| self.values[*two].abs().total_cmp(&self.values[*one].abs()));
        order
    }
}

/// An attribution by random samples, with how sure it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The means over the samples.
    pub attribution: Attribution,
    /// The standard error of each mean, in the features' order; nothing of a single sample.
    pub standard_errors: Option<Vec<f64>>,
}

/// Means and their standard errors of samples that come one by one (Welford 1962).
pub(crate) struct Means {
    count: f64,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Means {
    pub(crate) fn new(features: usize) -> Self {
        Self {
            count: 0.0,
            means: vec![0.0; features],
            squares: vec![0.0; features],
        }
    }

    pub(crate) fn add(&mut self, sample: &[f64]) {
        self.count += 1.0;
        let kept = self.means.iter_mut().zip(&mut self.squares);
        for ((mean, squares), value) in kept.zip(sample) {
            let before = value - *mean;
            *mean += before / self.count;
            *squares += before * (value - *mean);
        }
    }

    pub(crate) fn standard_errors(&self) -> Option<Vec<f64>> {
        let degrees = self.count * (self.count - 1.0);
        (self.count > 1.5).then(|| self.squares.iter().map(|sum| (sum / degrees).sqrt()).collect())
    }

    pub(crate) fn means(self) -> Vec<f64> {
        self.means
    }
}

/// Refuses attributions that are not all of `features` features, or have an amount that is no number.
pub(crate) fn sound(attributions: &[Attribution], features: usize) -> Result<(), Invalid> {
    attributions.iter().try_for_each(|attribution| {
        Invalid::size(
            ("attributions", "features"),
            attribution.values.len(),
            features,
            "explain all rows with the same groups",
        )?;
        match attribution.values.iter().find(|value| !value.is_finite()) {
            Some(found) => Err(Invalid::range("attributions", *found, "finite numbers")),
            None => Ok(()),
        }
    })
}
