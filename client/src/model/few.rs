//! Small chains of linear layers, computed without libtorch: for a few rows its operations take longer to begin than the whole network does here.

use veilsum_protocol::model::{Activation, Manifest, ModelSpec};

/// Most parameters of a chain that is computed here.
const SMALL: usize = 1 << 16;
/// Most multiplications for some rows together; of more work what libtorch takes to begin is a small part.
const MOST: usize = 1 << 18;

/// Logistic regression, or a multilayer perceptron without embeddings, on the CPU.
pub(crate) struct FewRows {
    layers: Vec<Layer>,
    activation: Option<Activation>,
    parameters: usize,
}

struct Layer {
    /// Shape `[in, out]`: a row of the input's weights follows the other, so that outputs are added up side by side.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl FewRows {
    /// With these values in the order of the manifest, weight `[out, in]` before bias `[out]`; `None` of other families and large networks.
    pub(crate) fn new(spec: &ModelSpec, manifest: &Manifest, values: &[f32]) -> Option<Self> {
        let activation = match spec {
            ModelSpec::Logistic => None,
            // Dropout is for training alone.
            ModelSpec::Mlp(mlp) if mlp.embedding.is_none() => Some(mlp.activation),
            _ => return None,
        };
        if manifest.total() > SMALL || values.len() != manifest.total() {
            return None;
        }
        let (layers, _) = manifest.parameters().as_chunks::<2>();
        let layers = layers.iter().map(|[weight, bias]| {
            let (weight, bias) = (values.get(weight.range.clone())?, values.get(bias.range.clone())?);
            let inputs = weight.len() / bias.len().max(1);
            let transposed =
                (0..inputs).flat_map(|input| weight.iter().skip(input).step_by(inputs.max(1)).copied());
            Some(Layer {
                weight: transposed.collect(),
                bias: bias.to_vec(),
            })
        });
        Some(Self {
            layers: layers.collect::<Option<_>>()?,
            activation,
            parameters: manifest.total(),
        })
    }

    /// Whether so many rows are few.
    pub(crate) fn takes(&self, rows: usize) -> bool {
        rows.saturating_mul(self.parameters) <= MOST
    }

    /// The last layer's outputs, shape `[rows, outputs]`, for `inputs` of shape `[rows, width]`.
    pub(crate) fn outputs(&self, inputs: &[f32], width: usize) -> Vec<f32> {
        let mut all = Vec::new();
        for row in inputs.chunks_exact(width.max(1)) {
            let mut values = row.to_vec();
            for (index, layer) in self.layers.iter().enumerate() {
                values = layer.outputs(&values);
                if index + 1 < self.layers.len() {
                    match self.activation {
                        // Not `max`, which takes 0 for what is no number.
                        Some(Activation::Relu) => values
                            .iter_mut()
                            .for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value }),
                        Some(Activation::Tanh) => {
                            values.iter_mut().for_each(|value| *value = value.tanh());
                        }
                        None => {}
                    }
                }
            }
            all.append(&mut values);
        }
        all
    }
}

impl Layer {
    fn outputs(&self, inputs: &[f32]) -> Vec<f32> {
        let mut outputs = self.bias.clone();
        for (input, weights) in inputs.iter().zip(self.weight.chunks_exact(outputs.len().max(1))) {
            for (output, weight) in outputs.iter_mut().zip(weights) {
                *output += input * weight;
            }
        }
        outputs
    }
}
