use tch::{Device, Kind, TchError, Tensor};
use veilsum_protocol::model::{InputShape, Manifest, ModelSpec, Target};

use super::chain::Chain;
use super::cnn::CnnForward;
use super::dropout::Dropout;
use super::embedding_bag::EmbeddingBagForward;
use super::mlp::MlpForward;
use super::recurrent::RecurrentForward;
use super::text_cnn::TextCnnForward;
use super::transformer::TransformerForward;

/// Numbers of the largest layer, over all rows that are scored at once: 32 MiB of them.
const LARGEST_LAYER: usize = 1 << 23;

/// A model over one flat vector of parameters, in the order of its manifest.
pub(crate) struct Network {
    manifest: Manifest,
    family: Family,
}

enum Family {
    /// Gradients written out by hand.
    Chain(Chain),
    /// Gradients by libtorch's autograd.
    Graph(Box<dyn Forward + Send + Sync>),
}

/// What a family computes.
pub(super) trait Forward {
    /// From `inputs`, shape `[rows, width]`, outputs, shape `[rows, outputs]`. `parameters`: views of the flat vector, in the
    /// order of the manifest.
    fn forward(
        &self,
        parameters: &[Tensor],
        inputs: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor, TchError>;

    /// How many numbers its largest layer has for one row.
    fn largest_layer(&self) -> usize;
}

/// Numbers with the shapes of a network's parameters, on a device: the parameters, or their gradients.
///
/// The arrays are views of one flat vector. So an optimiser steps over all parameters at once, and what is trained is the
/// very vector that is sent and hashed.
pub(crate) struct Parameters {
    flat: Tensor,
    views: Vec<Tensor>,
}

/// What the model gave for some rows, with what its gradients take.
pub(crate) enum Outputs {
    /// Of each layer.
    Chain(Vec<Tensor>),
    /// With autograd's graph behind it.
    Graph(Tensor),
}

impl Network {
    /// For rows of this shape, and what is to be predicted of them; the model must take such rows.
    pub(crate) fn new(spec: &ModelSpec, inputs: &InputShape, target: Target) -> Self {
        let family = match spec {
            ModelSpec::Logistic => Family::Chain(Chain::new(None)),
            ModelSpec::Mlp(mlp) if mlp.dropout == 0.0 && mlp.embedding.is_none() => {
                Family::Chain(Chain::new(Some(mlp.activation)))
            }
            ModelSpec::Mlp(mlp) => Family::Graph(Box::new(MlpForward::new(mlp, inputs))),
            ModelSpec::Cnn(cnn) => Family::Graph(Box::new(CnnForward::new(cnn, inputs))),
            ModelSpec::Recurrent(recurrent) => {
                Family::Graph(Box::new(RecurrentForward::new(recurrent, inputs)))
            }
            ModelSpec::EmbeddingBag(bag) => Family::Graph(Box::new(EmbeddingBagForward::new(bag))),
            ModelSpec::TextCnn(text_cnn) => Family::Graph(Box::new(TextCnnForward::new(text_cnn, inputs))),
            ModelSpec::Transformer(transformer) => {
                Family::Graph(Box::new(TransformerForward::new(transformer, inputs)))
            }
        };
        Self {
            manifest: spec.manifest(inputs, target),
            family,
        }
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many rows to score at once, so that no layer takes much memory.
    pub(crate) fn rows_at_once(&self) -> usize {
        match &self.family {
            Family::Chain(_) => 4096,
            Family::Graph(graph) => (LARGEST_LAYER / graph.largest_layer().max(1)).clamp(1, 4096),
        }
    }

    /// `values`, as many as the manifest has, on the device.
    pub(crate) fn parameters(&self, values: &[f32], device: Device) -> Result<Parameters, TchError> {
        self.view(Tensor::f_from_slice(values)?.f_to_device(device)?)
    }

    /// The same, to be trained: [`Network::gradients`] takes outputs of these.
    pub(crate) fn trainable(&self, values: &[f32], device: Device) -> Result<Parameters, TchError> {
        let Parameters { flat, mut views } = self.parameters(values, device)?;
        if let Family::Graph(_) = self.family {
            // Leaves that share the vector's memory. Views that autograd knew as such would each give a gradient of the
            // whole vector's length.
            for view in &mut views {
                *view = view.f_detach()?.f_set_requires_grad(true)?;
            }
        }
        Ok(Parameters { flat, views })
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
        let views = views.collect::<Result<_, TchError>>()?;
        Ok(Parameters { flat, views })
    }

    /// For `inputs`, shape `[rows, width]`, as they are scored.
    pub(crate) fn outputs(&self, parameters: &Parameters, inputs: &Tensor) -> Result<Outputs, TchError> {
        self.training_outputs(parameters, inputs, &mut Dropout::none())
    }

    /// For `inputs`, shape `[rows, width]`, as they are trained on.
    pub(crate) fn training_outputs(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Outputs, TchError> {
        Ok(match &self.family {
            Family::Chain(chain) => Outputs::Chain(chain.outputs(&parameters.views, inputs)?),
            Family::Graph(graph) => Outputs::Graph(graph.forward(&parameters.views, inputs, dropout)?),
        })
    }

    /// The derivative by each input of `score`, a number for each row of the model's outputs, whose shape is `[rows, outputs]`. Shape as `inputs`.
    pub(crate) fn input_gradients(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        score: impl Fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let inputs = inputs.f_detach()?.f_set_requires_grad(true)?;
        let last = match self.outputs(parameters, &inputs)? {
            Outputs::Chain(mut layers) => layers.pop().expect("every chain has a layer"),
            Outputs::Graph(last) => last,
        };
        // Rows do not touch each other, so the gradient of the sum has each row's own.
        let sum = score(&last)?.f_sum(Kind::Float)?;
        let found = Tensor::f_run_backward(&[sum], &[&inputs], false, false)?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| TchError::Shape("no gradient of the inputs".to_owned()))
    }

    /// Writes into `gradients` what `slope`, the loss's gradient by [`Outputs::logits`] and of its shape, is by the parameters.
    pub(crate) fn gradients(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        outputs: &Outputs,
        slope: &Tensor,
        gradients: &Parameters,
    ) -> Result<(), TchError> {
        match (&self.family, outputs) {
            (Family::Chain(chain), Outputs::Chain(layers)) => {
                chain.gradients(&parameters.views, inputs, layers, slope, &gradients.views)
            }
            (_, Outputs::Graph(last)) => {
                // The gradient of this sum by the outputs is the slope.
                let sum = last.f_reshape(-1)?.f_dot(&slope.f_reshape(-1)?)?;
                let found = Tensor::f_run_backward(&[sum], &parameters.views, false, false)?;
                for (gradient, found) in gradients.views.iter().zip(found) {
                    gradient.shallow_clone().f_copy_(&found)?;
                }
                Ok(())
            }
            (Family::Graph(_), Outputs::Chain(_)) => Err(TchError::Shape(
                "outputs of another network than the one whose gradients are asked for".to_owned(),
            )),
        }
    }
}

impl Parameters {
    /// The same with each array in memory of its own: of a view all of the vector would be saved.
    pub(crate) fn apart(mut self) -> Result<Self, TchError> {
        for view in &mut self.views {
            let mut own = view.f_empty_like()?;
            own.f_copy_(view)?;
            *view = own;
        }
        Ok(self)
    }

    /// The vector itself, shape `[manifest.total()]`: who writes into it changes the arrays.
    pub(crate) fn flat(&self) -> &Tensor {
        &self.flat
    }
}

impl Outputs {
    /// Shape `[rows]` for a model of one output, else `[rows, outputs]`; without the graph behind them.
    pub(crate) fn logits(&self) -> Result<Tensor, TchError> {
        let last = match self {
            Self::Chain(layers) => layers.last().expect("every chain has a layer").shallow_clone(),
            Self::Graph(last) => last.f_detach()?,
        };
        match last.size().last() {
            Some(1) => last.f_squeeze_dim(1),
            _ => Ok(last),
        }
    }
}

pub(crate) fn to_i64(size: usize) -> i64 {
    i64::try_from(size).expect("sizes in memory are below 2^63")
}
