//! What a bank computes for a round, as digits that are ready to be masked.

use std::path::PathBuf;

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{ImportanceSums, ModelSpec, Moments, Preparation, ScoreSums, Vocabularies};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::quantise::{Digits, QuantiseError};
use veilsum_protocol::task::{Task, Weighting};
use zeroize::Zeroizing;

use crate::data::{DataError, DataFiles, Dataset, EncodeError, EncodedData, HoldOut, Room, read_schema};
use crate::desensitise::{PolicySource, Rules};
use crate::explaining::{ExplainError, importance};
use crate::scoring::Scorer;
use crate::train::{
    ByGroup, Progress, Runtime, Start, TrainError, Trained, TrainingJob, evaluate_by_group, train_from,
};

use super::checkpoints::{Keeper, Keeping};
use super::durable::FileError;
use super::own::{self, Control};

/// Why there is no contribution. For the bank's own operator: the coordinator only sees that the bank is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ContributionError {
    /// The bank's files do not fit the task, or its rows cannot be kept.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The moments are of another schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Training or scoring failed.
    #[error(transparent)]
    Train(TrainError),
    /// Rows could not be explained.
    #[error(transparent)]
    Explain(ExplainError),
    /// What the bank keeps to itself could not be written.
    #[error(transparent)]
    Own(#[from] FileError),
    /// The result cannot be encoded.
    #[error(transparent)]
    Quantise(#[from] QuantiseError),
    /// A train or evaluate round before the moments are known.
    #[error("the task's inputs have no moments yet")]
    NoMoments,
    /// A vocabulary round before it is known which values have support.
    #[error("the task has no table of the support round yet")]
    NoSupport,
}

impl From<TrainError> for ContributionError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Rows(error) => Self::Data(error),
            error => Self::Train(error),
        }
    }
}

impl From<ExplainError> for ContributionError {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Table(error) => Self::Data(*error),
            error => Self::Explain(error),
        }
    }
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
    /// Where the rows are kept once they are read.
    pub room: Room,
    /// libtorch on its device.
    pub runtime: Runtime,
}

impl Source {
    /// Reads the bank's rows by the task's schema, after the bank's own schema file was found to be equal to it.
    ///
    /// # Errors
    /// The first thing that does not fit, with file, line and column.
    pub fn read(&self, task: &Task) -> Result<Dataset, DataError> {
        self.read_found(task, None)
    }

    /// The same with what the banks have found of the task's vocabularies.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_found(&self, task: &Task, found: Option<&Vocabularies>) -> Result<Dataset, DataError> {
        self.read_under(&self.policy.rules()?, task, found)
    }

    fn read_under(
        &self,
        rules: &Rules,
        task: &Task,
        found: Option<&Vocabularies>,
    ) -> Result<Dataset, DataError> {
        let schema = read_schema(&self.schema, &task.schema)?.with_found(found);
        let hold_out = HoldOut::of(self.salt, &task.evaluation.split);
        let groups = task.evaluation.groups.as_ref();
        Dataset::read_files(&self.files, &schema, &hold_out, groups, rules, &self.room)
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
    /// What the banks had found of the task's vocabularies when the rows were read.
    found: Option<Vocabularies>,
    rows: Dataset,
    training: Vec<u32>,
    held_out: Vec<u32>,
    encoded: Option<Encoded>,
}

/// The rows as the model takes them, and what of the consortium's they were made with.
struct Encoded {
    moments: Moments,
    preparation: Option<Preparation>,
    data: EncodedData,
}

/// The bank's rows, read once for a task, and what is computed of them.
pub struct Workbench {
    source: Source,
    loaded: Option<Loaded>,
    judged: Option<ScoreSums>,
}

impl Workbench {
    /// Nothing is read before the first contribution.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            loaded: None,
            judged: None,
        }
    }

    /// What the last contribution scored on the held-out rows, once.
    pub fn judged(&mut self) -> Option<ScoreSums> {
        self.judged.take()
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
        self.contribute_keeping(step, None, entropy, progress)
    }

    /// The same, and training goes on where an earlier run has left it.
    ///
    /// # Errors
    /// [`ContributionError`]. After [`ContributionError::Data`] the rows are read anew the next time.
    pub fn contribute_keeping<E: Entropy>(
        &mut self,
        step: &Step<'_>,
        keeping: Option<Keeping<'_>>,
        entropy: &mut E,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Digits, ContributionError> {
        let mut judged = None;
        let digits = self.compute(step, keeping, entropy, progress, &mut judged);
        self.judged = judged;
        if let Err(ContributionError::Data(_)) = &digits {
            self.loaded = None;
        }
        digits
    }

    fn compute<E: Entropy>(
        &mut self,
        step: &Step<'_>,
        mut keeping: Option<Keeping<'_>>,
        entropy: &mut E,
        progress: &mut dyn FnMut(Progress),
        judged: &mut Option<ScoreSums>,
    ) -> Result<Digits, ContributionError> {
        let runtime = self.source.runtime;
        let (task, plan, state) = (step.task, step.plan, step.state);
        let agreed = state
            .vocabularies
            .as_ref()
            .filter(|found| found.agreed().is_some());
        let loaded = self.load(task, agreed)?;
        if step.kind == RoundKind::Support {
            return Ok(plan.support(&loaded.rows.open_values())?);
        }
        if step.kind == RoundKind::Vocabulary {
            let Some(Vocabularies::Supported(supported)) = &state.vocabularies else {
                return Err(ContributionError::NoSupport);
            };
            return Ok(plan.vocabulary(supported, &loaded.rows.open_values())?);
        }
        if step.kind == RoundKind::Statistics {
            let columns = loaded.rows.statistics()?.columns;
            return Ok(match &task.preparation {
                None => plan.statistics(&columns)?,
                Some(spec) => {
                    plan.prepared_statistics(&columns, &loaded.rows.counts(spec.histogram_bins)?)?
                }
            });
        }
        let moments = state.moments.as_ref().ok_or(ContributionError::NoMoments)?;
        loaded.encode(&task.model, moments, state.preparation.as_ref())?;
        let Some(Encoded { data, .. }) = &loaded.encoded else {
            return Err(ContributionError::NoMoments);
        };
        let parameters = own::parameters(plan, state, keeping.as_mut());
        let groups = task.evaluation.groups.as_ref();
        let by = groups
            .filter(|_| step.kind == RoundKind::Evaluate)
            .map(|groups| ByGroup {
                of_rows: loaded.rows.groups(),
                count: groups.count(),
            });
        let scores = evaluate_by_group(
            &task.model,
            &parameters,
            data,
            &loaded.held_out,
            task.evaluation.bins,
            by,
            runtime,
        )?;
        *judged = Some(scores.clone());
        if step.kind == RoundKind::Evaluate {
            let importance = loaded.importance(step, &parameters, runtime)?;
            return Ok(plan.evaluate(&scores, importance.as_ref())?);
        }
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        let job = TrainingJob {
            model: &task.model,
            training: &task.training,
            learning_rate: task.learning_rate(plan.train_round(state.step)),
            data,
            rows: &loaded.training,
            parameters: &parameters,
            seed: u64::from_le_bytes(seed),
            shuffled: loaded.rows.may_be_shuffled(),
            runtime,
        };
        let control = Control::of(task, plan, state, keeping.as_mut());
        let correction = control.as_ref().map(|control| &control.correction[..]);
        let trained = train_kept(keeping.as_mut(), plan.task(), job, correction, progress)?;
        let local = Zeroizing::new(trained.parameters);
        let mut update = Zeroizing::new(plan.shared().take(&local));
        let before = Zeroizing::new(plan.shared().take(&parameters));
        for (local, global) in update.iter_mut().zip(before.iter()) {
            *local -= global;
        }
        let weight = match task.aggregation.weighting {
            Weighting::Equal => 1,
            Weighting::Examples => u32::try_from(loaded.training.len())
                .unwrap_or(u32::MAX)
                .clamp(1, plan.max_weight()),
        };
        let mut change = match &control {
            Some(_) => Control::change(state, &update, steps(&job), job.learning_rate),
            None => Zeroizing::default(),
        };
        let digits = plan.train_controlled(&mut update, &mut change, weight, &scores, entropy)?;
        if let Some(keeping) = &keeping {
            let next = match &control {
                Some(control) => control.after(plan, &digits),
                None => Zeroizing::new(plan.shared().take_personal(&local)),
            };
            if !next.is_empty() {
                keeping.own.propose(&plan.task(), keeping.round, &next)?;
            }
        }
        Ok(digits)
    }

    /// `found`: the values that the banks agreed on, once they have.
    fn load(&mut self, task: &Task, found: Option<&Vocabularies>) -> Result<&mut Loaded, DataError> {
        let hash = task.hash();
        // The policy as it is now: what the operator has changed counts for the next order.
        let rules = self.source.policy.rules()?;
        let same = |loaded: &Loaded| {
            loaded.task == hash && loaded.rules.is_same(&rules) && loaded.found.as_ref() == found
        };
        let loaded = match self.loaded.take().filter(same) {
            Some(loaded) => loaded,
            None => {
                let rows = self.source.read_under(&rules, task, found)?;
                Loaded {
                    task: hash,
                    rules,
                    found: found.cloned(),
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

/// Steps of a job, `K`.
fn steps(job: &TrainingJob<'_>) -> u64 {
    let batches = job.rows.len().div_ceil(job.training.batch_size.max(1) as usize);
    u64::from(job.training.local_epochs) * batches as u64
}

/// Trains, beginning behind the passes of an earlier run if it has left a checkpoint, with the seed of that run.
fn train_kept(
    keeping: Option<&mut Keeping<'_>>,
    task: Digest,
    job: TrainingJob<'_>,
    correction: Option<&[f32]>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    let mut keeper = Keeper::new(keeping, task, &job, correction);
    let left = keeper.left()?;
    let (seed, from) = match &left {
        Some((seed, from)) => (*seed, Some(from)),
        None => (job.seed, None),
    };
    let seeded = TrainingJob { seed, ..job };
    train_from(
        &seeded,
        Start { from, correction },
        &mut |between| keeper.keep(seed, between),
        progress,
    )
}

impl Loaded {
    /// How much each column moves the answers of the step's model, of a task that measures it.
    fn importance(
        &self,
        step: &Step<'_>,
        parameters: &[f32],
        runtime: Runtime,
    ) -> Result<Option<ImportanceSums>, ContributionError> {
        let Some(spec) = &step.task.evaluation.importance else {
            return Ok(None);
        };
        let personal = Zeroizing::new(step.plan.shared().take_personal(parameters));
        let personal = (!personal.is_empty()).then_some(&personal[..]);
        // It is asked about rows that are read already, which no rule concerns any more.
        let scorer = Scorer::new(step.task, step.state, personal, Rules::none(), runtime);
        let scorer = scorer.map_err(ExplainError::from)?;
        let sums = importance(&scorer, &self.rows, &self.training, &self.held_out, spec)?;
        Ok(Some(sums))
    }

    fn encode(
        &mut self,
        model: &ModelSpec,
        moments: &Moments,
        preparation: Option<&Preparation>,
    ) -> Result<(), EncodeError> {
        let known = self.encoded.as_ref();
        let same = |known: &Encoded| known.moments == *moments && known.preparation.as_ref() == preparation;
        if !known.is_some_and(same) {
            self.encoded = Some(Encoded {
                data: self.rows.encode_prepared(model, moments, preparation)?,
                moments: moments.clone(),
                preparation: preparation.cloned(),
            });
        }
        Ok(())
    }
}
