//! Why a bank cannot be put together, or its daemon not run.

use std::net::SocketAddr;
use std::path::PathBuf;

use veilsum_admission::keyfile::KeyFileError;
use veilsum_protocol::consortium::ConsortiumError;
use veilsum_settings::ConfigError;

use crate::data::DataError;
use crate::enrol::EnrolError;
use crate::participant::{DriverError, FileError, LockError, RecoveryError, StateFileError, TasksError};
use crate::train::RuntimeError;
use crate::transport::DownReason;

/// Why a bank cannot be put together or its daemon not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the bank's folder that cannot be read.
    #[error("{}: {error}; {advice}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The consortium file.
    #[error("{}: {error}; it comes with the admission: take it from there again and compare its SHA-256 with the other banks", path.display())]
    Consortium {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ConsortiumError,
    },
    /// Certificate, key or roster do not go together.
    #[error("{}: {problem}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What was found, expected and what to do.
        problem: String,
    },
    /// A private key or the salt.
    #[error(transparent)]
    Key(#[from] EnrolError),
    /// The bank's table or schema, for `preflight`; the daemon goes on without.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device.
    #[error("[compute] {0}")]
    Runtime(#[from] RuntimeError),
    /// Another daemon.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The daemon's files.
    #[error(transparent)]
    Home(#[from] StateFileError),
    /// A file of the daemon.
    #[error(transparent)]
    Own(#[from] FileError),
    /// The tasks.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The saved state.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The link cannot begin.
    #[error(transparent)]
    Link(#[from] DownReason),
    /// The coordinator was not reached, or did not admit the bank.
    #[error("{0}")]
    Unreachable(DownReason),
    /// The daemon stopped.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The address of the bank's page.
    #[error(
        "cannot listen on TCP {address}: {error}; stop the program that has the port, or set another page.listen in bank.toml"
    )]
    Page {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system gives no thread, signal or socket.
    #[error("{0}")]
    System(std::io::Error),
}

impl From<KeyFileError> for AppError {
    fn from(error: KeyFileError) -> Self {
        EnrolError::from(error).into()
    }
}

impl AppError {
    /// True if the bank's operator has to correct configuration, identity or data: exit code 2 rather than 1.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Own(_)
                | Self::Home(StateFileError::File(_))
                | Self::Lock(_)
                | Self::Recovery(_)
                | Self::Tasks(_)
                | Self::Driver(_)
                | Self::Unreachable(_)
                | Self::System(_)
        )
    }
}
