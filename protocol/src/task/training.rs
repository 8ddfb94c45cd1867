use crate::model::Target;

/// Training inside a bank.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingSpec {
    /// The optimiser with what it alone needs.
    pub optimiser: LocalOptimiser,
    /// Step size of the first round, see [`Schedule`].
    pub learning_rate: f64,
    /// How the step size changes from round to round.
    pub schedule: Schedule,
    /// L2 penalty that is added to the gradient, as PyTorch's `weight_decay`; AdamW takes it off the weights instead.
    pub weight_decay: f64,
    /// Rows in a mini-batch; the last of an epoch may be smaller.
    pub batch_size: u32,
    /// Passes over the training rows in one round.
    pub local_epochs: u32,
    /// FedProx's mu (Li et al. 2020): `mu/2 ||w - w_global||^2` is added to the loss; 0 switches it off.
    pub fedprox_mu: f64,
    /// The loss of a row.
    pub loss: Loss,
    /// Factors of a row's loss by its label: of negatives and of positives, or one for each class; empty for classes that all
    /// count the same, and for numbers.
    pub class_weights: Vec<f64>,
    /// A batch's gradient is scaled down to this L2 norm if it is longer, before the optimiser sees it.
    pub clip_gradient_norm: Option<f64>,
    /// SCAFFOLD (Karimireddy et al. 2020, option II): each bank's steps are corrected by how its gradient differs from the consortium's.
    pub control_variates: bool,
    /// Groups of parameters that never leave the bank, by the beginning of their names, sorted: see [`crate::model::Shared`].
    pub personal: Vec<String>,
}

/// A bank's optimiser. Its state begins anew in every round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LocalOptimiser {
    /// Plain stochastic gradient descent.
    Sgd,
    /// With momentum, as PyTorch's SGD.
    Momentum {
        /// Share of the last step that is kept, in `[0, 1)`.
        momentum: f64,
        /// Nesterov's: the gradient is added once more to the step that is kept.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba 2015) with beta 0.9 and 0.999, epsilon 1e-8.
    Adam,
    /// Adam whose decay of weights is apart from the gradient (Loshchilov and Hutter 2019).
    AdamW,
    /// Adagrad (Duchi et al. 2011) with epsilon 1e-10.
    Adagrad,
    /// RMSprop (Hinton 2012) with alpha 0.99, epsilon 1e-8.
    RmsProp,
}

/// The loss of a row, with `z` for the outputs and `y` for the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// `-ln p`, with `p` the probability that the model gives to the label.
    CrossEntropy,
    /// `-(1 - p)^gamma ln p` (Lin et al. 2017): rows that are right already count little.
    Focal {
        /// How much less; 0 is cross entropy.
        gamma: f64,
    },
    /// `(z - y)^2`.
    MeanSquared,
    /// `(z - y)^2 / 2` up to `delta` and linear beyond, as PyTorch's `HuberLoss`.
    Huber {
        /// Where it becomes linear.
        delta: f64,
    },
    /// `max(q (y - z), (q - 1) (y - z))` (Koenker and Bassett 1978): the model learns the quantile `q`.
    Quantile {
        /// Share of the labels below what the model predicts, in `(0, 1)`.
        quantile: f64,
    },
}

/// The step size of round `r` (from 0) of `R`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Schedule {
    /// The same in all.
    #[default]
    Constant,
    /// `(1 + cos(pi r / R)) / 2` of the first, as PyTorch's `CosineAnnealingLR` over the rounds.
    Cosine,
    /// `factor^(r div rounds)` of the first, as PyTorch's `StepLR` over the rounds.
    Step {
        /// After how many rounds it changes.
        rounds: u32,
        /// By what.
        factor: f64,
    },
}

impl Loss {
    /// What a task has that names none.
    pub fn default_for(target: Target) -> Self {
        match target {
            Target::Binary | Target::Classes(_) => Self::CrossEntropy,
            Target::Number => Self::MeanSquared,
        }
    }

    /// Whether it is one for labels that are numbers.
    pub(super) fn of_numbers(self) -> bool {
        matches!(
            self,
            Self::MeanSquared | Self::Huber { .. } | Self::Quantile { .. }
        )
    }

    /// Its name in a task.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CrossEntropy => "cross_entropy",
            Self::Focal { .. } => "focal",
            Self::MeanSquared => "mean_squared",
            Self::Huber { .. } => "huber",
            Self::Quantile { .. } => "quantile",
        }
    }
}

impl TrainingSpec {
    /// Step size of a round, from 0, of `rounds`: every bank derives the same.
    pub fn learning_rate_in(&self, round: u32, rounds: u32) -> f64 {
        let first = self.learning_rate;
        match self.schedule {
            Schedule::Constant => first,
            Schedule::Cosine => {
                let done = f64::from(round) / f64::from(rounds.max(1));
                first * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
            }
            Schedule::Step { rounds, factor } => {
                let changes = i32::try_from(round / rounds.max(1)).unwrap_or(i32::MAX);
                first * factor.powi(changes)
            }
        }
    }
}
