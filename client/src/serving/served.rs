//! A model in service: what it says of itself, and a batch of requests through the scorer.

use veilsum_protocol::task::Task;
use veilsum_serving::{
    Batch, Card, Data, Explanation, Model, NotExplained, Provenance, Question, RowProblem, Tensor,
};

use super::answer::Answer;
use super::asking::Asking;
use super::grounds::Why;
use crate::data::{At, DataError};
use crate::explaining::{ExplainError, Explainer};
use crate::scoring::{self, Scorer, ScorerError};

/// A scorer with its card.
pub struct ServedModel {
    card: Card,
    scorer: Scorer,
    asking: Asking,
    answer: Answer,
    why: Option<Why>,
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
            why: None,
        }
    }

    /// The same with explanations.
    #[must_use]
    pub(super) fn explained(self, why: Why) -> Self {
        Self {
            why: Some(why),
            ..self
        }
    }

    /// Scores nothing of anybody, so that the first request does not wait for libtorch.
    ///
    /// # Errors
    /// What keeps the model from scoring at all.
    pub fn warm_up(&self) -> Result<(), ScorerError> {
        self.scorer.warm_up()
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

    fn explain(&self, rows: &Batch, question: &Question<'_>) -> Result<Vec<Explanation>, NotExplained> {
        let Some(why) = self.why.as_ref().filter(|_| !self.asking.is_image()) else {
            return Err(NotExplained::Wish(ExplainError::Images.to_string()));
        };
        let (records, of) = self
            .asking
            .records(rows.tensors(), rows.rows(), 0)
            .map_err(NotExplained::Row)?;
        let refused = |error: ExplainError| match error {
            ExplainError::Scorer(error) => NotExplained::Row(told(&error, &of)),
            ExplainError::Late => NotExplained::Late,
            ExplainError::Table(error) => {
                // It quotes the table's cells, which are for the bank's operator alone.
                tracing::error!(%error, "the rows to compare with cannot be read");
                let words = "the rows to compare with cannot be read; the bank's operator finds the reason in the server's trace";
                NotExplained::Unable(words.to_owned())
            }
            other => NotExplained::Wish(other.to_string()),
        };
        let grounds = why.grounds(&self.scorer).map_err(&refused)?;
        let explained = Explainer::new(&self.scorer, &grounds)
            .explain(&records, question.wishes, Some(question.until))
            .map_err(&refused)?;
        Ok(explained.into_iter().map(|row| row.explanation).collect())
    }
}
