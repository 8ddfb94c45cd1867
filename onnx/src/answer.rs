//! What a model answers: from its last layer to the scores that `serve` gives.

use veilsum_protocol::model::Target;
use veilsum_protocol::task::{LabelKind, Scale};

use crate::ROWS;
use crate::graph::{Graph, Value};
use crate::messages::{Attribute, DOUBLE, FLOAT, ValueInfo};

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// The probability that the label is 1.
    Probability,
    /// The probability of each of so many classes, in their order.
    Probabilities(u16),
    /// A number on the label's own scale.
    Number {
        /// How it is bent.
        scale: Scale,
        /// Its least value.
        min: f64,
        /// Its greatest value.
        max: f64,
    },
}

impl Answer {
    /// Of a label; `target` is what its schema says that a model of it predicts.
    pub fn of(label: &LabelKind, target: Target) -> Self {
        match (label, target) {
            (LabelKind::Number(number), _) => Self::Number {
                scale: number.scale,
                min: number.min,
                max: number.max,
            },
            (_, Target::Classes(classes)) => Self::Probabilities(classes),
            _ => Self::Probability,
        }
    }

    /// What the model predicts.
    pub fn target(&self) -> Target {
        match self {
            Self::Probability => Target::Binary,
            Self::Probabilities(classes) => Target::Classes(*classes),
            Self::Number { .. } => Target::Number,
        }
    }

    /// Name of the output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Probabilities(_) => "probabilities",
            Self::Number { .. } => "prediction",
        }
    }

    /// From the last layer's numbers, shape `[rows, outputs]`.
    pub(crate) fn output(&self, graph: &mut Graph, logits: &Value) -> ValueInfo {
        let name = self.name();
        match *self {
            Self::Probability => {
                let one = graph.squeeze(logits, 1);
                graph.last(name, "Sigmoid", &[&one], vec![]);
                ValueInfo::new(name, FLOAT, [ROWS.into()])
            }
            Self::Probabilities(classes) => {
                graph.last(name, "Softmax", &[logits], vec![Attribute::int("axis", -1)]);
                ValueInfo::new(name, FLOAT, [ROWS.into(), i64::from(classes).into()])
            }
            Self::Number { scale, min, max } => {
                // As `Scale::value`, in the same precision.
                let one = graph.squeeze(logits, 1);
                let unit = graph.cast(&one, DOUBLE);
                let (low, high) = (scale.apply(min), scale.apply(max));
                let (from, range) = (graph.double(low), graph.double(high - low));
                let stretched = graph.multiply(&unit, &range);
                let mut value = graph.add(&from, &stretched);
                if scale == Scale::Log {
                    let size = graph.node("Abs", &[&value], vec![]);
                    let grown = graph.node("Exp", &[&size], vec![]);
                    let one = graph.double(1.0);
                    let less = graph.node("Sub", &[&grown, &one], vec![]);
                    let sign = graph.node("Sign", &[&value], vec![]);
                    value = graph.multiply(&less, &sign);
                }
                let [least, most] = [min, max].map(|end| graph.double(end));
                graph.last(name, "Clip", &[&value, &least, &most], vec![]);
                ValueInfo::new(name, DOUBLE, [ROWS.into()])
            }
        }
    }
}
