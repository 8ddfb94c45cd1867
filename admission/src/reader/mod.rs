//! What auditors and operators do alike to be admitted and to stay so: a key, an invitation, a renewal. Neither has more than one key, and neither
//! has a daemon.

mod enrol;
mod keys;
mod renewal;
mod way;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::Timestamp;

pub use enrol::{Applicant, Enrolled, enrol};
pub use keys::{Keys, keep_or_make, make};
pub use renewal::{Renewed, renew, renew_if_due};
pub use way::Way;

/// The consortium's authority, in the folder.
pub const CA_FILE: &str = "ca.crt.pem";
/// The consortium file, in the folder.
pub const CONSORTIUM_FILE: &str = "consortium.toml";

/// The folder of an auditor or operator.
#[derive(Clone, Debug)]
pub struct Folder {
    role: Role,
    dir: PathBuf,
}

impl Folder {
    /// The folder `dir`, which need not exist yet.
    pub fn at(role: Role, dir: &Path) -> Self {
        Self {
            role,
            dir: dir.to_owned(),
        }
    }

    /// Whose it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The private key, mode 0600.
    pub fn key(&self) -> PathBuf {
        self.dir.join(format!("{}.key.pem", self.role))
    }

    /// The certificate that the operator issued for it.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join(format!("{}.crt.pem", self.role))
    }

    /// The consortium's authority.
    pub fn authority(&self) -> PathBuf {
        self.dir.join(CA_FILE)
    }

    /// The consortium file.
    pub fn consortium(&self) -> PathBuf {
        self.dir.join(CONSORTIUM_FILE)
    }

    /// The request under a name, for the way by files.
    pub fn request(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.request.toml"))
    }
}

/// Why there is no certificate, by what has to happen.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// Somebody has to decide, or the coordinator does not answer: the same command may succeed later.
    #[error("{0}")]
    TryAgain(String),
    /// Something here has to be corrected first.
    #[error("{0}")]
    Usage(String),
    /// The other side says no, or gave what does not fit.
    #[error("{0}")]
    Refused(String),
}

impl NotAdmitted {
    fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    fn refused(error: impl ToString) -> Self {
        Self::Refused(error.to_string())
    }

    fn of_asking(error: &crate::AskError, otherwise: fn(String) -> Self) -> Self {
        if error.may_pass() {
            Self::TryAgain(error.to_string())
        } else {
            otherwise(error.to_string())
        }
    }
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}
