use veilsum_protocol::model::{ModelSpec, ScoreSums};

use crate::data::EncodedData;
use crate::model::Network;

use super::rows::{Rows, append};
use super::{Runtime, TrainError};

/// A score this near to 0 or 1 counts as no nearer, so that a single row's loss is at most 16.2 nats.
const LEAST_PROBABILITY: f64 = 1e-7;

/// How a model scores some rows; the bank's own, to be sent only as masked sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// How many rows.
    pub rows: u64,
    /// Sum of their log losses, in nats.
    pub loss_sum: f64,
    /// Rows with label 0 by score, bins of equal width over `[0, 1]`.
    pub negatives: Vec<u64>,
    /// Rows with label 1 by score.
    pub positives: Vec<u64>,
}

impl From<Evaluation> for ScoreSums {
    fn from(evaluation: Evaluation) -> Self {
        Self::new(
            evaluation.rows,
            evaluation.loss_sum,
            evaluation.negatives,
            evaluation.positives,
        )
    }
}

/// Scores `rows` into histograms of `bins` bins. No rows give empty sums.
///
/// # Errors
/// When the parts do not fit, libtorch fails, or a score is not a number.
pub fn evaluate(
    model: &ModelSpec,
    parameters: &[f32],
    data: &EncodedData,
    rows: &[u32],
    bins: u32,
    runtime: Runtime,
) -> Result<Evaluation, TrainError> {
    let scores = predict(model, parameters, data, rows, runtime)?;
    let empty = vec![0; bins as usize];
    let mut evaluation = Evaluation {
        rows: rows.len() as u64,
        loss_sum: 0.0,
        negatives: empty.clone(),
        positives: empty,
    };
    for (&row, &score) in rows.iter().zip(&scores) {
        let positive = data.labels[row as usize] > 0.5;
        let score = f64::from(score);
        let likelihood = if positive { score } else { 1.0 - score };
        evaluation.loss_sum -= likelihood.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln();
        let histogram = if positive {
            &mut evaluation.positives
        } else {
            &mut evaluation.negatives
        };
        histogram[bin(score, bins)] += 1;
    }
    Ok(evaluation)
}

/// The bin of a score in `[0, 1]`; a score of 1 falls into the last one.
fn bin(score: f64, bins: u32) -> usize {
    ((score * f64::from(bins)) as usize).min(bins as usize - 1)
}

/// The probability of label 1 for each of `rows`, in `[0, 1]`.
///
/// # Errors
/// When the parts do not fit, libtorch fails, or a score is not a number.
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
    for batch in rows.chunks(network.rows_at_once()) {
        let (inputs, _) = gathered.gather(batch)?;
        let outputs = network.outputs(&parameters, &inputs)?;
        append(&outputs.logits()?.f_sigmoid()?, &mut scores)?;
    }
    match scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
        Some(&score) => Err(TrainError::Score(score)),
        None => Ok(scores),
    }
}
