//! How a daemon comes back: the participant as it last made itself durable, and what it has still to do.

use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::RestoreError;
use veilsum_protocol::round::params::ThresholdError;
use veilsum_protocol::round::participant::{Participant, Pinned};
use veilsum_protocol::task::Task;

use super::durable::FileError;
use super::home::Home;
use super::roster_files::Decision;
use super::state_file::StateFileError;
use super::tasks::TasksError;

/// The participant cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Its file.
    #[error(transparent)]
    File(#[from] StateFileError),
    /// The head that a restore brought back.
    #[error(transparent)]
    Seen(#[from] FileError),
    /// Its content.
    #[error("participant.state: {0}")]
    Content(#[from] RestoreError),
    /// The roster allows no thresholds.
    #[error(transparent)]
    Thresholds(#[from] ThresholdError),
}

/// The participant of the saved state, or a new one that follows the log from its start; after a restore no log but one that goes on from the head
/// that the bank had seen.
///
/// # Errors
/// If the saved state cannot be read, is damaged, belongs to another bank, or cannot be replaced under another roster.
pub fn restore(home: &Home, pinned: Pinned) -> Result<Participant, RecoveryError> {
    Ok(match home.state.read()? {
        Some(bytes) => {
            let participant = Participant::restore(pinned, &bytes)?;
            let snapshot = participant.snapshot();
            // Under another roster it forgets keys and round. What it forgets must not live on in the file until it next speaks.
            if *snapshot != *bytes {
                home.state.replace(&snapshot)?;
            }
            participant
        }
        None => match Home::seen_head(&home.folder, &pinned.log_key)? {
            Some(seen) => Participant::remembering(pinned, &seen)?,
            None => Participant::new(pinned)?,
        },
    })
}

/// The tasks that the operator approved and that have steps left.
///
/// # Errors
/// If the files of tasks and approvals cannot be read.
pub fn unfinished(home: &Home, participant: &Participant) -> Result<Vec<Task>, TasksError> {
    let mut approved = home.tasks.approved()?;
    let mut tasks = home.tasks.offered()?;
    for task in &tasks {
        if home.tasks.decision(&task.hash())? == Some(Decision::Refused) {
            approved.remove(&task.hash());
        }
    }
    tasks.retain(|task| {
        let hash = task.hash();
        let step = participant.progress(&hash).map_or(0, |progress| progress.step);
        approved.contains(&hash) && step < Plan::new(task).steps()
    });
    Ok(tasks)
}
