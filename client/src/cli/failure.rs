//! Why a command failed.

use veilsum_admission::keyfile::KeyFileError;

use crate::app::AppError;
use crate::enrol::EnrolError;

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub struct Failure {
    pub(super) code: u8,
    pub(super) message: String,
}

impl Failure {
    /// A finding or a failure: exit code 1.
    pub fn finding(message: impl ToString) -> Self {
        Self {
            code: 1,
            message: message.to_string(),
        }
    }

    /// Wrong usage or configuration: exit code 2.
    pub fn usage(message: impl ToString) -> Self {
        Self {
            code: 2,
            message: message.to_string(),
        }
    }

    /// Whether the same command may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.code == 75
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What may succeed when it is tried again: exit code 75.
    pub fn try_again(message: impl ToString) -> Self {
        Self {
            code: 75,
            message: message.to_string(),
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        EnrolError::from(error).into()
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Argument(_) | EnrolError::KeyMode { .. } | EnrolError::Content { .. } => {
                Self::usage(error)
            }
            other => Self::finding(other),
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        if error.is_usage() {
            Self::usage(error)
        } else {
            Self::finding(error)
        }
    }
}
