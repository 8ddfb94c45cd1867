//! Backup and restore of the operator's folder. What an archive holds, and why, stands in [decision
//! 16](../../../docs/decisions/0016-what-a-backup-may-hold.md).

mod restore;
mod save;

use veilsum_backup::BackupError;

pub use restore::{RestoreReport, restore};
pub use save::{SaveReport, StoreFrom, save};

use crate::engine::ports::StoreError;
use crate::store_copy::CopyError;

/// The copy of the store in an archive.
const STORE: &str = "store.copy";

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] BackupError),
    /// The store, or its copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the folder, or of the archive, is not what it should be.
    #[error("{0}")]
    Content(String),
    /// The daemon's answer.
    #[error("{0}")]
    Daemon(String),
}

impl Error {
    /// True if the operator has to give another path or another file: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Archive(error) => error.is_usage(),
            Self::Content(_) => true,
            Self::Copy(_) | Self::Store(_) | Self::Daemon(_) => false,
        }
    }
}
