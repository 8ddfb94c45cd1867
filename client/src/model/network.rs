use tch::{TchError, Tensor};
use veilsum_protocol::model::{Activation, Manifest, ModelSpec};

/// A model of linear layers over one flat vector of parameters, in the order of its manifest.
///
/// The layers are views of the vector, so an optimiser steps over all parameters in one operation, and what is
/// trained is the very vector that is sent and hashed.
pub(crate) struct Network {
    manifest: Manifest,
    sizes: Vec<i64>,
    activation: Option<Activation>,
}

impl Network {
    /// For rows of `inputs` numbers.
    pub(crate) fn new(spec: &ModelSpec, inputs: usize) -> Self {
        let manifest = spec.manifest(inputs);
        let sizes = manifest
            .parameters()
            .iter()
            .map(|parameter| to_i64(parameter.range.len()))
            .collect();
        let activation = match spec {
            ModelSpec::Logistic => None,
            ModelSpec::Mlp { activation, .. } => Some(*activation),
        };
        Self {
            manifest,
            sizes,
            activation,
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The logits, shape `[rows]`, of `inputs`, shape `[rows, inputs]`, under `parameters`, shape
    /// `[manifest.total()]`.
    pub(crate) fn logits(&self, parameters: &Tensor, inputs: &Tensor) -> Result<Tensor, TchError> {
        let mut parts = Vec::with_capacity(self.sizes.len());
        let split = parameters.f_split_with_sizes(self.sizes.as_slice(), 0)?;
        for (part, parameter) in split.iter().zip(self.manifest.parameters()) {
            let shape: Vec<i64> = parameter.shape.iter().map(|&size| to_i64(size)).collect();
            parts.push(part.f_view(shape.as_slice())?);
        }
        let (layers, _) = parts.as_chunks::<2>();
        let mut values = inputs.shallow_clone();
        for (index, [weight, bias]) in layers.iter().enumerate() {
            values = values.f_linear(weight, Some(bias))?;
            if index + 1 < layers.len() {
                values = match self.activation {
                    Some(Activation::Relu) => values.f_relu()?,
                    Some(Activation::Tanh) => values.f_tanh()?,
                    None => values,
                };
            }
        }
        values.f_squeeze_dim(1)
    }
}

fn to_i64(size: usize) -> i64 {
    i64::try_from(size).expect("a task's model has at most 2^26 parameters")
}
