//! A model for elsewhere: a folder with the model as a file that other programs load, what describes its inputs, the task, the card, and the receipt
//! that proves it.
//!
//! The checks are those of serving: a model that the log does not prove goes out only where the bank's policy says why.

pub mod card;
mod facts;
mod folder;
mod layout;
mod page;
mod sentences;
mod torchscript;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use veilsum_onnx::{About, Answer, OnnxError};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::{ThresholdError, Thresholds};

use self::card::Card;
use self::facts::Facts;
use self::folder::OutFolder;
use crate::app::{self, AppError};
use crate::model::SnapshotError;
use crate::participant::durable::{PRIVATE, PUBLIC};
use crate::participant::model_files::{description, safetensors};
use crate::participant::{FileError, Home, ModelFileError, RoundHistory};
use crate::scoring::Scorer;
use crate::serving::{Found, Shelf, ShelfError};
use crate::train::{DeviceChoice, Runtime, RuntimeError};

pub use self::folder::FolderError;

/// What the model is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The parameters by name: any safetensors reader; who reads them computes the model
    Safetensors,
    /// The whole model, from an encoded row to its score: onnxruntime and others
    Onnx,
    /// The same for PyTorch: torch.jit.load
    #[value(name = "torchscript")]
    TorchScript,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Safetensors, Self::Onnx, Self::TorchScript];

    /// The file that holds the model.
    pub fn file(self) -> &'static str {
        match self {
            Self::Safetensors => "model.safetensors",
            Self::Onnx => "model.onnx",
            Self::TorchScript => "model.pt",
        }
    }

    /// Its name on the command line and in the card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::TorchScript => "torchscript",
        }
    }
}

/// Why nothing is exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such model, or one that may not go out.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The bank's folder.
    #[error(transparent)]
    Folder(Box<AppError>),
    /// There is no model yet.
    #[error("task {0} has no model yet: the first comes when its statistics round is done")]
    NoModel(String),
    /// There is no such version.
    #[error(
        "model {model}: found no version {wanted:?}, expected {there}; leave --version out for the latest"
    )]
    NoVersion {
        /// The model.
        model: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: String,
    },
    /// Where it should go.
    #[error(transparent)]
    Out(#[from] FolderError),
    /// A file of the bank.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model has no such form.
    #[error(transparent)]
    Safetensors(#[from] SnapshotError),
    /// The model has no such form.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// libtorch.
    #[error("model.pt: {0}")]
    TorchScript(#[from] tch::TchError),
    /// libtorch cannot be started.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The description has no form.
    #[error(transparent)]
    Description(#[from] ModelFileError),
    /// The card has no form.
    #[error("card.json: {0}")]
    Card(#[from] serde_json::Error),
    /// The roster has no thresholds.
    #[error("the roster: {0}")]
    Roster(#[from] ThresholdError),
}

impl From<AppError> for ExportError {
    fn from(error: AppError) -> Self {
        Self::Folder(Box::new(error))
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The task's name, or the beginning of its hash.
    pub model: &'a str,
    /// The version; the latest without.
    pub version: Option<&'a str>,
    /// What it is written as.
    pub format: Format,
    /// Where to.
    pub out: &'a Path,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<String>,
    /// What the card says.
    pub card: Card,
}

/// Writes a model with its card into a folder; `dir` is the bank's.
///
/// # Errors
/// [`ExportError`].
pub fn export(dir: &Path, wanted: &Wanted<'_>) -> Result<Exported, ExportError> {
    let shelf = Shelf::open(dir)?;
    // Nothing here is worth a GPU, and its numbers are not those of a file that is run elsewhere.
    let runtime = Runtime::start(DeviceChoice::Cpu, 1)?;
    let (found, scorer, state) = model(&shelf, dir, wanted, runtime)?;
    let reason = match found.proven {
        Ok(_) => None,
        Err(_) => shelf.unproven_reason()?,
    };
    let (_, roster) = app::consortium(shelf.config())?;
    let banks = u16::try_from(roster.banks().len()).unwrap_or(u16::MAX);
    let rounds = RoundHistory::read(&Home::history(&shelf.config().state))?;
    let receipt = match &found.proven {
        Ok(proven) => {
            let bytes = fs::read(&proven.receipt).map_err(FileError::at(&proven.receipt))?;
            let name = proven.receipt.file_name().unwrap_or_default();
            Some((name.to_string_lossy().into_owned(), bytes))
        }
        Err(_) => None,
    };

    let task = &found.task;
    let trained = u64::from(state.trained(&Plan::new(task)));
    let answer = Answer::of(&scorer.schema().label_kind, scorer.target());
    let mut folder = OutFolder::of(wanted.out, &task.name)?;
    let hash = write_model(&mut folder, wanted.format, &found, &scorer, &state, &answer)?;
    let description = description(task, trained, &state, &found.state, scorer.is_personal(), &hash)?;
    folder.write("model.json", PUBLIC, &description)?;
    folder.write("task.toml", PUBLIC, task.canonical_text().as_bytes())?;
    if let Some((name, bytes)) = &receipt {
        folder.write(name, PUBLIC, bytes)?;
    }
    let facts = Facts {
        found: &found,
        state: &state,
        scorer: &scorer,
        answer,
        reason,
        rounds: &rounds,
        thresholds: Thresholds::with_most_colluders(banks)?,
        file: [
            wanted.format.file().to_owned(),
            wanted.format.name().to_owned(),
            hash.to_hex(),
        ],
        receipt: receipt.map(|(name, _)| name),
    };
    let card = facts.card();
    folder.write("card.md", PUBLIC, page::markdown(&card).as_bytes())?;
    let mut text = serde_json::to_vec_pretty(&card)?;
    text.push(b'\n');
    let mut files = folder.finish(&text)?;
    files.sort();
    Ok(Exported {
        folder: wanted.out.to_owned(),
        files,
        card,
    })
}

/// The model of the version that is wanted, after the checks of serving.
fn model(
    shelf: &Shelf,
    dir: &Path,
    wanted: &Wanted<'_>,
    runtime: Runtime,
) -> Result<(Found, Scorer, TaskState), ExportError> {
    let latest = shelf.find(wanted.model)?;
    let latest = latest.ok_or_else(|| ExportError::NoModel(wanted.model.to_owned()))?;
    match wanted.version {
        Some(version) if version != latest.version() => {
            let kept = shelf.kept_versions(dir, &latest.task)?;
            let model = match kept.iter().any(|kept| kept == version) {
                true => shelf.kept_scorer(dir, &latest.task, version, runtime)?,
                false => None,
            };
            model.ok_or_else(|| {
                let mut there = kept;
                there.retain(|kept| kept != version && *kept != latest.version());
                there.push(latest.version());
                ExportError::NoVersion {
                    model: latest.task.name.clone(),
                    wanted: version.to_owned(),
                    there: there.join(", "),
                }
            })
        }
        _ => {
            let (scorer, state) = shelf.scorer(&latest, runtime)?;
            Ok((latest, scorer, state))
        }
    }
}

/// Writes the file that holds the model, and gives its hash.
fn write_model(
    folder: &mut OutFolder,
    format: Format,
    found: &Found,
    scorer: &Scorer,
    state: &TaskState,
    answer: &Answer,
) -> Result<Digest, ExportError> {
    // What is the bank's own says as much about its rows as an update.
    let mode = if scorer.is_personal() { PRIVATE } else { PUBLIC };
    let (spec, shape, values) = (scorer.spec(), scorer.shape(), scorer.parameters());
    let content = match format {
        Format::Safetensors => {
            let moments = state.moments.as_ref();
            let moments = moments.ok_or_else(|| ExportError::NoModel(found.task.name.clone()))?;
            let trained = u64::from(state.trained(&Plan::new(&found.task)));
            let content = safetensors(&found.task, trained, moments, values.to_vec())?;
            folder.write(format.file(), mode, &content)?;
            content
        }
        Format::Onnx => {
            let content = veilsum_onnx::model(spec, shape, answer, values, &about(found, scorer))?;
            folder.write(format.file(), mode, &content)?;
            content
        }
        Format::TorchScript => {
            let module = torchscript::module(spec, shape, answer, values)?;
            let save = |path: &Path| module.save(path).map_err(ExportError::TorchScript);
            folder.save(format.file(), mode, save)?
        }
    };
    Ok(Digest::of(&content))
}

/// What an ONNX file says of itself.
fn about(found: &Found, scorer: &Scorer) -> About {
    let property = |key: &str, value: String| (format!("veilsum.{key}"), value);
    let outputs = scorer.output_names().join("\n");
    About {
        name: found.task.name.clone(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        text: "The input is a row encoded as model.json and card.json beside this file say.".to_owned(),
        properties: vec![
            property("model", found.task.name.clone()),
            property("version", found.version()),
            property("state_sha256", found.state.to_hex()),
            property("task_sha256", found.task.hash().to_hex()),
            property("proven", found.proven.is_ok().to_string()),
            property("personal", scorer.is_personal().to_string()),
            property("outputs", outputs),
        ],
    }
}

#[cfg(test)]
mod tests;
