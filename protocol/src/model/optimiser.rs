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

    /// Three steps of three parameters; expected bits of parameters, first and second moments, from Python 3:
    ///
    /// ```python
    /// import math, struct
    /// def f(v): return struct.unpack(">f", struct.pack(">f", v))[0]
    /// def bits(v): return struct.unpack(">I", struct.pack(">f", v))[0]
    /// B1, B2, TAU, ETA = 0.9, 0.99, 0.003, 0.07
    /// DELTAS = [[0.3, -0.11, 0.05], [-0.2, 0.013, 0.6], [0.07, 1.9, -0.033]]
    /// def run(name):
    ///     x, m, v = [f(0.1), f(-2.3), f(0.7)], [0.0] * 3, [f(TAU * TAU)] * 3
    ///     for delta in DELTAS:
    ///         for i, d in enumerate(delta):
    ///             if name == "FedAvg":
    ///                 direction = d
    ///             elif name == "FedAvgM":
    ///                 direction = m[i] = f(B1 * m[i] + d)
    ///             else:
    ///                 m[i] = f(B1 * m[i] + (1.0 - B1) * d)
    ///                 square = d * d
    ///                 if name == "FedAdam":
    ///                     v[i] = f(B2 * v[i] + (1.0 - B2) * square)
    ///                 elif name == "FedYogi":
    ///                     sign = (v[i] > square) - (v[i] < square)
    ///                     v[i] = f(v[i] - (1.0 - B2) * square * sign)
    ///                 else:
    ///                     v[i] = f(v[i] + square)
    ///                 direction = m[i] / (math.sqrt(v[i]) + TAU)
    ///             x[i] = f(x[i] + ETA * direction)
    ///     return [[hex(bits(value)) for value in values] for values in (x, m, v)]
    /// [run(name) for name in ("FedAvg", "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad")]
    /// ```
    #[test]
    fn known_answers() {
        let (beta1, beta2, tau) = (0.9, 0.99, 0.003);
        let moments = vec![0x3c59_e83e, 0x3e3a_a25e, 0x3d60_4188];
        let cases = [
            (
                ServerOptimiser::FedAvg,
                [0x3de5_2bd4, 0xc00b_1f60, 0x3f3e_41b3],
                vec![],
                vec![],
            ),
            (
                ServerOptimiser::FedAvgM { beta1 },
                [0x3e0a_747e, 0xc00b_e9af, 0x3f49_7731],
                vec![0x3e08_3127, 0x3fe9_4af5, 0x3f0c_28f5],
                vec![],
            ),
            (
                ServerOptimiser::FedAdam { beta1, beta2, tau },
                [0x3e4c_39de, 0xc015_127e, 0x3f5f_2d69],
                moments.clone(),
                vec![0x3aaf_16c6, 0x3d14_64dc, 0x3b6c_764c],
            ),
            (
                ServerOptimiser::FedYogi { beta1, beta2, tau },
                [0x3e4b_ffab, 0xc015_0f6c, 0x3f5f_2304],
                moments.clone(),
                vec![0x3ab1_feeb, 0x3d14_67ae, 0x3b6d_71b3],
            ),
            (
                ServerOptimiser::FedAdagrad { beta1, tau },
                [0x3de2_e712, 0xc013_8bd0, 0x3f38_6abc],
                moments,
                vec![0x3e0a_2595, 0x4067_d367, 0x3eba_2985],
            ),
        ];
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
        for (optimiser, parameters, momentum, variance) in cases {
            let mut state = OptimiserState::new(&optimiser, 3);
            let mut x = [0.1f32, -2.3, 0.7];
            for delta in [[0.3, -0.11, 0.05], [-0.2, 0.013, 0.6], [0.07, 1.9, -0.033]] {
                state.step(&optimiser, 0.07, &mut x, &delta);
            }
            assert_eq!(bits(&x), parameters, "{optimiser:?}");
            assert_eq!(bits(&state.momentum), momentum, "{optimiser:?}");
            assert_eq!(bits(&state.variance), variance, "{optimiser:?}");
        }
    }
}
