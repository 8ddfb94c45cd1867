use tch::{Kind, TchError, Tensor};
use veilsum_protocol::model::{Cell, InputShape, Recurrent};

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;
use super::to_i64;

/// LSTM and GRU.
///
/// 1. A row is a sequence: `[rows, steps, width]`.
/// 2. Each layer, PyTorch's `nn.LSTM` or `nn.GRU` from zeros, and dropout: `[rows, steps, in] -> [rows, steps, units]`.
/// 3. The last step: `[rows, units]`; `output`: `[rows, units] -> [rows, outputs]`.
///
/// Steps of zeros at the beginning are missing. The cells do not see them: a shorter sequence is moved to the front, and its
/// own last step is taken.
pub(super) struct RecurrentForward {
    spec: Recurrent,
    steps: usize,
    width: usize,
}

impl RecurrentForward {
    pub(super) fn new(spec: &Recurrent, inputs: &InputShape) -> Self {
        let (steps, width) = match *inputs {
            InputShape::Sequence { steps, width } => (steps, width),
            _ => (1, inputs.width()),
        };
        Self {
            spec: spec.clone(),
            steps,
            width,
        }
    }
}

/// How many steps are missing at the beginning of each row of `sequence`, shape `[rows, steps, width]`: shape `[rows, 1]`. A
/// sequence of zeros alone misses none.
fn missing(sequence: &Tensor) -> Result<Tensor, TchError> {
    let present = sequence.f_ne(0.0)?.f_any_dim(2, false)?;
    // The first of equal greatest values.
    present.f_to_kind(Kind::Uint8)?.f_argmax(1, true)
}

impl Forward for RecurrentForward {
    fn forward(
        &self,
        parameters: &[Tensor],
        inputs: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let (steps, units) = (to_i64(self.steps), i64::from(self.spec.units));
        let mut values = inputs.f_view([-1, steps, to_i64(self.width)])?;
        let place = (Kind::Int64, values.device());
        let missing = missing(&values)?;
        let shorter = values.numel() > 0 && missing.f_max()?.f_int64_value(&[])? > 0;
        if shorter {
            let from = Tensor::f_arange(steps, place)?.f_unsqueeze(0)?.f_add(&missing)?;
            let from = from.f_remainder(steps)?.f_unsqueeze(2)?;
            values = values.f_gather(1, &from.f_expand([-1, -1, to_i64(self.width)], false)?, false)?;
        }
        // `[1, rows, units]`, made of the rows and not of their number, which a trace of this would keep.
        let zeros = values.f_select(1, 0)?.f_select(1, 0)?.f_zeros_like()?;
        let zeros = zeros.f_reshape([1, -1, 1])?;
        let zeros = zeros.f_expand([1, -1, units], false)?.f_contiguous()?;
        let training = parameters.iter().any(Tensor::requires_grad);
        for _ in 0..self.spec.layers {
            let arrays = arrays.several(4);
            let states = match self.spec.cell {
                Cell::Lstm => {
                    let before = [zeros.shallow_clone(), zeros.shallow_clone()];
                    values
                        .f_lstm(&before, arrays, true, 1, 0.0, training, false, true)?
                        .0
                }
                Cell::Gru => {
                    values
                        .f_gru(&zeros, arrays, true, 1, 0.0, training, false, true)?
                        .0
                }
            };
            values = dropout.apply(states, self.spec.dropout)?;
        }
        let last = if shorter {
            let last = missing.f_rsub_scalar(steps - 1)?.f_unsqueeze(2)?;
            let last = last.f_expand([-1, -1, units], false)?;
            values.f_gather(1, &last, false)?.f_squeeze_dim(1)?
        } else {
            values.f_select(1, steps - 1)?
        };
        arrays.linear(&last)
    }

    fn largest_layer(&self) -> usize {
        self.steps * self.spec.cell.gates() * self.spec.units as usize
    }
}
