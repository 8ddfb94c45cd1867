use tch::Tensor;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::model::{Dropout, Parameters, to_i64};

use super::TrainError;
use super::optimiser::Optimiser;
use super::rows::append;

/// Training between two passes over the rows: with it and its job, it goes on to the same bits. It says as much about the rows as an
/// update, so it is wiped.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Checkpoint {
    /// Passes that are done, from 1.
    pub epoch: u32,
    /// The local model, in manifest order.
    pub parameters: Vec<f32>,
    /// What the optimiser remembers, each as long as the model; which, and how many, is the optimiser's.
    pub moments: Vec<Vec<f32>>,
    /// Steps that the optimiser has made.
    pub steps: u32,
    /// Where the generator stands from which dropout takes what it leaves out.
    pub dropout: u64,
}

/// A pass has ended and another follows.
pub struct Between<'a> {
    pub(super) epoch: u32,
    pub(super) parameters: &'a Parameters,
    pub(super) optimiser: &'a Optimiser,
    pub(super) dropout: &'a Dropout,
}

impl Between<'_> {
    /// Passes that are done.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Takes everything from the device.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let mut parameters = Vec::new();
        append(self.parameters.flat(), &mut parameters)?;
        let (tensors, steps) = self.optimiser.memory();
        let mut moments = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let mut values = Vec::new();
            append(tensor, &mut values)?;
            moments.push(values);
        }
        Ok(Checkpoint {
            epoch: self.epoch,
            parameters,
            moments,
            steps,
            dropout: self.dropout.state(),
        })
    }
}

impl Checkpoint {
    /// Puts everything back. `optimiser` and `dropout` are those of the job's beginning.
    pub(super) fn restore(
        &self,
        epochs: u32,
        parameters: &Parameters,
        optimiser: &mut Optimiser,
        dropout: &mut Dropout,
    ) -> Result<(), TrainError> {
        if !(1..epochs).contains(&self.epoch) {
            let expected = format!("at least 1 and below {epochs}");
            return Err(TrainError::shape("passes of a checkpoint", self.epoch, expected));
        }
        put(&self.parameters, &mut parameters.flat().shallow_clone())?;
        let expected = optimiser.memory().0.len();
        if self.moments.len() != expected {
            return Err(TrainError::shape(
                "moments of a checkpoint",
                self.moments.len(),
                expected,
            ));
        }
        for (values, moment) in self.moments.iter().zip(optimiser.memory_mut(self.steps)) {
            put(values, moment)?;
        }
        *dropout = Dropout::seeded(self.dropout);
        Ok(())
    }
}

fn put(values: &[f32], into: &mut Tensor) -> Result<(), TrainError> {
    let (found, expected) = (to_i64(values.len()), to_i64(into.numel()));
    if found != expected {
        return Err(TrainError::shape("values of a checkpoint", found, expected));
    }
    into.f_copy_(&Tensor::f_from_slice(values)?)?;
    Ok(())
}
