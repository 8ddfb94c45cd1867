use std::thread;

use tch::{Kind, Tensor};
use veilsum_protocol::model::ModelSpec;
use veilsum_protocol::task::TrainingSpec;

use crate::data::EncodedData;
use crate::model::{Dropout, Network, Parameters};

use super::batches::{Blocks, Epochs};
use super::checkpoint::{Between, Checkpoint};
use super::loss::RowLoss;
use super::optimiser::Optimiser;
use super::rows::{Rows, append};
use super::{Runtime, TrainError};

/// One round's training in a bank.
#[derive(Clone, Copy)]
pub struct TrainingJob<'a> {
    /// The model.
    pub model: &'a ModelSpec,
    /// How it is trained.
    pub training: &'a TrainingSpec,
    /// Step size of this round, see [`veilsum_protocol::task::Task::learning_rate`].
    pub learning_rate: f64,
    /// The bank's rows.
    pub data: &'a EncodedData,
    /// Which of them to train on, at least one.
    pub rows: &'a [u32],
    /// Where to begin, and what the FedProx term pulls towards: the common model, in manifest order.
    pub parameters: &'a [f32],
    /// Gives the order of the rows, another in each pass, and what dropout leaves out.
    pub seed: u64,
    /// Whether the rows are gone through in an order from the seed, or as they stand in `rows`.
    pub shuffled: bool,
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

/// Trains for the task's local epochs: mini-batches in the order of the job, the task's loss of a row times the row's class
/// weight, averaged over the batch, plus `mu/2 ||w - w_global||^2` (FedProx, Li et al. 2020).
/// Losses are reported without that term. On the CPU, with one thread, the same job gives the same bits.
///
/// # Errors
/// When the parts of the job do not fit, libtorch fails, or the loss stops being a number.
pub fn train(job: &TrainingJob<'_>, progress: &mut dyn FnMut(Progress)) -> Result<Trained, TrainError> {
    train_from(job, Start::default(), &mut |_| Ok(()), progress)
}

/// Takes what is between two passes.
pub type Keep<'a> = dyn FnMut(&Between<'_>) -> Result<(), TrainError> + 'a;

/// What training begins with beside its job.
#[derive(Clone, Copy, Default)]
pub struct Start<'a> {
    /// Where an earlier run of the same job has come to.
    pub from: Option<&'a Checkpoint>,
    /// Is added to the gradient of each step (SCAFFOLD), manifest order. For plain SGD alone.
    pub correction: Option<&'a [f32]>,
}

/// What happens on the way.
struct Along<'a, 'b> {
    start: Start<'a>,
    keep: &'a mut Keep<'b>,
    progress: &'a mut dyn FnMut(Progress),
}

/// The same with what it begins with. `keep` is called between two passes, before `progress` is told of the one that ended.
///
/// # Errors
/// As [`train`], and those of `keep`.
pub fn train_from(
    job: &TrainingJob<'_>,
    start: Start<'_>,
    keep: &mut Keep<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    job.runtime.enter();
    if job.rows.is_empty() {
        return Err(TrainError::shape("training rows", 0, "at least 1"));
    }
    let network = Network::new(job.model, &job.data.shape, job.data.target);
    let device = job.runtime.device();
    let mut table = Rows::new(&network, job.parameters, job.data, job.rows, device)?;
    let parameters = network.trainable(job.parameters, device)?;
    let (loss, class_weights) = (job.training.loss, &job.training.class_weights);
    let loss = RowLoss::new(loss, job.data.target, class_weights);
    let epochs = Epochs {
        rows: job.rows.to_vec(),
        seed: job.shuffled.then_some(job.seed),
        epochs: job.training.local_epochs,
        done: start.from.map_or(0, |from| from.epoch),
        batch_size: job.training.batch_size as usize,
        loss: loss.clone(),
    };
    let mean_loss = thread::scope(|scope| {
        let width = job.data.shape.width();
        let blocks = Blocks::start(scope, epochs, width, move |rows, next| table.gather(rows, next))
            .map_err(TrainError::Thread)?;
        let along = Along {
            start,
            keep,
            progress,
        };
        passes(job, &network, &parameters, &loss, blocks, along)
    })?;
    let mut trained = Vec::new();
    append(parameters.flat(), &mut trained)?;
    if let Some(value) = trained.iter().find(|value| !value.is_finite()) {
        return Err(TrainError::Diverged {
            what: "a parameter",
            value: f64::from(*value),
            epoch: job.training.local_epochs,
        });
    }
    Ok(Trained {
        parameters: trained,
        mean_loss,
    })
}

/// Trains on all blocks, which begin behind the checkpoint; gives the mean loss of the last pass.
fn passes(
    job: &TrainingJob<'_>,
    network: &Network,
    parameters: &Parameters,
    loss: &RowLoss,
    blocks: Blocks,
    along: Along<'_, '_>,
) -> Result<f64, TrainError> {
    let Along {
        start,
        keep,
        progress,
    } = along;
    let device = job.runtime.device();
    let gradients = network.zeros(device)?;
    let mut optimiser = Optimiser::new(
        job.training,
        job.learning_rate,
        parameters.flat(),
        gradients.flat(),
    )?;
    let mut dropout = Dropout::seeded(job.seed);
    let (mut epoch, mut mean_loss) = (1, 0.0);
    if let Some(correction) = start.correction {
        optimiser.correct(correction)?;
    }
    if let Some(from) = start.from {
        from.restore(
            job.training.local_epochs,
            parameters,
            &mut optimiser,
            &mut dropout,
        )?;
        epoch = from.epoch.saturating_add(1);
    }
    // On the device, so that a GPU is asked for a number once in a pass.
    let mut loss_sum = Tensor::f_zeros([0; 0], (Kind::Double, device))?;
    for block in blocks {
        let block = block?;
        let mut logits = Vec::with_capacity(block.batches.len());
        for batch in &block.batches {
            let outputs = network.training_outputs(parameters, &batch.inputs, &mut dropout)?;
            let now = outputs.logits()?;
            let slope = loss.slope(&now, &batch.labels, batch.weights.as_ref(), batch.rows)?;
            network.gradients(parameters, &batch.inputs, &outputs, &slope, &gradients)?;
            optimiser.step()?;
            logits.push(now);
        }
        // The losses of the steps, all at once.
        let losses = loss.values(&Tensor::f_cat(&logits, 0)?, &block.labels, block.weights.as_ref())?;
        let _ = loss_sum.f_add_(&losses.f_sum(Kind::Double)?)?;
        if !block.ends_epoch {
            continue;
        }
        mean_loss = loss_sum.f_double_value(&[])? / job.rows.len() as f64;
        if !mean_loss.is_finite() {
            return Err(TrainError::Diverged {
                what: "the loss",
                value: mean_loss,
                epoch,
            });
        }
        if epoch < job.training.local_epochs {
            keep(&Between {
                epoch,
                parameters,
                optimiser: &optimiser,
                dropout: &dropout,
            })?;
        }
        progress(Progress {
            epoch,
            epochs: job.training.local_epochs,
            mean_loss,
        });
        epoch += 1;
        let _ = loss_sum.f_zero_()?;
    }
    Ok(mean_loss)
}
