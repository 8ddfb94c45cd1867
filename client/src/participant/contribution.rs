//! What a bank computes for a round, as digits that are ready to be masked.

use std::path::PathBuf;

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{ModelSpec, Moments};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::{Digits, QuantiseError};
use veilsum_protocol::task::{Task, Weighting};
use zeroize::Zeroizing;

use crate::data::{DataError, DataFiles, Dataset, EncodeError, EncodedData, HoldOut, read_schema};
use crate::desensitise::{PolicySource, Rules};
use crate::train::{ByGroup, Progress, Runtime, TrainError, TrainingJob, evaluate_by_group, train};

/// Why there is no contribution. For the bank's own operator: the coordinator only sees that the bank is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ContributionError {
    /// The bank's files do not fit the task.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The moments are of another schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Training or scoring failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The result cannot be encoded.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// A train or evaluate round before the moments are known.
    #[error("the task's inputs have no moments yet")]
    NoMoments,
}

/// Where the bank's rows are and where they are computed with.
#[derive(Clone, Debug)]
pub struct Source {
    /// The table, or images and labels.
    pub files: DataFiles,
    /// The bank's own schema file.
    pub schema: PathBuf,
    /// The bank's own policy, what is done to the rows before they are read.
    pub policy: PolicySource,
    /// The bank's secret that chooses the held-out rows.
    pub salt: [u8; 32],
    /// libtorch on its device.
    pub runtime: Runtime,
}

impl Source {
    /// Reads the bank's rows by the task's schema, after the bank's own schema file was found to be equal to it.
    ///
    /// # Errors
    /// The first thing that does not fit, with file, line and column.
    pub fn read(&self, task: &Task) -> Result<Dataset, DataError> {
        self.read_under(&self.policy.rules()?, task)
    }

    fn read_under(&self, rules: &Rules, task: &Task) -> Result<Dataset, DataError> {
        let schema = read_schema(&self.schema, &task.schema)?;
        let hold_out = HoldOut::of(self.salt, &task.evaluation.split);
        let groups = task.evaluation.groups.as_ref();
        Dataset::read_by_group(&self.files, &schema, &hold_out, groups, rules)
    }
}

/// The step of a task that a round computes.
pub struct Step<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its plan.
    pub plan: &'a Plan,
    /// What is computed.
    pub kind: RoundKind,
    /// The state that it starts from.
    pub state: &'a TaskState,
}

struct Loaded {
    task: Digest,
    rules: Rules,
    rows: Dataset,
    training: Vec<u32>,
    held_out: Vec<u32>,
    encoded: Option<(Moments, EncodedData)>,
}

/// The bank's rows, read once for a task, and what is computed of them.
pub struct Workbench {
    source: Source,
    loaded: Option<Loaded>,
}

impl Workbench {
    /// Nothing is read before the first contribution.
    pub fn new(source: Source) -> Self {
        Self { source, loaded: None }
    }

    /// The bank's contribution to one step, from fresh randomness.
    ///
    /// # Errors
    /// [`ContributionError`].
    pub fn contribute<E: Entropy>(
        &mut self,
        step: &Step<'_>,
        entropy: &mut E,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Digits, ContributionError> {
        let runtime = self.source.runtime;
        let loaded = self.load(step.task)?;
        let (task, plan, state) = (step.task, step.plan, step.state);
        if step.kind == RoundKind::Statistics {
            return Ok(plan.statistics(&loaded.rows.statistics().columns)?);
        }
        let moments = state.moments.as_ref().ok_or(ContributionError::NoMoments)?;
        loaded.encode(&task.model, moments)?;
        let Some((_, data)) = &loaded.encoded else {
            return Err(ContributionError::NoMoments);
        };
        let groups = task.evaluation.groups.as_ref();
        let by = groups
            .filter(|_| step.kind == RoundKind::Evaluate)
            .map(|groups| ByGroup {
                of_rows: loaded.rows.groups(),
                count: groups.count(),
            });
        let scores = evaluate_by_group(
            &task.model,
            &state.parameters,
            data,
            &loaded.held_out,
            task.evaluation.bins,
            by,
            runtime,
        )?;
        if step.kind == RoundKind::Evaluate {
            return Ok(plan.evaluate(&scores)?);
        }
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        let job = TrainingJob {
            model: &task.model,
            training: &task.training,
            learning_rate: task.learning_rate(plan.train_round(state.step)),
            data,
            rows: &loaded.training,
            parameters: &state.parameters,
            seed: u64::from_le_bytes(seed),
            shuffled: loaded.rows.may_be_shuffled(),
            runtime,
        };
        let mut update = Zeroizing::new(train(&job, progress)?.parameters);
        for (local, global) in update.iter_mut().zip(&state.parameters) {
            *local -= global;
        }
        let weight = match task.aggregation.weighting {
            Weighting::Equal => 1,
            Weighting::Examples => u32::try_from(loaded.training.len())
                .unwrap_or(u32::MAX)
                .clamp(1, plan.max_weight()),
        };
        Ok(plan.train(&mut update, weight, &scores, entropy)?)
    }

    fn load(&mut self, task: &Task) -> Result<&mut Loaded, DataError> {
        let hash = task.hash();
        // The policy as it is now: what the operator has changed counts for the next order.
        let rules = self.source.policy.rules()?;
        let same = |loaded: &Loaded| loaded.task == hash && loaded.rules.is_same(&rules);
        let loaded = match self.loaded.take().filter(same) {
            Some(loaded) => loaded,
            None => {
                let rows = self.source.read_under(&rules, task)?;
                Loaded {
                    task: hash,
                    rules,
                    training: rows.training_rows().collect(),
                    held_out: rows.held_out_rows().collect(),
                    rows,
                    encoded: None,
                }
            }
        };
        Ok(self.loaded.insert(loaded))
    }
}

impl Loaded {
    fn encode(&mut self, model: &ModelSpec, moments: &Moments) -> Result<(), EncodeError> {
        if self.encoded.as_ref().is_none_or(|(known, _)| known != moments) {
            self.encoded = Some((moments.clone(), self.rows.encode_for(model, moments)?));
        }
        Ok(())
    }
}
