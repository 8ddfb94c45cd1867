use tch::{Device, Kind, TchError, Tensor};
use veilsum_protocol::model::{Activation, InputShape, Manifest, ModelSpec, Target};

/// A model of linear layers over one flat vector of parameters, in the order of its manifest.
///
/// The gradients are written out here, since every family so far is a chain of linear layers: libtorch's autograd gives
/// the same ones, and for a small model takes most of a step to build and walk its graph.
pub(crate) struct Network {
    manifest: Manifest,
    activation: Option<Activation>,
}

/// Numbers with the shapes of a network's parameters, on a device: the parameters, or their gradients.
///
/// The layers are views of one flat vector. So an optimiser steps over all parameters at once, and what is trained is the
/// very vector that is sent and hashed.
pub(crate) struct Parameters {
    flat: Tensor,
    layers: Vec<Layer>,
}

struct Layer {
    /// Shape `[out, in]`.
    weight: Tensor,
    /// The same, as `[in, out]`.
    transposed: Tensor,
    /// Shape `[out]`.
    bias: Tensor,
}

/// What the layers gave for some rows.
pub(crate) struct Outputs(Vec<Tensor>);

impl Network {
    /// For rows of this shape, and what is to be predicted of them.
    pub(crate) fn new(spec: &ModelSpec, inputs: &InputShape, target: Target) -> Self {
        let activation = match spec {
            ModelSpec::Logistic => None,
            ModelSpec::Mlp { activation, .. } => Some(*activation),
        };
        Self {
            manifest: spec.manifest(inputs, target),
            activation,
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// `values`, as many as the manifest has, on the device.
    pub(crate) fn parameters(&self, values: &[f32], device: Device) -> Result<Parameters, TchError> {
        self.view(Tensor::f_from_slice(values)?.f_to_device(device)?)
    }

    /// Room for gradients.
    pub(crate) fn zeros(&self, device: Device) -> Result<Parameters, TchError> {
        self.view(Tensor::f_zeros(
            to_i64(self.manifest.total()),
            (Kind::Float, device),
        )?)
    }

    fn view(&self, flat: Tensor) -> Result<Parameters, TchError> {
        let views = self.manifest.parameters().iter().map(|parameter| {
            let shape: Vec<i64> = parameter.shape.iter().map(|&size| to_i64(size)).collect();
            let (start, length) = (to_i64(parameter.range.start), to_i64(parameter.range.len()));
            flat.f_narrow(0, start, length)?.f_view(shape.as_slice())
        });
        let views: Vec<Tensor> = views.collect::<Result<_, TchError>>()?;
        let (pairs, _) = views.as_chunks::<2>();
        let layers = pairs.iter().map(|[weight, bias]| {
            Ok(Layer {
                weight: weight.shallow_clone(),
                transposed: weight.f_tr()?,
                bias: bias.shallow_clone(),
            })
        });
        let layers = layers.collect::<Result<_, TchError>>()?;
        Ok(Parameters { flat, layers })
    }

    /// For `inputs`, shape `[rows, inputs]`.
    pub(crate) fn outputs(&self, parameters: &Parameters, inputs: &Tensor) -> Result<Outputs, TchError> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(parameters.layers.len());
        for (index, layer) in parameters.layers.iter().enumerate() {
            let before = outputs.last().unwrap_or(inputs);
            let mut values = layer.bias.f_addmm(before, &layer.transposed)?;
            if index + 1 < parameters.layers.len() {
                let _ = match self.activation {
                    Some(Activation::Relu) => values.f_relu_()?,
                    Some(Activation::Tanh) => values.f_tanh_()?,
                    None => continue,
                };
            }
            outputs.push(values);
        }
        Ok(Outputs(outputs))
    }

    /// Writes into `gradients` what `slope`, the loss's gradient by the logits, shape `[rows]`, is by the parameters.
    pub(crate) fn gradients(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        outputs: &Outputs,
        slope: &Tensor,
        gradients: &Parameters,
    ) -> Result<(), TchError> {
        let mut slope = slope.f_unsqueeze(1)?;
        for (index, layer) in parameters.layers.iter().enumerate().rev() {
            let before = index.checked_sub(1).map(|below| &outputs.0[below]);
            let gradient = &gradients.layers[index];
            let _ = slope
                .f_tr()?
                .f_mm_out(&gradient.weight, before.unwrap_or(inputs))?;
            let _ = slope.f_sum_intlist_out(&gradient.bias, 0, false, None)?;
            let Some(before) = before else {
                break;
            };
            slope = slope.f_mm(&layer.weight)?;
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

impl Parameters {
    /// The vector itself, shape `[manifest.total()]`: who writes into it changes the layers.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }
}

impl Outputs {
    /// Shape `[rows]`.
    pub(crate) fn logits(&self) -> Result<Tensor, TchError> {
        self.0.last().expect("every family has a layer").f_squeeze_dim(1)
    }
}

pub(crate) fn to_i64(size: usize) -> i64 {
    i64::try_from(size).expect("sizes in memory are below 2^63")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Against libtorch's autograd, which builds the same network from its own operations.
    #[test]
    fn gradients_are_those_of_autograd() {
        let mlp = |activation| ModelSpec::Mlp {
            hidden: vec![5, 3],
            activation,
        };
        for spec in [ModelSpec::Logistic, mlp(Activation::Relu), mlp(Activation::Tanh)] {
            let network = Network::new(&spec, &InputShape::numbers(4), Target::Binary);
            let number = |at: usize| ((at * 7919) as f64).sin() as f32;
            let values: Vec<f32> = (0..network.manifest().total()).map(number).collect();
            let inputs: Vec<f32> = (0..7 * 4).map(|at| number(at + 1000)).collect();
            let inputs = Tensor::from_slice(&inputs).view([7, 4]);
            let slope = Tensor::from_slice(&(0..7).map(|at| number(at + 2000)).collect::<Vec<f32>>());

            let parameters = network.parameters(&values, Device::Cpu).unwrap();
            let found = network.zeros(Device::Cpu).unwrap();
            let outputs = network.outputs(&parameters, &inputs).unwrap();
            network
                .gradients(&parameters, &inputs, &outputs, &slope, &found)
                .unwrap();

            let flat = Tensor::from_slice(&values).set_requires_grad(true);
            let leaves = network.view(flat.shallow_clone()).unwrap();
            let mut chain = inputs.shallow_clone();
            for (index, layer) in leaves.layers.iter().enumerate() {
                chain = chain.linear(&layer.weight, Some(&layer.bias));
                if index + 1 < leaves.layers.len() {
                    chain = match spec {
                        ModelSpec::Mlp {
                            activation: Activation::Tanh,
                            ..
                        } => chain.tanh(),
                        _ => chain.relu(),
                    };
                }
            }
            let logits = chain.squeeze_dim(1);
            let off = (outputs.logits().unwrap() - &logits).abs().max();
            assert!(off.double_value(&[]) < 1e-6, "{spec:?}: logits off by {off:?}");
            (logits * slope).sum(Kind::Float).backward();
            let off = (found.flat() - flat.grad()).abs().max();
            assert!(off.double_value(&[]) < 1e-6, "{spec:?}: gradients off by {off:?}");
        }
    }
}
