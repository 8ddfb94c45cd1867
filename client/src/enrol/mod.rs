//! The bank's identity: keys that are made here and never leave, and the request to be enrolled.

pub mod folder;
pub mod init;
pub mod inspect;

use std::path::{Path, PathBuf};

use veilsum_admission::keyfile::KeyFileError;

use crate::remedy;

/// Why a step of enrolment failed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A file could not be read or written.
    #[error("{}: {error}{}", path.display(), remedy::of_folder(error))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A private key that others may read.
    #[error(
        "{path}: mode {mode:04o} lets others at this private key, expected 0600 or 0400; run: chmod 600 '{path}'"
    )]
    KeyMode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something exists that would be overwritten.
    #[error("{path} exists already; it is not overwritten. Choose another folder")]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// A file's content is not what it should be.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        problem: String,
    },
    /// An argument is out of its range.
    #[error("{0}")]
    Argument(String),
    /// A key or request could not be made.
    #[error("cannot make {what}: {problem}")]
    Make {
        /// Key or request.
        what: &'static str,
        /// What the library says.
        problem: String,
    },
}

impl From<KeyFileError> for EnrolError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::File { path, error } => Self::File { path, error },
            KeyFileError::Mode { path, mode } => Self::KeyMode { path, mode },
            KeyFileError::Exists { path } => Self::Exists { path },
            KeyFileError::Content { path, problem } => Self::Content { path, problem },
        }
    }
}

impl EnrolError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    fn content(path: &Path, problem: impl ToString) -> Self {
        Self::Content {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }

    fn make<E: ToString>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |problem| Self::Make {
            what,
            problem: problem.to_string(),
        }
    }
}
