//! Training in this process, with the banks' own trainer: what the federated model is compared with.
//!
//! The task's rounds serve them all. With one party it is a bank alone; with one party that holds everybody's rows it is the pooled model;
//! with all banks it is the same federation unmasked. So every model sees the same number of passes, and the optimiser starts afresh in
//! each round for all of them. What is known of the columns comes from the rows of those who train together; the values of categories
//! that the task leaves to the banks are the consortium's for all of them, since a bank by itself cannot tell which others have.

use std::sync::Arc;

use veilsum_client::data::{DataFiles, Dataset, EncodedData, HoldOut, Room};
use veilsum_client::desensitise::Rules;
use veilsum_client::train::{Runtime, predict};
use veilsum_protocol::model::Vocabularies;
use veilsum_protocol::task::Task;

use super::DemoError;
use super::known::Known;
use super::unmasked::{Party, rounds};
use crate::files::TableFiles;
use crate::score::{Score, judge};

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

/// Reads a table, with the labels of images beside it. `found`: the values that the banks have found of categories, once they have.
///
/// # Errors
/// What does not fit the task's schema.
pub fn read_rows(
    task: &Task,
    files: &TableFiles,
    hold_out: &HoldOut,
    found: Option<&Vocabularies>,
) -> Result<Dataset, DemoError> {
    let schema = task.schema.with_found(found);
    let files = DataFiles {
        file: files.rows.clone(),
        labels: files.labels.clone(),
    };
    let room = Room::in_memory();
    Dataset::read_files(&files, &schema, hold_out, None, &Rules::none(), &room).map_err(DemoError::trial)
}

impl TestFold {
    /// Rows of which none is held back; they are scored, never trained on.
    ///
    /// # Errors
    /// As [`read_rows`].
    pub fn read(task: &Task, files: &TableFiles, found: Option<&Vocabularies>) -> Result<Self, DemoError> {
        let rows = read_rows(task, files, &HoldOut::new([0; 32], 0.0), found)?;
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

    /// The fold's rows as the task's model takes them.
    ///
    /// # Errors
    /// If what is known is of other columns.
    pub fn encoded(&self, task: &Task, known: &Known) -> Result<EncodedData, DemoError> {
        known.encode(task, &self.rows)
    }

    /// What a model predicts, as [`predict`] says, and the labels, in the order of the fold.
    ///
    /// # Errors
    /// If the model does not fit the task.
    pub fn predict(
        &self,
        task: &Task,
        data: &EncodedData,
        parameters: &[f32],
        runtime: Runtime,
    ) -> Result<(Vec<f64>, Vec<f64>), DemoError> {
        let found =
            predict(&task.model, parameters, data, &self.judged, runtime).map_err(DemoError::trial)?;
        let labels = self
            .judged
            .iter()
            .filter_map(|row| data.labels.get(*row as usize));
        Ok((
            found.into_iter().map(f64::from).collect(),
            labels.copied().map(f64::from).collect(),
        ))
    }

    /// A model judged by exact figures over the fold.
    ///
    /// # Errors
    /// As [`TestFold::predict`], and if nothing can be told from the labels.
    pub fn judge(
        &self,
        task: &Task,
        data: &EncodedData,
        parameters: &[f32],
        runtime: Runtime,
    ) -> Result<Score, DemoError> {
        let (predictions, labels) = self.predict(task, data, parameters, runtime)?;
        judge(task.target(), &predictions, &labels).map_err(DemoError::trial)
    }
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

/// Each bank a party, as in the consortium but without masks. With one bank: that bank alone, with what it knows of its own columns.
///
/// # Errors
/// If training or scoring fails.
pub fn each_for_itself(plan: Plan<'_>, banks: &[&Dataset]) -> Result<Trial, DemoError> {
    let known = Known::of(plan.task, banks)?;
    let party = |bank: &&Dataset| -> Result<Party, DemoError> {
        let data = known.encode(plan.task, bank)?;
        Ok(Party::new(
            data,
            bank.training_rows().collect(),
            bank.held_out_rows().collect(),
        ))
    };
    let parties = banks.iter().map(party).collect::<Result<Vec<_>, _>>()?;
    run(plan, parties, &known)
}

/// All banks' training rows on one machine.
///
/// # Errors
/// If training or scoring fails.
pub fn pooled(plan: Plan<'_>, banks: &[&Dataset]) -> Result<Trial, DemoError> {
    let known = Known::of(plan.task, banks)?;
    let mut all: Option<EncodedData> = None;
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for bank in banks {
        let more = known.encode(plan.task, bank)?;
        let before = all.as_ref().map_or(0, |all| all.labels.len());
        let before = u32::try_from(before).map_err(DemoError::trial)?;
        training.extend(bank.training_rows().map(|row| before + row));
        held_out.extend(bank.held_out_rows().map(|row| before + row));
        match &mut all {
            None => all = Some(more),
            Some(all) => {
                all.inputs.extend(more.inputs);
                Arc::make_mut(&mut all.labels).extend_from_slice(&more.labels);
            }
        }
    }
    let data = all.ok_or_else(|| DemoError::Trial("there is no bank".to_owned()))?;
    run(plan, vec![Party::new(data, training, held_out)], &known)
}

fn run(plan: Plan<'_>, mut parties: Vec<Party>, known: &Known) -> Result<Trial, DemoError> {
    let curve = rounds(plan, &mut parties, known)?;
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
