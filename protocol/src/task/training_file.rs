//! The table `training` of a task.

use serde::Deserialize;

use crate::model::{Target, is_in_group};

use super::ranges::{integer, length, real, unique, unused, zero_or};
use super::{LocalOptimiser, Loss, Schedule, TaskError, TrainingSpec};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingFile {
    optimiser: OptimiserFile,
    learning_rate: f64,
    schedule: Option<ScheduleFile>,
    step_rounds: Option<i64>,
    step_factor: Option<f64>,
    momentum: Option<f64>,
    nesterov: Option<bool>,
    #[serde(default)]
    weight_decay: f64,
    batch_size: i64,
    local_epochs: i64,
    #[serde(default)]
    fedprox_mu: f64,
    loss: Option<LossFile>,
    gamma: Option<f64>,
    delta: Option<f64>,
    quantile: Option<f64>,
    class_weights: Option<Vec<f64>>,
    clip_gradient_norm: Option<f64>,
    #[serde(default)]
    control_variates: bool,
    personal: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OptimiserFile {
    Sgd,
    Momentum,
    Adam,
    AdamW,
    Adagrad,
    RmsProp,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScheduleFile {
    Constant,
    Cosine,
    Step,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LossFile {
    CrossEntropy,
    Focal,
    MeanSquared,
    Huber,
    Quantile,
}

impl TrainingFile {
    pub(super) fn check(self, target: Target) -> Result<TrainingSpec, TaskError> {
        Ok(TrainingSpec {
            optimiser: self.optimiser()?,
            learning_rate: real("training.learning_rate", self.learning_rate, 1e-9..=10.0)?,
            schedule: self.schedule()?,
            weight_decay: zero_or("training.weight_decay", self.weight_decay, 1.0)?,
            batch_size: integer("training.batch_size", self.batch_size, 1..=65_536)?,
            local_epochs: integer("training.local_epochs", self.local_epochs, 1..=1000)?,
            fedprox_mu: zero_or("training.fedprox_mu", self.fedprox_mu, 1000.0)?,
            loss: self.loss(target)?,
            class_weights: self.class_weights(target)?,
            clip_gradient_norm: self
                .clip_gradient_norm
                .map(|norm| real("training.clip_gradient_norm", norm, 1e-6..=1e6))
                .transpose()?,
            control_variates: self.control_variates()?,
            personal: self.personal()?,
        })
    }

    fn control_variates(&self) -> Result<bool, TaskError> {
        let refuse = |found: String, expected: &str| {
            Err(TaskError::invalid("training.control_variates", found, expected))
        };
        if !self.control_variates {
            return Ok(false);
        }
        if !matches!(self.optimiser, OptimiserFile::Sgd) {
            return refuse(
                "true with another optimiser than sgd".to_owned(),
                "optimiser = \"sgd\": a bank takes its mean gradient from how far the steps of plain SGD led, and steps of any other \
                 optimiser do not tell it",
            );
        }
        if self.fedprox_mu != 0.0 {
            return refuse(
                format!("true with fedprox_mu = {}", self.fedprox_mu),
                "one of the two: both hold banks' models together, and FedProx's pull would count as a bank's gradient",
            );
        }
        if self.personal.is_some() {
            return refuse(
                "true with personal parameters".to_owned(),
                "one of the two: controls are for a model that all banks have in common",
            );
        }
        Ok(true)
    }

    /// That the groups are the model's is checked with the model.
    fn personal(&self) -> Result<Vec<String>, TaskError> {
        let key = "training.personal";
        let Some(groups) = &self.personal else {
            return Ok(Vec::new());
        };
        length(key, groups, 1..=64)?;
        unique(key, groups)?;
        let mut sorted = groups.clone();
        sorted.sort();
        let inside = |group: &&String| {
            sorted
                .iter()
                .any(|other| other != *group && is_in_group(group, other))
        };
        if let Some(group) = sorted.iter().find(inside) {
            return Err(TaskError::invalid(
                key,
                format!("{group:?} and the group that it belongs to"),
                "the larger one alone",
            ));
        }
        Ok(sorted)
    }

    fn optimiser(&self) -> Result<LocalOptimiser, TaskError> {
        if let OptimiserFile::Momentum = self.optimiser {
            return Ok(LocalOptimiser::Momentum {
                momentum: real("training.momentum", self.momentum.unwrap_or(0.9), 0.0..=0.9999)?,
                nesterov: self.nesterov.unwrap_or(false),
            });
        }
        let why = "only optimiser = \"momentum\" uses it";
        unused("training.momentum", &self.momentum, why)?;
        unused("training.nesterov", &self.nesterov, why)?;
        Ok(match self.optimiser {
            OptimiserFile::Sgd | OptimiserFile::Momentum => LocalOptimiser::Sgd,
            OptimiserFile::Adam => LocalOptimiser::Adam,
            OptimiserFile::AdamW => LocalOptimiser::AdamW,
            OptimiserFile::Adagrad => LocalOptimiser::Adagrad,
            OptimiserFile::RmsProp => LocalOptimiser::RmsProp,
        })
    }

    fn schedule(&self) -> Result<Schedule, TaskError> {
        let schedule = self.schedule.unwrap_or(ScheduleFile::Constant);
        if let ScheduleFile::Step = schedule {
            let rounds = self.step_rounds.ok_or_else(|| {
                TaskError::invalid(
                    "training.step_rounds",
                    "nothing",
                    "after how many rounds the step size changes",
                )
            })?;
            return Ok(Schedule::Step {
                rounds: integer("training.step_rounds", rounds, 1..=100_000)?,
                factor: real(
                    "training.step_factor",
                    self.step_factor.unwrap_or(0.1),
                    0.001..=1.0,
                )?,
            });
        }
        let why = "only schedule = \"step\" uses it";
        unused("training.step_rounds", &self.step_rounds, why)?;
        unused("training.step_factor", &self.step_factor, why)?;
        Ok(match schedule {
            ScheduleFile::Cosine => Schedule::Cosine,
            _ => Schedule::Constant,
        })
    }

    fn loss(&self, target: Target) -> Result<Loss, TaskError> {
        let loss = match self.loss {
            None => Loss::default_for(target),
            Some(LossFile::CrossEntropy) => Loss::CrossEntropy,
            Some(LossFile::MeanSquared) => Loss::MeanSquared,
            Some(LossFile::Focal) => Loss::Focal {
                gamma: zero_or("training.gamma", self.gamma.unwrap_or(2.0), 10.0)?,
            },
            Some(LossFile::Huber) => Loss::Huber {
                delta: real("training.delta", self.delta.unwrap_or(1.0), 1e-6..=1e6)?,
            },
            Some(LossFile::Quantile) => Loss::Quantile {
                quantile: real("training.quantile", self.quantile.unwrap_or(0.5), 0.001..=0.999)?,
            },
        };
        if loss.of_numbers() != (target == Target::Number) {
            let (labels, expected) = match target {
                Target::Number => ("are numbers", "\"mean_squared\", \"huber\" or \"quantile\""),
                _ => ("name a class", "\"cross_entropy\" or \"focal\""),
            };
            return Err(TaskError::invalid(
                "training.loss",
                format!("{:?} for labels that {labels}", loss.name()),
                expected,
            ));
        }
        if !matches!(loss, Loss::Focal { .. }) {
            unused("training.gamma", &self.gamma, "only loss = \"focal\" uses it")?;
        }
        if !matches!(loss, Loss::Huber { .. }) {
            unused("training.delta", &self.delta, "only loss = \"huber\" uses it")?;
        }
        if !matches!(loss, Loss::Quantile { .. }) {
            unused(
                "training.quantile",
                &self.quantile,
                "only loss = \"quantile\" uses it",
            )?;
        }
        Ok(loss)
    }

    fn class_weights(&self, target: Target) -> Result<Vec<f64>, TaskError> {
        let key = "training.class_weights";
        let classes = match target {
            Target::Number => {
                unused(key, &self.class_weights, "labels that are numbers have no class")?;
                return Ok(Vec::new());
            }
            Target::Binary => 2,
            Target::Classes(classes) => usize::from(classes),
        };
        let weights = match &self.class_weights {
            Some(weights) => weights.clone(),
            None => vec![1.0; classes],
        };
        length(key, &weights, classes..=classes)?;
        for &weight in &weights {
            real(key, weight, 0.001..=1000.0)?;
        }
        // One spelling in the normal form of what means the same; that of two classes is older.
        let even = classes > 2 && weights.iter().all(|weight| *weight == 1.0);
        Ok(if even { Vec::new() } else { weights })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::task::canonical;

    const LEAST: &str = "optimiser = \"sgd\"\nlearning_rate = 0.5\nbatch_size = 8\nlocal_epochs = 1\n";

    fn read(more: &str, target: Target) -> Result<TrainingSpec, TaskError> {
        let text = LEAST
            .lines()
            .filter(|line| !more.contains("optimiser") || !line.contains("optimiser"))
            .collect::<Vec<_>>()
            .join("\n");
        toml::from_str::<TrainingFile>(&format!("{text}\n{more}"))?.check(target)
    }

    #[test]
    fn a_loss_fits_the_labels_and_has_a_default_for_each() {
        let loss = |more: &str, target| read(more, target).map(|spec| spec.loss);
        assert_eq!(loss("", Target::Binary), Ok(Loss::CrossEntropy));
        assert_eq!(loss("", Target::Classes(4)), Ok(Loss::CrossEntropy));
        assert_eq!(loss("", Target::Number), Ok(Loss::MeanSquared));
        assert_eq!(
            loss("loss = \"focal\"", Target::Binary),
            Ok(Loss::Focal { gamma: 2.0 })
        );
        assert_eq!(
            loss("loss = \"huber\"", Target::Number),
            Ok(Loss::Huber { delta: 1.0 })
        );
        let median = Loss::Quantile { quantile: 0.5 };
        assert_eq!(loss("loss = \"quantile\"", Target::Number), Ok(median));
        for (more, target, message) in [
            (
                "loss = \"huber\"",
                Target::Binary,
                "training.loss: found \"huber\" for labels that name a class, expected \"cross_entropy\" or \"focal\"",
            ),
            (
                "loss = \"focal\"",
                Target::Number,
                "training.loss: found \"focal\" for labels that are numbers",
            ),
            (
                "gamma = 1.0",
                Target::Binary,
                "training.gamma: found a value, expected none",
            ),
            (
                "delta = 1.0",
                Target::Number,
                "training.delta: found a value, expected none",
            ),
            (
                "quantile = 0.1",
                Target::Number,
                "training.quantile: found a value, expected none",
            ),
            (
                "class_weights = [1, 1, 1]",
                Target::Classes(4),
                "training.class_weights: found 3 entries, expected 4 to 4",
            ),
            (
                "class_weights = [1, 1]",
                Target::Number,
                "training.class_weights: found a value, expected none",
            ),
            (
                "nesterov = true",
                Target::Binary,
                "training.nesterov: found a value, expected none",
            ),
            (
                "step_rounds = 3",
                Target::Binary,
                "training.step_rounds: found a value, expected none",
            ),
            (
                "schedule = \"step\"",
                Target::Binary,
                "training.step_rounds: found nothing",
            ),
            (
                "control_variates = true\noptimiser = \"momentum\"",
                Target::Binary,
                "training.control_variates: found true with another optimiser than sgd, expected optimiser = \"sgd\": a bank takes its mean \
                 gradient from",
            ),
            (
                "control_variates = true\nfedprox_mu = 0.1",
                Target::Binary,
                "training.control_variates: found true with fedprox_mu = 0.1",
            ),
            (
                "control_variates = true\npersonal = [\"output\"]",
                Target::Binary,
                "training.control_variates: found true with personal parameters",
            ),
            (
                "personal = [\"output\", \"output.bias\"]",
                Target::Binary,
                "training.personal: found \"output.bias\" and the group that it belongs to",
            ),
            (
                "personal = []",
                Target::Binary,
                "training.personal: found 0 entries",
            ),
            (
                "clip_gradient_norm = 0.0",
                Target::Binary,
                "training.clip_gradient_norm: 0.0 is out of range",
            ),
        ] {
            let error = read(more, target).unwrap_err().to_string();
            assert!(error.contains(message), "{more}: {error}");
        }
    }

    #[test]
    fn every_key_survives_the_normal_form() {
        for (more, target) in [
            ("optimiser = \"momentum\"\nnesterov = true", Target::Binary),
            ("optimiser = \"adamw\"\nweight_decay = 0.01", Target::Binary),
            ("optimiser = \"adagrad\"\nschedule = \"cosine\"", Target::Binary),
            (
                "optimiser = \"rmsprop\"\nclip_gradient_norm = 1.0",
                Target::Binary,
            ),
            (
                "schedule = \"step\"\nstep_rounds = 3\nstep_factor = 0.5",
                Target::Binary,
            ),
            (
                "loss = \"focal\"\ngamma = 0.5\nclass_weights = [1.0, 2.0, 3.0]",
                Target::Classes(3),
            ),
            ("control_variates = true", Target::Binary),
            ("personal = [\"hidden\", \"output\"]", Target::Binary),
            ("loss = \"huber\"\ndelta = 2.0", Target::Number),
            ("loss = \"quantile\"\nquantile = 0.9", Target::Number),
        ] {
            let spec = read(more, target).unwrap();
            let normal = canonical::training(&spec, target);
            for line in more.lines() {
                assert!(
                    normal.lines().any(|other| other == line),
                    "{line} is not in\n{normal}"
                );
            }
            let again = toml::from_str::<TrainingFile>(&normal).unwrap().check(target);
            assert_eq!(again, Ok(spec));
        }
        // What says nothing new has no other form.
        let plain = canonical::training(&read("", Target::Classes(3)).unwrap(), Target::Classes(3));
        let told = "loss = \"cross_entropy\"\nschedule = \"constant\"\nclass_weights = [1, 1, 1]";
        let told = canonical::training(&read(told, Target::Classes(3)).unwrap(), Target::Classes(3));
        assert_eq!(plain, told);
    }

    /// Expected values: `CosineAnnealingLR(optimiser, T_max=4)` and `StepLR(optimiser, step_size=2, gamma=0.5)` of PyTorch, from
    /// 0.5.
    #[test]
    fn schedules_are_pytorch_s() {
        let rates = |more: &str| {
            let spec = read(more, Target::Binary).unwrap();
            [0, 1, 2, 3].map(|round| spec.learning_rate_in(round, 4))
        };
        assert_eq!(rates(""), [0.5; 4]);
        assert_eq!(
            rates("schedule = \"step\"\nstep_rounds = 2\nstep_factor = 0.5"),
            [0.5, 0.5, 0.25, 0.25]
        );
        let cosine = rates("schedule = \"cosine\"");
        for (found, expected) in cosine
            .into_iter()
            .zip([0.5, 0.426_776_695_3, 0.25, 0.073_223_304_7])
        {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
}
