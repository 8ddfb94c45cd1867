//! Server optimisers: from the average of the banks' updates to the next model, in a fixed order of operations.
//!
//! Only `+ - * /` and `sqrt` on IEEE 754 doubles, each parameter on its own, results rounded to `f32`: every bank and auditor
//! gets the same bits. Reddi et al. 2021, "Adaptive Federated Optimization", algorithms 1 and 2; FedAvgM: Hsu et al. 2019.

use crate::task::ServerOptimiser;

/// What an optimiser remembers between rounds, one value a parameter; empty where it needs none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimiserState {
    /// First moment `m`, or the momentum of FedAvgM.
    pub momentum: Vec<f32>,
    /// Second moment `v`, at the start `tau^2`.
    pub variance: Vec<f32>,
}

impl OptimiserState {
    /// Before the first round, for `parameters` parameters.
    pub fn new(optimiser: &ServerOptimiser, parameters: usize) -> Self {
        match optimiser {
            ServerOptimiser::FedAvg => Self::default(),
            ServerOptimiser::FedAvgM { .. } => Self {
                momentum: vec![0.0; parameters],
                variance: Vec::new(),
            },
            ServerOptimiser::FedAdam { tau, .. }
            | ServerOptimiser::FedYogi { tau, .. }
            | ServerOptimiser::FedAdagrad { tau, .. } => Self {
                momentum: vec![0.0; parameters],
                variance: vec![(tau * tau) as f32; parameters],
            },
        }
    }

    /// One step: `x <- x + eta * direction(delta)`. `parameters` and `delta`: shape `[d]`, manifest order.
    pub fn step(&mut self, optimiser: &ServerOptimiser, eta: f64, parameters: &mut [f32], delta: &[f64]) {
        let mut momentum = self.momentum.iter_mut();
        let mut variance = self.variance.iter_mut();
        for (x, delta) in parameters.iter_mut().zip(delta) {
            let direction = match optimiser {
                ServerOptimiser::FedAvg => *delta,
                ServerOptimiser::FedAvgM { beta1 } => update(momentum.next(), |m| beta1 * m + delta),
                ServerOptimiser::FedAdam { beta1, beta2, tau } => {
                    let m = update(momentum.next(), |m| beta1 * m + (1.0 - beta1) * delta);
                    let v = update(variance.next(), |v| beta2 * v + (1.0 - beta2) * (delta * delta));
                    m / (v.sqrt() + tau)
                }
                ServerOptimiser::FedYogi { beta1, beta2, tau } => {
                    let m = update(momentum.next(), |m| beta1 * m + (1.0 - beta1) * delta);
                    let square = delta * delta;
                    let v = update(variance.next(), |v| v - (1.0 - beta2) * square * sign(v - square));
                    m / (v.sqrt() + tau)
                }
                ServerOptimiser::FedAdagrad { beta1, tau } => {
                    let m = update(momentum.next(), |m| beta1 * m + (1.0 - beta1) * delta);
                    let v = update(variance.next(), |v| v + delta * delta);
                    m / (v.sqrt() + tau)
                }
            };
            *x = (f64::from(*x) + eta * direction) as f32;
        }
    }
}

/// Replaces what is remembered; the rounded value is also the one that is used, so that a restart changes nothing.
fn update(slot: Option<&mut f32>, next: impl FnOnce(f64) -> f64) -> f64 {
    match slot {
        None => next(0.0),
        Some(slot) => {
            *slot = next(f64::from(*slot)) as f32;
            f64::from(*slot)
        }
    }
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(optimiser: &ServerOptimiser, eta: f64, deltas: &[f64]) -> (f32, OptimiserState) {
        let mut state = OptimiserState::new(optimiser, 1);
        let mut x = [1.0f32];
        for delta in deltas {
            state.step(optimiser, eta, &mut x, &[*delta]);
        }
        (x[0], state)
    }

    #[test]
    fn by_hand() {
        // FedAvg: 1 + 0.5 * (0.5 - 0.25) = 1.125.
        assert_eq!(run(&ServerOptimiser::FedAvg, 0.5, &[0.5, -0.25]).0, 1.125);
        // FedAvgM, beta 1/2: m = 0.5, then 0.25 - 0.25 = 0; x = 1 + 0.5.
        assert_eq!(
            run(&ServerOptimiser::FedAvgM { beta1: 0.5 }, 1.0, &[0.5, -0.25]).0,
            1.5
        );
        // FedAdam, betas 1/2, tau 1/2: m = 1/4; v = 1/2 * 1/4 + 1/2 * 1/4 = 1/4; 1/4 / (1/2 + 1/2) = 1/4.
        let adam = ServerOptimiser::FedAdam {
            beta1: 0.5,
            beta2: 0.5,
            tau: 0.5,
        };
        assert_eq!(run(&adam, 1.0, &[0.5]).0, 1.25);
        // FedYogi, same: v = 1/4 - 1/2 * 1/4 * sign(1/4 - 1/4) = 1/4, so the same step; then, with delta 1:
        // m = 1/8 + 1/2 = 5/8, v = 1/4 - 1/2 * 1 * (-1) = 3/4.
        let yogi = ServerOptimiser::FedYogi {
            beta1: 0.5,
            beta2: 0.5,
            tau: 0.5,
        };
        assert_eq!(run(&yogi, 1.0, &[0.5]).0, 1.25);
        let (x, state) = run(&yogi, 1.0, &[0.5, 1.0]);
        assert_eq!((state.momentum[0], state.variance[0]), (0.625, 0.75));
        assert_eq!(x, (1.25 + 0.625 / (0.75f64.sqrt() + 0.5)) as f32);
        // FedAdagrad, tau 1/2, beta1 0: v = 1/4 + 2 = 9/4; 1.4142135623730951^2 is 2.0000000000000004, rounded to 2.25 in f32.
        let adagrad = ServerOptimiser::FedAdagrad { beta1: 0.0, tau: 0.5 };
        let (x, state) = run(&adagrad, 2.0, &[2f64.sqrt()]);
        assert_eq!(state.variance[0], 2.25);
        assert_eq!(x, (1.0 + 2.0 * f64::from(2f64.sqrt() as f32) / 2.0) as f32);
    }
}
