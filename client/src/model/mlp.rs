use tch::{Kind, TchError, Tensor};
use veilsum_protocol::model::{Activation, InputShape, Mlp};

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;
use super::to_i64;

/// The multilayer perceptron with embeddings for categories, or with dropout. One without either is a
/// [`Chain`](super::chain::Chain).
///
/// 1. A row is `numbers` numbers and the index of each category's value: `[rows, numbers + categories]`.
/// 2. `embedding.j`: index -> `[rows, dimension of j]`; behind the numbers: `[rows, numbers + all dimensions]`.
/// 3. `hidden.i`, the activation, dropout: `[rows, in] -> [rows, out]`.
/// 4. `output`: `[rows, in] -> [rows, outputs]`.
pub(super) struct MlpForward {
    spec: Mlp,
    numbers: usize,
    categories: usize,
}

impl MlpForward {
    pub(super) fn new(spec: &Mlp, inputs: &InputShape) -> Self {
        let (numbers, categories) = match inputs {
            InputShape::Table { numbers, categories } => (*numbers, categories.len()),
            other => (other.width(), 0),
        };
        Self {
            spec: spec.clone(),
            numbers,
            categories,
        }
    }
}

impl Forward for MlpForward {
    fn forward(
        &self,
        parameters: &[Tensor],
        inputs: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let mut values = inputs.shallow_clone();
        if self.categories > 0 {
            let mut parts = vec![inputs.f_narrow(1, 0, to_i64(self.numbers))?];
            for category in 0..self.categories {
                let index = inputs
                    .f_select(1, to_i64(self.numbers + category))?
                    .f_to_kind(Kind::Int64)?;
                parts.push(Tensor::f_embedding(arrays.next(), &index, -1, false, false)?);
            }
            values = Tensor::f_cat(&parts, 1)?;
        }
        for _ in &self.spec.hidden {
            let mut linear = arrays.linear(&values)?;
            let active = match self.spec.activation {
                Activation::Relu => linear.f_relu_()?,
                Activation::Tanh => linear.f_tanh_()?,
            };
            values = dropout.apply(active, self.spec.dropout)?;
        }
        arrays.linear(&values)
    }

    fn largest_layer(&self) -> usize {
        let widest = self.spec.hidden.iter().max().map_or(0, |units| *units as usize);
        widest.max(self.numbers + self.categories * self.spec.embedding.unwrap_or(0) as usize)
    }
}
