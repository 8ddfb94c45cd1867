//! What is known of a model before it scores anything: its name, its columns, and where it comes from.

use serde::Serialize;

use crate::tensor::Datatype;

/// Longest name of a model, version, input or output in bytes.
pub const NAME_BYTES: usize = 128;

/// What a model says of itself. Names and versions stand in paths, so they consist of ASCII letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// By which name the model is asked for.
    pub name: String,
    /// Which version of the model of this name it is.
    pub version: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What a request must bring, in the order in which a [`crate::Batch`] holds it.
    pub inputs: Vec<TensorSpec>,
    /// What an answer holds.
    pub outputs: Vec<TensorSpec>,
}

/// Where a model comes from, as far as it is known; what is not known stands in no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// Hash of the model's parameters, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_hash: Option<String>,
    /// Round after which the model stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// Index of the log entry that states the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_entry: Option<u64>,
    /// Number of entries below the checkpoint under which that entry was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_size: Option<u64>,
    /// Hash of the task that trained it, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_hash: Option<String>,
}

/// A value of [`Provenance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// A hash.
    Text(&'a str),
    /// A count or an index.
    Number(u64),
}

impl Provenance {
    /// Every fact that is known, by the name that answers give it.
    pub fn facts(&self) -> Vec<(&'static str, Fact<'_>)> {
        let mut facts = Vec::with_capacity(5);
        facts.extend(self.model_hash.as_deref().map(|v| ("model_hash", Fact::Text(v))));
        facts.extend(self.round.map(|v| ("round", Fact::Number(v))));
        facts.extend(self.log_entry.map(|v| ("log_entry", Fact::Number(v))));
        facts.extend(self.checkpoint_size.map(|v| ("checkpoint_size", Fact::Number(v))));
        facts.extend(self.task_hash.as_deref().map(|v| ("task_hash", Fact::Text(v))));
        facts
    }
}

/// Name, type and shape of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name of the column.
    pub name: String,
    /// Type of each element.
    pub datatype: Datatype,
    /// The first dimension is -1 and stands for the rows; -1 further on is a length that each request chooses.
    pub shape: Vec<i64>,
    /// Whether an element may be missing: JSON `null`, or NaN in a floating-point column.
    pub missing: bool,
}

impl TensorSpec {
    /// A column of one element a row that must be there.
    pub fn column(name: &str, datatype: Datatype) -> Self {
        Self {
            name: name.to_owned(),
            datatype,
            shape: vec![-1],
            missing: false,
        }
    }

    /// As text: `age: FP32 [-1]`.
    pub fn told(&self) -> String {
        format!("{}: {} {:?}", self.name, self.datatype, self.shape)
    }
}

impl Card {
    /// Says what keeps this card from being served, or nothing.
    pub fn problem(&self) -> Option<String> {
        for (what, name) in [("name", &self.name), ("version", &self.version)] {
            if !is_name(name) {
                return Some(format!(
                    "the model's {what} is {name:?}; expected 1 to {NAME_BYTES} ASCII letters, digits, '.', '_' or '-', and no '.' at its beginning"
                ));
            }
        }
        for (what, specs) in [("input", &self.inputs), ("output", &self.outputs)] {
            if specs.is_empty() {
                return Some(format!("the model has no {what}; expected at least one"));
            }
            for (at, spec) in specs.iter().enumerate() {
                if spec.name.is_empty() || spec.name.len() > NAME_BYTES {
                    return Some(format!(
                        "{what} {at} has a name of {} bytes; expected 1 to {NAME_BYTES}",
                        spec.name.len()
                    ));
                }
                if specs.iter().take(at).any(|other| other.name == spec.name) {
                    return Some(format!(
                        "two {what}s have the name {:?}; expected each once",
                        spec.name
                    ));
                }
                let rest = spec.shape.get(1..).unwrap_or_default();
                if spec.shape.first() != Some(&-1) || rest.iter().any(|&length| length < -1 || length == 0) {
                    return Some(format!(
                        "{what} {:?} has the shape {:?}; expected -1 for the rows, then lengths of at least 1, or -1",
                        spec.name, spec.shape
                    ));
                }
            }
        }
        None
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
