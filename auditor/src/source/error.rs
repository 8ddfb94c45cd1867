//! Why a folder is not a whole and true copy of the log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use veilsum_protocol::log::CheckpointError;

use super::tree::Untrue;

/// Why a mirror is not a whole and true copy of the log.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A file is not there.
    #[error("{}: not found; expected it for a log of {size} entries; mirror the log's folder again, `checkpoint` first", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Number of entries by the checkpoint.
        size: u64,
    },
    /// The folder has no checkpoint.
    #[error("{}: not found; expected the mirrored folder of a log", path.display())]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is longer than any file of its kind.
    #[error("{}: found more than {limit} bytes, expected at most that", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes that such a file has.
        limit: usize,
    },
    /// The head is refused.
    #[error("{}: {source}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        source: CheckpointError,
    },
    /// A tile or an entry bundle is not the one under the signed root.
    #[error("{}: {source}", path.display())]
    Tile {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        source: Untrue,
    },
    /// The files at the right edge do not give the root that was signed.
    #[error("{}: {source}", edge(paths))]
    Root {
        /// The files: the partial hash tile of each level.
        paths: Vec<PathBuf>,
        /// What they give.
        source: Untrue,
    },
}

fn edge(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    match paths.as_slice() {
        [] => "the checkpoint".to_owned(),
        [path] => path.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}
