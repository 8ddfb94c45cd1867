use tch::{Kind, TchError, Tensor};
use veilsum_protocol::model::EmbeddingBag;

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;

/// The mean of a text's embedded tokens, and a multilayer perceptron over it.
///
/// 1. A row is a text of token numbers, 0 being padding: `[rows, tokens]`.
/// 2. `embedding`, averaged over the tokens that are not padding: `[rows, dimension]`; zeros for a text without any.
/// 3. `hidden.i` and ReLU: `[rows, in] -> [rows, out]`; `output`: `[rows, in] -> [rows, outputs]`.
pub(super) struct EmbeddingBagForward {
    hidden: usize,
    dimension: usize,
}

impl EmbeddingBagForward {
    pub(super) fn new(spec: &EmbeddingBag) -> Self {
        let widest = spec.hidden.iter().chain([&spec.dimension]).max();
        Self {
            hidden: spec.hidden.len(),
            dimension: widest.map_or(1, |units| *units as usize),
        }
    }
}

/// libtorch's number for the mean of a bag.
const MEAN: i64 = 1;

impl Forward for EmbeddingBagForward {
    fn forward(&self, parameters: &[Tensor], inputs: &Tensor, _: &mut Dropout) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let tokens = inputs.f_to_kind(Kind::Int64)?;
        let (_, length) = tokens.size2()?;
        // 0, `length`, ...: made of the rows and not of their number, which a trace of this would keep.
        let ones = tokens.f_select(1, 0)?.f_ones_like()?;
        let starts = ones
            .f_cumsum(0, Kind::Int64)?
            .f_sub_scalar(1)?
            .f_mul_scalar(length)?;
        let (mut values, ..) = Tensor::f_embedding_bag_padding_idx(
            arrays.next(),
            &tokens.f_flatten(0, 1)?,
            &starts,
            false,
            MEAN,
            false,
            None::<Tensor>,
            false,
            0,
        )?;
        for _ in 0..self.hidden {
            values = arrays.linear(&values)?.f_relu_()?;
        }
        arrays.linear(&values)
    }

    fn largest_layer(&self) -> usize {
        self.dimension
    }
}
