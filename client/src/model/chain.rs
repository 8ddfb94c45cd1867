use tch::{TchError, Tensor};
use veilsum_protocol::model::Activation;

/// Linear layers one behind the other: logistic regression and the multilayer perceptron without dropout and embeddings.
///
/// `hidden.i`: `[rows, in] -> [rows, out]`, then the activation; `output`: `[rows, in] -> [rows, outputs]`.
///
/// The gradients are written out here: libtorch's autograd gives the same ones, and for a small model takes most of a step
/// to build and walk its graph.
pub(super) struct Chain {
    activation: Option<Activation>,
}

impl Chain {
    pub(super) fn new(activation: Option<Activation>) -> Self {
        Self { activation }
    }

    /// What each layer gives for `inputs`, shape `[rows, width]`. `parameters`: each layer's weight, shape `[out, in]`, and
    /// bias, shape `[out]`.
    pub(super) fn outputs(&self, parameters: &[Tensor], inputs: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let (layers, _) = parameters.as_chunks::<2>();
        let mut outputs: Vec<Tensor> = Vec::with_capacity(layers.len());
        for (index, [weight, bias]) in layers.iter().enumerate() {
            let before = outputs.last().unwrap_or(inputs);
            let mut values = before.f_linear(weight, Some(bias))?;
            if index + 1 < layers.len() {
                let _ = match self.activation {
                    Some(Activation::Relu) => values.f_relu_()?,
                    Some(Activation::Tanh) => values.f_tanh_()?,
                    None => continue,
                };
            }
            outputs.push(values);
        }
        Ok(outputs)
    }

    /// Writes into `gradients` what `slope`, by the outputs of the last layer, is by the parameters.
    pub(super) fn gradients(
        &self,
        parameters: &[Tensor],
        inputs: &Tensor,
        outputs: &[Tensor],
        slope: &Tensor,
        gradients: &[Tensor],
    ) -> Result<(), TchError> {
        let mut slope = match slope.dim() {
            1 => slope.f_unsqueeze(1)?,
            _ => slope.shallow_clone(),
        };
        let ((layers, _), (gradients, _)) = (parameters.as_chunks::<2>(), gradients.as_chunks::<2>());
        let steps = layers.iter().zip(gradients).enumerate().rev();
        for (index, ([weight, _], [by_weight, by_bias])) in steps {
            let before = index.checked_sub(1).map(|below| &outputs[below]);
            let _ = slope.f_tr()?.f_mm_out(by_weight, before.unwrap_or(inputs))?;
            let _ = slope.f_sum_intlist_out(by_bias, 0, false, None)?;
            let Some(before) = before else {
                break;
            };
            slope = slope.f_mm(weight)?;
            // Both functions' slopes follow from what they gave.
            slope = match self.activation {
                Some(Activation::Relu) => before.f_threshold_backward(&slope, 0.0)?,
                Some(Activation::Tanh) => Tensor::f_tanh_backward(&slope, before)?,
                None => slope,
            };
        }
        Ok(())
    }
}
