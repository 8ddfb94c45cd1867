//! The search among candidates: plans are lists of candidates of different features, ascending.

use super::Counterfactual;
use crate::error::Error;
use crate::feature::Value;
use crate::rows::Rows;
use crate::scorer::{self, Scorer};

/// Plans that the model is asked about at once.
const BATCH: usize = 8_192;
/// Distances that are nearer than this are equal.
const ROUNDING: f64 = 1e-9;

/// A value that a feature may become.
pub(super) struct Candidate {
    pub(super) feature: usize,
    pub(super) value: Value,
    pub(super) inputs: Vec<f32>,
    pub(super) distance: f64,
}

/// A plan that the model was asked about.
#[derive(Clone)]
pub(super) struct Tried {
    pub(super) plan: Vec<usize>,
    pub(super) distance: f64,
    pub(super) score: f64,
}

impl Tried {
    /// A smaller distance; of equal ones fewer changes, then the features' order.
    fn is_smaller_than(&self, other: &Self) -> bool {
        // Sums of the same ranks in another order differ by rounding.
        let rounded = |distance: f64| (distance / ROUNDING).round();
        let order = rounded(self.distance).total_cmp(&rounded(other.distance));
        let order = order.then(self.plan.len().cmp(&other.plan.len()));
        order.then_with(|| self.plan.cmp(&other.plan)).is_lt()
    }
}

pub(super) struct Ended {
    pub(super) best: Option<Tried>,
    pub(super) nearest: f64,
    pub(super) complete: bool,
}

pub(super) struct Search<'a, S> {
    pub(super) task: &'a Counterfactual<'a>,
    pub(super) scorer: &'a S,
    pub(super) candidates: &'a [Candidate],
}

/// What was found so far.
struct Progress {
    best: Option<Tried>,
    nearest: f64,
}

/// How a plan that is not there yet grows.
#[derive(Clone, Copy)]
enum Growth {
    /// By what goes farthest.
    Far,
    /// By what goes farthest for its distance.
    Cheap,
}

impl<S: Scorer> Search<'_, S> {
    pub(super) fn run(&self, score: f64) -> Result<Ended, Error<S::Error>> {
        let mut progress = Progress {
            best: None,
            nearest: score,
        };
        let singles = self.try_all((0..self.candidates.len()).map(|at| vec![at]), &mut progress)?;
        let most = self.task.most_changes;
        let changeable = self.changeable();
        let mut complete = true;
        if most >= 2 && changeable >= 2 {
            let (pairs, all) = self.pairs(&singles, progress.best.as_ref());
            complete = all;
            let tried = self.try_all(pairs.into_iter(), &mut progress)?;
            if most >= 3 && changeable >= 3 {
                complete = false;
                let nearest = tried
                    .iter()
                    .min_by(|one, two| self.shortfall(one).total_cmp(&self.shortfall(two)));
                let starts = [
                    (None, Growth::Far),
                    (None, Growth::Cheap),
                    (nearest.cloned(), Growth::Cheap),
                ];
                for (start, growth) in starts {
                    self.grow(start, growth, score, &mut progress)?;
                }
            }
        }
        self.prune(&mut progress)?;
        Ok(Ended {
            best: progress.best,
            nearest: progress.nearest,
            complete,
        })
    }

    /// Features with candidates, which stand together.
    fn changeable(&self) -> usize {
        let mut features: Vec<usize> = self
            .candidates
            .iter()
            .map(|candidate| candidate.feature)
            .collect();
        features.dedup();
        features.len()
    }

    fn shortfall(&self, tried: &Tried) -> f64 {
        self.task.goal.shortfall(tried.score)
    }

    /// All pairs of different features that could be smaller than what was found, and whether they are all; those that alone go farthest if there are
    /// too many.
    fn pairs(&self, singles: &[Tried], best: Option<&Tried>) -> (Vec<Vec<usize>>, bool) {
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        // A set of n has at most n (n - 1) / 2 pairs.
        let most = ((2.0 * self.task.most_pairs as f64).sqrt().floor() as usize).max(2);
        let all = order.len() <= most;
        if !all {
            let gain = |at: &usize| {
                singles
                    .get(*at)
                    .map_or(f64::INFINITY, |tried| self.shortfall(tried))
            };
            order.sort_by(|one, two| gain(one).total_cmp(&gain(two)).then(one.cmp(two)));
            order.truncate(most);
            order.sort_unstable();
        }
        let mut pairs = Vec::new();
        for (at, one) in order.iter().enumerate() {
            for two in order.iter().skip(at + 1) {
                let (first, second) = (&self.candidates[*one], &self.candidates[*two]);
                let is_smaller =
                    best.is_none_or(|best| first.distance + second.distance < best.distance + ROUNDING);
                if first.feature != second.feature && is_smaller {
                    pairs.push(vec![*one, *two]);
                }
            }
        }
        (pairs, all)
    }

    /// One change after the other, until the score is there or no more features may change.
    fn grow(
        &self,
        start: Option<Tried>,
        growth: Growth,
        score: f64,
        progress: &mut Progress,
    ) -> Result<(), Error<S::Error>> {
        let mut now = start.unwrap_or(Tried {
            plan: Vec::new(),
            distance: 0.0,
            score,
        });
        while now.plan.len() < self.task.most_changes && !self.task.goal.is_met(now.score) {
            let grown = (0..self.candidates.len())
                .filter(|at| self.is_free(*at, &now.plan))
                .map(|at| {
                    let mut plan = now.plan.clone();
                    plan.push(at);
                    plan.sort_unstable();
                    plan
                });
            let tried = self.try_all(grown, progress)?;
            let before = self.shortfall(&now);
            let worth = |tried: &Tried| {
                let gain = before - self.shortfall(tried);
                match growth {
                    Growth::Far => gain,
                    // What costs nothing at all must not be worth without end.
                    Growth::Cheap => gain / (tried.distance - now.distance).max(1e-3),
                }
            };
            let best = tried
                .into_iter()
                .max_by(|one, two| worth(one).total_cmp(&worth(two)));
            match best.filter(|best| worth(best) > 0.0) {
                Some(best) => now = best,
                None => break,
            }
        }
        Ok(())
    }

    fn is_free(&self, at: usize, plan: &[usize]) -> bool {
        let feature = self.candidates[at].feature;
        plan.iter()
            .all(|other| self.candidates[*other].feature != feature)
    }

    /// Leaves out changes, or makes one smaller, while the score stays there.
    fn prune(&self, progress: &mut Progress) -> Result<(), Error<S::Error>> {
        while let Some(best) = progress.best.clone() {
            let mut plans = Vec::new();
            for (place, at) in best.plan.iter().enumerate() {
                let mut without = best.plan.clone();
                without.remove(place);
                let own = &self.candidates[*at];
                let smaller = self.candidates.iter().enumerate();
                let smaller = smaller
                    .filter(|(_, other)| other.feature == own.feature && other.distance < own.distance);
                for (other, _) in smaller {
                    let mut plan = best.plan.clone();
                    plan[place] = other;
                    plan.sort_unstable();
                    plans.push(plan);
                }
                if !without.is_empty() {
                    plans.push(without);
                }
            }
            self.try_all(plans.into_iter(), progress)?;
            if progress
                .best
                .as_ref()
                .is_none_or(|after| !after.is_smaller_than(&best))
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks the model about plans and keeps the smallest that is there.
    fn try_all(
        &self,
        plans: impl Iterator<Item = Vec<usize>>,
        progress: &mut Progress,
    ) -> Result<Vec<Tried>, Error<S::Error>> {
        let width = self.task.groups.width();
        let mut batch = Rows::with_room(width, 0);
        let mut tried: Vec<Tried> = Vec::new();
        let mut plans = plans.peekable();
        while let Some(plan) = plans.next() {
            let row = batch.push(self.task.row);
            let mut distance = 0.0;
            for candidate in plan.iter().map(|at| &self.candidates[*at]) {
                distance += candidate.distance;
                let inputs = self.task.groups.inputs(candidate.feature);
                inputs
                    .iter()
                    .zip(&candidate.inputs)
                    .for_each(|(input, value)| row[*input] = *value);
            }
            tried.push(Tried {
                plan,
                distance,
                score: f64::NAN,
            });
            if batch.len() == BATCH || plans.peek().is_none() {
                let first = tried.len() - batch.len();
                let scores = scorer::scores(self.scorer, &batch)?;
                tried[first..]
                    .iter_mut()
                    .zip(scores)
                    .for_each(|(tried, score)| tried.score = score);
                batch.clear();
            }
        }
        for one in &tried {
            if self.shortfall(one) < self.task.goal.shortfall(progress.nearest) {
                progress.nearest = one.score;
            }
            let is_better = progress
                .best
                .as_ref()
                .is_none_or(|best| one.is_smaller_than(best));
            if self.task.goal.is_met(one.score) && is_better {
                progress.best = Some(one.clone());
            }
        }
        Ok(tried)
    }
}
