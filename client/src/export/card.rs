//! The model card: what is known of an exported model, as `card.json` has it. Field names stay; a change of meaning changes [`FORMAT`].
//!
//! Only facts that the bank has: from the task, the state, the log's entry, and the bank's record of rounds. What is not known is `null`, and the
//! words say so. Other banks are counted, never named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name and version of the form.
pub const FORMAT: &str = "veilsum-model-card/v1";

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`].
    pub format: String,
    /// Which model it is.
    pub model: Identity,
    /// What the log proves.
    pub proof: Proof,
    /// What it is given and what it answers.
    pub interface: Interface,
    /// The rows that it was made for.
    pub data: Data,
    /// How it came about.
    pub training: Training,
    /// How good it is; `null` if the bank knows no figures of it.
    pub metrics: Option<Measured>,
    /// What moves its answers; `null` where that was not measured, or this bank knows nothing of it.
    pub importance: Option<Importance>,
    /// Whether it treats groups of people alike.
    pub fairness: Fairness,
    /// What protects the rows that it was trained on.
    pub privacy: Privacy,
    /// What it is for, in sentences that follow from the facts above.
    pub intended_use: Vec<String>,
    /// What it is not for, and what is not known.
    pub limits: Vec<String>,
}

/// Which model it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The task's name.
    pub name: String,
    /// The round that led to it, or `step-N` where none is proven.
    pub version: String,
    /// Steps of the task that are done.
    pub step: u32,
    /// Hash of the state that holds it, hex.
    pub state_sha256: String,
    /// Hash of the task, hex; that of `task.toml`.
    pub task_sha256: String,
    /// The family's name in the task.
    pub family: String,
    /// The model in words.
    pub words: String,
    /// How many parameters it has.
    pub parameters: u64,
    /// Groups of parameters that this bank alone has, by the beginning of their names.
    pub personal: Vec<String>,
    /// Whether the file has this bank's values of them; those of model 0 otherwise.
    pub holds_personal: bool,
    /// The file with the model.
    pub file: String,
    /// Its form: `safetensors`, `onnx` or `torchscript`.
    pub file_format: String,
    /// Its SHA-256, hex.
    pub file_sha256: String,
}

/// What the log proves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Whether a receipt names the state.
    pub proven: bool,
    /// The round whose result it is.
    pub round: Option<u64>,
    /// What the round computed.
    pub round_kind: Option<String>,
    /// Position of the result in the log.
    pub log_entry: Option<u64>,
    /// Entries under the signed head that proves it.
    pub log_entries: Option<u64>,
    /// Its root, hex.
    pub log_root: Option<String>,
    /// How many banks cosigned that head.
    pub cosigned_by_banks: Option<u64>,
    /// The receipt's file, beside the card.
    pub receipt: Option<String>,
    /// Why nothing is proven.
    pub problem: Option<String>,
    /// Why the bank exports it all the same, by its policy.
    pub reason: Option<String>,
}

/// What the file is given and what it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Of safetensors there are no names: whoever computes the model gives them.
    pub input: Tensor,
    /// The same of what it answers.
    pub output: Tensor,
    /// What each number of a row stands for, or of a step where rows are sequences; empty where all are of one kind.
    pub numbers: Vec<String>,
    /// What the outputs stand for, in their order: the classes, or the label.
    pub outputs: Vec<String>,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    /// Its name, in ONNX; TorchScript goes by position.
    pub name: String,
    /// `float32` or `float64`.
    pub element: String,
    /// `rows` is free.
    pub shape: Vec<String>,
    /// What it holds.
    pub words: String,
}

/// The rows that it was made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The consortium's number of the schema.
    pub schema_version: u32,
    /// The column that is predicted.
    pub label: String,
    /// What its cells are.
    pub label_words: String,
    /// The columns that the model reads.
    pub columns: Vec<Column>,
    /// How rows become sequences; `null` where each stands for itself.
    pub sequence: Option<String>,
    /// Columns of the banks' tables that are never given to the model.
    pub left_out: Vec<String>,
    /// Which rows were held out.
    pub held_out: String,
    /// What was done to columns before they were read.
    pub desensitisation: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `number`, `category`, `date`, `text` or `image`.
    pub kind: String,
    /// What is read of it, and what the model is given.
    pub words: String,
    /// Least value of the agreed range.
    pub min: Option<f64>,
    /// Greatest value of the agreed range.
    pub max: Option<f64>,
    /// A category's values, those that the banks have found out included.
    pub values: Option<Vec<String>>,
}

/// How it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Training rounds that went into the model; `version` of model.json.
    pub rounds: u32,
    /// Training rounds that the task allows.
    pub rounds_planned: u32,
    /// Banks in the sum of the round that the proof is of.
    pub banks_in_proven_sum: Option<u16>,
    /// Training rounds, among those that went into the model, that this bank has a record of.
    pub rounds_seen: u32,
    /// Fewest banks in the sum of one of them.
    pub least_banks_in_sum: Option<u16>,
    /// Most banks in the sum of one of them.
    pub most_banks_in_sum: Option<u16>,
    /// Banks of the consortium, by the roster that is in force now.
    pub banks_of_consortium: u16,
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `this model`, or `the model before the last round`, where this one was not judged yet.
    pub of: String,
    /// Where the figures stand.
    pub source: String,
    /// Whether the receipt proves them.
    pub proven: bool,
    /// Held-out rows of all banks in the sum.
    pub rows: u64,
    /// By key; `null` where a figure is not defined.
    pub figures: BTreeMap<String, Option<f64>>,
}

/// How much each column moves a model's answers: the mean amounts of Shapley values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Where the amounts come from.
    pub source: String,
    /// What they are amounts of.
    pub unit: String,
    /// Held-out rows of all banks in the sum that were explained.
    pub rows: u64,
    /// By column.
    pub columns: BTreeMap<String, f64>,
}

/// Whether it treats groups of people alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// Whether the task measures it.
    pub measured: bool,
    /// The column that tells a row's group.
    pub column: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// A score from which a row is taken for label 1, for these figures alone.
    pub threshold: Option<f64>,
    /// The label that is the good outcome for the person.
    pub favourable: Option<u8>,
    /// By key; empty until the round that judges the last model.
    pub figures: BTreeMap<String, Option<f64>>,
    /// In words.
    pub words: String,
}

/// What protects the rows that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Privacy {
    /// Whether each bank's contribution left it under masks alone.
    pub secure_masking: bool,
    /// Fewest banks in a sum that is opened, by the roster in force now.
    pub min_banks_in_sum: u16,
    /// Banks that must act together to take masks off, by the same.
    pub threshold: u16,
    /// Banks that may work with the coordinator without learning another's contribution, by the same.
    pub colluders: u16,
    /// Longest change that a bank contributes in a round, L2.
    pub clip_norm: f64,
    /// Most that it changes one parameter by, times the bank's weight.
    pub range: f64,
    /// `none`.
    pub differential_privacy: String,
    /// The budget that is spent; `null` where there is none.
    pub epsilon: Option<f64>,
    /// In words.
    pub words: Vec<String>,
}
