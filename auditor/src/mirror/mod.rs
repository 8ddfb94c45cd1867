//! Copies a served log into a folder of the auditor's. The folder's `checkpoint` is replaced last, and only by one whose log continues
//! the copy's and is here as a whole; until then the copy stays what it was.
//!
//! * `log`: the tiles and bundles, from the signed root down.
//! * `archive`: the blobs that the log names.
//! * `workers`: a few requests at a time.

mod archive;
mod log;
mod workers;

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::CheckpointError;

pub use self::archive::{ArchiveMirror, ArchiveMirrored};
pub use self::log::{LogMirror, Mirrored};
use crate::fetch::FetchError;
use crate::source::{SourceError, Untrue};
use crate::verify::Contradiction;

/// How far a mirror has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorProgress {
    /// The served head continues the copy.
    Head {
        /// Entries of the copy.
        from: u64,
        /// Entries of the served log.
        to: u64,
    },
    /// So many bundles of entries are here.
    Bundles {
        /// Bundles.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// So many entries were looked through for the files that they name.
    Archive {
        /// Entries.
        done: u64,
        /// Of so many.
        of: u64,
    },
}

/// Why the copy was not brought up to date. It is what it was before.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// A file of the source is not to be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There is no log.
    #[error("{address}: not found; expected the folder of a log")]
    NoLog {
        /// What was asked for.
        address: String,
    },
    /// A file that the signed head promises is not there.
    #[error("{address}: not found; expected it in a log of {size} entries, as its signed checkpoint says")]
    Missing {
        /// What was asked for.
        address: String,
        /// Entries by the checkpoint.
        size: u64,
    },
    /// The head is refused.
    #[error("{address}: {source}")]
    Checkpoint {
        /// What was asked for.
        address: String,
        /// Why it was refused.
        source: CheckpointError,
    },
    /// A file is not the one under the signed root.
    #[error("{address}: {source}")]
    Untrue {
        /// What was asked for.
        address: String,
        /// Why it was refused.
        source: Untrue,
    },
    /// The log does not continue the copy.
    #[error("the log contradicts the copy: found {}; {kept}", contradiction.what)]
    Contradiction {
        /// Both notes.
        contradiction: Box<Contradiction>,
        /// Where the notes are kept, or why they are not.
        kept: String,
    },
    /// A blob is not the one that its name says.
    #[error("{address}: contents with SHA-256 {found}, expected those of its name")]
    Blob {
        /// What was asked for.
        address: String,
        /// Hash of what came.
        found: Digest,
    },
    /// The index of a round is not one.
    #[error("{address}: {problem}; expected an index of the round's bundles")]
    Index {
        /// What was asked for.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The copy itself cannot be read.
    #[error("the copy cannot be used: {0}; mirror into another folder")]
    Copy(SourceError),
    /// Another process mirrors into the folder.
    #[error("{}: another process is at work here; try again later", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Source and copy are one folder.
    #[error("{}: found the source itself, expected a folder of the copy's own", path.display())]
    SameFolder {
        /// The folder.
        path: PathBuf,
    },
}

/// What a caller does about a [`MirrorError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// What is served is not a true log that continues the copy.
    Finding,
    /// The same may work later.
    Passing,
    /// Something that the caller gave is wrong.
    Usage,
}

impl MirrorError {
    /// What is to be done about it.
    pub fn weight(&self) -> Weight {
        match self {
            Self::Fetch(error) if error.is_passing() => Weight::Passing,
            Self::Busy { .. } => Weight::Passing,
            Self::Fetch(FetchError::TooLong { .. })
            | Self::Missing { .. }
            | Self::Checkpoint { .. }
            | Self::Untrue { .. }
            | Self::Contradiction { .. }
            | Self::Blob { .. }
            | Self::Index { .. } => Weight::Finding,
            Self::Fetch(_)
            | Self::NoLog { .. }
            | Self::Copy(_)
            | Self::Write { .. }
            | Self::SameFolder { .. } => Weight::Usage,
        }
    }
}
