//! From a task's TOML to a checked [`Task`]. Here and in the files of its tables are the ranges, and nowhere else.

use serde::Deserialize;

use super::evaluation_file::EvaluationFile;
use super::model_file::ModelFile;
use super::preparation_file::{self, PreparationFile};
use super::ranges::{integer, real, unused, zero_or};
use super::schema_file::SchemaFile;
use super::training_file::TrainingFile;
use super::{Aggregation, Deadlines, Encoding, ServerOptimiser, Task, TaskError, Weighting};

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
    #[serde(default)]
    deadlines: DeadlinesFile,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct AggregationFile {
    optimiser: Option<ServerOptimiserFile>,
    learning_rate: Option<f64>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    tau: Option<f64>,
    weighting: Option<WeightingFile>,
    max_weight: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ServerOptimiserFile {
    FedAvg,
    FedAvgM,
    FedAdam,
    FedYogi,
    FedAdagrad,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WeightingFile {
    Examples,
    Equal,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EncodingFile {
    bits: Option<i64>,
    range: Option<f64>,
    clip_norm: Option<f64>,
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
    let training = file.training.check(schema.target())?;
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
        encoding: file.encoding.check()?,
        evaluation,
        deadlines: file.deadlines.check()?,
    };
    task.model
        .takes(&task.input_shape())
        .map_err(|unfit| TaskError::invalid("model.family", unfit.found, unfit.expected))?;
    let parameters = task.manifest().total();
    if parameters > MAX_PARAMETERS {
        return Err(TaskError::invalid(
            "model",
            format!("a model of {parameters} parameters"),
            format!("at most {MAX_PARAMETERS}"),
        ));
    }
    Ok(task)
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

impl AggregationFile {
    fn check(self) -> Result<Aggregation, TaskError> {
        let beta = |key: &str, found: Option<f64>, default| zero_or(key, found.unwrap_or(default), 0.9999);
        let beta1 = |default| beta("aggregation.beta1", self.beta1, default);
        let beta2 = || beta("aggregation.beta2", self.beta2, 0.99);
        let tau = || real("aggregation.tau", self.tau.unwrap_or(1e-3), 1e-9..=1.0);
        let no_beta1 = || unused("aggregation.beta1", &self.beta1, "fedavg does not use it");
        let no_beta2 = |name| {
            unused(
                "aggregation.beta2",
                &self.beta2,
                &format!("{name} does not use it"),
            )
        };
        let no_tau = |name| unused("aggregation.tau", &self.tau, &format!("{name} does not use it"));
        let optimiser = match self.optimiser.unwrap_or(ServerOptimiserFile::FedAvg) {
            ServerOptimiserFile::FedAvg => {
                no_beta1()?;
                no_beta2("fedavg")?;
                no_tau("fedavg")?;
                ServerOptimiser::FedAvg
            }
            ServerOptimiserFile::FedAvgM => {
                no_beta2("fedavgm")?;
                no_tau("fedavgm")?;
                ServerOptimiser::FedAvgM { beta1: beta1(0.9)? }
            }
            ServerOptimiserFile::FedAdam => ServerOptimiser::FedAdam {
                beta1: beta1(0.9)?,
                beta2: beta2()?,
                tau: tau()?,
            },
            ServerOptimiserFile::FedYogi => ServerOptimiser::FedYogi {
                beta1: beta1(0.9)?,
                beta2: beta2()?,
                tau: tau()?,
            },
            ServerOptimiserFile::FedAdagrad => {
                no_beta2("fedadagrad")?;
                ServerOptimiser::FedAdagrad {
                    beta1: beta1(0.0)?,
                    tau: tau()?,
                }
            }
        };
        Ok(Aggregation {
            optimiser,
            learning_rate: real(
                "aggregation.learning_rate",
                self.learning_rate.unwrap_or(1.0),
                1e-9..=100.0,
            )?,
            weighting: match self.weighting.unwrap_or(WeightingFile::Examples) {
                WeightingFile::Examples => Weighting::Examples,
                WeightingFile::Equal => Weighting::Equal,
            },
            max_weight: integer(
                "aggregation.max_weight",
                self.max_weight.unwrap_or(8192),
                1..=1 << 24,
            )?,
        })
    }
}

impl EncodingFile {
    fn check(self) -> Result<Encoding, TaskError> {
        Ok(Encoding {
            bits: integer("encoding.bits", self.bits.unwrap_or(16), 2..=20)?,
            range: real("encoding.range", self.range.unwrap_or(1.0), 1e-6..=1e6)?,
            clip_norm: real("encoding.clip_norm", self.clip_norm.unwrap_or(10.0), 1e-6..=1e6)?,
        })
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
