//! Enrolment: the consortium's authority, the requests of banks, auditors and operators, and the consortium file that every bank pins.
//!
//! Private keys never leave their owner: the authority and the coordinator's keys are made here and stay here, a bank's keys
//! are made at the bank, which sends a signing request.

pub mod admitted;
pub mod ca;
pub mod decide;
pub mod desk;
pub mod form;
mod hex_text;
pub mod init;
pub mod inspect;
pub mod invite;
mod issue;
pub mod own_authority;
pub mod readers;
pub mod register;
pub mod renew;
pub mod renewal;
pub mod request;
pub mod revoked;
pub mod roster;

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
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
    /// Keys or certificates could not be made.
    #[error("cannot make {what}: {problem}")]
    Make {
        /// Key or certificate.
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
    /// True if the operator has to correct an argument or a file, rather than the disk: exit code 2 instead of 1.
    pub fn is_usage(&self) -> bool {
        use std::io::ErrorKind as K;
        match self {
            Self::KeyMode { .. } | Self::Exists { .. } | Self::Content { .. } | Self::Argument(_) => true,
            Self::File { error, .. } => matches!(
                error.kind(),
                K::NotFound | K::PermissionDenied | K::IsADirectory | K::NotADirectory | K::InvalidData
            ),
            Self::Make { .. } => false,
        }
    }

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

/// A moment in Unix seconds, for people: to the minute, in UTC.
pub fn date_and_time(seconds: i64) -> String {
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(moment) => format!(
            "{} {:02}:{:02} UTC",
            moment.date(),
            moment.hour(),
            moment.minute()
        ),
        Err(_) => format!("Unix time {seconds}"),
    }
}
