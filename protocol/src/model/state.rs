//! A task's state: what every bank derives for itself from the seed and the logged sums.

use crate::ids::Digest;
use crate::model::initialise::initialise;
use crate::model::optimiser::OptimiserState;
use crate::model::plan::Plan;
use crate::model::{BinarySums, ClassSums, ColumnSums, Metrics, Moments, NumberSums, ScoreSums, Target};
use crate::round::params::RoundKind;
use crate::secagg::layout::Layout;
use crate::secagg::quantise::real_sum;
use crate::task::Task;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

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
}

/// What a sum gives beside the next state.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Sum of the weights; 0 when the kind has none.
    pub weight: u64,
    /// Metrics of the model before the step.
    pub metrics: Option<Metrics>,
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
            optimiser: OptimiserState::new(&task.aggregation.optimiser, parameters.len()),
            parameters,
        }
    }

    /// The state after the step that `sum` is the outcome of. `sum`: one value a lane, layout order, of `survivors` banks.
    ///
    /// # Errors
    /// If the sum cannot come from honest contributions.
    pub fn advance(
        &self,
        task: &Task,
        plan: &Plan,
        sum: &[u32],
        survivors: u16,
    ) -> Result<(Self, Outcome), AdvanceError> {
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
            RoundKind::Statistics => {
                next.moments = Some(moments(layout, sum)?);
                Outcome {
                    weight: 0,
                    metrics: None,
                }
            }
            RoundKind::Evaluate => Outcome {
                weight: 0,
                metrics: Some(
                    scores(task.target(), layout, sum)?
                        .metrics()
                        .map_err(contradiction)?,
                ),
            },
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
                let aggregation = &task.aggregation;
                next.optimiser.step(
                    &aggregation.optimiser,
                    aggregation.learning_rate,
                    &mut next.parameters,
                    &average,
                );
                Outcome {
                    weight,
                    metrics: Some(
                        scores(task.target(), layout, sum)?
                            .metrics()
                            .map_err(contradiction)?,
                    ),
                }
            }
        };
        Ok((next, outcome))
    }
}

fn integers(layout: &Layout, sum: &[u32], name: &str) -> Result<Vec<u128>, AdvanceError> {
    layout
        .integers(sum, name)
        .ok_or_else(|| AdvanceError::Sums(format!("the layout has no segment {name}")))
}

fn small(values: Vec<u128>) -> Result<Vec<u64>, AdvanceError> {
    let narrow = |value| {
        u64::try_from(value).map_err(|_| AdvanceError::Sums(format!("the count {value} is impossible")))
    };
    values.into_iter().map(narrow).collect()
}

fn moments(layout: &Layout, sum: &[u32]) -> Result<Moments, AdvanceError> {
    let counts = small(integers(layout, sum, "count")?)?;
    let sums = small(integers(layout, sum, "sum")?)?;
    let squares = small(integers(layout, sum, "sum-of-squares")?)?;
    let columns: Vec<ColumnSums> = counts
        .iter()
        .zip(&sums)
        .zip(&squares)
        .map(|((&count, &sum), &sum_of_squares)| ColumnSums {
            count,
            sum,
            sum_of_squares,
        })
        .collect();
    Moments::from_sums(&columns).map_err(contradiction)
}

/// What a sum says of the model's predictions, from the segments that [`Plan`] lays out for the target.
fn scores(target: Target, layout: &Layout, sum: &[u32]) -> Result<ScoreSums, AdvanceError> {
    let many = |name| small(integers(layout, sum, name)?);
    let one = |name| Ok::<_, AdvanceError>(many(name)?.first().copied().unwrap_or(0));
    Ok(match target {
        Target::Binary => ScoreSums::Binary(BinarySums {
            rows: one("rows")?,
            loss: one("loss")?,
            negatives: many("negatives")?,
            positives: many("positives")?,
        }),
        Target::Classes(_) => ScoreSums::Classes(ClassSums {
            rows: one("rows")?,
            loss: one("loss")?,
            confusion: many("confusion")?,
        }),
        Target::Number => ScoreSums::Number(NumberSums {
            rows: one("rows")?,
            labels: one("labels")?,
            label_squares: one("label-squares")?,
            absolute: one("absolute-errors")?,
            squared: one("squared-errors")?,
        }),
    })
}

fn contradiction(error: impl std::fmt::Display) -> AdvanceError {
    AdvanceError::Sums(error.to_string())
}

/// Numbers that are laid out at once.
const BLOCK: usize = 4096;

/// A list of numbers. There are millions of them, so they are laid out in blocks.
fn write_floats(w: &mut Writer, values: &[f32]) {
    let mut block = vec![0; 4 * BLOCK.min(values.len())];
    w.count(values.len()).reserve(4 * values.len());
    for part in values.chunks(BLOCK) {
        let (words, _) = block.as_chunks_mut::<4>();
        for (word, value) in words.iter_mut().zip(part) {
            *word = value.to_bits().to_be_bytes();
        }
        w.fixed(&block[..4 * part.len()]);
    }
}

fn read_floats(r: &mut Reader<'_>, what: &'static str) -> Result<Vec<f32>, DecodeError> {
    let count = r.count(4, what)?;
    let (words, _) = r.fixed(4 * count, what)?.as_chunks::<4>();
    Ok(words
        .iter()
        .map(|word| f32::from_bits(u32::from_be_bytes(*word)))
        .collect())
}

impl Canonical for TaskState {
    const KIND: &'static str = "task-state";

    fn write(&self, w: &mut Writer) {
        w.digest(&self.task).u32(self.step);
        w.list(self.moments.iter(), |w, moments| {
            write_floats(w, &moments.mean);
            write_floats(w, &moments.std);
        });
        write_floats(w, &self.parameters);
        write_floats(w, &self.optimiser.momentum);
        write_floats(w, &self.optimiser.variance);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            task: r.digest("task")?,
            step: r.u32("step")?,
            moments: r
                .list(8, "moments", |r| {
                    Ok(Moments {
                        mean: read_floats(r, "means")?,
                        std: read_floats(r, "deviations")?,
                    })
                })?
                .pop(),
            parameters: read_floats(r, "parameters")?,
            optimiser: OptimiserState {
                momentum: read_floats(r, "momentum")?,
                variance: read_floats(r, "variance")?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::SeededEntropy;
    use crate::secagg::quantise::Digits;

    /// One number column, so two parameters; W = 10; two bins.
    fn task(server: &str) -> Task {
        Task::parse(&format!(
            "name = \"t\"\nrounds = 1\nseed = 7\n[schema]\nversion = 1\nlabel = \"y\"\n\
             [[schema.column]]\nname = \"x\"\ntype = \"number\"\nmin = 0.0\nmax = 1.0\n\
             [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
             batch_size = 8\nlocal_epochs = 1\n[aggregation]\nmax_weight = 10\n{server}[evaluation]\nbins = 2\n"
        ))
        .unwrap()
    }

    fn add(all: &[Digits]) -> Vec<u32> {
        let mut sum = vec![0; all[0].lanes().len()];
        for digits in all {
            sum.iter_mut()
                .zip(digits.lanes())
                .for_each(|(total, digit)| *total += digit);
        }
        sum
    }

    fn column(values: &[f64]) -> ColumnSums {
        let mut sums = ColumnSums::default();
        values.iter().for_each(|value| sums.add(*value));
        sums
    }

    fn no_scores() -> ScoreSums {
        ScoreSums::binary(0, 0.0, vec![0, 0], vec![0, 0])
    }

    /// The state before the train step: values 0, 1/4, 3/4, 1 in two banks.
    fn trained_next(task: &Task, plan: &Plan) -> TaskState {
        let parts = [[0.0, 1.0], [0.25, 0.75]].map(|values| plan.statistics(&[column(&values)]).unwrap());
        TaskState::initial(task)
            .advance(task, plan, &add(&parts), 2)
            .unwrap()
            .0
    }

    fn train_sum(plan: &Plan, banks: &[([f32; 2], u32)]) -> Vec<u32> {
        let mut entropy = SeededEntropy::new(1);
        let part = |(update, weight): &([f32; 2], u32)| {
            plan.train(&mut update.clone(), *weight, &no_scores(), &mut entropy)
                .unwrap()
        };
        add(&banks.iter().map(part).collect::<Vec<_>>())
    }

    #[test]
    fn statistics_by_hand() {
        let task = task("");
        let plan = Plan::new(&task);
        let next = trained_next(&task, &plan);
        assert_eq!(next.step, 1);
        let moments = next.moments.as_ref().unwrap();
        // Variance of 0, 1/4, 3/4, 1 around 1/2: 5/32.
        assert_eq!(
            (moments.mean[0], moments.std[0]),
            (0.5, (5.0f64 / 32.0).sqrt() as f32)
        );
        assert_eq!(next.parameters, TaskState::initial(&task).parameters);
        assert_eq!(TaskState::from_bytes(&next.to_bytes()), Ok(next));
    }

    #[test]
    fn a_train_step_by_hand() {
        let task = task("");
        let plan = Plan::new(&task);
        let before = trained_next(&task, &plan);
        // Weights 2 and 6: (2 * 0.4 + 6 * 0) / 8 = 0.1 and (2 * 0 + 6 * -0.8) / 8 = -0.6.
        let sum = train_sum(&plan, &[([0.4, 0.0], 2), ([0.0, -0.8], 6)]);
        let (after, outcome) = before.advance(&task, &plan, &sum, 2).unwrap();
        assert_eq!(outcome.weight, 8);
        assert_eq!(outcome.metrics.unwrap().rows, 0);
        let step = 2.0 / 65_535.0;
        for (at, expected) in [0.1, -0.6].into_iter().enumerate() {
            let moved = f64::from(after.parameters[at]) - f64::from(before.parameters[at]);
            assert!(
                (moved - expected).abs() <= 2.0 * step / 0.8 + 1e-6,
                "{moved} {expected}"
            );
        }
        assert_eq!((after.step, &after.moments), (2, &before.moments));
        assert_ne!(after.hash(), before.hash());
    }

    #[test]
    fn the_server_optimiser_remembers() {
        let task = task("optimiser = \"fedavgm\"\nbeta1 = 0.5\n");
        let plan = Plan::new(&task);
        let before = trained_next(&task, &plan);
        assert_eq!(before.optimiser.momentum, [0.0, 0.0]);
        let sum = train_sum(&plan, &[([0.5, -0.5], 10), ([0.5, -0.5], 10)]);
        let (after, _) = before.advance(&task, &plan, &sum, 2).unwrap();
        assert!((after.optimiser.momentum[0] - 0.5).abs() < 1e-3);
        assert_eq!(TaskState::from_bytes(&after.to_bytes()), Ok(after));
    }

    #[test]
    fn a_bank_that_lies_about_weights_or_lanes_is_noticed() {
        let task = task("");
        let plan = Plan::new(&task);
        let before = trained_next(&task, &plan);
        let honest = train_sum(&plan, &[([0.9, 0.9], 10), ([0.9, 0.9], 10)]);
        assert!(before.advance(&task, &plan, &honest, 2).is_ok());
        let weight = plan.layout(RoundKind::Train).segments[0].lanes();
        // The weights add up to 2 instead of 20: the average would be ten times what any bank sent.
        let mut scaled = honest.clone();
        scaled[weight] = 2;
        assert_eq!(
            before.advance(&task, &plan, &scaled, 2),
            Err(AdvanceError::Average)
        );
        // Two banks reach 2 * 65,535 in a lane.
        let mut wrapped = honest;
        wrapped[0] = 131_071;
        assert_eq!(
            before.advance(&task, &plan, &wrapped, 2),
            Err(AdvanceError::Lane {
                at: 0,
                found: 131_071,
                most: 131_070,
                survivors: 2
            })
        );
    }

    #[test]
    fn impossible_sums_are_refused() {
        let task = task("");
        let plan = Plan::new(&task);
        let before = trained_next(&task, &plan);
        let sum = train_sum(&plan, &[([0.4, 0.0], 2), ([0.0, -0.8], 10)]);
        let changed = |lane: usize, value: u32| {
            let mut sum = sum.clone();
            sum[lane] = value;
            before.advance(&task, &plan, &sum, 2).unwrap_err()
        };
        // The weight is 12, of two banks that have 1 to 10 each; 2 would make the average -4, outside of the range.
        for found in [1, 21] {
            let error = AdvanceError::Weight {
                found,
                survivors: 2,
                most: 20,
            };
            assert_eq!(changed(2, found as u32), error);
        }
        assert_eq!(changed(2, 2), AdvanceError::Average);
        let error = AdvanceError::Lane {
            at: 0,
            found: 131_071,
            most: 131_070,
            survivors: 2,
        };
        assert_eq!(changed(0, 131_071), error);
        assert!(before.advance(&task, &plan, &sum, 2).is_ok());
        let mut wide = sum.clone();
        wide[3] = 1;
        assert!(matches!(
            before.advance(&task, &plan, &wide, 2),
            Err(AdvanceError::Weight { found: 65_548, .. })
        ));
        let lanes = sum.len();
        assert_eq!(
            before.advance(&task, &plan, &sum[1..], 2),
            Err(AdvanceError::Lanes {
                found: lanes - 1,
                expected: lanes
            })
        );
        // Rows that no histogram holds.
        let mut rows = sum;
        rows[4] = 1;
        assert!(matches!(
            before.advance(&task, &plan, &rows, 2),
            Err(AdvanceError::Sums(_))
        ));
        // More than one per row.
        let mut statistics = add(&[plan.statistics(&[column(&[1.0])]).unwrap()]);
        statistics[0] = 0;
        assert!(matches!(
            TaskState::initial(&task).advance(&task, &plan, &statistics, 1),
            Err(AdvanceError::Sums(_))
        ));
        let done = TaskState {
            step: plan.steps(),
            ..before
        };
        assert_eq!(done.advance(&task, &plan, &[], 2), Err(AdvanceError::NoStep(3)));
    }
}
