use tch::{Kind, Reduction, TchError, Tensor};
use veilsum_protocol::model::Target;
use veilsum_protocol::task::Loss;

/// The least distance of a probability from 1 that a power takes part in: none is nearer in `f32`.
const LEAST: f64 = 1e-7;

/// The losses of rows and their slopes, written out.
///
/// `outputs` have shape `[rows]`, or `[rows, classes]` for [`Target::Classes`]; labels and weights have shape `[rows]`.
#[derive(Clone)]
pub(super) struct RowLoss {
    loss: Loss,
    target: Target,
    /// Factor of a row's loss by its label; empty where they do not differ.
    class_weights: Vec<f32>,
}

impl RowLoss {
    pub(super) fn new(loss: Loss, target: Target, class_weights: &[f64]) -> Self {
        let even = class_weights.iter().all(|weight| *weight == 1.0);
        let weights = class_weights.iter().filter(|_| !even);
        Self {
            loss,
            target,
            class_weights: weights.map(|weight| *weight as f32).collect(),
        }
    }

    /// Factors of the rows' losses, shape `[rows]`; `None`: all are 1.
    pub(super) fn weights(&self, labels: &Tensor) -> Result<Option<Tensor>, TchError> {
        if self.class_weights.is_empty() {
            return Ok(None);
        }
        let weights = Tensor::f_from_slice(&self.class_weights)?.f_to_device(labels.device())?;
        weights
            .f_index_select(0, &labels.f_to_kind(Kind::Int64)?)
            .map(Some)
    }

    /// Each row's loss times its weight, shape `[rows]`.
    pub(super) fn values(
        &self,
        outputs: &Tensor,
        labels: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let values = match (self.loss, self.target) {
            (Loss::CrossEntropy, Target::Binary | Target::Number) => outputs
                .f_binary_cross_entropy_with_logits(
                    labels,
                    None::<&Tensor>,
                    None::<&Tensor>,
                    Reduction::None,
                )?,
            (Loss::CrossEntropy, Target::Classes(_)) => likelihood(outputs, labels)?.f_neg()?,
            (Loss::Focal { gamma }, Target::Binary | Target::Number) => {
                let (_, logarithm) = signed(outputs, labels)?;
                focal(&logarithm, gamma)?
            }
            (Loss::Focal { gamma }, Target::Classes(_)) => focal(&likelihood(outputs, labels)?, gamma)?,
            (Loss::MeanSquared, _) => outputs.f_sub(labels)?.f_square()?,
            (Loss::Huber { delta }, _) => outputs.f_huber_loss(labels, Reduction::None, delta)?,
            (Loss::Quantile { quantile }, _) => {
                let above = labels.f_sub(outputs)?;
                above
                    .f_mul_scalar(quantile)?
                    .f_maximum(&above.f_mul_scalar(quantile - 1.0)?)?
            }
        };
        match weights {
            Some(weights) => values.f_mul(weights),
            None => Ok(values),
        }
    }

    /// The gradient of the mean of [`RowLoss::values`] by the outputs, of their shape. The mean is over the rows, whatever they
    /// weigh.
    pub(super) fn slope(
        &self,
        outputs: &Tensor,
        labels: &Tensor,
        weights: Option<&Tensor>,
        rows: usize,
    ) -> Result<Tensor, TchError> {
        let mut slope = match (self.loss, self.target) {
            (Loss::CrossEntropy, Target::Binary | Target::Number) => outputs.f_sigmoid()?.f_sub_(labels)?,
            (Loss::CrossEntropy, Target::Classes(_)) => {
                let slope = outputs.f_softmax(1, None)?;
                let ones = outputs.f_new_ones([labels.size()[0], 1], (Kind::Float, outputs.device()))?;
                let label = labels.f_to_kind(Kind::Int64)?.f_unsqueeze(1)?;
                slope.f_scatter_add(1, &label, &ones.f_neg()?)?
            }
            (Loss::Focal { gamma }, Target::Binary | Target::Number) => {
                // With p the label's probability: sign (gamma p ln p (1 - p)^gamma - (1 - p)^(gamma + 1)).
                let (sign, logarithm) = signed(outputs, labels)?;
                focal_factor(&logarithm, gamma)?
                    .f_mul(&distance(&logarithm)?)?
                    .f_mul(&sign)?
            }
            (Loss::Focal { gamma }, Target::Classes(_)) => {
                // The same but for the last step: by output j it is 1 - p for the label and -p_j for the others.
                let factor = focal_factor(&likelihood(outputs, labels)?, gamma)?.f_unsqueeze(1)?;
                let ones = outputs.f_new_ones([labels.size()[0], 1], (Kind::Float, outputs.device()))?;
                let label = labels.f_to_kind(Kind::Int64)?.f_unsqueeze(1)?;
                let by_output = outputs
                    .f_softmax(1, None)?
                    .f_neg()?
                    .f_scatter_add(1, &label, &ones)?;
                by_output.f_mul(&factor)?
            }
            (Loss::MeanSquared, _) => outputs.f_sub(labels)?.f_mul_scalar_(2.0)?,
            (Loss::Huber { delta }, _) => outputs.f_sub(labels)?.f_clamp(-delta, delta)?,
            (Loss::Quantile { quantile }, _) => {
                // 1 - q above the label, -q below, between them at the label itself.
                let sign = outputs.f_sub(labels)?.f_sign()?;
                let step = sign
                    .f_ne(0.0)?
                    .f_to_kind(Kind::Float)?
                    .f_mul_scalar(0.5 - quantile)?;
                sign.f_mul_scalar(0.5)?.f_add(&step)?
            }
        };
        if let Some(weights) = weights {
            let _ = match slope.dim() {
                1 => slope.f_mul_(weights)?,
                _ => slope.f_mul_(&weights.f_unsqueeze(1)?)?,
            };
        }
        slope.f_div_scalar_(rows as f64)
    }
}

/// 1 for label 1 and -1 for label 0; and the logarithm of the label's probability.
fn signed(outputs: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let sign = labels.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
    let logarithm = outputs.f_mul(&sign)?.f_log_sigmoid()?;
    Ok((sign, logarithm))
}

/// The logarithm of the label's probability, shape `[rows]`.
fn likelihood(outputs: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    let label = labels.f_to_kind(Kind::Int64)?.f_unsqueeze(1)?;
    outputs
        .f_log_softmax(1, None)?
        .f_gather(1, &label, false)?
        .f_squeeze_dim(1)
}

/// `1 - p` for `ln p`, exact also near 1.
fn distance(logarithm: &Tensor) -> Result<Tensor, TchError> {
    logarithm.f_expm1()?.f_neg()
}

/// `-(1 - p)^gamma ln p`.
fn focal(logarithm: &Tensor, gamma: f64) -> Result<Tensor, TchError> {
    distance(logarithm)?
        .f_pow_tensor_scalar(gamma)?
        .f_mul(logarithm)?
        .f_neg()
}

/// `p` times the focal loss's derivative by `p`: `gamma (1 - p)^(gamma - 1) p ln p - (1 - p)^gamma`.
fn focal_factor(logarithm: &Tensor, gamma: f64) -> Result<Tensor, TchError> {
    let distance = distance(logarithm)?;
    let steep = distance
        .f_clamp_min(LEAST)?
        .f_pow_tensor_scalar(gamma - 1.0)?
        .f_mul_scalar(gamma)?;
    let steep = steep.f_mul(&logarithm.f_exp()?)?.f_mul(logarithm)?;
    steep.f_sub(&distance.f_pow_tensor_scalar(gamma)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbers(count: i64, salt: i64) -> Tensor {
        let number = |at: i64| 3.0 * ((at * 7919 + salt * 104_729) as f64).sin() as f32;
        Tensor::from_slice(&(0..count).map(number).collect::<Vec<f32>>())
    }

    /// Slopes against autograd of the values, which libtorch or the tests below know.
    #[test]
    fn slopes_are_those_of_autograd() {
        let classes = Target::Classes(4);
        let labels_of = |target| match target {
            Target::Binary => Tensor::from_slice(&[0.0_f32, 1.0, 1.0, 0.0, 1.0, 0.0]),
            Target::Classes(_) => Tensor::from_slice(&[0.0_f32, 3.0, 1.0, 2.0, 1.0, 0.0]),
            Target::Number => numbers(6, 5),
        };
        for (loss, target, weights) in [
            (Loss::CrossEntropy, Target::Binary, &[1.0, 1.0][..]),
            (Loss::CrossEntropy, Target::Binary, &[0.5, 3.0]),
            (Loss::CrossEntropy, classes, &[]),
            (Loss::CrossEntropy, classes, &[0.5, 3.0, 1.0, 2.0]),
            (Loss::Focal { gamma: 2.0 }, Target::Binary, &[0.5, 3.0]),
            (Loss::Focal { gamma: 0.5 }, Target::Binary, &[1.0, 1.0]),
            (Loss::Focal { gamma: 0.0 }, Target::Binary, &[1.0, 1.0]),
            (Loss::Focal { gamma: 1.5 }, classes, &[0.5, 3.0, 1.0, 2.0]),
            (Loss::MeanSquared, Target::Number, &[]),
            (Loss::Huber { delta: 0.7 }, Target::Number, &[]),
            (Loss::Quantile { quantile: 0.9 }, Target::Number, &[]),
        ] {
            let rows = RowLoss::new(loss, target, weights);
            let labels = labels_of(target);
            let outputs = match target {
                Target::Classes(_) => numbers(24, 1).view([6, 4]),
                _ => numbers(6, 1),
            };
            let weights = rows.weights(&labels).unwrap();
            let slope = rows.slope(&outputs, &labels, weights.as_ref(), 6).unwrap();
            let leaf = outputs.detach().set_requires_grad(true);
            rows.values(&leaf, &labels, weights.as_ref())
                .unwrap()
                .mean(None)
                .backward();
            let off = (&slope - leaf.grad()).abs().max().double_value(&[]);
            assert!(
                off < 1e-6 && slope.size() == outputs.size(),
                "{loss:?} {target:?}: {off}"
            );
        }
    }

    /// Expected values: PyTorch's `cross_entropy` and `huber_loss(delta=1)` with `reduction="none"`, and the definitions of the
    /// focal and the quantile loss, by Python 3:
    ///
    /// ```python
    /// from math import exp, log
    /// z = [1.0, -0.5, 2.0]; print(log(sum(map(exp, z))) - z[2], log(sum(map(exp, z))) - z[1])
    /// p = 1 / (1 + exp(-0.4)); print(-(1 - p)**2 * log(p), -p**2 * log(1 - p))
    /// ```
    #[test]
    fn values_are_the_definitions() {
        let check = |loss, target, outputs: Tensor, labels: &[f32], expected: &[f64]| {
            let rows = RowLoss::new(loss, target, &[]);
            let found = rows.values(&outputs, &Tensor::from_slice(labels), None).unwrap();
            let found = Vec::<f32>::try_from(found).unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-6,
                    "{loss:?}: {found} {expected}"
                );
            }
        };
        let classes = Tensor::from_slice(&[1.0_f32, -0.5, 2.0, 1.0, -0.5, 2.0]).view([2, 3]);
        check(
            Loss::CrossEntropy,
            Target::Classes(3),
            classes,
            &[2.0, 1.0],
            &[0.371_539_031_9, 2.871_539_031_9],
        );
        let binary = Tensor::from_slice(&[0.4_f32, 0.4]);
        check(
            Loss::Focal { gamma: 2.0 },
            Target::Binary,
            binary,
            &[1.0, 0.0],
            &[0.082_621_924_2, 0.327_249_239_7],
        );
        let two = || Tensor::from_slice(&[0.5_f32, -2.0]);
        check(
            Loss::Huber { delta: 1.0 },
            Target::Number,
            two(),
            &[0.0, 0.0],
            &[0.125, 1.5],
        );
        check(
            Loss::MeanSquared,
            Target::Number,
            two(),
            &[0.0, 0.0],
            &[0.25, 4.0],
        );
        check(
            Loss::Quantile { quantile: 0.9 },
            Target::Number,
            two(),
            &[0.0, 0.0],
            &[0.05, 1.8],
        );
    }

    #[test]
    fn certain_rows_give_finite_slopes() {
        for gamma in [0.0, 0.5, 1.0, 2.0] {
            let rows = RowLoss::new(Loss::Focal { gamma }, Target::Binary, &[]);
            let outputs = Tensor::from_slice(&[90.0_f32, -90.0, 90.0, -90.0]);
            let labels = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0]);
            let slope = rows.slope(&outputs, &labels, None, 1).unwrap();
            let slope = Vec::<f32>::try_from(slope).unwrap();
            assert!(slope.iter().all(|value| value.is_finite()), "{gamma}: {slope:?}");
            assert!(slope[0].abs() < 1e-6 && slope[2] > 0.9, "{gamma}: {slope:?}");
        }
    }
}
