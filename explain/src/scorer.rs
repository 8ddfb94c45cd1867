//! The model, as far as an explanation needs to know it.

use crate::error::{Error, Invalid};
use crate::rows::Rows;

/// A model with one output: a probability, a logit, or whatever else the caller wants explained.
pub trait Scorer {
    /// Why it may give no scores.
    type Error;

    /// One score for each row, in the rows' order. Threads are its own business.
    ///
    /// # Errors
    /// The model's own.
    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Self::Error>;
}

/// A model whose score has a gradient by the inputs.
pub trait Gradients: Scorer {
    /// The score's derivative by each input of each row, laid out as the rows are.
    ///
    /// # Errors
    /// The model's own.
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, Self::Error>;
}

impl<S: Scorer + ?Sized> Scorer for &S {
    type Error = S::Error;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Self::Error> {
        (**self).scores(rows)
    }
}

impl<S: Gradients + ?Sized> Gradients for &S {
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, Self::Error> {
        (**self).gradients(rows)
    }
}

/// The scores of `rows`, as many as rows and all of them finite.
pub(crate) fn scores<S: Scorer + ?Sized>(scorer: &S, rows: &Rows) -> Result<Vec<f64>, Error<S::Error>> {
    let scores = scorer.scores(rows).map_err(Error::Model)?;
    checked(&scores, rows.len())?;
    Ok(scores)
}

/// Refuses scores that are not one finite number for each of `rows`.
pub(crate) fn checked(scores: &[f64], rows: usize) -> Result<(), Invalid> {
    Invalid::size(
        ("scores", "scores"),
        scores.len(),
        rows,
        "the model must give one score for each row",
    )?;
    match scores.iter().enumerate().find(|(_, score)| !score.is_finite()) {
        Some((row, found)) => Err(Invalid::ScoreNotFinite { row, found: *found }),
        None => Ok(()),
    }
}
