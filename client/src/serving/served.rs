//! A model in service: what it says of itself, and a batch of requests through the scorer.

use veilsum_protocol::task::Task;
use veilsum_serving::{Batch, Card, Data, Model, Provenance, RowProblem, Tensor};

use super::answer::Answer;
use super::asking::Asking;
use crate::data::{At, DataError};
use crate::scoring::{self, Scorer, ScorerError};

/// A scorer with its card.
pub struct ServedModel {
    card: Card,
    scorer: Scorer,
    asking: Asking,
    answer: Answer,
}

impl ServedModel {
    /// Under the task's name; the version is the round that led to the model. `proven`: what the log proves of it.
    pub fn new(task: &Task, version: String, proven: Option<&scoring::Provenance>, scorer: Scorer) -> Self {
        let (asking, answer) = (Asking::of(&scorer), Answer::of(&scorer));
        let card = Card {
            name: task.name.clone(),
            version,
            provenance: Provenance {
                model_hash: proven.map(|proven| proven.state_sha256.clone()),
                round: proven.map(|proven| proven.round),
                log_entry: proven.map(|proven| proven.entry),
                checkpoint_size: proven.map(|proven| proven.log_entries),
                task_hash: Some(task.hash().to_hex()),
            },
            inputs: asking.specs().to_vec(),
            outputs: answer.specs(),
        };
        Self {
            card,
            scorer,
            asking,
            answer,
        }
    }

    /// Scores nothing of anybody, so that the first request does not wait for libtorch.
    ///
    /// # Errors
    /// What keeps the model from scoring at all.
    pub fn warm_up(&self) -> Result<(), ScorerError> {
        self.scorer
            .score_inputs(&vec![0.0; self.scorer.width()])
            .map(drop)
    }

    fn scores(&self, batch: &Batch) -> Result<Vec<f32>, RowProblem> {
        if self.asking.is_image() {
            let pixels = match batch.tensors().first().map(|tensor| &tensor.data) {
                Some(Data::Uint8(pixels)) => pixels.clone(),
                _ => Vec::new(),
            };
            let inputs = self.scorer.image_inputs(pixels);
            let scores = inputs.and_then(|inputs| self.scorer.score_inputs(&inputs));
            return scores.map_err(|error| told(&error, &[]));
        }
        let (records, rows) = self.asking.records(batch.tensors(), batch.rows(), 0)?;
        self.scorer.score(&records).map_err(|error| told(&error, &rows))
    }
}

/// What is wrong, with the row of the batch where it is one record's fault. `rows`: of each record, its row.
fn told(error: &ScorerError, rows: &[usize]) -> RowProblem {
    match error {
        ScorerError::Rows(DataError::Cell {
            at: At::Row(at),
            column,
            found,
            expected,
            ..
        }) => {
            let record = usize::try_from(at.saturating_sub(1)).unwrap_or(usize::MAX);
            RowProblem {
                row: rows.get(record).copied().unwrap_or_default(),
                column: column.to_string(),
                found: found.clone(),
                expected: expected.clone(),
            }
        }
        other => RowProblem {
            row: 0,
            column: String::new(),
            found: other.to_string(),
            expected: "rows that the model can score".to_owned(),
        },
    }
}

impl Model for ServedModel {
    fn card(&self) -> &Card {
        &self.card
    }

    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        Ok(self.answer.tensors(self.scores(rows)?))
    }
}
