//! What a task computes, step by step, and how a bank's part of each step is laid out.

use crate::crypto::entropy::Entropy;
use crate::ids::Digest;
use crate::model::state::AdvanceError;
use crate::model::vocabulary::Table;
use crate::model::{ColumnSums, ImportanceSums, Preparation, ScoreSums, Shared, Support, Target};
use crate::round::params::RoundKind;
use crate::secagg::layout::{Layout, Segment, SegmentKind, limbs_for};
use crate::secagg::quantise::{Digits, QuantiseError, clip_l2, real_sum};
use crate::task::{Schema, Task, VocabularySpec};

/// Bits of a count of rows of one bank.
const COUNT_BITS: u32 = 24;
/// Bits of a fixed-point sum over the rows of one bank: 24 of the count, 32 behind the point.
const SUM_BITS: u32 = 56;
/// The segment of the changes of the banks' controls.
pub(super) const CONTROLS: &str = "controls";
/// The segments of how many rows were explained, and of how much each column moved their answers.
pub(super) const EXPLAINED: &str = "explained";
pub(super) const IMPORTANCE: &str = "importance";
/// Bits of a weight.
const WEIGHT_BITS: u32 = 32;

/// A task's steps and layouts, derived from its text alone.
#[derive(Clone, Debug)]
pub struct Plan {
    task: Digest,
    kinds: Vec<RoundKind>,
    statistics: Layout,
    train: Layout,
    evaluate: Layout,
    support: Layout,
    vocabulary: Layout,
    schema: Schema,
    max_weight: u32,
    clip_norm: f32,
    shared: Shared,
    /// Range and clip norm of a control's change, of a task with control variates.
    controls: Option<(f32, f32)>,
}

impl Plan {
    /// Of a task that was parsed.
    pub fn new(task: &Task) -> Self {
        let columns = count(task.schema.standardised().len());
        let mut kinds = Vec::new();
        let open: Vec<_> = task.schema.open_columns().map(|(_, spec)| spec).collect();
        if !open.is_empty() {
            kinds.extend([RoundKind::Support, RoundKind::Vocabulary]);
        }
        if columns > 0 || task.preparation.is_some() {
            kinds.push(RoundKind::Statistics);
        }
        kinds.extend(std::iter::repeat_n(RoundKind::Train, task.rounds as usize));
        kinds.push(RoundKind::Evaluate);
        let bits = task.encoding.bits;
        let layout = |segments| Layout {
            digit_bits: bits,
            range: task.encoding.range as f32,
            segments,
        };
        let integers = |name: &str, values, width| Segment {
            name: name.to_owned(),
            kind: SegmentKind::Integers {
                limbs: limbs_for(bits, width),
            },
            values,
        };
        let bins = task.evaluation.bins;
        let scores = || match task.target() {
            Target::Binary => vec![
                integers("rows", 1, COUNT_BITS),
                integers("loss", 1, SUM_BITS),
                integers("negatives", bins, COUNT_BITS),
                integers("positives", bins, COUNT_BITS),
            ],
            Target::Classes(classes) => vec![
                integers("rows", 1, COUNT_BITS),
                integers("loss", 1, SUM_BITS),
                integers("confusion", u32::from(classes) * u32::from(classes), COUNT_BITS),
            ],
            Target::Number => vec![
                integers("rows", 1, COUNT_BITS),
                integers("labels", 1, SUM_BITS),
                integers("label-squares", 1, SUM_BITS),
                integers("absolute-errors", 1, SUM_BITS),
                integers("squared-errors", 1, SUM_BITS),
            ],
        };
        let shared = task.shared();
        let reals = |name: &str| Segment {
            name: name.to_owned(),
            kind: SegmentKind::Reals,
            values: count(shared.len()),
        };
        // Groups are compared once, of the last model: in each round they would cost as many lanes again for every group, and show more of each.
        let mut evaluate = scores();
        if let Some(groups) = &task.evaluation.groups {
            let counts = bins * count(groups.count());
            evaluate.push(integers("group-negatives", counts, COUNT_BITS));
            evaluate.push(integers("group-positives", counts, COUNT_BITS));
        }
        // Like groups of the last model alone: explaining a row costs as much as judging thousands.
        let explained = task.explained_columns();
        if !explained.is_empty() {
            evaluate.push(integers(EXPLAINED, 1, COUNT_BITS));
            evaluate.push(integers(IMPORTANCE, count(explained.len()), SUM_BITS));
        }
        let encoding = &task.encoding;
        let controls = encoding.control_range.map(|range| {
            let clip_norm = encoding.clip_norm * range / encoding.range;
            (range as f32, clip_norm as f32)
        });
        let mut train = vec![reals("parameters")];
        train.extend(controls.map(|_| reals(CONTROLS)));
        train.push(integers("weight", 1, WEIGHT_BITS));
        train.extend(scores());
        let mut statistics = vec![
            integers("count", columns, COUNT_BITS),
            integers("sum", columns, SUM_BITS),
            integers("sum-of-squares", columns, SUM_BITS),
        ];
        if let Some(preparation) = &task.preparation {
            let counts = Preparation::segments(&task.schema, preparation.histogram_bins);
            statistics.extend(
                counts
                    .into_iter()
                    .map(|(name, values)| integers(name, values, COUNT_BITS)),
            );
        }
        let of_open = |size: fn(VocabularySpec) -> usize| count(open.iter().map(|spec| size(*spec)).sum());
        Self {
            support: layout(vec![integers("cells", of_open(Support::size), 1)]),
            vocabulary: layout(vec![
                integers("counts", of_open(Table::cells), COUNT_BITS),
                integers("bytes", of_open(Table::bytes), COUNT_BITS),
                integers("checks", of_open(Table::cells), SUM_BITS),
            ]),
            task: task.hash(),
            kinds,
            statistics: layout(statistics),
            train: layout(train),
            evaluate: layout(evaluate),
            schema: task.schema.clone(),
            max_weight: task.aggregation.max_weight,
            clip_norm: task.encoding.clip_norm as f32,
            shared,
            controls,
        }
    }

    /// Hash of the task.
    pub fn task(&self) -> Digest {
        self.task
    }

    /// Number of steps.
    pub fn steps(&self) -> u32 {
        count(self.kinds.len())
    }

    /// What step `step` computes; `None` behind the last.
    pub fn kind(&self, step: u32) -> Option<RoundKind> {
        self.kinds.get(step as usize).copied()
    }

    /// The step that judges the final model, which ends the task. A task whose training stops early goes on with it.
    pub fn last_step(&self) -> u32 {
        self.steps().saturating_sub(1)
    }

    /// Which training round step `step` is, from 0: how many stand before it.
    pub fn train_round(&self, step: u32) -> u32 {
        let before = self.kinds.iter().take(step as usize);
        count(before.filter(|kind| **kind == RoundKind::Train).count())
    }

    /// How a bank's part of a round of `kind` is laid out.
    pub fn layout(&self, kind: RoundKind) -> &Layout {
        match kind {
            RoundKind::Statistics => &self.statistics,
            RoundKind::Train => &self.train,
            RoundKind::Evaluate => &self.evaluate,
            RoundKind::Support => &self.support,
            RoundKind::Vocabulary => &self.vocabulary,
        }
    }

    /// `W`, the greatest weight of a bank.
    pub fn max_weight(&self) -> u32 {
        self.max_weight
    }

    /// Which of the model's parameters leave the banks.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The range of a control's change, of a task with control variates.
    pub fn control_range(&self) -> Option<f32> {
        self.controls.map(|(range, _)| range)
    }

    /// What a bank's digits of a train round say of the change of its control: what the sum takes it to be, shape `[d]`; empty for a task
    /// without control variates.
    pub fn control_change(&self, digits: &Digits) -> Vec<f32> {
        let (Some(range), layout) = (self.control_range(), &self.train) else {
            return Vec::new();
        };
        let lanes = layout.segment(digits.lanes(), CONTROLS).unwrap_or_default();
        let value = |lane: &u32| real_sum(*lane, 1, layout.digit_bits, range) as f32;
        lanes.iter().map(value).collect()
    }

    fn digits(&self, kind: RoundKind) -> Digits {
        let layout = self.layout(kind);
        Digits::with_capacity(layout.digit_bits, layout.lanes())
    }

    /// A bank's part of the support round: `values` are its own, for each of [`Schema::open_columns`], the most frequent first.
    ///
    /// # Errors
    /// Never: a cell is 0 or 1.
    pub fn support(&self, values: &[Vec<String>]) -> Result<Digits, QuantiseError> {
        let mut digits = self.digits(RoundKind::Support);
        for ((column, spec), values) in self.schema.open_columns().zip(values) {
            for cell in Support::part(spec, &self.task, column, values) {
                digits.push_integer(cell, 1)?;
            }
        }
        Ok(digits)
    }

    /// A bank's part of the vocabulary round: those of the same values that `supported`, from the support round, lets through.
    ///
    /// # Errors
    /// If a sum does not fit: far more values in one cell than a task has.
    pub fn vocabulary(&self, supported: &[Support], values: &[Vec<String>]) -> Result<Digits, QuantiseError> {
        let columns = self.schema.open_columns().zip(values).zip(supported);
        let tables = columns.map(|(((column, spec), values), support)| {
            Table::part(spec, &self.task, column, values, support)
        });
        let tables: Vec<_> = tables.collect();
        let mut digits = self.digits(RoundKind::Vocabulary);
        let limbs = |bits| self.vocabulary.limbs_for(bits);
        let sums = [
            (
                tables.iter().flat_map(|table| &table.counts).collect::<Vec<_>>(),
                COUNT_BITS,
            ),
            (tables.iter().flat_map(|table| &table.bytes).collect(), COUNT_BITS),
            (tables.iter().flat_map(|table| &table.checks).collect(), SUM_BITS),
        ];
        for (sums, bits) in sums {
            for sum in sums {
                digits.push_integer(*sum, limbs(bits))?;
            }
        }
        Ok(digits)
    }

    /// A bank's part of the statistics round of a task that prepares: the sums, and the counts of the same rows.
    ///
    /// # Errors
    /// If a sum or a count does not fit: more rows than a bank may count.
    pub fn prepared_statistics(
        &self,
        columns: &[ColumnSums],
        counts: &Preparation,
    ) -> Result<Digits, QuantiseError> {
        let mut digits = self.statistics(columns)?;
        let limbs = self.statistics.limbs_for(COUNT_BITS);
        for count in counts.flat(&self.schema).iter().flatten() {
            digits.push_integer(*count, limbs)?;
        }
        Ok(digits)
    }

    /// A bank's part of the statistics round of a task without preparation: one [`ColumnSums`] per standardised input.
    ///
    /// # Errors
    /// If a sum does not fit: more rows than a bank may count.
    pub fn statistics(&self, columns: &[ColumnSums]) -> Result<Digits, QuantiseError> {
        let mut digits = self.digits(RoundKind::Statistics);
        for column in columns {
            digits.push_integer(column.count, self.statistics.limbs_for(COUNT_BITS))?;
        }
        for column in columns {
            digits.push_integer(column.sum, self.statistics.limbs_for(SUM_BITS))?;
        }
        for column in columns {
            digits.push_integer(column.sum_of_squares, self.statistics.limbs_for(SUM_BITS))?;
        }
        Ok(digits)
    }

    /// A bank's part of a train round: its update (`local - global` of the [shared](Self::shared) parameters, shape `[d]`, clipped here to
    /// the L2 norm and the range), its weight in `1..=W`, and the scores of the model before the round.
    ///
    /// # Errors
    /// If the update is not finite or not as long as the layout says, the weight out of range, or a count too large.
    pub fn train<E: Entropy + ?Sized>(
        &self,
        update: &mut [f32],
        weight: u32,
        scores: &ScoreSums,
        entropy: &mut E,
    ) -> Result<Digits, QuantiseError> {
        self.train_controlled(update, &mut [], weight, scores, entropy)
    }

    /// The same of a task with control variates: `change` is by how much the bank's control moves, shape `[d]`, clipped here like the update
    /// and encoded as it is, whatever the bank's weight.
    ///
    /// # Errors
    /// As [`Plan::train`].
    pub fn train_controlled<E: Entropy + ?Sized>(
        &self,
        update: &mut [f32],
        change: &mut [f32],
        weight: u32,
        scores: &ScoreSums,
        entropy: &mut E,
    ) -> Result<Digits, QuantiseError> {
        let controls = self.controls.map_or(0, |_| self.shared.len());
        for (found, expected) in [(update.len(), self.shared.len()), (change.len(), controls)] {
            if found != expected {
                return Err(QuantiseError::Length { found, expected });
            }
        }
        if !(1..=self.max_weight).contains(&weight) {
            return Err(QuantiseError::Weight {
                weight,
                max: self.max_weight,
            });
        }
        for values in [&*update, &*change] {
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(QuantiseError::NotFinite {
                    at,
                    value: values[at],
                });
            }
        }
        clip_l2(update, self.clip_norm);
        let mut digits = self.digits(RoundKind::Train);
        let share = f64::from(weight) / f64::from(self.max_weight);
        digits.push_reals(update, self.train.range, share, entropy)?;
        if let Some((range, clip_norm)) = self.controls {
            clip_l2(change, clip_norm);
            digits.push_reals(change, range, 1.0, entropy)?;
        }
        digits.push_integer(u64::from(weight), self.train.limbs_for(WEIGHT_BITS))?;
        self.push_scores(&mut digits, scores)?;
        Ok(digits)
    }

    /// A bank's part of an evaluate round. The groups of `scores` are those of the task, in its order; `importance` is of
    /// [`Task::explained_columns`], and left out where there are none.
    ///
    /// # Errors
    /// If a count is too large, or the importance is not of these columns.
    pub fn evaluate(
        &self,
        scores: &ScoreSums,
        importance: Option<&ImportanceSums>,
    ) -> Result<Digits, QuantiseError> {
        let mut digits = self.digits(RoundKind::Evaluate);
        self.push_scores(&mut digits, scores)?;
        if let ScoreSums::Binary(scores) = scores {
            let negatives = scores.groups.iter().flat_map(|group| &group.negatives);
            let positives = scores.groups.iter().flat_map(|group| &group.positives);
            for count in negatives.chain(positives) {
                digits.push_integer(*count, self.evaluate.limbs_for(COUNT_BITS))?;
            }
        }
        if let Some(importance) = importance {
            digits.push_integer(importance.rows, self.evaluate.limbs_for(COUNT_BITS))?;
            for amount in &importance.amounts {
                digits.push_integer(*amount, self.evaluate.limbs_for(SUM_BITS))?;
            }
        }
        match (digits.lanes().len(), self.evaluate.lanes()) {
            (found, expected) if found != expected => Err(QuantiseError::Length { found, expected }),
            _ => Ok(digits),
        }
    }

    /// An average of honest updates keeps the range and the clip norm that each of them keeps, up to the rounding of its digits.
    ///
    /// # Errors
    /// [`AdvanceError::Average`] for any other.
    pub(super) fn check_average(
        &self,
        average: &[f64],
        survivors: u16,
        share: f64,
    ) -> Result<(), AdvanceError> {
        self.check_reals(average, survivors, share, self.train.range, self.clip_norm)
    }

    /// The same of the average change of the banks' controls.
    ///
    /// # Errors
    /// [`AdvanceError::Average`].
    pub(super) fn check_controls(&self, average: &[f64], survivors: u16) -> Result<(), AdvanceError> {
        let (range, clip_norm) = self.controls.unwrap_or_default();
        self.check_reals(average, survivors, f64::from(survivors), range, clip_norm)
    }

    fn check_reals(
        &self,
        average: &[f64],
        survivors: u16,
        share: f64,
        range: f32,
        clip_norm: f32,
    ) -> Result<(), AdvanceError> {
        let range = f64::from(range);
        let step = 2.0 * range / f64::from((1u32 << self.train.digit_bits) - 1);
        let rounding = f64::from(survivors) * step / share;
        let inside = average.iter().all(|value| value.abs() <= range + rounding);
        let norm = average.iter().map(|value| value * value).sum::<f64>().sqrt();
        let count = u32::try_from(average.len()).map_or(f64::INFINITY, f64::from);
        if inside && norm <= f64::from(clip_norm) * (1.0 + 1e-6) + rounding * count.sqrt() {
            return Ok(());
        }
        Err(AdvanceError::Average)
    }

    fn push_scores(&self, digits: &mut Digits, scores: &ScoreSums) -> Result<(), QuantiseError> {
        let (counts, sums) = (self.train.limbs_for(COUNT_BITS), self.train.limbs_for(SUM_BITS));
        match scores {
            ScoreSums::Binary(scores) => {
                digits.push_integer(scores.rows, counts)?;
                digits.push_integer(scores.loss, sums)?;
                for count in scores.negatives.iter().chain(&scores.positives) {
                    digits.push_integer(*count, counts)?;
                }
            }
            ScoreSums::Classes(scores) => {
                digits.push_integer(scores.rows, counts)?;
                digits.push_integer(scores.loss, sums)?;
                for count in &scores.confusion {
                    digits.push_integer(*count, counts)?;
                }
            }
            ScoreSums::Number(scores) => {
                digits.push_integer(scores.rows, counts)?;
                for sum in [
                    scores.labels,
                    scores.label_squares,
                    scores.absolute,
                    scores.squared,
                ] {
                    digits.push_integer(sum, sums)?;
                }
            }
        }
        Ok(())
    }
}

fn count(value: usize) -> u32 {
    u32::try_from(value).expect("a task's model, schema and rounds are bounded far below 2^32")
}

#[cfg(test)]
mod tests;
