use tch::nn::{self, OptimizerConfig};
use tch::{Kind, Reduction, TchError, Tensor};
use veilsum_protocol::model::ModelSpec;
use veilsum_protocol::task::{LocalOptimiser, TrainingSpec};

use crate::data::EncodedData;
use crate::model::Network;

use super::rows::{Rows, to_vec};
use super::shuffle::Shuffle;
use super::{Runtime, TrainError};

/// One round's training in a bank.
#[derive(Clone, Copy)]
pub struct TrainingJob<'a> {
    /// The model.
    pub model: &'a ModelSpec,
    /// How it is trained.
    pub training: &'a TrainingSpec,
    /// The bank's rows.
    pub data: &'a EncodedData,
    /// Which of them to train on, at least one.
    pub rows: &'a [u32],
    /// Where to begin, and what the FedProx term pulls towards: the common model, in manifest order.
    pub parameters: &'a [f32],
    /// Gives the order of the rows.
    pub seed: u64,
    /// Where to compute.
    pub runtime: Runtime,
}

/// After each pass over the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Passes done, from 1.
    pub epoch: u32,
    /// Passes to do.
    pub epochs: u32,
    /// Mean loss of the training rows during this pass; the bank's own, not to be sent.
    pub mean_loss: f64,
}

/// What training gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The local model, in manifest order; all finite.
    pub parameters: Vec<f32>,
    /// Mean loss of the training rows during the last pass; the bank's own, not to be sent.
    pub mean_loss: f64,
}

/// Trains for the task's local epochs: mini-batches in an order from the seed, binary cross-entropy of the logit
/// times the row's class weight, averaged over the batch, plus `mu/2 ||w - w_global||^2` (FedProx, Li et al. 2020).
/// Losses are reported without that term. On the CPU, with one thread, the same job gives the same bits.
///
/// # Errors
/// When the parts of the job do not fit, libtorch fails, or the loss stops being a number.
pub fn train(job: &TrainingJob<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Trained, TrainError> {
    job.runtime.enter();
    if job.rows.is_empty() {
        return Err(TrainError::shape("training rows", 0, "at least 1"));
    }
    let network = Network::new(job.model, job.data.width);
    let device = job.runtime.device();
    let mut rows = Rows::new(&network, job.parameters, job.data, job.rows, device)?;
    let common = Tensor::f_from_slice(job.parameters)?.f_to_device(device)?;
    let store = nn::VarStore::new(device);
    let parameters = store.root().f_var_copy("parameters", &common)?;
    let mut optimiser = optimiser(job.training, &store)?;

    let batch_size = job.training.batch_size as usize;
    let epochs = job.training.local_epochs;
    let mut shuffle = Shuffle::new(job.seed);
    let mut order = job.rows.to_vec();
    let mut mean_loss = 0.0;
    for epoch in 1..=epochs {
        shuffle.shuffle(&mut order);
        // Summed on the device, so that a GPU is asked for a number once in a pass.
        let mut loss_sum = Tensor::f_zeros([1], (Kind::Double, device))?;
        for batch in order.chunks(batch_size) {
            let (inputs, labels) = rows.gather(batch)?;
            let logits = network.logits(&parameters, &inputs)?;
            let loss = cross_entropy(&logits, &labels, job.training.class_weights)?;
            loss_sum = loss_sum.f_add(
                &loss
                    .f_detach()?
                    .f_to_kind(Kind::Double)?
                    .f_mul_scalar(batch.len() as f64)?,
            )?;
            let objective = match job.training.fedprox_mu {
                0.0 => loss,
                mu => loss.f_add(&proximal(&parameters, &common, mu)?)?,
            };
            optimiser.zero_grad();
            objective.f_backward()?;
            optimiser.step();
        }
        mean_loss = loss_sum.f_double_value(&[0])? / job.rows.len() as f64;
        if !mean_loss.is_finite() {
            return Err(TrainError::Diverged {
                what: "the loss",
                value: mean_loss,
                epoch,
            });
        }
        progress(Progress {
            epoch,
            epochs,
            mean_loss,
        });
    }
    let parameters = to_vec(&parameters)?;
    if let Some(value) = parameters.iter().find(|value| !value.is_finite()) {
        return Err(TrainError::Diverged {
            what: "a parameter",
            value: f64::from(*value),
            epoch: epochs,
        });
    }
    Ok(Trained {
        parameters,
        mean_loss,
    })
}

/// PyTorch's optimisers with PyTorch's defaults.
fn optimiser(spec: &TrainingSpec, store: &nn::VarStore) -> Result<nn::Optimizer, TchError> {
    let sgd = |momentum| nn::Sgd {
        momentum,
        wd: spec.weight_decay,
        ..nn::Sgd::default()
    };
    match spec.optimiser {
        LocalOptimiser::Sgd => sgd(0.0).build(store, spec.learning_rate),
        LocalOptimiser::Momentum { momentum } => sgd(momentum).build(store, spec.learning_rate),
        LocalOptimiser::Adam => nn::Adam::default()
            .wd(spec.weight_decay)
            .build(store, spec.learning_rate),
    }
}

fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    [negative, positive]: [f64; 2],
) -> Result<Tensor, TchError> {
    let weights = if negative == 1.0 && positive == 1.0 {
        None
    } else {
        Some(labels.f_mul_scalar(positive - negative)?.f_add_scalar(negative)?)
    };
    logits.f_binary_cross_entropy_with_logits(labels, weights.as_ref(), None, Reduction::Mean)
}

fn proximal(parameters: &Tensor, common: &Tensor, mu: f64) -> Result<Tensor, TchError> {
    parameters
        .f_sub(common)?
        .f_square()?
        .f_sum(Kind::Float)?
        .f_mul_scalar(mu / 2.0)
}
