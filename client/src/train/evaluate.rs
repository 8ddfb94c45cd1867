use tch::Tensor;
use veilsum_protocol::model::{BinarySums, ClassSums, GroupSums, ModelSpec, NumberSums, ScoreSums, Target};

use crate::data::EncodedData;
use crate::model::{Network, Parameters};

use super::rows::{Rows, append};
use super::{Runtime, TrainError};

/// A probability this near to 0 or 1 counts as no nearer, so that a single row's loss is at most 16.2 nats.
const LEAST_PROBABILITY: f64 = 1e-7;

/// How a model judges some rows; the bank's own, to be sent only as masked sums. `bins`: of the histograms of a binary model's scores, equal width
/// over `[0, 1]`. No rows give empty sums.
///
/// # Errors
/// When the parts do not fit, libtorch fails, or an output is not a number.
pub fn evaluate(
    model: &ModelSpec,
    parameters: &[f32],
    data: &EncodedData,
    rows: &[u32],
    bins: u32,
    runtime: Runtime,
) -> Result<ScoreSums, TrainError> {
    evaluate_by_group(model, parameters, data, rows, bins, None, runtime)
}

/// The groups of a bank's rows.
#[derive(Clone, Copy, Debug)]
pub struct ByGroup<'a> {
    /// Of each row of the data, below `count`.
    pub of_rows: &'a [u8],
    /// How many groups there are.
    pub count: usize,
}

/// How a model judges some rows, like [`evaluate`]; the scores of a binary model by group as well, if there are groups.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_by_group(
    model: &ModelSpec,
    parameters: &[f32],
    data: &EncodedData,
    rows: &[u32],
    bins: u32,
    groups: Option<ByGroup<'_>>,
    runtime: Runtime,
) -> Result<ScoreSums, TrainError> {
    let predictions = predict(model, parameters, data, rows, runtime)?;
    let labels = rows.iter().map(|&row| data.labels[row as usize]);
    Ok(match data.target {
        Target::Binary => {
            // One prediction for both, so that the groups are the whole to the last row.
            let by = groups.map(|groups| by_group(labels.clone().zip(&predictions), rows, groups, bins));
            let mut sums = binary(labels.zip(predictions), bins);
            sums.groups = by.unwrap_or_default();
            ScoreSums::Binary(sums)
        }
        Target::Classes(classes) => {
            let scores = predictions.chunks_exact(usize::from(classes));
            by_class(labels.zip(scores), usize::from(classes))
        }
        Target::Number => {
            let mut sums = NumberSums::default();
            for (label, prediction) in labels.zip(predictions) {
                sums.add(f64::from(label), f64::from(prediction));
            }
            ScoreSums::Number(sums)
        }
    })
}

fn binary(rows: impl ExactSizeIterator<Item = (f32, f32)>, bins: u32) -> BinarySums {
    let count = rows.len() as u64;
    let (mut negatives, mut positives) = (vec![0; bins as usize], vec![0; bins as usize]);
    let mut loss = 0.0;
    for (label, score) in rows {
        let (positive, score) = (label > 0.5, f64::from(score));
        loss += log_loss(if positive { score } else { 1.0 - score });
        let histogram = if positive { &mut positives } else { &mut negatives };
        histogram[bin(score, bins)] += 1;
    }
    BinarySums::new(count, loss, negatives, positives)
}

fn by_group<'a>(
    scored: impl Iterator<Item = (f32, &'a f32)>,
    rows: &[u32],
    groups: ByGroup<'_>,
    bins: u32,
) -> Vec<GroupSums> {
    let empty = GroupSums {
        negatives: vec![0; bins as usize],
        positives: vec![0; bins as usize],
    };
    let mut sums = vec![empty; groups.count];
    for ((label, score), &row) in scored.zip(rows) {
        let sums = &mut sums[usize::from(groups.of_rows[row as usize])];
        let histogram = if label > 0.5 {
            &mut sums.positives
        } else {
            &mut sums.negatives
        };
        histogram[bin(f64::from(*score), bins)] += 1;
    }
    sums
}

/// `rows`: the class, and the probability of each class.
fn by_class<'a>(rows: impl ExactSizeIterator<Item = (f32, &'a [f32])>, classes: usize) -> ScoreSums {
    let count = rows.len() as u64;
    let mut confusion = vec![0; classes * classes];
    let mut loss = 0.0;
    for (label, scores) in rows {
        let class = label as usize;
        loss += log_loss(f64::from(scores[class]));
        let likeliest = (0..classes)
            .rev()
            .max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        confusion[class * classes + likeliest.unwrap_or(0)] += 1;
    }
    ScoreSums::Classes(ClassSums::new(count, loss, confusion))
}

fn log_loss(likelihood: f64) -> f64 {
    -likelihood.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln()
}

/// The bin of a score in `[0, 1]`; a score of 1 falls into the last one.
fn bin(score: f64, bins: u32) -> usize {
    ((score * f64::from(bins)) as usize).min(bins as usize - 1)
}

/// What the model predicts for each of `rows`: the probability of label 1, in `[0, 1]`; the probability of each class, one after another; or the
/// number on the label's scale.
///
/// # Errors
/// When the parts do not fit, libtorch fails, or an output is not a number.
pub fn predict(
    model: &ModelSpec,
    parameters: &[f32],
    data: &EncodedData,
    rows: &[u32],
    runtime: Runtime,
) -> Result<Vec<f32>, TrainError> {
    runtime.enter();
    let network = Network::new(model, &data.shape, data.target);
    let mut gathered = Rows::new(&network, parameters, data, rows, runtime.device())?;
    let parameters = network.parameters(parameters, runtime.device())?;
    let mut scores = Vec::with_capacity(rows.len());
    let mut left = rows;
    while !left.is_empty() {
        let (batch, next) = left.split_at(left.len().min(network.rows_at_once()));
        left = next;
        let (inputs, _) = gathered.gather(batch, next)?;
        predict_batch(&network, &parameters, &inputs, data.target, &mut scores)?;
    }
    Ok(scores)
}

/// Appends what the model predicts for a few rows, `inputs` of shape `[rows, width]` on the network's device, as [`predict`] does.
///
/// # Errors
/// When libtorch fails, or an output is not a number.
pub(crate) fn predict_batch(
    network: &Network,
    parameters: &Parameters,
    inputs: &Tensor,
    target: Target,
    scores: &mut Vec<f32>,
) -> Result<(), TrainError> {
    let before = scores.len();
    let outputs = network.outputs(parameters, inputs)?.logits()?;
    let predicted = match target {
        Target::Binary => outputs.f_sigmoid()?,
        Target::Classes(_) => outputs.f_softmax(-1, None)?,
        Target::Number => outputs,
    };
    append(&predicted, scores)?;
    check(target, scores.get(before..).unwrap_or_default())
}

/// What a model of `target` predicts by its `outputs`, shape `[rows, outputs]`, as [`predict_batch`] has it of tensors.
///
/// # Errors
/// An output that is not a number.
pub(crate) fn predicted(target: Target, mut outputs: Vec<f32>) -> Result<Vec<f32>, TrainError> {
    match target {
        Target::Binary => outputs
            .iter_mut()
            .for_each(|output| *output = 1.0 / (1.0 + (-*output).exp())),
        Target::Classes(classes) => {
            for row in outputs.chunks_exact_mut(usize::from(classes).max(1)) {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|output| *output = (*output - most).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|output| *output /= sum);
            }
        }
        Target::Number => {}
    }
    check(target, &outputs)?;
    Ok(outputs)
}

/// Refuses scores that no model of the target gives.
fn check(target: Target, scores: &[f32]) -> Result<(), TrainError> {
    let wrong = |score: &&f32| match target {
        Target::Binary | Target::Classes(_) => !(0.0..=1.0).contains(*score),
        Target::Number => !score.is_finite(),
    };
    match scores.iter().find(wrong) {
        Some(&score) => Err(TrainError::Score(score)),
        None => Ok(()),
    }
}
