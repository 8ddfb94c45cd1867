//! A model in service: what it says of itself, and a batch of requests through the scorer.

use csv::StringRecord;
use veilsum_protocol::model::Target;
use veilsum_protocol::task::{LabelKind, NumberColumn, Task};
use veilsum_serving::{Batch, Card, Data, Datatype, Model, Provenance, RowProblem, Tensor, TensorSpec};

use super::column::{Column, cell, is_there};
use crate::data::{At, DataError};
use crate::scoring::{self, FeatureKind, Scorer, ScorerError};

/// Name of the output of a model that answers yes or no.
const PROBABILITY: &str = "probability";
/// Of one that chooses among classes.
const PROBABILITIES: &str = "probabilities";
const CLASS: &str = "class";
/// Of one that predicts a number.
const PREDICTION: &str = "prediction";

/// A scorer with its card.
pub struct ServedModel {
    card: Card,
    scorer: Scorer,
    /// Of each feature of the scorer, the place of its tensor; none for the key of sequences.
    places: Vec<Option<usize>>,
    /// The place of the tensor that tells the time of each step.
    times: Option<usize>,
    /// Whether a row is an image.
    is_image: bool,
    /// What a predicted number means.
    number: Option<NumberColumn>,
}

impl ServedModel {
    /// Under the task's name; the version is the round that led to the model. `proven`: what the log proves of it.
    pub fn new(task: &Task, version: String, proven: Option<&scoring::Provenance>, scorer: Scorer) -> Self {
        let in_steps = scorer.sequence().is_some();
        let (mut inputs, mut places, mut times, mut is_image) = (Vec::new(), Vec::new(), None, false);
        for feature in scorer.features() {
            let column = Column::of(&feature, in_steps);
            places.push(column.as_ref().map(|_| inputs.len()));
            is_image |= matches!(feature.kind, FeatureKind::Image(_));
            if let Some(column) = column {
                if feature.kind == FeatureKind::Time {
                    times = Some(inputs.len());
                }
                inputs.push(column.spec());
            }
        }
        let number = match &scorer.schema().label_kind {
            LabelKind::Number(number) => Some(number.clone()),
            LabelKind::Binary | LabelKind::Classes(_) => None,
        };
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
            inputs,
            outputs: outputs(scorer.target()),
        };
        Self {
            card,
            scorer,
            places,
            times,
            is_image,
            number,
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
        if self.is_image {
            let pixels = match batch.tensors().first().map(|tensor| &tensor.data) {
                Some(Data::Uint8(pixels)) => pixels.clone(),
                _ => Vec::new(),
            };
            let inputs = self.scorer.image_inputs(pixels);
            let scores = inputs.and_then(|inputs| self.scorer.score_inputs(&inputs));
            return scores.map_err(|error| told(&error, &[]));
        }
        // Of each record, the row of the batch that it is of.
        let (mut records, mut rows) = (Vec::with_capacity(batch.rows()), Vec::with_capacity(batch.rows()));
        for row in 0..batch.rows() {
            let Some(times) = self.times.and_then(|at| batch.tensors().get(at)) else {
                records.push(self.record(batch, row, row));
                rows.push(row);
                continue;
            };
            let steps = times.shape.get(1).copied().unwrap_or_default();
            let before = records.len();
            for at in (row * steps..(row + 1) * steps).filter(|at| is_there(times, *at)) {
                records.push(self.record(batch, row, at));
                rows.push(row);
            }
            if records.len() == before {
                return Err(RowProblem {
                    row,
                    column: times.name.clone(),
                    found: "no step with a time".to_owned(),
                    expected: "at least one".to_owned(),
                });
            }
        }
        self.scorer.score(&records).map_err(|error| told(&error, &rows))
    }

    /// The elements `at` of all tensors; the key of a sequence is its row.
    fn record(&self, batch: &Batch, row: usize, at: usize) -> StringRecord {
        let cells =
            self.places
                .iter()
                .map(|place| match place.and_then(|place| batch.tensors().get(place)) {
                    Some(tensor) => cell(tensor, at),
                    None => format!("row {row}"),
                });
        cells.collect()
    }
}

fn outputs(target: Target) -> Vec<TensorSpec> {
    match target {
        Target::Binary => vec![TensorSpec::column(PROBABILITY, Datatype::Fp32)],
        Target::Number => vec![TensorSpec::column(PREDICTION, Datatype::Fp64)],
        Target::Classes(classes) => vec![
            TensorSpec {
                shape: vec![-1, i64::from(classes)],
                ..TensorSpec::column(PROBABILITIES, Datatype::Fp32)
            },
            TensorSpec::column(CLASS, Datatype::Bytes),
        ],
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
        let scores = self.scores(rows)?;
        Ok(match self.scorer.target() {
            Target::Binary => vec![Tensor::column(PROBABILITY, Data::Fp32(scores))],
            Target::Number => {
                let value = |unit: &f32| match &self.number {
                    Some(number) => number.scale.value(f64::from(*unit), number.min, number.max),
                    None => f64::from(*unit),
                };
                vec![Tensor::column(
                    PREDICTION,
                    Data::Fp64(scores.iter().map(value).collect()),
                )]
            }
            Target::Classes(classes) => {
                let names = self.scorer.output_names();
                let likeliest = |scores: &[f32]| {
                    let best = (0..scores.len())
                        .rev()
                        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
                    best.and_then(|best| names.get(best)).cloned().unwrap_or_default()
                };
                let classes = usize::from(classes);
                let chosen = scores.chunks_exact(classes.max(1)).map(likeliest).collect();
                vec![
                    Tensor {
                        shape: vec![rows.rows(), classes],
                        ..Tensor::column(PROBABILITIES, Data::Fp32(scores))
                    },
                    Tensor::column(CLASS, Data::Bytes(chosen)),
                ]
            }
        })
    }
}
