//! The models for the bank's own use: `models/<task name>/` holds the newest one, with all that is needed to use it without this
//! program.
//!
//! * `model.safetensors`: the parameters by name, and the moments of the inputs.
//! * `model.json`: which model it is, and the inputs in their order with what standardises each.
//! * `task.toml`: the task's normal form, with the schema and the shape of the network; its SHA-256 is the task's hash.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::Moments;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::{Column, ColumnEncoding, ColumnKind, InputKind, Task};

use crate::model::{Snapshot, SnapshotError};

use super::durable::{FileError, PRIVATE, PUBLIC, make_folder, replace};

/// A model could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a model of the task.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The description has no JSON form.
    #[error("model.json: {0}")]
    Json(#[from] serde_json::Error),
}

/// What `model.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    task: String,
    task_sha256: String,
    /// Training rounds that went into the model.
    version: u64,
    step: u32,
    state_sha256: String,
    /// Of the file that holds the model, so that a reader sees whether the two belong together.
    model_sha256: String,
    /// Groups of parameters that are this bank's own: other banks have other values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    personal: Vec<String>,
    label: String,
    inputs: Vec<Input>,
}

/// One input of the model. A number is put on `[0, 1]` by its column's range and scale in `task.toml`, then becomes
/// `(u - mean) / std`, or 1 where it lies in a quantile bin, or the weight of its quantile bin.
#[derive(Debug, Serialize, Deserialize)]
struct Input {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    std: Option<f32>,
    /// Of a quantile bin: from here on the input is 1, and below `below`; a bin without either holds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    below: Option<f64>,
    /// Of a weight of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Weights>,
}

/// Weights of evidence: of a category's values in their order, the bucket last; of a number's quantile bins.
#[derive(Debug, Serialize, Deserialize)]
struct Weights {
    /// The category's values where the banks have found them out: `task.toml` does not name them. Weights behind theirs, but for the bucket's,
    /// stand for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    weights: Vec<f64>,
    /// Where each quantile bin begins and ends on `[0, 1]`; the last one holds 1, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ranges: Option<Vec<Option<[f64; 2]>>>,
    /// Of a number without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<f64>,
}

/// The folder of all tasks' models.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    folder: PathBuf,
}

impl ModelFiles {
    /// In `folder`, which is made when the first model is there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// True if the task's model that lies here is the one of the state with this hash.
    pub fn is_of(&self, task: &Task, hash: &Digest) -> bool {
        let text = fs::read(self.place_of(task).join("model.json")).ok();
        let description = text.and_then(|text| serde_json::from_slice::<Description>(&text).ok());
        description.is_some_and(|found| found.state_sha256 == hash.to_hex())
    }

    /// Replaces the task's model by the one in `state`, whose hash is `hash`. Before the statistics round there is none to write.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn write(
        &self,
        task: &Task,
        version: u64,
        state: &TaskState,
        hash: &Digest,
    ) -> Result<(), ModelFileError> {
        self.write_personal(task, version, state, hash, None)
    }

    /// The same with the bank's personal parameters in the place of model 0's, if the task has some.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn write_personal(
        &self,
        task: &Task,
        version: u64,
        state: &TaskState,
        hash: &Digest,
        personal: Option<&[f32]>,
    ) -> Result<(), ModelFileError> {
        let Some(moments) = &state.moments else {
            return Ok(());
        };
        let found = state
            .vocabularies
            .as_ref()
            .is_some_and(|found| found.agreed().is_some());
        let unfound = !found && task.schema.open_columns().next().is_some();
        if unfound || (task.preparation.is_some() && state.preparation.is_none()) {
            return Ok(());
        }
        let mut parameters = state.parameters.clone();
        if let Some(personal) = personal {
            task.shared().put_personal(personal, &mut parameters);
        }
        let model = safetensors(task, version, moments, parameters)?;
        let description = description(
            task,
            version,
            state,
            hash,
            personal.is_some(),
            &Digest::of(&model),
        )?;
        let folder = self.folder_of(task)?;
        let (path, text) = (folder.join("task.toml"), task.canonical_text());
        if !fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            replace(&path, PUBLIC, text.as_bytes())?;
        }
        // What is the bank's own says as much about its rows as an update.
        let mode = if personal.is_some() { PRIVATE } else { PUBLIC };
        replace(&folder.join("model.safetensors"), mode, &model)?;
        Ok(replace(&folder.join("model.json"), PUBLIC, &description)?)
    }

    fn folder_of(&self, task: &Task) -> Result<PathBuf, FileError> {
        let folder = self.place_of(task);
        make_folder(&folder)?;
        Ok(folder)
    }

    /// By the task's name; an earlier task of the same name keeps its folder.
    fn place_of(&self, task: &Task) -> PathBuf {
        let by_name = self.folder.join(&task.name);
        let theirs = fs::read(by_name.join("task.toml"));
        let taken = theirs.is_ok_and(|text| Digest::of(&text) != task.hash());
        if taken {
            self.folder.join(format!("{}-{:?}", task.name, task.hash()))
        } else {
            by_name
        }
    }
}

/// `model.safetensors`: parameters of the task's model after so many training rounds, with the moments of a state.
///
/// # Errors
/// If they do not have the task's shape.
pub(crate) fn safetensors(
    task: &Task,
    version: u64,
    moments: &Moments,
    parameters: Vec<f32>,
) -> Result<Vec<u8>, SnapshotError> {
    let snapshot = Snapshot {
        task: task.hash(),
        version,
        parameters,
        moments: moments.clone(),
    };
    snapshot.to_bytes(task)
}

/// `model.json` of a state whose hash is `hash`, beside a file of the model whose SHA-256 is `model`.
///
/// # Errors
/// If a number has no JSON form.
pub(crate) fn description(
    task: &Task,
    version: u64,
    state: &TaskState,
    hash: &Digest,
    is_personal: bool,
    model: &Digest,
) -> Result<Vec<u8>, ModelFileError> {
    let description = Description {
        task: task.name.clone(),
        task_sha256: state.task.to_hex(),
        version,
        step: state.step,
        state_sha256: hash.to_hex(),
        model_sha256: model.to_hex(),
        personal: match is_personal {
            true => task.training.personal.clone(),
            false => Vec::new(),
        },
        label: task.schema.label.clone(),
        inputs: inputs(task, state),
    };
    Ok(serde_json::to_vec_pretty(&description)?)
}

fn inputs(task: &Task, state: &TaskState) -> Vec<Input> {
    let schema = task.schema.with_found(state.vocabularies.as_ref());
    let columns = &schema.columns;
    // Moments of the columns before one.
    let moments_before = |column: usize| -> usize {
        let columns = columns.iter().take(column);
        let moments = columns.map(|column| match &column.kind {
            ColumnKind::Number(_) => 1,
            ColumnKind::Date(date) => 1 + usize::from(date.since_previous),
            _ => 0,
        });
        moments.sum()
    };
    let inputs = schema.inputs().into_iter().map(|input| {
        let counts = state.preparation.as_ref();
        let counts = counts.and_then(|preparation| preparation.columns.get(input.column));
        let mut described = Input {
            name: input.name,
            mean: None,
            std: None,
            from: None,
            below: None,
            evidence: None,
        };
        let encoding = columns.get(input.column).map(|column| column.encoding);
        match (input.kind, encoding) {
            (InputKind::Standardised | InputKind::SincePrevious, _) => {
                // The time since the row before has its own behind the date's.
                let behind = usize::from(input.kind == InputKind::SincePrevious);
                let at = moments_before(input.column) + behind;
                let moments = state.moments.as_ref();
                described.mean = moments.and_then(|moments| moments.mean.get(at).copied());
                described.std = moments.and_then(|moments| moments.std.get(at).copied());
            }
            (InputKind::QuantileBin(bin), Some(ColumnEncoding::Quantiles { bins })) => {
                let ranges = counts.map(|counts| counts.quantile_ranges(bins));
                let range = ranges.and_then(|ranges| ranges.get(usize::from(bin)).copied().flatten());
                [described.from, described.below] = range.map_or([None; 2], |range| range.map(Some));
            }
            (InputKind::Evidence, Some(ColumnEncoding::BinEvidence { bins })) => {
                described.evidence = counts.and_then(|counts| {
                    let mut weights = counts.bin_evidence(bins)?.weights;
                    Some(Weights {
                        values: None,
                        missing: weights.pop(),
                        weights,
                        ranges: Some(counts.quantile_ranges(bins)),
                    })
                });
            }
            (InputKind::Evidence, _) => {
                let found = columns.get(input.column).and_then(found_values);
                described.evidence = counts.and_then(|counts| {
                    Some(Weights {
                        values: found.map(<[String]>::to_vec),
                        weights: counts.value_evidence()?.weights,
                        ranges: None,
                        missing: None,
                    })
                });
            }
            _ => {}
        }
        described
    });
    inputs.collect()
}

/// Of a category whose values the banks find out.
fn found_values(column: &Column) -> Option<&[String]> {
    match &column.kind {
        ColumnKind::Category(category) if category.vocabulary.is_some() => Some(&category.values),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::wire::canonical::Canonical as _;

    use super::*;

    const TEXT: &str = r#"
        name = "credit"
        rounds = 1
        seed = 3
        [schema]
        version = 1
        label = "y"
        column = [
            { name = "a", type = "number", min = 0, max = 1, when_missing = "mean" },
            { name = "b", type = "category", values = ["n", "s"] },
        ]
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 1
        local_epochs = 1
    "#;

    #[test]
    fn a_model_can_be_used_from_its_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFiles::new(folder.path().join("models"));
        let task = Task::parse(TEXT).unwrap();
        let mut state = TaskState::initial(&task);
        models.write(&task, 0, &state, &state.hash()).unwrap();
        assert!(
            !folder.path().join("models").exists(),
            "there is no model without moments"
        );

        state.moments = Some(Moments {
            mean: vec![0.25],
            std: vec![0.5],
        });
        models.write(&task, 4, &state, &state.hash()).unwrap();
        let place = folder.path().join("models/credit");
        let bytes = fs::read(place.join("model.safetensors")).unwrap();
        let text = fs::read_to_string(place.join("task.toml")).unwrap();
        let read = Snapshot::from_bytes(&bytes, &Task::parse(&text).unwrap()).unwrap();
        assert_eq!((read.version, &read.parameters), (4, &state.parameters));
        let description: Description =
            serde_json::from_slice(&fs::read(place.join("model.json")).unwrap()).unwrap();
        assert_eq!(description.model_sha256, Digest::of(&bytes).to_hex());
        assert_eq!(description.task_sha256, Digest::of(text.as_bytes()).to_hex());
        let inputs: Vec<_> = description
            .inputs
            .iter()
            .map(|it| (it.name.as_str(), it.mean))
            .collect();
        assert_eq!(
            inputs,
            [
                ("a", Some(0.25)),
                ("a is missing", None),
                ("b = n", None),
                ("b = s", None)
            ]
        );

        let second = Task::parse(&TEXT.replace("seed = 3", "seed = 4")).unwrap();
        let other = TaskState {
            task: second.hash(),
            ..state
        };
        models.write(&second, 1, &other, &other.hash()).unwrap();
        assert_eq!(fs::read(place.join("model.safetensors")).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path().join("models")).unwrap().count(), 2);
    }
}
