//! The task states that this bank derived, by their hash.
//!
//! Public inside the consortium; trusted only as far as their hash goes, which is checked on every read. Lost: the bank follows the
//! log again from its start and derives them anew. The last few of a task are kept, so that a step that a crash interrupted finds
//! the state that it started from.

use std::fs;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::durable::{FileError, PUBLIC, make_folder, replace};

/// States of a task that are kept.
const KEPT: usize = 3;

/// A state cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its hash is another, or it does not decode.
    #[error(
        "{path}: it is not the state that its name says; remove the folder of the daemon's state and start again, then a new key epoch is needed"
    )]
    Damaged {
        /// The file.
        path: String,
    },
}

/// The folder of all tasks' states.
#[derive(Clone, Debug)]
pub struct States {
    folder: PathBuf,
}

impl States {
    /// In `folder`, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, FileError> {
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps a state, durably, and gives its hash.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn save(&self, state: &TaskState) -> Result<Digest, FileError> {
        let bytes = state.to_bytes();
        let hash = Digest::of(&bytes);
        self.save_form(state, &bytes, &hash)?;
        Ok(hash)
    }

    /// The same where the caller has its canonical form and hash already: both take long.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub(super) fn save_form(&self, state: &TaskState, form: &[u8], hash: &Digest) -> Result<(), FileError> {
        let folder = self.folder.join(state.task.to_hex());
        make_folder(&folder)?;
        replace(&folder.join(file_name(state.step, hash)), PUBLIC, form)?;
        self.forget(&folder)
    }

    /// Reads a state back.
    ///
    /// # Errors
    /// If it is not there or damaged.
    pub fn load(&self, task: &Digest, step: u32, hash: &Digest) -> Result<TaskState, StateError> {
        let path = self.folder.join(task.to_hex()).join(file_name(step, hash));
        let bytes = fs::read(&path).map_err(FileError::at(&path))?;
        let state = TaskState::from_bytes(&bytes)
            .ok()
            .filter(|state| Digest::of(&bytes) == *hash && state.task == *task && state.step == step);
        state.ok_or_else(|| StateError::Damaged {
            path: path.display().to_string(),
        })
    }

    /// The step and the hash of the latest state that is kept of a task; none before the first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn latest(&self, task: &Digest) -> Result<Option<(u32, Digest)>, FileError> {
        let folder = self.folder.join(task.to_hex());
        let files = match fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(&folder)(error)),
        };
        let mut latest = None;
        for file in files {
            let name = file.map_err(FileError::at(&folder))?.file_name();
            // A state that is being written has another name.
            latest = latest.max(name.to_str().and_then(of_name));
        }
        Ok(latest)
    }

    fn forget(&self, folder: &Path) -> Result<(), FileError> {
        let at = FileError::at(folder);
        let mut files = fs::read_dir(folder)
            .map_err(&at)?
            .map(|file| file.map(|file| file.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(&at)?;
        // The name begins with the step in ten digits, so the order of names is that of steps.
        files.sort();
        let surplus = files.len().saturating_sub(KEPT);
        for old in files.iter().take(surplus) {
            fs::remove_file(old).map_err(FileError::at(old))?;
        }
        Ok(())
    }
}

fn file_name(step: u32, hash: &Digest) -> String {
    format!("{step:010}-{hash}")
}

fn of_name(name: &str) -> Option<(u32, Digest)> {
    let (step, hash) = name.split_once('-')?;
    Some((step.parse().ok()?, Digest::from_hex(hash)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::model::optimiser::OptimiserState;

    use super::*;

    fn state(step: u32) -> TaskState {
        TaskState {
            control: Vec::new(),
            stopping: None,
            task: Digest::of(b"task"),
            step,
            moments: None,
            preparation: None,
            vocabularies: None,
            parameters: vec![0.5, -1.0],
            optimiser: OptimiserState {
                momentum: Vec::new(),
                variance: Vec::new(),
            },
        }
    }

    #[test]
    fn the_last_few_states_are_read_back_by_hash() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::open(folder.path().join("states")).unwrap();
        let hashes: Vec<_> = (0..12).map(|step| states.save(&state(step)).unwrap()).collect();
        let task = state(0).task;
        for step in 9..12 {
            assert_eq!(
                states.load(&task, step, &hashes[step as usize]).unwrap(),
                state(step)
            );
        }
        assert!(states.load(&task, 8, &hashes[8]).is_err());
        let path = folder
            .path()
            .join("states")
            .join(task.to_hex())
            .join(file_name(11, &hashes[11]));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = states.load(&task, 11, &hashes[11]).unwrap_err();
        assert!(matches!(error, StateError::Damaged { .. }));
    }
}
