//! One daemon in one folder: two would answer the same round differently.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::durable::FileError;

/// The folder is in use, or cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error(
        "{}: another daemon of this bank is running in this folder; stop it first (`veilsum-client status` tells its process id)",
        folder.display()
    )]
    Taken {
        /// The folder of the protocol's state.
        folder: PathBuf,
    },
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Held as long as the daemon runs. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks the folder.
    ///
    /// # Errors
    /// [`LockError::Taken`] if another daemon has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(FileError::at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(FileError::at(&path)(error).into()),
        }
    }

    /// True if a daemon runs in the folder.
    pub fn is_taken(folder: &Path) -> bool {
        folder.join("lock").exists() && matches!(Self::take(folder), Err(LockError::Taken { .. }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_second_daemon_is_refused_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!FolderLock::is_taken(folder.path()));
        let first = FolderLock::take(folder.path()).unwrap();
        let error = FolderLock::take(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("another daemon of this bank is running"),
            "{error}"
        );
        assert!(FolderLock::is_taken(folder.path()));
        drop(first);
        FolderLock::take(folder.path()).unwrap();
    }
}
