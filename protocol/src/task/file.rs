//! From a task's TOML to a checked [`Task`]. Here and in the files of its tables are the ranges, and nowhere else.

use serde::Deserialize;

use crate::model::is_in_group;

use super::aggregation_file::AggregationFile;
use super::early_stopping_file::EarlyStoppingFile;
use super::evaluation_file::EvaluationFile;
use super::model_file::ModelFile;
use super::preparation_file::{self, PreparationFile};
use super::ranges::{integer, real, unused};
use super::schema_file::SchemaFile;
use super::training_file::TrainingFile;
use super::{Deadlines, Encoding, ServerOptimiser, Task, TaskError, TrainingSpec};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    name: String,
    rounds: i64,
    seed: i64,
    archive_rounds: Option<i64>,
    schema: SchemaFile,
    preparation: Option<PreparationFile>,
    model: ModelFile,
    training: TrainingFile,
    #[serde(default)]
    aggregation: AggregationFile,
    #[serde(default)]
    encoding: EncodingFile,
    #[serde(default)]
    evaluation: EvaluationFile,
    early_stopping: Option<EarlyStoppingFile>,
    #[serde(default)]
    deadlines: DeadlinesFile,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EncodingFile {
    bits: Option<i64>,
    range: Option<f64>,
    clip_norm: Option<f64>,
    control_range: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DeadlinesFile {
    prepare_s: Option<i64>,
    ready_s: Option<i64>,
    collect_s: Option<i64>,
    confirm_s: Option<i64>,
    unmask_s: Option<i64>,
    ack_s: Option<i64>,
    attempts: Option<i64>,
}

/// Parameters of the largest model: its masked update is 256 MiB at most.
const MAX_PARAMETERS: usize = 1 << 26;

pub(super) fn parse(text: &str) -> Result<Task, TaskError> {
    let file: TaskFile = toml::from_str(text)?;
    name(&file.name)?;
    let schema = file.schema.check("schema.")?;
    let evaluation = file.evaluation.check(&schema)?;
    let target = schema.target();
    let training = file.training.check(target)?;
    let encoding = file.encoding.check(&training)?;
    let task = Task {
        name: file.name,
        rounds: integer("rounds", file.rounds, 1..=100_000)?,
        seed: integer("seed", file.seed, 0..=i64::MAX)?.unsigned_abs(),
        archive_rounds: file
            .archive_rounds
            .map(|rounds| integer("archive_rounds", rounds, 1..=1_000_000))
            .transpose()?,
        preparation: preparation_file::check(file.preparation, &schema)?,
        schema,
        model: file.model.check()?,
        training,
        aggregation: file.aggregation.check()?,
        encoding,
        evaluation,
        early_stopping: file.early_stopping.map(|file| file.check(target)).transpose()?,
        deadlines: file.deadlines.check()?,
    };
    task.model
        .takes(&task.input_shape())
        .map_err(|unfit| TaskError::invalid("model.family", unfit.found, unfit.expected))?;
    // A control is as long as the model, and is masked beside the update.
    let parameters = task.manifest().total();
    let values = parameters.saturating_mul(1 + usize::from(task.training.control_variates));
    if values > MAX_PARAMETERS {
        return Err(TaskError::invalid(
            "model",
            format!("a model of {parameters} parameters"),
            if task.training.control_variates {
                format!("at most {} with control variates", MAX_PARAMETERS / 2)
            } else {
                format!("at most {MAX_PARAMETERS}")
            },
        ));
    }
    check_controls(&task)?;
    check_personal(&task)?;
    check_length(&task)?;
    Ok(task)
}

/// Lists of words or merges can be long.
fn check_length(task: &Task) -> Result<(), TaskError> {
    let length = task.canonical_text().len();
    if length > Task::TEXT_LIMIT {
        return Err(TaskError::invalid(
            "schema.column",
            format!("lists that make the task's normal form {length} bytes long"),
            format!("at most {} bytes: shorten them", Task::TEXT_LIMIT),
        ));
    }
    Ok(())
}

fn check_controls(task: &Task) -> Result<(), TaskError> {
    if task.training.control_variates && task.aggregation.optimiser != ServerOptimiser::FedAvg {
        return Err(TaskError::invalid(
            "training.control_variates",
            "true with another aggregation.optimiser than fedavg",
            "fedavg: SCAFFOLD's server moves by the plain average",
        ));
    }
    Ok(())
}

/// Each group is one of the model, and some parameter is left that the banks have in common.
fn check_personal(task: &Task) -> Result<(), TaskError> {
    let key = "training.personal";
    let personal = &task.training.personal;
    let manifest = task.manifest();
    let names = || {
        manifest
            .parameters()
            .iter()
            .map(|parameter| parameter.name.as_str())
    };
    for group in personal {
        if !names().any(|name| is_in_group(name, group)) {
            let list: Vec<_> = names().take(32).collect();
            return Err(TaskError::invalid(
                key,
                format!("{group:?}, which no parameter is named by"),
                format!(
                    "names of this model's parameters or what stands before a dot in them: {}",
                    list.join(", ")
                ),
            ));
        }
    }
    if task.shared().is_empty() {
        return Err(TaskError::invalid(
            key,
            "every parameter of the model",
            "at least one that the banks have in common",
        ));
    }
    if !personal.is_empty() && task.early_stopping.is_some() {
        return Err(TaskError::invalid(
            key,
            "personal parameters in a task with early_stopping",
            "one of the two: the best model is kept from an earlier round, and a bank has the personal part of its last round alone",
        ));
    }
    Ok(())
}

fn name(found: &str) -> Result<(), TaskError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&found.len()) && found.chars().all(fits) && !found.starts_with('-') {
        return Ok(());
    }
    Err(TaskError::invalid(
        "name",
        format!("{found:?}"),
        "1 to 64 lower-case letters, digits and '-', not beginning with '-'",
    ))
}

impl EncodingFile {
    fn check(self, training: &TrainingSpec) -> Result<Encoding, TaskError> {
        let range = real("encoding.range", self.range.unwrap_or(1.0), 1e-6..=1e6)?;
        Ok(Encoding {
            bits: integer("encoding.bits", self.bits.unwrap_or(16), 2..=20)?,
            range,
            clip_norm: real("encoding.clip_norm", self.clip_norm.unwrap_or(10.0), 1e-6..=1e6)?,
            control_range: self.control_range(range, training)?,
        })
    }
}

impl EncodingFile {
    fn control_range(&self, range: f64, training: &TrainingSpec) -> Result<Option<f64>, TaskError> {
        let key = "encoding.control_range";
        if !training.control_variates {
            let why = "only training.control_variates = true uses it";
            unused(key, &self.control_range, why)?;
            return Ok(None);
        }
        // An update within the range is of a mean gradient within this, because a pass has at least one step.
        let widest = range / (training.learning_rate * f64::from(training.local_epochs));
        let chosen = self.control_range.unwrap_or(widest.clamp(1e-6, 1e6));
        real(key, chosen, 1e-6..=1e6).map(Some)
    }
}

impl DeadlinesFile {
    fn check(self) -> Result<Deadlines, TaskError> {
        const WEEK_S: u32 = 7 * 24 * 3600;
        let seconds = |key, found: Option<i64>, default| integer(key, found.unwrap_or(default), 1..=WEEK_S);
        Ok(Deadlines {
            prepare_s: seconds("deadlines.prepare_s", self.prepare_s, 30)?,
            ready_s: seconds("deadlines.ready_s", self.ready_s, 600)?,
            collect_s: seconds("deadlines.collect_s", self.collect_s, 120)?,
            confirm_s: seconds("deadlines.confirm_s", self.confirm_s, 30)?,
            unmask_s: seconds("deadlines.unmask_s", self.unmask_s, 30)?,
            ack_s: seconds("deadlines.ack_s", self.ack_s, 30)?,
            attempts: integer("deadlines.attempts", self.attempts.unwrap_or(3), 0..=100)?,
        })
    }
}
