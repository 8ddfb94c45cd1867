//! Training in this process, with the banks' own trainer: what the federated model is compared with.
//!
//! One loop serves them all: the task's rounds of local passes, each party from the common model, then the weighted
//! average and the server's step, without masks and without any rounding. With one party it is a bank alone; with one
//! party that holds everybody's rows it is the pooled model; with all banks it is the same federation unmasked.
//! So every model sees the same number of passes, and the optimiser starts afresh in each round for all of them.

use std::sync::Arc;

use veilsum_client::data::{DataFiles, Dataset, EncodedData, HoldOut, Room};
use veilsum_client::desensitise::Rules;
use veilsum_client::train::{Runtime, TrainingJob, predict, train};
use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::optimiser::OptimiserState;
use veilsum_protocol::model::{ColumnSums, Moments};
use veilsum_protocol::task::{Split, Task, Weighting};

use super::DemoError;
use crate::files::TableFiles;
use crate::score::{Score, judge};

/// Rows that never leave each other, and those among them to train on.
struct Party {
    data: EncodedData,
    training: Vec<u32>,
}

/// The common test fold.
pub struct TestFold {
    rows: Dataset,
    /// Which of them are judged, in the order of the fold: of rows that are parts of sequences perhaps not all.
    judged: Vec<u32>,
}

/// A trained model, judged on the test fold.
#[derive(Clone, Debug)]
pub struct Trial {
    /// After the last round.
    pub score: Score,
    /// After each round, from the first.
    pub curve: Vec<Score>,
    /// Rows that it was trained on.
    pub training_rows: usize,
}

impl Trial {
    /// The round, from 1, after which the model was best on the test fold, with its main figure: what a stop at the best
    /// moment would have given to somebody who knows the test rows.
    pub fn best(&self) -> Option<(usize, f64)> {
        let best = Score::best(&self.curve)?;
        let round = self.curve.iter().position(|score| score == best)?;
        Some((round + 1, best.main().1))
    }
}

/// Reads a table, with the labels of images beside it.
///
/// # Errors
/// What does not fit the task's schema.
pub fn read_rows(task: &Task, files: &TableFiles, hold_out: &HoldOut) -> Result<Dataset, DemoError> {
    let files = DataFiles {
        file: files.rows.clone(),
        labels: files.labels.clone(),
    };
    let room = Room::in_memory();
    Dataset::read_files(&files, &task.schema, hold_out, None, &Rules::none(), &room).map_err(DemoError::trial)
}

impl TestFold {
    /// Rows of which none is held back; they are scored, never trained on.
    ///
    /// # Errors
    /// As [`read_rows`].
    pub fn read(task: &Task, files: &TableFiles) -> Result<Self, DemoError> {
        let rows = read_rows(task, files, &HoldOut::new([0; 32], 0.0))?;
        let judged = rows.training_rows().collect();
        Ok(Self { rows, judged })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.judged.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    /// What a model predicts, as [`predict`] says, and the labels, in the order of the fold.
    ///
    /// # Errors
    /// If the model does not fit the task.
    pub fn predict(
        &self,
        task: &Task,
        moments: &Moments,
        parameters: &[f32],
        runtime: Runtime,
    ) -> Result<(Vec<f64>, Vec<f64>), DemoError> {
        let data = self
            .rows
            .encode_for(&task.model, moments)
            .map_err(DemoError::trial)?;
        predictions(&data, &self.judged, task, parameters, runtime)
    }

    /// A model judged by exact figures over the fold.
    ///
    /// # Errors
    /// As [`TestFold::predict`], and if nothing can be told from the labels.
    pub fn judge(
        &self,
        task: &Task,
        moments: &Moments,
        parameters: &[f32],
        runtime: Runtime,
    ) -> Result<Score, DemoError> {
        let (predictions, labels) = self.predict(task, moments, parameters, runtime)?;
        judge(task.target(), &predictions, &labels).map_err(DemoError::trial)
    }
}

fn predictions(
    data: &EncodedData,
    rows: &[u32],
    task: &Task,
    parameters: &[f32],
    runtime: Runtime,
) -> Result<(Vec<f64>, Vec<f64>), DemoError> {
    let found = predict(&task.model, parameters, data, rows, runtime).map_err(DemoError::trial)?;
    let labels = rows.iter().filter_map(|row| data.labels.get(*row as usize));
    Ok((
        found.into_iter().map(f64::from).collect(),
        labels.copied().map(f64::from).collect(),
    ))
}

/// The moments of the banks' training rows together, from the same sums that the statistics round adds up.
///
/// # Errors
/// If the sums are impossible.
pub fn moments_of(banks: &[&Dataset]) -> Result<Moments, DemoError> {
    let mut total: Vec<ColumnSums> = Vec::new();
    for bank in banks {
        let columns = bank.statistics().map_err(DemoError::trial)?.columns;
        total.resize(columns.len(), ColumnSums::default());
        for (total, column) in total.iter_mut().zip(columns) {
            total.count += column.count;
            total.sum += column.sum;
            total.sum_of_squares += column.sum_of_squares;
        }
    }
    Moments::from_sums(&total).map_err(DemoError::trial)
}

/// How models are trained here and what they are judged by.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// What is trained.
    pub task: &'a Task,
    /// What it is judged by, after every round.
    pub test: &'a TestFold,
    /// Gives the order of the rows.
    pub seed: u64,
    /// Where to compute.
    pub runtime: Runtime,
    /// Told the number of each round, from 1, and its model's score.
    pub told: &'a (dyn Fn(u32, &Score) + Sync),
}

/// Each bank a party, as in the consortium but without masks. With one bank: that bank alone, with its own moments.
///
/// # Errors
/// If training or scoring fails.
pub fn each_for_itself(plan: Plan<'_>, banks: &[&Dataset]) -> Result<Trial, DemoError> {
    let task = plan.task;
    let moments = moments_of(banks)?;
    let party = |bank: &&Dataset| -> Result<Party, DemoError> {
        let data = bank.encode_for(&task.model, &moments).map_err(DemoError::trial)?;
        Ok(Party {
            data,
            training: bank.training_rows().collect(),
        })
    };
    let parties = banks.iter().map(party).collect::<Result<Vec<_>, _>>()?;
    run(plan, &parties, &moments)
}

/// All banks' training rows on one machine.
///
/// # Errors
/// If training or scoring fails.
pub fn pooled(plan: Plan<'_>, banks: &[&Dataset]) -> Result<Trial, DemoError> {
    let task = plan.task;
    let moments = moments_of(banks)?;
    let mut all: Option<EncodedData> = None;
    let mut training = Vec::new();
    for bank in banks {
        let more = bank.encode_for(&task.model, &moments).map_err(DemoError::trial)?;
        let before = all.as_ref().map_or(0, |all| all.labels.len());
        let before = u32::try_from(before).map_err(DemoError::trial)?;
        training.extend(bank.training_rows().map(|row| before + row));
        match &mut all {
            None => all = Some(more),
            Some(all) => {
                all.inputs.extend(more.inputs);
                Arc::make_mut(&mut all.labels).extend_from_slice(&more.labels);
            }
        }
    }
    let data = all.ok_or_else(|| DemoError::Trial("there is no bank".to_owned()))?;
    let all = Party { data, training };
    run(plan, &[all], &moments)
}

fn run(plan: Plan<'_>, parties: &[Party], moments: &Moments) -> Result<Trial, DemoError> {
    let Plan {
        task,
        test,
        seed,
        runtime,
        told,
    } = plan;
    let judged = &test.judged;
    let test = test
        .rows
        .encode_for(&task.model, moments)
        .map_err(DemoError::trial)?;
    let mut parameters = initialise(&task.manifest(), task.seed);
    let aggregation = &task.aggregation;
    let mut optimiser = OptimiserState::new(&aggregation.optimiser, parameters.len());
    let mut curve = Vec::new();
    let shuffled = !matches!(task.evaluation.split, Split::Time { .. });
    for round in 0..task.rounds {
        let mut sum = vec![0.0_f64; parameters.len()];
        let mut weights = 0.0;
        for (place, party) in (0..).zip(parties) {
            let job = TrainingJob {
                model: &task.model,
                training: &task.training,
                learning_rate: task.learning_rate(round),
                data: &party.data,
                rows: &party.training,
                parameters: &parameters,
                // Another order of the rows in each round and at each party, the same in each run of the demo.
                seed: seed << 32 ^ u64::from(round) << 16 ^ place,
                shuffled,
                runtime,
            };
            let trained = train(&job, &mut |_| ()).map_err(DemoError::trial)?;
            let weight = match aggregation.weighting {
                Weighting::Equal => 1.0,
                Weighting::Examples => (party.training.len() as f64).min(f64::from(aggregation.max_weight)),
            };
            for ((sum, local), global) in sum.iter_mut().zip(&trained.parameters).zip(&parameters) {
                *sum += weight * (f64::from(*local) - f64::from(*global));
            }
            weights += weight;
        }
        let average: Vec<f64> = sum.iter().map(|sum| sum / weights).collect();
        optimiser.step(
            &aggregation.optimiser,
            aggregation.learning_rate,
            &mut parameters,
            &average,
        );
        let (predictions, labels) = predictions(&test, judged, task, &parameters, runtime)?;
        let score = judge(task.target(), &predictions, &labels).map_err(DemoError::trial)?;
        told(round + 1, &score);
        curve.push(score);
    }
    let last = *curve
        .last()
        .ok_or_else(|| DemoError::Trial("the task has no rounds".to_owned()))?;
    let training_rows = parties.iter().map(|party| party.training.len()).sum();
    Ok(Trial {
        score: last,
        curve,
        training_rows,
    })
}
