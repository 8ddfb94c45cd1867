//! Training and scoring with libtorch. Everything passes the boundary as plain slices, so no caller sees a tensor.

mod batches;
mod checkpoint;
mod cuda_library;
mod error;
mod evaluate;
mod job;
mod loss;
mod optimiser;
mod rows;
mod runtime;
mod shuffle;

pub use checkpoint::{Between, Checkpoint};
pub use error::TrainError;
pub use evaluate::{ByGroup, evaluate, evaluate_by_group, predict};
pub(crate) use evaluate::{predict_batch, predicted};
pub use job::{Keep, Progress, Start, Trained, TrainingJob, train, train_from};
pub(crate) use rows::append;
pub use runtime::{DeviceChoice, Runtime, RuntimeError};

#[cfg(test)]
mod checkpoint_tests;
#[cfg(test)]
mod family_tests;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;
