use tch::{Kind, TchError, Tensor};
use veilsum_protocol::model::{InputShape, Transformer};

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;
use super::to_i64;

/// The encoder transformer, `D` being its dimension.
///
/// 1. A row becomes tokens, `[rows, tokens, D]`: of a text each word and its place, of a sequence each step and its place, of
///    a table each column (see [`Transformer`]'s parameters).
/// 2. Each layer, PyTorch's `nn.TransformerEncoderLayer` with `norm_first` and ReLU, shapes stay: `x + attention(norm1(x))`,
///    then `x + linear2(relu(linear1(norm2(x))))`. Every token attends to all that are not missing.
/// 3. `norm`, and the mean of the tokens that are not missing: `[rows, D]`; `output`: `[rows, D] -> [rows, outputs]`.
///
/// Missing are padding behind a text, whose first token always counts, and steps of zeros before a sequence, whose last step
/// always counts. The places of a sequence are counted so that the last step has the last one whatever its length.
pub(super) struct TransformerForward {
    spec: Transformer,
    shape: InputShape,
}

impl TransformerForward {
    pub(super) fn new(spec: &Transformer, inputs: &InputShape) -> Self {
        Self {
            spec: spec.clone(),
            shape: inputs.clone(),
        }
    }

    /// Tokens, shape `[rows, tokens, D]`, and which of them count, shape `[rows, tokens]`; `None`: all.
    fn tokens(&self, arrays: &mut Arrays<'_>, inputs: &Tensor) -> Result<(Tensor, Option<Tensor>), TchError> {
        match &self.shape {
            InputShape::Text { .. } => {
                let tokens = inputs.f_to_kind(Kind::Int64)?;
                let present = tokens.f_ne(0)?;
                let _ = present.f_narrow(1, 0, 1)?.f_fill_(1)?;
                let words = Tensor::f_embedding(arrays.next(), &tokens, 0, false, false)?;
                Ok((words.f_add(arrays.next())?, Some(present)))
            }
            InputShape::Sequence { steps, width } => {
                let sequence = inputs.f_view([-1, to_i64(*steps), to_i64(*width)])?;
                let present = sequence.f_ne(0.0)?.f_any_dim(2, false)?;
                // Of the steps behind the first that is there, none is missing.
                let present = present
                    .f_to_kind(Kind::Int64)?
                    .f_cumsum(1, Kind::Int64)?
                    .f_gt(0)?;
                let _ = present.f_narrow(1, to_i64(*steps) - 1, 1)?.f_fill_(1)?;
                let projected = arrays.linear(&sequence)?;
                Ok((projected.f_add(arrays.next())?, Some(present)))
            }
            shape => {
                let (numbers, categories) = match shape {
                    InputShape::Table { numbers, categories } => (*numbers, &categories[..]),
                    _ => (shape.width(), &[][..]),
                };
                let mut parts = Vec::with_capacity(2);
                if numbers > 0 {
                    let weight = arrays.next();
                    let columns = inputs.f_narrow(1, 0, to_i64(numbers))?.f_unsqueeze(2)?;
                    parts.push(arrays.next().f_addcmul(&columns, weight)?);
                }
                if !categories.is_empty() {
                    // Made by an operator each: a trace of this holds operators, and not what is copied into a tensor.
                    let place = (Kind::Int64, inputs.device());
                    let starts = categories.iter().scan(0, |next, values| {
                        let start = *next;
                        *next += to_i64(*values);
                        Some(Tensor::f_full([1], start, place))
                    });
                    let starts: Vec<Tensor> = starts.collect::<Result<_, _>>()?;
                    let starts = Tensor::f_cat(&starts, 0)?;
                    let values = inputs.f_narrow(1, to_i64(numbers), to_i64(categories.len()))?;
                    let values = values.f_to_kind(Kind::Int64)?.f_add(&starts)?;
                    parts.push(Tensor::f_embedding(arrays.next(), &values, -1, false, false)?);
                }
                Ok((Tensor::f_cat(&parts, 1)?, None))
            }
        }
    }

    /// `[rows, tokens, D] -> [rows, tokens, D]`.
    fn layer(
        &self,
        arrays: &mut Arrays<'_>,
        values: Tensor,
        attended: Option<&Tensor>,
        dropout: &mut Dropout,
    ) -> Result<Tensor, TchError> {
        let share = self.spec.dropout;
        // PyTorch's order: the attention's four arrays, the two linear layers', the two norms'.
        let mut attention = Arrays::of(arrays.several(4));
        let mut linear = Arrays::of(arrays.several(4));
        let mut norms = Arrays::of(arrays.several(4));
        let attending = self.attention(&mut attention, &norms.layer_norm(&values)?, attended)?;
        let values = values.f_add(&dropout.apply(attending, share)?)?;
        let inner = linear.linear(&norms.layer_norm(&values)?)?.f_relu_()?;
        let outer = linear.linear(&dropout.apply(inner, share)?)?;
        values.f_add(&dropout.apply(outer, share)?)
    }

    /// `[rows, tokens, D] -> [rows, tokens, D]`.
    fn attention(
        &self,
        arrays: &mut Arrays<'_>,
        values: &Tensor,
        attended: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let (_, tokens, dimension) = values.size3()?;
        let heads = i64::from(self.spec.heads);
        let parts = arrays.linear(values)?;
        // -1: a trace of this takes any number of rows.
        let parts = parts.f_view([-1, tokens, 3, heads, dimension / heads])?;
        let parts = parts.f_permute([2, 0, 3, 1, 4])?;
        let [query, key, value] = [0, 1, 2].map(|part| parts.f_select(0, part));
        let attending = Tensor::f_scaled_dot_product_attention(
            &query?, &key?, &value?, attended, 0.0, false, None, false,
        )?;
        let attending = attending.f_transpose(1, 2)?.f_reshape([-1, tokens, dimension])?;
        arrays.linear(&attending)
    }
}

impl Forward for TransformerForward {
    fn forward(
        &self,
        parameters: &[Tensor],
        inputs: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let (mut values, present) = self.tokens(&mut arrays, inputs)?;
        let attended = match &present {
            Some(present) => Some(present.f_unsqueeze(1)?.f_unsqueeze(1)?),
            None => None,
        };
        for _ in 0..self.spec.layers {
            values = self.layer(&mut arrays, values, attended.as_ref(), dropout)?;
        }
        values = arrays.layer_norm(&values)?;
        let mean = match &present {
            Some(present) => {
                let present = present.f_to_kind(Kind::Float)?.f_unsqueeze(2)?;
                let sum = values.f_mul(&present)?.f_sum_dim_intlist(1, false, None)?;
                sum.f_div(&present.f_sum_dim_intlist(1, false, None)?)?
            }
            None => values.f_mean_dim(1, false, None)?,
        };
        arrays.linear(&mean)
    }

    fn largest_layer(&self) -> usize {
        let tokens = match &self.shape {
            InputShape::Sequence { steps, .. } => *steps,
            shape => shape.width(),
        };
        let [dimension, inner, heads] =
            [self.spec.dimension, self.spec.feed_forward, self.spec.heads].map(|size| size as usize);
        tokens * inner.max(3 * dimension).max(heads * tokens)
    }
}
