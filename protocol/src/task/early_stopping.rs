use crate::model::{Better, Figure, Target};

/// Training ends when a figure of the consortium has not become better for some rounds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EarlyStopping {
    /// The figure, one that says how good a model for the task's label is.
    pub figure: Figure,
    /// After how many judged models in a row that are no better.
    pub patience: u32,
    /// A model is better when its figure is by more than this, from 0.
    pub least_gain: f64,
    /// Which model a task has that used its rounds up. One that stopped early has the best.
    pub keep: Keep,
}

/// Which model is the task's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keep {
    /// The best that was judged.
    #[default]
    Best,
    /// The last.
    Last,
}

impl EarlyStopping {
    /// The figures that training for a label can be stopped by.
    pub fn figures(target: Target) -> &'static [Figure] {
        match target {
            Target::Binary => &[
                Figure::Auc,
                Figure::Ks,
                Figure::AveragePrecision,
                Figure::Brier,
                Figure::LogLoss,
                Figure::CalibrationError,
            ],
            Target::Classes(_) => &[Figure::LogLoss, Figure::Accuracy, Figure::MacroF1],
            Target::Number => &[Figure::Rmse, Figure::Mae, Figure::RSquared],
        }
    }

    /// Whether a model whose figure is `value` is better than one whose is `best`: one subtraction and one comparison, the same
    /// everywhere.
    pub fn is_better(&self, value: f64, best: f64) -> bool {
        let gain = match self.figure.better() {
            Better::Lower => best - value,
            Better::Higher | Better::Neither => value - best,
        };
        gain > self.least_gain
    }
}
