use tch::{TchError, Tensor};
use veilsum_protocol::task::{LocalOptimiser, TrainingSpec};

/// Adam's decay rates of the first and second moment.
const BETA: [f64; 2] = [0.9, 0.999];
/// RMSprop's decay rate.
const ALPHA: f64 = 0.99;
/// Adam's and RMSprop's.
const EPSILON: f64 = 1e-8;
const EPSILON_ADAGRAD: f64 = 1e-10;
/// Of a gradient's length when it is clipped, as in PyTorch.
const EPSILON_CLIP: f64 = 1e-6;

/// PyTorch's SGD, SGD with momentum, Adam, AdamW, Adagrad and RMSprop, with PyTorch's defaults and its `clip_grad_norm_`, and
/// FedProx's pull towards the first values.
///
/// libtorch's own take the gradients of its autograd, and tch's wrapper of them panics where libtorch fails.
pub(super) struct Optimiser {
    spec: TrainingSpec,
    learning_rate: f64,
    values: Tensor,
    gradients: Tensor,
    /// What FedProx pulls towards.
    common: Option<Tensor>,
    /// What SCAFFOLD adds to each gradient.
    correction: Option<Tensor>,
    /// Momentum's velocity, Adam's first and second moment, or Adagrad's and RMSprop's sum of squares.
    moments: Vec<Tensor>,
    /// For what is in between.
    room: Tensor,
    steps: u32,
}

impl Optimiser {
    /// Steps `values` by `gradients`, vectors of the same length.
    pub(super) fn new(
        spec: &TrainingSpec,
        learning_rate: f64,
        values: &Tensor,
        gradients: &Tensor,
    ) -> Result<Self, TchError> {
        let moments = match spec.optimiser {
            LocalOptimiser::Sgd => 0,
            LocalOptimiser::Momentum { .. } | LocalOptimiser::Adagrad | LocalOptimiser::RmsProp => 1,
            LocalOptimiser::Adam | LocalOptimiser::AdamW => 2,
        };
        Ok(Self {
            spec: spec.clone(),
            learning_rate,
            common: match spec.fedprox_mu {
                0.0 => None,
                _ => Some(values.f_detach_copy()?),
            },
            correction: None,
            moments: (0..moments)
                .map(|_| values.f_zeros_like())
                .collect::<Result<_, TchError>>()?,
            room: values.f_zeros_like()?,
            values: values.shallow_clone(),
            gradients: gradients.shallow_clone(),
            steps: 0,
        })
    }

    /// Adds this to the gradient of each step of plain SGD, behind everything else that changes it: SCAFFOLD's `c - c_i`, values in the
    /// order of the vector (Karimireddy et al. 2020, algorithm 1).
    pub(super) fn correct(&mut self, correction: &[f32]) -> Result<(), TchError> {
        let correction = Tensor::f_from_slice(correction)?;
        self.correction = Some(correction.f_to_device(self.values.device())?);
        Ok(())
    }

    /// What it remembers, and how many steps it has made.
    pub(super) fn memory(&self) -> (&[Tensor], u32) {
        (&self.moments, self.steps)
    }

    /// The same, to be replaced after `steps` steps of an earlier run.
    pub(super) fn memory_mut(&mut self, steps: u32) -> &mut [Tensor] {
        self.steps = steps;
        &mut self.moments
    }

    /// Moves the values by what the gradients are now, which are changed too.
    pub(super) fn step(&mut self) -> Result<(), TchError> {
        self.steps = self.steps.saturating_add(1);
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (spec, room) = (&self.spec, &self.room);
        if let Some(common) = &self.common {
            let pull = self
                .values
                .f_sub_out(room, common)?
                .f_mul_scalar_(spec.fedprox_mu)?;
            let _ = self.gradients.f_add_(&pull)?;
        }
        if let Some(longest) = spec.clip_gradient_norm {
            let length = self.gradients.f_norm()?.f_add_scalar_(EPSILON_CLIP)?;
            let factor = length.f_reciprocal()?.f_mul_scalar_(longest)?.f_clamp_max_(1.0)?;
            let _ = self.gradients.f_mul_(&factor)?;
        }
        if spec.weight_decay > 0.0 {
            if let LocalOptimiser::AdamW = spec.optimiser {
                let _ = self
                    .values
                    .f_mul_scalar_(1.0 - self.learning_rate * spec.weight_decay)?;
            } else {
                let decay = self.values.f_mul_scalar_out(room, spec.weight_decay)?;
                let _ = self.gradients.f_add_(&decay)?;
            }
        }
        if let Some(correction) = &self.correction {
            let _ = self.gradients.f_add_(correction)?;
        }
        match (spec.optimiser, &mut self.moments[..]) {
            (LocalOptimiser::Momentum { momentum, nesterov }, [velocity]) => {
                let _ = velocity.f_mul_scalar_(momentum)?.f_add_(&self.gradients)?;
                let way = match nesterov {
                    true => velocity
                        .f_mul_scalar_out(room, momentum)?
                        .f_add_(&self.gradients)?
                        .f_mul_scalar_(self.learning_rate)?,
                    false => velocity.f_mul_scalar_out(room, self.learning_rate)?,
                };
                let _ = self.values.f_sub_(&way)?;
            }
            (LocalOptimiser::Adam | LocalOptimiser::AdamW, [first, second]) => {
                let _ = first.f_lerp_(&self.gradients, 1.0 - BETA[0])?;
                let _ = second.f_lerp_(&self.gradients.f_square_out(room)?, 1.0 - BETA[1])?;
                let [bias_first, bias_second] = BETA.map(|beta| 1.0 - beta.powi(steps));
                // values -= step first / (sqrt(second) / sqrt(bias_second) + epsilon), with the step drawn into the
                // denominator, since tch's addcdiv takes no factor.
                let step = -self.learning_rate / bias_first;
                let denominator = second
                    .f_sqrt_out(room)?
                    .f_mul_scalar_(1.0 / (bias_second.sqrt() * step))?
                    .f_add_scalar_(EPSILON / step)?;
                let _ = self.values.f_addcdiv_(first, &denominator)?;
            }
            (LocalOptimiser::Adagrad, [squares]) => {
                let _ = squares.f_add_(&self.gradients.f_square_out(room)?)?;
                divide(
                    squares,
                    room,
                    &mut self.values,
                    &self.gradients,
                    -self.learning_rate,
                    EPSILON_ADAGRAD,
                )?;
            }
            (LocalOptimiser::RmsProp, [squares]) => {
                let _ = squares.f_lerp_(&self.gradients.f_square_out(room)?, 1.0 - ALPHA)?;
                divide(
                    squares,
                    room,
                    &mut self.values,
                    &self.gradients,
                    -self.learning_rate,
                    EPSILON,
                )?;
            }
            _ => {
                let way = self.gradients.f_mul_scalar_out(room, self.learning_rate)?;
                let _ = self.values.f_sub_(&way)?;
            }
        }
        Ok(())
    }
}

/// `values += step gradients / (sqrt(squares) + epsilon)`, with the step drawn into the denominator, since tch's addcdiv takes
/// no factor.
fn divide(
    squares: &Tensor,
    room: &Tensor,
    values: &mut Tensor,
    gradients: &Tensor,
    step: f64,
    epsilon: f64,
) -> Result<(), TchError> {
    let denominator = squares
        .f_sqrt_out(room)?
        .f_mul_scalar_(1.0 / step)?
        .f_add_scalar_(epsilon / step)?;
    let _ = values.f_addcdiv_(gradients, &denominator)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tch::nn::{self, OptimizerConfig};
    use tch::{Device, Kind};
    use veilsum_protocol::task::Task;

    use super::*;

    const LENGTH: i64 = 1003;

    /// A vector of numbers that look random, about 1 in size.
    fn numbers(salt: i64) -> Tensor {
        let number = |at: i64| ((at * 7919 + salt * 104_729) as f64).sin() as f32;
        Tensor::from_slice(&(0..LENGTH).map(number).collect::<Vec<f32>>())
    }

    fn training(optimiser: &str, more: &str) -> TrainingSpec {
        let text = format!(
            "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
             column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n[model]\nfamily = \"logistic\"\n\
             [training]\nbatch_size = 1\nlocal_epochs = 1\nlearning_rate = 0.01\noptimiser = \"{optimiser}\"\n{more}"
        );
        Task::parse(&text).unwrap().training
    }

    /// How far from where libtorch's own optimiser comes to, from the same place with the same gradients.
    fn off(spec: &TrainingSpec, theirs: impl OptimizerConfig) -> f64 {
        let (values, mut gradients) = (numbers(0), numbers(0));
        let mut ours = Optimiser::new(spec, spec.learning_rate, &values, &gradients).unwrap();
        let store = nn::VarStore::new(Device::Cpu);
        let reference = store.root().var_copy("values", &values);
        let mut theirs = theirs.build(&store, spec.learning_rate).unwrap();
        for step in 1..=5 {
            let gradient = numbers(step);
            theirs.backward_step(&(&reference * &gradient).sum(Kind::Float));
            gradients.copy_(&gradient);
            ours.step().unwrap();
        }
        (values - reference).abs().max().double_value(&[])
    }

    #[test]
    fn steps_are_those_of_libtorch_s_own_optimisers() {
        let sgd = |momentum, wd| nn::Sgd {
            momentum,
            wd,
            ..nn::Sgd::default()
        };
        let decay = "weight_decay = 0.1";
        for (name, off) in [
            ("sgd", off(&training("sgd", ""), sgd(0.0, 0.0))),
            ("sgd, decay", off(&training("sgd", decay), sgd(0.0, 0.1))),
            ("momentum", off(&training("momentum", ""), sgd(0.9, 0.0))),
            ("adam", off(&training("adam", ""), nn::Adam::default())),
            (
                "adam, decay",
                off(&training("adam", decay), nn::Adam::default().wd(0.1)),
            ),
            (
                "nesterov",
                off(
                    &training("momentum", "nesterov = true"),
                    nn::Sgd {
                        nesterov: true,
                        ..sgd(0.9, 0.0)
                    },
                ),
            ),
            (
                "adamw",
                off(
                    &training("adamw", decay),
                    nn::AdamW {
                        wd: 0.1,
                        ..nn::AdamW::default()
                    },
                ),
            ),
            ("rmsprop", off(&training("rmsprop", ""), nn::RmsProp::default())),
            (
                "rmsprop, decay",
                off(
                    &training("rmsprop", decay),
                    nn::RmsProp {
                        wd: 0.1,
                        ..nn::RmsProp::default()
                    },
                ),
            ),
        ] {
            assert!(off < 1e-6, "{name}: {off}");
        }
    }

    /// Three of the values after five steps.
    fn after_five_steps(spec: &TrainingSpec) -> [f64; 3] {
        let (values, mut gradients) = (numbers(0), numbers(0));
        let mut ours = Optimiser::new(spec, spec.learning_rate, &values, &gradients).unwrap();
        for step in 1..=5 {
            gradients.copy_(&numbers(step));
            ours.step().unwrap();
        }
        [0, 500, 1002].map(|at| values.double_value(&[at]))
    }

    /// Expected values, from PyTorch 2.13.0, since tch has neither its Adagrad nor such a clipping:
    ///
    /// ```python
    /// numbers = lambda salt: torch.tensor([math.sin(at * 7919 + salt * 104729) for at in range(1003)])
    /// def run(make, clip=None):
    ///     p = torch.nn.Parameter(numbers(0)); o = make([p])
    ///     for step in range(1, 6):
    ///         p.grad = numbers(step)
    ///         if clip: torch.nn.utils.clip_grad_norm_([p], clip)
    ///         o.step()
    ///     return [round(v, 7) for v in p.detach()[[0, 500, 1002]].tolist()]
    /// run(lambda p: torch.optim.Adagrad(p, lr=0.01)), run(lambda p: torch.optim.Adagrad(p, lr=0.01, weight_decay=0.1))
    /// run(lambda p: torch.optim.SGD(p, lr=0.01), 2.5), run(lambda p: torch.optim.SGD(p, lr=0.01), 100.0)
    /// ```
    #[test]
    fn adagrad_and_clipping_are_pytorch_s() {
        for (optimiser, more, expected) in [
            ("adagrad", "", [-0.013_830_4, -0.031_896_2, -0.934_754_4]),
            (
                "adagrad",
                "weight_decay = 0.1",
                [-0.013_790_6, -0.031_822, -0.932_074_5],
            ),
            (
                "sgd",
                "clip_gradient_norm = 2.5",
                [-0.001_128_7, -0.018_927_6, -0.931_885_7],
            ),
            // Longer than every gradient.
            (
                "sgd",
                "clip_gradient_norm = 100.0",
                [-0.010_111_1, -0.028_175_1, -0.942_550_5],
            ),
        ] {
            let found = after_five_steps(&training(optimiser, more));
            let off = found
                .iter()
                .zip(expected)
                .map(|(found, expected)| (found - expected).abs());
            assert!(off.fold(0.0, f64::max) < 5e-7, "{optimiser} {more}: {found:?}");
        }
    }
}
