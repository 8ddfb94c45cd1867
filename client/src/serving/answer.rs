//! From scores to the tensors of an answer.

use veilsum_protocol::model::Target;
use veilsum_protocol::task::{LabelKind, NumberColumn};
use veilsum_serving::{Data, Datatype, Tensor, TensorSpec};

use crate::scoring::Scorer;

/// Name of the output of a model that answers yes or no.
pub(crate) const PROBABILITY: &str = "probability";
/// Of one that chooses among classes.
pub(crate) const PROBABILITIES: &str = "probabilities";
/// The likeliest of them.
pub(crate) const CLASS: &str = "class";
/// Of one that predicts a number.
pub(crate) const PREDICTION: &str = "prediction";

/// What a model's scores mean.
pub(crate) struct Answer {
    target: Target,
    /// Of the classes, or of the label.
    names: Vec<String>,
    /// What a predicted number means.
    number: Option<NumberColumn>,
}

impl Answer {
    pub(crate) fn of(scorer: &Scorer) -> Self {
        let number = match &scorer.schema().label_kind {
            LabelKind::Number(number) => Some(number.clone()),
            LabelKind::Binary | LabelKind::Classes(_) => None,
        };
        Self {
            target: scorer.target(),
            names: scorer.output_names(),
            number,
        }
    }

    /// What a card says of it.
    pub(crate) fn specs(&self) -> Vec<TensorSpec> {
        match self.target {
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

    /// The tensors for scores of shape `[rows, outputs]`.
    pub(crate) fn tensors(&self, scores: Vec<f32>) -> Vec<Tensor> {
        match self.target {
            Target::Binary => vec![Tensor::column(PROBABILITY, Data::Fp32(scores))],
            Target::Number => {
                let value = |unit: &f32| match &self.number {
                    Some(number) => number.scale.value(f64::from(*unit), number.min, number.max),
                    None => f64::from(*unit),
                };
                let values = scores.iter().map(value).collect();
                vec![Tensor::column(PREDICTION, Data::Fp64(values))]
            }
            Target::Classes(classes) => {
                let likeliest = |scores: &[f32]| {
                    let best = (0..scores.len())
                        .rev()
                        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
                    best.and_then(|best| self.names.get(best))
                        .cloned()
                        .unwrap_or_default()
                };
                let classes = usize::from(classes);
                let rows = scores.len() / classes.max(1);
                let chosen = scores.chunks_exact(classes.max(1)).map(likeliest).collect();
                vec![
                    Tensor {
                        shape: vec![rows, classes],
                        ..Tensor::column(PROBABILITIES, Data::Fp32(scores))
                    },
                    Tensor::column(CLASS, Data::Bytes(chosen)),
                ]
            }
        }
    }
}
