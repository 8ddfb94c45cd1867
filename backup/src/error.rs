//! What can go wrong with an archive.

use std::io;
use std::path::{Path, PathBuf};

use crate::Kind;

/// Why an archive was not written, or nothing was restored from one. No file that was there before has changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refuses.
    #[error("{}: cannot {action}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something would be overwritten.
    #[error("{} exists already; it is not overwritten. Choose another name", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// A file of the folder is none that an archive takes.
    #[error("{}: {problem}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// It is no archive of this form.
    #[error("{}: not a backup that this release reads: {problem}", path.display())]
    NoBackup {
        /// The archive.
        path: PathBuf,
        /// What was found, and what was expected.
        problem: String,
    },
    /// It is of another side.
    #[error("{}: this is a backup of {found} {name:?}, expected one of a {expected}; restore it with the program of that side", path.display())]
    OtherKind {
        /// The archive.
        path: PathBuf,
        /// Whose it is.
        found: Kind,
        /// The name in it.
        name: String,
        /// Whose it should be.
        expected: Kind,
    },
    /// It is not what was written.
    #[error("{}: the backup is damaged: {problem}; nothing was restored. Use another copy of it", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What was found, and what was expected.
        problem: String,
    },
}

impl BackupError {
    /// True if the operator has to give another path or another file, rather than look at the disk or at the archive: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Exists { .. } | Self::NoBackup { .. } | Self::OtherKind { .. } | Self::Unfit { .. } => true,
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
            ),
            Self::Damaged { .. } => false,
        }
    }

    pub(crate) fn at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path: path.clone(),
            source,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space on that disk, or choose a path on another one"
        }
        io::ErrorKind::FileTooLarge => "; that file system or this account allows no file of this length",
        io::ErrorKind::PermissionDenied => "; run it as the user who owns it",
        _ => "",
    }
}
