//! LIME: a linear model of the score in the neighbourhood of one row (Ribeiro, Singh and Guestrin, "Why Should I Trust You?", 2016).

mod parts;
mod tabular;
mod words;

pub use parts::Masked;
pub use tabular::{Condition, LocalTable};
pub use words::Words;

use crate::coalition::Coalitions;
use crate::equations::Equations;
use crate::error::{Error, Invalid};

/// The penalty with which features are chosen, and the one of the model that is told, as the authors' implementation has them.
const CHOOSING: f64 = 0.01;
const TOLD: f64 = 1.0;

/// How a neighbourhood is drawn and what is told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lime {
    /// Neighbours, the row itself among them; at least 2. 5,000 are usual.
    pub samples: usize,
    /// Features that the local model is made of, at least 1: those with the largest weights.
    pub features: usize,
    /// The same seed draws the same neighbours everywhere.
    pub seed: u64,
}

/// A linear model of whether features are as in the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// The local model's score where no feature is as in the row.
    pub intercept: f64,
    /// Features and how much the score changes, in its unit, when they are as in the row; the largest amounts first.
    pub weights: Vec<(usize, f64)>,
    /// The model's score of the row.
    pub score: f64,
    /// The local model's score of the row.
    pub fitted: f64,
    /// The share of the variance of the neighbours' scores, weighted as in the fit, that the local model accounts for; 1 where they are all alike.
    pub r_squared: f64,
}

impl Lime {
    fn check<E>(&self, features: usize) -> Result<(), Error<E>> {
        if self.samples < 2 {
            return Err(Invalid::range("samples", self.samples as f64, "at least 2").into());
        }
        if self.features == 0 {
            return Err(Invalid::range("features", 0.0, "at least 1").into());
        }
        if features == 0 {
            return Err(Invalid::Empty {
                field: "parts",
                remedy: "give a text or a row that has some",
            }
            .into());
        }
        Ok(())
    }

    /// Fits neighbours, of which the first is the row itself.
    fn fit(&self, neighbours: &Neighbours) -> Result<Local, Invalid> {
        let features: Vec<usize> = (0..neighbours.sets.players()).collect();
        let chosen = if self.features < features.len() {
            let (_, weights) = neighbours.regress(&features, CHOOSING)?;
            let mut ranked: Vec<(usize, f64)> = features.into_iter().zip(weights).collect();
            rank(&mut ranked);
            ranked.truncate(self.features);
            let mut chosen: Vec<usize> = ranked.into_iter().map(|(feature, _)| feature).collect();
            chosen.sort_unstable();
            chosen
        } else {
            features
        };
        let (intercept, weights) = neighbours.regress(&chosen, TOLD)?;
        let mut weights: Vec<(usize, f64)> = chosen.into_iter().zip(weights).collect();
        let r_squared = neighbours.r_squared(intercept, &weights);
        rank(&mut weights);
        Ok(Local {
            intercept,
            score: neighbours.scores.first().copied().unwrap_or(intercept),
            fitted: intercept + weights.iter().map(|(_, weight)| weight).sum::<f64>(),
            weights,
            r_squared,
        })
    }
}

/// The largest amounts first; of equal ones the first feature.
fn rank(weights: &mut [(usize, f64)]) {
    weights.sort_by(|(_, one), (_, two)| two.abs().total_cmp(&one.abs()));
}

/// Rows in the neighbourhood: which features are as in the row, what the model says, and how near they are.
struct Neighbours {
    sets: Coalitions,
    scores: Vec<f64>,
    nearness: Vec<f64>,
}

impl Neighbours {
    /// Intercept and weights of a ridge regression on `features`, ascending. The intercept is not penalised.
    fn regress(&self, features: &[usize], penalty: f64) -> Result<(f64, Vec<f64>), Invalid> {
        let mut equations = Equations::new(features.len() + 1);
        let mut places = Vec::with_capacity(features.len() + 1);
        for ((set, score), weight) in self.sets.iter().zip(&self.scores).zip(&self.nearness) {
            places.clear();
            places.push(0);
            places.extend(
                (1..)
                    .zip(features)
                    .filter(|(_, feature)| set.contains(**feature))
                    .map(|(place, _)| place),
            );
            equations.observe_signs(&places, 1.0, *score, *weight);
        }
        equations.ridge(penalty, 1);
        let mut solution = equations.solve().ok_or(Invalid::Singular { field: "LIME" })?;
        let weights = solution.split_off(1);
        Ok((solution.first().copied().unwrap_or(0.0), weights))
    }

    fn r_squared(&self, intercept: f64, weights: &[(usize, f64)]) -> f64 {
        let all: f64 = self.nearness.iter().sum();
        let scored = || self.scores.iter().zip(&self.nearness);
        let mean = scored().map(|(score, weight)| score * weight).sum::<f64>() / all;
        let variance: f64 = scored()
            .map(|(score, weight)| weight * (score - mean).powi(2))
            .sum();
        let errors = self.sets.iter().zip(scored()).map(|(set, (score, weight))| {
            let present = weights.iter().filter(|(feature, _)| set.contains(*feature));
            let fitted = intercept + present.map(|(_, value)| value).sum::<f64>();
            weight * (score - fitted).powi(2)
        });
        let left: f64 = errors.sum();
        if variance > 0.0 {
            1.0 - left / variance
        } else {
            1.0
        }
    }
}

/// The exponential kernel of the authors' implementation, the root of exp(-d^2 / width^2).
fn near(distance: f64, width: f64) -> f64 {
    (-(distance / width).powi(2) / 2.0).exp()
}
