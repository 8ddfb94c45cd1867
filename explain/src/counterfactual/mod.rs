//! Counterfactuals: the smallest change of a row that brings its score over a threshold.

mod moves;
mod search;

pub use moves::{Direction, Moves};

use crate::distribution::Distribution;
use crate::error::{Error, Invalid};
use crate::feature::{Feature, Value};
use crate::rows::{Groups, Rows};
use crate::scorer::{self, Scorer};

/// Where the score has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At a threshold or above.
    AtLeast(f64),
    /// At a threshold or below.
    AtMost(f64),
}

impl Goal {
    /// Whether a score is there.
    pub fn is_met(self, score: f64) -> bool {
        self.shortfall(score) <= 0.0
    }

    /// How far a score has to go; not above 0 where it is there.
    fn shortfall(self, score: f64) -> f64 {
        match self {
            Self::AtLeast(threshold) => threshold - score,
            Self::AtMost(threshold) => score - threshold,
        }
    }
}

/// A row and what may be changed of it. All lists are in the features' order.
#[derive(Clone, Copy, Debug)]
pub struct Counterfactual<'a> {
    /// The features.
    pub features: &'a [Feature],
    /// Their inputs.
    pub groups: &'a Groups,
    /// The row as the model reads it.
    pub row: &'a [f32],
    /// The row's own values.
    pub values: &'a [Value],
    /// The background's values of numbers, in which distances are measured.
    pub background: &'a [Option<Distribution>],
    /// What each feature may become.
    pub moves: &'a [Moves],
    /// Where the score has to be.
    pub goal: Goal,
    /// Features that may change at once, at most.
    pub most_changes: usize,
    /// Rows that the model is asked about for all pairs, at most; 200,000 are some seconds of a small network. With fewer than there are pairs the
    /// moves that alone do least are left out of them.
    pub most_pairs: usize,
}

/// A feature that has to be another.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The feature's place.
    pub feature: usize,
    /// What it is.
    pub from: Value,
    /// What it has to be.
    pub to: Value,
    /// How far that is: for a number the share of the background between both values, for a category a third, which is how far two rows of a background
    /// lie apart in a number on average.
    pub distance: f64,
}

/// Changes that together bring the score where it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// In the features' order.
    pub changes: Vec<Change>,
    /// The sum of the changes' distances.
    pub distance: f64,
    /// The score after them.
    pub score: f64,
    /// Whether every allowed change of so many features was tried, so that none is smaller. It is for two changes at most.
    pub is_smallest: bool,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The row's score is there already.
    AlreadyMet {
        /// It.
        score: f64,
    },
    /// Changes that do.
    Found(Found),
    /// None within these limits.
    NotFound {
        /// The row's score.
        score: f64,
        /// The nearest score that the search came to.
        nearest: f64,
        /// Whether every allowed change of so many features was tried, so that there is none.
        is_certain: bool,
    },
}

impl Counterfactual<'_> {
    /// Searches: each change alone, all pairs, then from three starting points one change after the other, and at last leaves out of what was found what
    /// is not needed. The smaller distance wins; of equal ones the fewer changes, then the features' order. `encode` gives the inputs of a feature's value,
    /// in the order of the feature's group.
    ///
    /// # Errors
    /// Lists of different sizes; values or moves of another kind than the feature's; limits out of their range; the model's or the encoder's; scores that
    /// are no numbers.
    pub fn search<S: Scorer>(
        &self,
        scorer: &S,
        encode: impl Fn(usize, &Value) -> Result<Vec<f32>, S::Error>,
    ) -> Result<Outcome, Error<S::Error>> {
        self.check()?;
        let own = Rows::new(self.row.len(), self.row.to_vec())?;
        let score: f64 = scorer::scores(scorer, &own)?.into_iter().sum();
        if self.goal.is_met(score) {
            return Ok(Outcome::AlreadyMet { score });
        }
        let mut candidates = Vec::new();
        for feature in 0..self.features.len() {
            for (value, distance) in self.steps(feature)? {
                let inputs = encode(feature, &value).map_err(Error::Model)?;
                self.check_inputs(feature, &inputs)?;
                candidates.push(search::Candidate {
                    feature,
                    value,
                    inputs,
                    distance,
                });
            }
        }
        let search = search::Search {
            task: self,
            scorer,
            candidates: &candidates,
        };
        let result = search.run(score)?;
        let Some(best) = result.best else {
            return Ok(Outcome::NotFound {
                score,
                nearest: result.nearest,
                is_certain: result.complete,
            });
        };
        let mut changes = Vec::with_capacity(best.plan.len());
        for candidate in best.plan.iter().filter_map(|at| candidates.get(*at)) {
            changes.push(Change {
                feature: candidate.feature,
                from: self
                    .values
                    .get(candidate.feature)
                    .cloned()
                    .unwrap_or(Value::Missing),
                to: candidate.value.clone(),
                distance: candidate.distance,
            });
        }
        Ok(Outcome::Found(Found {
            changes,
            distance: best.distance,
            score: best.score,
            is_smallest: result.complete,
        }))
    }

    fn steps(&self, feature: usize) -> Result<Vec<(Value, f64)>, Invalid> {
        let known = self
            .features
            .get(feature)
            .zip(self.values.get(feature))
            .zip(self.moves.get(feature));
        let Some(((described, value), moves)) = known else {
            return Ok(Vec::new());
        };
        let distribution = self.background.get(feature).and_then(Option::as_ref);
        moves.steps(described, value, distribution)
    }

    fn check(&self) -> Result<(), Invalid> {
        let features = self.groups.len();
        let remedy = "give one for each feature, in one order";
        Invalid::size(("features", "features"), self.features.len(), features, remedy)?;
        Invalid::size(("values", "values"), self.values.len(), features, remedy)?;
        Invalid::size(("background", "columns"), self.background.len(), features, remedy)?;
        Invalid::size(("moves", "moves"), self.moves.len(), features, remedy)?;
        self.groups.fits("row", self.row.len())?;
        for (feature, value) in self.features.iter().zip(self.values) {
            feature.check(value)?;
        }
        let (Goal::AtLeast(threshold) | Goal::AtMost(threshold)) = self.goal;
        if !threshold.is_finite() {
            return Err(Invalid::range("threshold", threshold, "a finite number"));
        }
        if self.most_changes == 0 {
            return Err(Invalid::range("most changes", 0.0, "at least 1"));
        }
        Ok(())
    }

    fn check_inputs(&self, feature: usize, inputs: &[f32]) -> Result<(), Invalid> {
        Invalid::size(
            ("encoded value", "inputs"),
            inputs.len(),
            self.groups.inputs(feature).len(),
            "give the inputs of the feature's group, in its order",
        )?;
        match inputs.iter().find(|input| !input.is_finite()) {
            Some(found) => Err(Invalid::range(
                "encoded value",
                f64::from(*found),
                "finite inputs",
            )),
            None => Ok(()),
        }
    }
}
