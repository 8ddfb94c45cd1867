//! The network of answers.py.

use std::convert::Infallible;

use serde::Deserialize;
use veilsum_explain::{Rows, Scorer};

#[derive(Deserialize)]
pub(crate) struct Layer {
    weights: Vec<Vec<f64>>,
    biases: Vec<f64>,
}

/// Layers with tanh between them and a logistic output.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Network(Vec<Layer>);

impl Network {
    fn score(&self, row: &[f32]) -> f64 {
        let mut values: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        for (layer, at) in self.0.iter().zip(1..) {
            let mut next = layer.biases.clone();
            for (value, weights) in values.iter().zip(&layer.weights) {
                for (sum, weight) in next.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
            if at < self.0.len() {
                next.iter_mut().for_each(|value| *value = value.tanh());
            }
            values = next;
        }
        1.0 / (1.0 + (-values[0]).exp())
    }
}

impl Scorer for Network {
    type Error = Infallible;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, Infallible> {
        Ok(rows.iter().map(|row| self.score(row)).collect())
    }
}
