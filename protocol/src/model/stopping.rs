//! Early stopping: what a task remembers of the models that were judged, and when its training is over.
//!
//! A train round judges the model that it starts from, so the model of a task's last training round is judged by the evaluate round alone
//! and is none that could be kept as the best.

use crate::task::{EarlyStopping, Keep};

/// Where a task with early stopping stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stopping {
    /// The figure of the best model that was judged; `None` before the first whose figure is defined.
    pub best: Option<f64>,
    /// Training rounds behind the best model.
    pub best_round: u32,
    /// Models that were judged since and are no better.
    pub waited: u32,
    /// The best model's parameters, manifest order; empty before there is one, and once training is over.
    pub parameters: Vec<f32>,
    /// How training ended, once it has.
    pub end: Option<TrainingEnd>,
}

/// How a task's training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingEnd {
    /// Training rounds that were done.
    pub rounds: u32,
    /// Training rounds behind the model that was kept.
    pub kept: u32,
}

impl Stopping {
    /// Takes up what a training round says of the model that it started from, which has `round` training rounds behind it. `value`: its
    /// figure; one that is not defined says nothing. `parameters`: that model's. `next`: those of the model after the round, replaced by
    /// the kept ones if training ends here. `is_last`: whether the rounds are used up. Gives whether training is over.
    pub fn judge(
        &mut self,
        rules: &EarlyStopping,
        round: u32,
        value: Option<f64>,
        parameters: &[f32],
        next: &mut Vec<f32>,
        is_last: bool,
    ) -> bool {
        if let Some(value) = value {
            if self.best.is_none_or(|best| rules.is_better(value, best)) {
                self.best = Some(value);
                self.best_round = round;
                self.waited = 0;
                self.parameters.clear();
                self.parameters.extend_from_slice(parameters);
            } else {
                self.waited = self.waited.saturating_add(1);
            }
        }
        let stops = self.waited >= rules.patience;
        if !stops && !is_last {
            return false;
        }
        let rounds = round.saturating_add(1);
        let best = std::mem::take(&mut self.parameters);
        let keeps_best = self.best.is_some() && (stops || rules.keep == Keep::Best);
        if keeps_best {
            *next = best;
        }
        self.end = Some(TrainingEnd {
            rounds,
            kept: if keeps_best { self.best_round } else { rounds },
        });
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::task::Task;

    fn rules(more: &str) -> EarlyStopping {
        let text = format!(
            "name = \"t\"\nrounds = 9\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
             column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n[model]\nfamily = \"logistic\"\n\
             [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 1\nlocal_epochs = 1\n\
             [early_stopping]\nfigure = \"log_loss\"\n{more}"
        );
        Task::parse(&text).unwrap().early_stopping.unwrap()
    }

    /// Judges models 0, 1, ... of one parameter, their number; gives how training ended and the parameter that was kept.
    fn run(rules: &EarlyStopping, rounds: u32, losses: &[Option<f64>]) -> (Option<TrainingEnd>, f32) {
        let mut stopping = Stopping::default();
        let mut model = vec![0.0];
        for (round, loss) in (0..).zip(losses) {
            let before = model.clone();
            model = vec![round as f32 + 1.0];
            if stopping.judge(rules, round, *loss, &before, &mut model, round + 1 == rounds) {
                assert!(stopping.parameters.is_empty());
                assert_eq!(
                    losses.len(),
                    round as usize + 1,
                    "it ended before the last figure"
                );
            }
        }
        (stopping.end, model[0])
    }

    #[test]
    fn by_hand() {
        let some = |losses: &[f64]| losses.iter().map(|loss| Some(*loss)).collect::<Vec<_>>();
        let end = |rounds, kept| Some(TrainingEnd { rounds, kept });
        let two = rules("patience = 2");
        // Model 1 is the best; 2 and 3 are no better.
        assert_eq!(run(&two, 9, &some(&[0.7, 0.5, 0.6, 0.5])), (end(4, 1), 1.0));
        // A better one in between begins the count anew.
        assert_eq!(run(&two, 9, &some(&[0.7, 0.8, 0.6, 0.7, 0.7])), (end(5, 2), 2.0));
        assert_eq!(run(&two, 9, &some(&[0.7, 0.6, 0.5])), (None, 3.0));
        // The rounds are used up.
        assert_eq!(run(&two, 3, &some(&[0.7, 0.5, 0.6])), (end(3, 1), 1.0));
        let last = rules("patience = 2\nkeep = \"last\"");
        assert_eq!(run(&last, 3, &some(&[0.7, 0.5, 0.6])), (end(3, 3), 3.0));
        assert_eq!(run(&last, 9, &some(&[0.7, 0.5, 0.6, 0.6])), (end(4, 1), 1.0));
        // Gains of 1/16 are too small to count, and do not move the mark either.
        let coarse = rules("patience = 2\nleast_gain = 0.125");
        assert_eq!(run(&coarse, 9, &some(&[0.5, 0.4375, 0.375])), (end(3, 0), 0.0));
        assert_eq!(run(&coarse, 9, &some(&[0.5, 0.4375, 0.25])), (None, 3.0));
        // Without a figure nothing is counted, and there is no best.
        assert_eq!(run(&two, 4, &[None, None, None, None]), (end(4, 4), 4.0));
        assert_eq!(
            run(&two, 9, &[None, Some(0.5), None, Some(0.5), None, Some(0.5)]),
            (end(6, 1), 1.0)
        );
    }
}
