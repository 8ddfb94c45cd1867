use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, View};
use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::Moments;
use veilsum_protocol::task::Task;

/// One metadata key, so that the file's bytes are the same for the same snapshot: the format keeps several keys in
/// no fixed order.
const METADATA: &str = "veilsum-model/v1";
const MEAN: &str = "moments.mean";
const STD: &str = "moments.std";

/// A model with what is needed to use it, as a safetensors file: one tensor for each parameter of the manifest,
/// `moments.mean` and `moments.std`, and in the metadata the task and the version. Any safetensors reader opens it,
/// and nothing in it is ever run.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Hash of the task that the model belongs to.
    pub task: Digest,
    /// Training rounds that went into it.
    pub version: u64,
    /// In the order of the task's manifest.
    pub parameters: Vec<f32>,
    /// They standardise the model's inputs.
    pub moments: Moments,
}

/// Why a file is not the snapshot that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Not a safetensors file, or damaged.
    #[error(
        "the model file cannot be read: {0}; it is damaged or not in the safetensors format, fetch it again"
    )]
    Format(String),
    /// Of another kind, task or shape.
    #[error("the model file: found {found}, expected {expected}; use the file that belongs to this task")]
    Other {
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
}

impl Snapshot {
    /// The file's bytes; the same snapshot gives the same bytes.
    ///
    /// # Errors
    /// When parameters or moments do not have the task's shape.
    pub fn to_bytes(&self, task: &Task) -> Result<Vec<u8>, SnapshotError> {
        let manifest = task.manifest();
        let columns = task.schema.standardised().len();
        expect("task", self.task, task.hash())?;
        expect("parameters", self.parameters.len(), manifest.total())?;
        expect("means", self.moments.mean.len(), columns)?;
        expect("deviations", self.moments.std.len(), columns)?;

        let parameters = manifest.parameters().iter().map(|parameter| {
            let values = &self.parameters[parameter.range.clone()];
            (parameter.name.as_str(), Values::new(&parameter.shape, values))
        });
        let moments = [
            (MEAN, Values::new(&[columns], &self.moments.mean)),
            (STD, Values::new(&[columns], &self.moments.std)),
        ];
        let metadata = HashMap::from([(
            METADATA.to_owned(),
            format!("task {} version {}", self.task, self.version),
        )]);
        safetensors::serialize(parameters.chain(moments), Some(metadata)).map_err(format)
    }

    /// Reads a file of [`Snapshot::to_bytes`] for `task`.
    ///
    /// # Errors
    /// When it is damaged, of another task, has other tensors than the task's model, or holds NaN or infinity.
    pub fn from_bytes(bytes: &[u8], task: &Task) -> Result<Self, SnapshotError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let label = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(METADATA));
        let label = label.ok_or_else(|| SnapshotError::Other {
            found: "a safetensors file without Veilsum's metadata".to_owned(),
            expected: "a model of this task".to_owned(),
        })?;
        let version = match label.split(' ').collect::<Vec<_>>()[..] {
            ["task", digest, "version", version] => {
                expect("task", digest, &*task.hash().to_hex())?;
                version.parse().ok()
            }
            _ => None,
        };
        let version = version.ok_or_else(|| SnapshotError::Other {
            found: format!("the metadata {label:?}"),
            expected: "task and version".to_owned(),
        })?;

        let file = SafeTensors::deserialize(bytes).map_err(format)?;
        let manifest = task.manifest();
        expect("tensors", file.len(), manifest.parameters().len() + 2)?;
        let mut parameters = Vec::with_capacity(manifest.total());
        for parameter in manifest.parameters() {
            append(&file, &parameter.name, &parameter.shape, &mut parameters)?;
        }
        let columns = [task.schema.standardised().len()];
        let mut moments = Moments {
            mean: Vec::new(),
            std: Vec::new(),
        };
        append(&file, MEAN, &columns, &mut moments.mean)?;
        append(&file, STD, &columns, &mut moments.std)?;
        Ok(Self {
            task: task.hash(),
            version,
            parameters,
            moments,
        })
    }
}

/// Values on their way into a file: only one tensor's bytes are in memory beside the file's.
struct Values<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl<'a> Values<'a> {
    fn new(shape: &[usize], values: &'a [f32]) -> Self {
        Self {
            shape: shape.to_vec(),
            values,
        }
    }
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let words: Vec<[u8; 4]> = self.values.iter().map(|value| value.to_le_bytes()).collect();
        words.into_flattened().into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

fn append(
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
    values: &mut Vec<f32>,
) -> Result<(), SnapshotError> {
    let view = file.tensor(name).map_err(format)?;
    let is = |dtype: Dtype, shape: &[usize]| format!("tensor {name:?} of {dtype:?} {shape:?}");
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(SnapshotError::Other {
            found: is(view.dtype(), view.shape()),
            expected: is(Dtype::F32, shape),
        });
    }
    let (words, _) = view.data().as_chunks::<4>();
    let start = values.len();
    values.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
    if values[start..].iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(SnapshotError::Other {
        found: format!("NaN or infinity in tensor {name:?}"),
        expected: "numbers".to_owned(),
    })
}

fn expect<T: PartialEq + std::fmt::Display>(what: &str, found: T, expected: T) -> Result<(), SnapshotError> {
    if found == expected {
        return Ok(());
    }
    Err(SnapshotError::Other {
        found: format!("{what} {found}"),
        expected: expected.to_string(),
    })
}

fn format(error: safetensors::SafeTensorError) -> SnapshotError {
    SnapshotError::Format(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use safetensors::tensor::TensorView;
    use veilsum_protocol::model::initialise::initialise;

    const TASK: &str = r#"
        name = "t"
        rounds = 1
        seed = 3
        [schema]
        version = 1
        label = "y"
        column = [{ name = "a", type = "number", min = 0, max = 1 }, { name = "b", type = "number", min = 0, max = 1 }]
        [model]
        family = "mlp"
        hidden = [3]
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 1
        local_epochs = 1
    "#;

    fn snapshot() -> (Task, Snapshot) {
        let task = Task::parse(TASK).unwrap();
        let parameters = initialise(&task.manifest(), task.seed);
        let moments = Moments {
            mean: vec![0.25, 0.5],
            std: vec![1.0, 2.0],
        };
        let snapshot = Snapshot {
            task: task.hash(),
            version: 12,
            parameters,
            moments,
        };
        (task, snapshot)
    }

    #[test]
    fn what_is_written_is_read_back_and_the_bytes_are_always_the_same() {
        let (task, snapshot) = snapshot();
        let bytes = snapshot.to_bytes(&task).unwrap();
        assert_eq!(Snapshot::from_bytes(&bytes, &task).unwrap(), snapshot);
        assert_eq!(snapshot.to_bytes(&task).unwrap(), bytes);
    }

    #[test]
    fn libtorch_reads_the_same_tensors() {
        let (task, snapshot) = snapshot();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, snapshot.to_bytes(&task).unwrap()).unwrap();
        let tensors: HashMap<_, _> = tch::Tensor::read_safetensors(&path)
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(tensors["hidden.0.weight"].size(), [3, 2]);
        let flat = Vec::<f32>::try_from(tensors["hidden.0.weight"].view(-1)).unwrap();
        assert_eq!(flat, snapshot.parameters[..6]);
        assert_eq!(
            Vec::<f32>::try_from(&tensors["moments.mean"]).unwrap(),
            snapshot.moments.mean
        );
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        let (task, snapshot) = snapshot();
        let bytes = snapshot.to_bytes(&task).unwrap();
        let refused = |bytes: &[u8], task: &Task| Snapshot::from_bytes(bytes, task).unwrap_err().to_string();
        let other = Task::parse(&TASK.replace("seed = 3", "seed = 4")).unwrap();
        assert!(refused(&bytes, &other).contains("found task "));
        assert!(refused(&bytes[..bytes.len() - 1], &task).contains("cannot be read"));
        assert!(refused(b"", &task).contains("cannot be read"));

        let mut nan = snapshot.clone();
        nan.parameters[0] = f32::NAN;
        assert!(refused(&nan.to_bytes(&task).unwrap(), &task).contains("NaN or infinity in tensor"));
        let short = Snapshot {
            parameters: vec![0.0; 3],
            ..snapshot
        };
        assert!(
            short
                .to_bytes(&task)
                .unwrap_err()
                .to_string()
                .contains("parameters 3, expected 13")
        );

        let values = [0_u8; 4];
        let foreign = [("w", TensorView::new(Dtype::F32, vec![1], &values).unwrap())];
        let foreign = safetensors::serialize(foreign, None).unwrap();
        assert!(refused(&foreign, &task).contains("without Veilsum's metadata"));
    }
}
