//! A model as TorchScript: what libtorch does to score rows is written down while it does it, with the parameters as constants.

use tch::{CModule, Kind, TchError, Tensor, no_grad};
use veilsum_onnx::Answer;
use veilsum_protocol::model::{InputShape, ModelSpec};
use veilsum_protocol::task::Scale;

use crate::model::{Network, Parameters, to_i64};

/// Name of the module and of its method, which `torch.jit.load` gives as a callable.
const MODULE: &str = "VeilsumModel";
const METHOD: &str = "forward";

/// Rows that the trace is made with; the module takes any number.
const TRACED: usize = 2;

/// The module: from rows, float32 of shape `[rows, width]`, the scores that `serve` answers, of the shapes and types of [`Answer`]'s outputs.
/// `values`: in the order of the family's manifest.
///
/// # Errors
/// libtorch's.
pub(super) fn module(
    spec: &ModelSpec,
    shape: &InputShape,
    answer: &Answer,
    values: &[f32],
) -> Result<CModule, TchError> {
    let network = Network::new(spec, shape, answer.target());
    let parameters = network.parameters(values, tch::Device::Cpu)?.apart()?;
    let example = example(shape)?;
    let mut failed = None;
    let traced = no_grad(|| {
        CModule::create_by_tracing(MODULE, METHOD, &[example], &mut |inputs: &[Tensor]| {
            match inputs
                .iter()
                .map(|rows| scores(&network, &parameters, answer, rows))
                .collect()
            {
                Ok(scores) => scores,
                // The trace must come to its end, or the next one finds this one open.
                Err(error) => {
                    failed = Some(error);
                    inputs.iter().map(Tensor::shallow_clone).collect()
                }
            }
        })
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(traced),
    }
}

/// Rows that take every way that a row can take. Where a sequence may begin with missing steps, one does: a trace holds what was done to these
/// rows, and nothing that was left out.
fn example(shape: &InputShape) -> Result<Tensor, TchError> {
    let width = shape.width();
    let mut rows = vec![1.0_f32; TRACED * width];
    match shape {
        // The first value of each category, whatever their number.
        InputShape::Table { numbers, .. } => rows
            .chunks_mut(width.max(1))
            .for_each(|row| row.iter_mut().skip(*numbers).for_each(|value| *value = 0.0)),
        InputShape::Sequence { steps, width } if *steps > 1 => {
            rows.iter_mut().take(*width).for_each(|value| *value = 0.0);
        }
        // Padding.
        InputShape::Text { .. } => rows.iter_mut().for_each(|value| *value = 0.0),
        InputShape::Sequence { .. } | InputShape::Image { .. } => {}
    }
    Tensor::f_from_slice(&rows)?.f_view([to_i64(TRACED), to_i64(width)])
}

fn scores(
    network: &Network,
    parameters: &Parameters,
    answer: &Answer,
    rows: &Tensor,
) -> Result<Tensor, TchError> {
    let logits = network.outputs(parameters, rows)?.logits()?;
    match *answer {
        Answer::Probability => logits.f_sigmoid(),
        Answer::Probabilities(_) => logits.f_softmax(-1, None),
        Answer::Number { scale, min, max } => {
            // As `Scale::value`, in the same precision.
            let (low, high) = (scale.apply(min), scale.apply(max));
            let unit = logits.f_to_kind(Kind::Double)?;
            let value = unit.f_mul_scalar(high - low)?.f_add_scalar(low)?;
            let value = match scale {
                Scale::Linear => value,
                Scale::Log => value.f_abs()?.f_expm1()?.f_copysign(&value)?,
            };
            value.f_clamp(min, max)
        }
    }
}
