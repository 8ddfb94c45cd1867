//! The headline, computed from the results and nothing else.

use veilsum_protocol::model::Figure;

use super::input::{Role, TableRow};
use crate::score::gain;

/// Below this AUC a model is said to be hardly better than a coin, which has 0.5.
const HARDLY_BETTER_THAN_A_COIN: f64 = 0.55;

/// Federated against alone and pooled, by the main figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) figure: Figure,
    pub(super) federated: f64,
    /// Mean over the banks.
    pub(super) alone: f64,
    pub(super) alone_worst: f64,
    pub(super) alone_best: f64,
    pub(super) banks: usize,
    pub(super) pooled: Option<f64>,
}

impl Verdict {
    /// `None` without a federated model or without a bank's own model: there is nothing to compare then.
    /// Of several federated or pooled models the first one counts.
    pub(super) fn of(results: &[TableRow]) -> Option<Self> {
        let main = |role| {
            results
                .iter()
                .filter(move |row| row.role == role)
                .map(|row| row.score.main())
        };
        let (figure, federated) = main(Role::Federated).next()?;
        let mut alone: Vec<f64> = main(Role::Alone).map(|(_, value)| value).collect();
        alone.sort_by(|left, right| gain(figure, *left, *right).total_cmp(&0.0));
        Some(Self {
            figure,
            federated,
            alone: alone.iter().sum::<f64>() / alone.len() as f64,
            alone_worst: *alone.first()?,
            alone_best: *alone.last()?,
            banks: alone.len(),
            pooled: main(Role::Pooled).next().map(|(_, value)| value),
        })
    }

    /// By how much the federated model is better than the mean of the banks alone.
    pub(super) fn gain(&self) -> f64 {
        gain(self.figure, self.federated, self.alone)
    }

    /// The outcome in one sentence, good or bad.
    pub(super) fn sentence(&self) -> String {
        let models = [Some(self.federated), Some(self.alone_best), self.pooled];
        if self.figure == Figure::Auc
            && models
                .iter()
                .flatten()
                .all(|auc| *auc < HARDLY_BETTER_THAN_A_COIN)
        {
            return "No model here is much better than a coin, whose AUC is 0.5: not the banks' own, not the pooled one, and not the federated one."
                .to_owned();
        }
        let won = self.gain();
        let alone = if gain(self.figure, self.federated, self.alone_best) > 0.0 {
            "Together the banks beat every one of them alone".to_owned()
        } else if won > 0.0 {
            "Together the banks beat the average bank alone, but not the strongest".to_owned()
        } else {
            "Together the banks do not beat the average bank alone".to_owned()
        };
        match self.pooled.map(|pooled| gain(self.figure, pooled, self.alone)) {
            Some(possible) if won > 0.0 && possible > 0.0 => {
                let share = (100.0 * won / possible).round();
                if share >= 100.0 {
                    format!("{alone}, and match one model on everybody's pooled data.")
                } else {
                    format!("{alone}, and win {share:.0} % of what pooling everybody's data would bring.")
                }
            }
            _ => format!("{alone}."),
        }
    }
}
