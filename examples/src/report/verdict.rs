//! The headline, computed from the results and nothing else.

use super::input::{Role, TableRow};

/// Federated against alone and pooled, by AUC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) federated: f64,
    /// Mean over the banks.
    pub(super) alone: f64,
    pub(super) alone_least: f64,
    pub(super) alone_most: f64,
    pub(super) banks: usize,
    pub(super) pooled: Option<f64>,
}

impl Verdict {
    /// `None` without a federated model or without a bank's own model: there is nothing to compare then.
    /// Of several federated or pooled models the first one counts.
    pub(super) fn of(results: &[TableRow]) -> Option<Self> {
        let auc = |role| {
            results
                .iter()
                .filter(move |row| row.role == role)
                .map(|row| row.auc)
        };
        let alone: Vec<f64> = auc(Role::Alone).collect();
        if alone.is_empty() {
            return None;
        }
        Some(Self {
            federated: auc(Role::Federated).next()?,
            alone: alone.iter().sum::<f64>() / alone.len() as f64,
            alone_least: alone.iter().copied().fold(f64::INFINITY, f64::min),
            alone_most: alone.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            banks: alone.len(),
            pooled: auc(Role::Pooled).next(),
        })
    }

    /// The outcome in one sentence, good or bad.
    pub(super) fn sentence(&self) -> String {
        let gain = self.federated - self.alone;
        let alone = if self.federated > self.alone_most {
            "Together the banks beat every one of them alone".to_owned()
        } else if gain > 0.0 {
            "Together the banks beat the average bank alone, but not the strongest".to_owned()
        } else {
            "Together the banks do not beat the average bank alone".to_owned()
        };
        match self.pooled {
            Some(pooled) if gain > 0.0 && pooled > self.alone => {
                let share = (100.0 * gain / (pooled - self.alone)).round();
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
