//! The table `aggregation` of a task.

use serde::Deserialize;

use super::ranges::{integer, real, unused, zero_or};
use super::{Aggregation, ServerOptimiser, TaskError, Weighting};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct AggregationFile {
    optimiser: Option<ServerOptimiserFile>,
    learning_rate: Option<f64>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    tau: Option<f64>,
    weighting: Option<WeightingFile>,
    max_weight: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
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

/// Rules that rank, trim or choose among the banks' single updates, each by the words of its name without what joins them.
const NEED_SINGLE_UPDATES: [&str; 9] = [
    "krum",
    "multikrum",
    "bulyan",
    "median",
    "coordinatemedian",
    "geometricmedian",
    "trimmedmean",
    "rfa",
    "faba",
];

impl TryFrom<String> for ServerOptimiserFile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, '-' | '_' | ' '))
            .flat_map(char::to_lowercase)
            .collect();
        if NEED_SINGLE_UPDATES.contains(&plain.as_str()) {
            return Err(format!(
                "optimiser = {name:?} compares the banks' updates with each other, and nobody sees a single one: masks show the sum alone, \
                 so there is nothing to rank, trim or take a median of. Use fedavg, fedavgm, fedadam, fedyogi or fedadagrad; what one bank \
                 can do to the model is bounded by encoding.clip_norm and encoding.range, and by aggregation.max_weight or weighting = \"equal\""
            ));
        }
        Ok(match name.as_str() {
            "fedavg" => Self::FedAvg,
            "fedavgm" => Self::FedAvgM,
            "fedadam" => Self::FedAdam,
            "fedyogi" => Self::FedYogi,
            "fedadagrad" => Self::FedAdagrad,
            _ => {
                return Err(format!(
                    "found optimiser = {name:?}, expected \"fedavg\", \"fedavgm\", \"fedadam\", \"fedyogi\" or \"fedadagrad\""
                ));
            }
        })
    }
}

impl AggregationFile {
    pub(super) fn check(self) -> Result<Aggregation, TaskError> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Aggregation, TaskError> {
        toml::from_str::<AggregationFile>(text)?.check()
    }

    #[test]
    fn rules_that_need_single_updates_are_refused_with_the_reason() {
        for name in [
            "krum",
            "multi-krum",
            "Multi_Krum",
            "trimmed-mean",
            "trimmed mean",
            "median",
            "bulyan",
        ] {
            let error = read(&format!("optimiser = \"{name}\""))
                .err()
                .unwrap()
                .to_string();
            for part in [
                &format!("optimiser = {name:?}"),
                "line 1",
                "nobody sees a single one",
                "encoding.clip_norm",
            ] {
                assert!(error.contains(part), "{part} is not in: {error}");
            }
        }
        let error = read("optimiser = \"fedsgd\"").err().unwrap().to_string();
        assert!(
            error.contains("found optimiser = \"fedsgd\", expected \"fedavg\"") && !error.contains("single"),
            "{error}"
        );
        assert!(read("optimiser = \"FedAvg\"").is_err());
        assert_eq!(
            read("optimiser = \"fedavgm\"").map(|read| read.optimiser),
            Ok(ServerOptimiser::FedAvgM { beta1: 0.9 })
        );
    }
}
