//! Versions that were in service, so that the bank can go back to one after a restart: `serving/<task's hash>/<round>/` holds the state and the receipt
//! that proves it, under the names that the daemon gives them.
//!
//! Trusted as far as the receipt goes, which is checked again. Lost: the daemon's own last state is still there.

use std::fs;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::shelf::Found;
use super::steering::order;
use crate::participant::FileError;
use crate::participant::durable::{PUBLIC, make_folder, replace};

/// Versions of a task that are kept.
pub(super) const KEPT: usize = 10;

const FOLDER: &str = "serving";
const STATE: &str = "state";

/// The folder of all tasks' versions.
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// In a bank's folder; it is made with the first version.
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            folder: dir.join(FOLDER),
        }
    }

    /// Keeps a proven version, and forgets those that are too old. One that nothing proves is not kept.
    ///
    /// # Errors
    /// If the disk does not take it, or does not give the receipt.
    pub(super) fn keep(&self, found: &Found, state: &TaskState) -> Result<(), FileError> {
        let Ok(proven) = &found.proven else {
            return Ok(());
        };
        let place = self.place(&found.task).join(found.version());
        make_folder(&place)?;
        let receipt = fs::read(&proven.receipt).map_err(FileError::at(&proven.receipt))?;
        let name = proven.receipt.file_name().unwrap_or_default();
        replace(&place.join(name), PUBLIC, &receipt)?;
        replace(&place.join(STATE), PUBLIC, &state.to_bytes())?;
        let versions = self.versions(&found.task)?;
        for old in versions.iter().rev().skip(KEPT) {
            let old = self.place(&found.task).join(old);
            fs::remove_dir_all(&old).map_err(FileError::at(&old))?;
        }
        Ok(())
    }

    /// The versions of a task, the oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn versions(&self, task: &Task) -> Result<Vec<String>, FileError> {
        let place = self.place(task);
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::at(&place)(error)),
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let mut versions = names
            .collect::<Result<Vec<_>, _>>()
            .map_err(FileError::at(&place))?;
        versions.sort_by_key(|version| order(version));
        Ok(versions)
    }

    /// A version's state, with its hash and where its receipt lies.
    ///
    /// # Errors
    /// If it cannot be read; a state that does not decode is none.
    pub(super) fn load(
        &self,
        task: &Task,
        version: &str,
    ) -> Result<Option<(TaskState, Digest, PathBuf)>, FileError> {
        let place = self.place(task).join(version);
        let path = place.join(STATE);
        let bytes = fs::read(&path).map_err(FileError::at(&path))?;
        let state = TaskState::from_bytes(&bytes)
            .ok()
            .filter(|state| state.task == task.hash());
        Ok(state.map(|state| (state, Digest::of(&bytes), place)))
    }

    fn place(&self, task: &Task) -> PathBuf {
        self.folder.join(task.hash().to_hex())
    }
}
