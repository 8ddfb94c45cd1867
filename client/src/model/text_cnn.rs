use tch::{Kind, TchError, Tensor};
use veilsum_protocol::model::{InputShape, TextCnn};

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;

/// The convolutional network for texts.
///
/// 1. A row is a text of token numbers, 0 being padding: `[rows, tokens]`.
/// 2. `embedding`, padding as zeros: `[rows, dimension, tokens]`.
/// 3. For each width, `conv.i`: `-> [rows, filters, tokens - width + 1]`; the greatest value of each filter and ReLU:
///    `[rows, filters]`.
/// 4. All of them one behind the other, `[rows, filters of all widths]`; `output`: `-> [rows, outputs]`.
pub(super) struct TextCnnForward {
    spec: TextCnn,
    tokens: usize,
}

impl TextCnnForward {
    pub(super) fn new(spec: &TextCnn, inputs: &InputShape) -> Self {
        Self {
            spec: spec.clone(),
            tokens: inputs.width(),
        }
    }
}

impl Forward for TextCnnForward {
    fn forward(&self, parameters: &[Tensor], inputs: &Tensor, _: &mut Dropout) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let tokens = inputs.f_to_kind(Kind::Int64)?;
        let present = inputs.f_ne(0.0)?.f_to_kind(Kind::Float)?.f_unsqueeze(2)?;
        let embedded = Tensor::f_embedding(arrays.next(), &tokens, 0, false, false)?;
        let embedded = embedded.f_mul(&present)?.f_transpose(1, 2)?.f_contiguous()?;
        let mut parts = Vec::with_capacity(self.spec.widths.len());
        for _ in &self.spec.widths {
            let weight = arrays.next();
            let found = embedded.f_conv1d(weight, Some(arrays.next()), 1, 0, 1, 1)?;
            let (mut greatest, _) = found.f_max_dim(2, false)?;
            parts.push(greatest.f_relu_()?);
        }
        arrays.linear(&Tensor::f_cat(&parts, 1)?)
    }

    fn largest_layer(&self) -> usize {
        let filters = self
            .spec
            .filters
            .iter()
            .max()
            .map_or(1, |filters| *filters as usize);
        self.tokens * filters.max(self.spec.dimension as usize)
    }
}
