//! A task's state: what every bank derives for itself from the seed and the logged sums.

mod form;

use crate::ids::Digest;
use crate::model::initialise::initialise;
use crate::model::optimiser::OptimiserState;
use crate::model::plan::{CONTROLS, Plan};
use crate::model::{ColumnSums, Judgement, Metrics, Moments, Preparation, Stopping, Vocabularies};
use crate::round::params::RoundKind;
use crate::secagg::layout::Layout;
use crate::secagg::quantise::real_sum;
use crate::task::Task;

/// Where a task stands. The hash of its canonical form is what `RoundOpen` and `Result` name.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// Hash of the task.
    pub task: Digest,
    /// Steps that are done.
    pub step: u32,
    /// The moments that standardise the inputs, once the statistics round is done.
    pub moments: Option<Moments>,
    /// The global model's parameters, manifest order.
    pub parameters: Vec<f32>,
    /// The server optimiser's memory.
    pub optimiser: OptimiserState,
    /// Of a task with control variates: the server's control `c`, as long as the parameters; else empty.
    pub control: Vec<f32>,
    /// Of a task with early stopping: the models that were judged.
    pub stopping: Option<Stopping>,
    /// What the columns hold, once the statistics round of a task that prepares is done.
    pub preparation: Option<Preparation>,
    /// What the banks have found of the values of categories that the task leaves to them.
    pub vocabularies: Option<Vocabularies>,
}

/// How many of the banks a sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turnout {
    /// `m`: banks in the sum.
    pub survivors: u16,
    /// `n`: banks of the roster in that round.
    pub banks: u16,
}

impl From<u16> for Turnout {
    /// Every bank is in the sum.
    fn from(banks: u16) -> Self {
        Self {
            survivors: banks,
            banks,
        }
    }
}

/// What a sum gives beside the next state.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Sum of the weights; 0 when the kind has none.
    pub weight: u64,
    /// Metrics of the model before the step.
    pub metrics: Option<Metrics>,
    /// The sums from which they follow.
    pub judgement: Option<Judgement>,
}

/// The sum is not one of honest contributions to this state's step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceError {
    /// The task has no further step.
    #[error("the task has no step {0}")]
    NoStep(u32),
    /// The number of lanes is another.
    #[error("the sum has {found} lanes, expected {expected}")]
    Lanes {
        /// What came.
        found: usize,
        /// What the layout says.
        expected: usize,
    },
    /// The weights are impossible for so many survivors.
    #[error("the weights add up to {found}, expected {survivors} to {most} for {survivors} banks")]
    Weight {
        /// Their sum.
        found: u128,
        /// Number of survivors.
        survivors: u16,
        /// The greatest possible sum.
        most: u64,
    },
    /// A lane is greater than all banks together can make it.
    #[error("lane {at} of the sum is {found}, expected at most {most} for {survivors} banks")]
    Lane {
        /// The lane.
        at: usize,
        /// Its value.
        found: u32,
        /// The greatest honest value.
        most: u64,
        /// Number of survivors.
        survivors: u16,
    },
    /// The average update leaves the bounds that every bank keeps: the weights were tampered with.
    #[error("the average update is outside the task's range or clip norm; the weights cannot be right")]
    Average,
    /// Moments or metrics contradict themselves.
    #[error("{0}")]
    Sums(String),
}

impl TaskState {
    /// Before the first step: model 0 from the task's seed.
    pub fn initial(task: &Task) -> Self {
        let parameters = initialise(&task.manifest(), task.seed);
        let columns = task.schema.standardised().len();
        Self {
            task: task.hash(),
            step: 0,
            moments: (columns == 0).then(|| Moments {
                mean: Vec::new(),
                std: Vec::new(),
            }),
            optimiser: OptimiserState::new(&task.aggregation.optimiser, task.shared().len()),
            control: match task.training.control_variates {
                true => vec![0.0; parameters.len()],
                false => Vec::new(),
            },
            stopping: task.early_stopping.as_ref().map(|_| Stopping::default()),
            parameters,
            preparation: None,
            vocabularies: None,
        }
    }

    /// The state after the step that `sum` is the outcome of. `sum`: one value a lane, layout order, of so many banks.
    ///
    /// # Errors
    /// If the sum cannot come from honest contributions.
    pub fn advance(
        &self,
        task: &Task,
        plan: &Plan,
        sum: &[u32],
        turnout: impl Into<Turnout>,
    ) -> Result<(Self, Outcome), AdvanceError> {
        let turnout @ Turnout { survivors, .. } = turnout.into();
        let kind = plan.kind(self.step).ok_or(AdvanceError::NoStep(self.step))?;
        let layout = plan.layout(kind);
        if sum.len() != layout.lanes() {
            return Err(AdvanceError::Lanes {
                found: sum.len(),
                expected: layout.lanes(),
            });
        }
        let most = u64::from(survivors) * ((1 << layout.digit_bits) - 1);
        if let Some((at, found)) = sum.iter().enumerate().find(|(_, lane)| u64::from(**lane) > most) {
            return Err(AdvanceError::Lane {
                at,
                found: *found,
                most,
                survivors,
            });
        }
        let mut next = Self {
            step: self.step + 1,
            ..self.clone()
        };
        let outcome = match kind {
            RoundKind::Support | RoundKind::Vocabulary => {
                next.vocabularies = Some(vocabularies(kind, task, layout, sum, survivors)?);
                Outcome {
                    weight: 0,
                    metrics: None,
                    judgement: None,
                }
            }
            RoundKind::Statistics => {
                let columns = column_sums(layout, sum)?;
                next.preparation = preparation(task, layout, sum, &columns)?;
                next.moments = Some(Moments::from_sums(&columns).map_err(contradiction)?);
                Outcome {
                    weight: 0,
                    metrics: None,
                    judgement: None,
                }
            }
            RoundKind::Evaluate => {
                let evaluation = &task.evaluation;
                let groups = evaluation.groups.as_ref();
                let decision = groups.and_then(|groups| groups.decision(evaluation.bins));
                let judgement = Judgement::of_sum(task.target(), layout, sum)?;
                let metrics = judgement.scores.metrics_under(decision);
                let metrics = metrics.map_err(contradiction)?;
                if let (Some(spec), Some(importance)) = (&evaluation.importance, &judgement.importance) {
                    let most = u64::from(survivors) * u64::from(spec.rows);
                    importance.check(most.min(metrics.rows)).map_err(contradiction)?;
                }
                Outcome {
                    weight: 0,
                    metrics: Some(metrics),
                    judgement: Some(judgement),
                }
            }
            RoundKind::Train => {
                let found = integers(layout, sum, "weight")?.first().copied().unwrap_or(0);
                let most = u64::from(survivors) * u64::from(plan.max_weight());
                let weight = u64::try_from(found)
                    .ok()
                    .filter(|weight| (u64::from(survivors)..=most).contains(weight))
                    .ok_or(AdvanceError::Weight {
                        found,
                        survivors,
                        most,
                    })?;
                let share = weight as f64 / f64::from(plan.max_weight());
                let lanes = layout.segment(sum, "parameters").unwrap_or_default();
                let average: Vec<f64> = lanes
                    .iter()
                    .map(|lane| real_sum(*lane, survivors, layout.digit_bits, layout.range) / share)
                    .collect();
                plan.check_average(&average, survivors, share)?;
                next.move_by(task, plan, &average);
                next.move_control(plan, sum, turnout)?;
                let judgement = Judgement::of_sum(task.target(), layout, sum)?;
                let metrics = judgement.scores.metrics().map_err(contradiction)?;
                if let (Some(rules), Some(stopping)) = (&task.early_stopping, &mut next.stopping) {
                    let is_over = stopping.judge(
                        rules,
                        plan.train_round(self.step),
                        metrics.figure(rules.figure),
                        &self.parameters,
                        &mut next.parameters,
                        next.step == plan.last_step(),
                    );
                    if is_over {
                        next.step = plan.last_step();
                    }
                }
                Outcome {
                    weight,
                    metrics: Some(metrics),
                    judgement: Some(judgement),
                }
            }
        };
        Ok((next, outcome))
    }

    /// The server's step by the average update of the parameters that the banks share.
    fn move_by(&mut self, task: &Task, plan: &Plan, average: &[f64]) {
        let aggregation = &task.aggregation;
        let (optimiser, eta) = (&aggregation.optimiser, aggregation.learning_rate);
        let shared = plan.shared();
        if shared.is_all() {
            return self.optimiser.step(optimiser, eta, &mut self.parameters, average);
        }
        let mut values = shared.take(&self.parameters);
        self.optimiser.step(optimiser, eta, &mut values, average);
        shared.put(&values, &mut self.parameters);
    }

    /// `c <- c + (m/n) * (average change of the survivors' controls)` (Karimireddy et al. 2020, algorithm 1, line 17). One addition of
    /// doubles for each parameter, rounded to `f32`.
    fn move_control(&mut self, plan: &Plan, sum: &[u32], turnout: Turnout) -> Result<(), AdvanceError> {
        let (Some(range), layout) = (plan.control_range(), plan.layout(RoundKind::Train)) else {
            return Ok(());
        };
        let Turnout { survivors, banks } = turnout;
        let lanes = layout.segment(sum, CONTROLS).unwrap_or_default();
        let total = |lane: &u32| real_sum(*lane, survivors, layout.digit_bits, range);
        let average: Vec<f64> = lanes
            .iter()
            .map(|lane| total(lane) / f64::from(survivors))
            .collect();
        plan.check_controls(&average, survivors)?;
        for (control, lane) in self.control.iter_mut().zip(lanes) {
            *control = (f64::from(*control) + total(lane) / f64::from(banks.max(survivors))) as f32;
        }
        Ok(())
    }

    /// How many training rounds are behind the model.
    pub fn trained(&self, plan: &Plan) -> u32 {
        match self.stopping.as_ref().and_then(|stopping| stopping.end) {
            Some(end) => end.kept,
            None => plan.train_round(self.step),
        }
    }
}

pub(super) fn integers(layout: &Layout, sum: &[u32], name: &str) -> Result<Vec<u128>, AdvanceError> {
    layout
        .integers(sum, name)
        .ok_or_else(|| AdvanceError::Sums(format!("the layout has no segment {name}")))
}

pub(super) fn small(values: Vec<u128>) -> Result<Vec<u64>, AdvanceError> {
    let narrow = |value| {
        u64::try_from(value).map_err(|_| AdvanceError::Sums(format!("the count {value} is impossible")))
    };
    values.into_iter().map(narrow).collect()
}

fn column_sums(layout: &Layout, sum: &[u32]) -> Result<Vec<ColumnSums>, AdvanceError> {
    let counts = small(integers(layout, sum, "count")?)?;
    let sums = small(integers(layout, sum, "sum")?)?;
    let squares = small(integers(layout, sum, "sum-of-squares")?)?;
    let columns = counts
        .iter()
        .zip(&sums)
        .zip(&squares)
        .map(|((&count, &sum), &sum_of_squares)| ColumnSums {
            count,
            sum,
            sum_of_squares,
        });
    Ok(columns.collect())
}

fn vocabularies(
    kind: RoundKind,
    task: &Task,
    layout: &Layout,
    sum: &[u32],
    survivors: u16,
) -> Result<Vocabularies, AdvanceError> {
    let read = |name| small(integers(layout, sum, name)?);
    if kind == RoundKind::Vocabulary {
        let (counts, bytes, checks) = (read("counts")?, read("bytes")?, read("checks")?);
        return Ok(Vocabularies::found(
            &task.schema,
            &task.hash(),
            counts,
            bytes,
            checks,
        ));
    }
    let cells = read("cells")?;
    match cells.iter().find(|cell| **cell > u64::from(survivors)) {
        None => Ok(Vocabularies::supported(&task.schema, &cells)),
        Some(cell) => Err(AdvanceError::Sums(format!(
            "a cell has values of {cell} banks, expected at most {survivors}; some bank contributed other than it should"
        ))),
    }
}

/// The counts of a task that prepares; `columns` are the sums of the same rows.
fn preparation(
    task: &Task,
    layout: &Layout,
    sum: &[u32],
    columns: &[ColumnSums],
) -> Result<Option<Preparation>, AdvanceError> {
    let Some(spec) = &task.preparation else {
        return Ok(None);
    };
    let read = |name| small(integers(layout, sum, name)?);
    let counts = Preparation::from_sums(&task.schema, spec.histogram_bins, read)?;
    counts.check(&task.schema, columns).map_err(contradiction)?;
    Ok(Some(counts))
}

pub(super) fn contradiction(error: impl std::fmt::Display) -> AdvanceError {
    AdvanceError::Sums(error.to_string())
}

#[cfg(test)]
mod tests;
