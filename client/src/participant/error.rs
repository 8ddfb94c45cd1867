//! What stops the daemon.

use veilsum_protocol::ids::Digest;

use super::consortium_file::ConsortiumFileError;
use super::durable::FileError;
use super::model_files::ModelFileError;
use super::state_file::StateFileError;
use super::states::StateError;
use super::tasks::TasksError;
use super::trainer::TrainerGone;
use crate::peer_text::shown;

/// The daemon cannot go on: its own disk, or a fault of its own. Nothing that depends on the lost step was sent.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A file of the daemon.
    #[error(transparent)]
    File(#[from] FileError),
    /// The participant's state.
    #[error(transparent)]
    State(#[from] StateFileError),
    /// The consortium file.
    #[error(transparent)]
    Consortium(#[from] ConsortiumFileError),
    /// A derived state.
    #[error(transparent)]
    Derived(#[from] StateError),
    /// A saved task.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// A model for the bank's own use.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// The training thread.
    #[error(transparent)]
    Trainer(#[from] TrainerGone),
    /// The text of a task that was under way here is gone and cannot be had again.
    #[error(
        "the text of task {hash} is gone from this bank's state folder and cannot be had again: {}; put {hash}.toml back into its folder `tasks`, or run the version of this program that read it",
        shown(problem)
    )]
    TaskLost {
        /// The task.
        hash: Digest,
        /// What came instead.
        problem: String,
    },
    /// Work beside the loop.
    #[error("{0}; start the daemon again, and report what stands above this line")]
    Work(String),
    /// The link's task.
    #[error("the link to the coordinator has ended; start the daemon again")]
    LinkEnded,
}
