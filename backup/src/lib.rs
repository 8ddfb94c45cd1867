//! Backups of a daemon's folder: a tar file (POSIX ustar, with GNU long names) of mode 0600 that `tar -tvf` lists.
//!
//! The first entry says whose it is, the last lists every other with its mode, its length and its SHA-256. An archive is there as a whole or
//! not at all. It is read into a folder beside the one to be made, which gets its name when everything in it was verified, and never the name
//! of one that exists. What may be in an archive is for the daemons to decide: [decision
//! 16](../../../docs/decisions/0016-what-a-backup-may-hold.md).

mod error;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use error::BackupError;
pub use read::{Restored, unpack};
pub use write::{Writer, Written};

/// Name of the first entry.
const HEAD: &str = "veilsum-backup.json";

/// Name of the last entry.
const MANIFEST: &str = "veilsum-backup.manifest.json";

/// Form of an archive, with its version.
const FORMAT: &str = "veilsum-backup/1";

/// Longest head, and longest name of a file, in bytes.
const HEAD_LIMIT: u64 = 64 << 10;
const NAME_LIMIT: usize = 1024;

/// Longest manifest in bytes: some millions of files.
const MANIFEST_LIMIT: u64 = 1 << 30;

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A consortium's operator.
    Coordinator,
    /// A bank.
    Bank,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        form.write_str(match self {
            Self::Coordinator => "coordinator",
            Self::Bank => "bank",
        })
    }
}

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    format: String,
    /// Whose folder it is.
    pub kind: Kind,
    /// Name of the bank, or of the consortium.
    pub name: String,
    /// What wrote it.
    pub software: String,
    /// When, in Unix seconds.
    pub made_at: i64,
    /// Whether private keys are in it.
    pub with_keys: bool,
}

impl Head {
    /// The head of an archive that is about to be written.
    pub fn new(kind: Kind, name: &str, software: &str, made_at: i64, with_keys: bool) -> Self {
        Self {
            format: FORMAT.to_owned(),
            kind,
            name: name.to_owned(),
            software: software.to_owned(),
            made_at,
            with_keys,
        }
    }
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    mode: u32,
    bytes: u64,
    sha256: String,
}

/// The last entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    files: Vec<Listed>,
}

/// The name in an archive of a file of `folder`: its path below the folder, or `usual` for one that lies elsewhere.
pub fn within(folder: &std::path::Path, path: &std::path::Path, usual: &str) -> String {
    let below = path.strip_prefix(folder).ok().and_then(|below| below.to_str());
    match below {
        Some(below) if !below.is_empty() && !below.starts_with("..") && !below.contains("/../") => {
            below.to_owned()
        }
        _ => usual.to_owned(),
    }
}

#[cfg(test)]
mod tests;
