//! Linear models: Shapley values without a question to the model.

use crate::attribution::Attribution;
use crate::error::Invalid;
use crate::rows::Groups;

/// A score that is an intercept and a weight times each input: a linear regression, or the logit of a logistic one.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// In the score's unit.
    pub intercept: f64,
    /// One for each input, in the score's unit by the input's.
    pub coefficients: Vec<f64>,
}

impl Linear {
    /// The Shapley values of `row` against a background with these means: a coefficient times the distance from the mean, summed over a feature's inputs
    /// (Lundberg and Lee 2017, corollary 1). For groups it is exact as well, since what inputs add does not hang on the others.
    ///
    /// # Errors
    /// When sizes differ or something is not finite.
    pub fn explain(&self, row: &[f32], means: &[f64], groups: &Groups) -> Result<Attribution, Invalid> {
        groups.fits("row", row.len())?;
        groups.fits("background's means", means.len())?;
        groups.fits("coefficients", self.coefficients.len())?;
        let mut base = self.intercept;
        let mut score = self.intercept;
        let mut by_input = Vec::with_capacity(row.len());
        for ((coefficient, mean), input) in self.coefficients.iter().zip(means).zip(row) {
            let input = f64::from(*input);
            base += coefficient * mean;
            score += coefficient * input;
            by_input.push(coefficient * (input - mean));
        }
        if !base.is_finite() || !score.is_finite() {
            return Err(Invalid::range(
                "the linear score",
                if base.is_finite() { score } else { base },
                "a finite number; look at coefficients, means and row",
            ));
        }
        Ok(Attribution {
            base,
            score,
            values: groups.sum(&by_input),
        })
    }
}
