//! Training curves: the figures of each published step, as TensorBoard reads them.
//!
//! One folder for each task, with one event file. The file is written anew each time, whole, so that TensorBoard never reads half a
//! record; its name tells nothing but when the task's first round was opened.

mod events;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::atomic_file::{WriteError, durable_create_folder, durable_write};
use crate::history::TaskHistory;

/// What was written of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its name.
    pub task: String,
    /// Its hash.
    pub hash: String,
    /// Steps with figures.
    pub steps: usize,
    /// Values in all.
    pub values: usize,
    /// The event file.
    pub file: PathBuf,
}

/// Writes an event file for each task with a result under `out`, which is made if it is not there.
///
/// # Errors
/// If the disk does not take one.
pub fn write(tasks: &[TaskHistory], out: &Path) -> Result<Vec<Written>, WriteError> {
    let mut written = Vec::new();
    durable_create_folder(out)?;
    for task in tasks {
        let Some(first) = task.results.first() else {
            continue;
        };
        let hash = task.task.to_hex();
        // A name may come again when its task is over.
        let twice = tasks.iter().filter(|other| other.name == task.name).count() > 1;
        let short = hash.get(..8).unwrap_or_default();
        let run = if twice {
            format!("{}-{short}", task.name)
        } else {
            task.name.clone()
        };
        let folder = out.join(run);
        durable_create_folder(&folder)?;
        let file = folder.join(format!("events.out.tfevents.{}.veilsum", first.opened_at));
        let events = events::of(task);
        durable_write(&file, &events.bytes)?;
        written.push(Written {
            task: task.name.clone(),
            hash,
            steps: events.steps,
            values: events.values,
            file,
        });
    }
    Ok(written)
}

#[cfg(test)]
mod tests;
