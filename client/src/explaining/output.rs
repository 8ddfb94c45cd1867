//! One output of a model, as explanations ask about it.

use veilsum_explain::{Gradients, Rows, Scorer as Ask};

use super::ExplainError;
use crate::scoring::{Scorer, ScorerError};

/// The output at a place.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) scorer: &'a Scorer,
    at: usize,
}

impl<'a> Output<'a> {
    /// The one that is named; without a name the only one.
    pub(super) fn of(scorer: &'a Scorer, name: Option<&str>) -> Result<Self, ExplainError> {
        let names = scorer.output_names();
        let at = match name {
            None if names.len() == 1 => Some(0),
            None => None,
            Some(wanted) => names.iter().position(|name| name == wanted),
        };
        let at = at.ok_or_else(|| ExplainError::Output {
            found: name.unwrap_or_default().to_owned(),
            expected: names,
        })?;
        Ok(Self { scorer, at })
    }

    /// All of them.
    pub(super) fn all(scorer: &'a Scorer) -> impl Iterator<Item = Self> {
        (0..scorer.outputs()).map(move |at| Self { scorer, at })
    }

    /// This output of scores of shape `[rows, outputs]`.
    pub(super) fn pick(&self, scores: &[f32]) -> Vec<f64> {
        let rows = scores.chunks_exact(self.scorer.outputs());
        rows.map(|row| row.get(self.at).copied().map_or(f64::NAN, f64::from))
            .collect()
    }
}

impl Ask for Output<'_> {
    type Error = ScorerError;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, ScorerError> {
        Ok(self.pick(&self.scorer.score_inputs(rows.values())?))
    }
}

impl Gradients for Output<'_> {
    fn gradients(&self, rows: &Rows) -> Result<Vec<f32>, ScorerError> {
        self.scorer.input_gradients(rows.values(), self.at)
    }
}
