//! The coordinator's archive: blobs under their SHA-256, and for each round which blob is whose bundle. Nothing in it is
//! believed before it was hashed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use thiserror::Error;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Bundle, MESSAGE_LIMIT};

/// Largest index of a round in bytes: 500 banks and room to spare.
pub(crate) const INDEX_LIMIT: u64 = 1 << 16;

/// Why something in the archive is not what the log names.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The folder is no archive.
    #[error("{}: found no folder, expected the archive's folder `blobs`", path.display())]
    NoArchive {
        /// The folder.
        path: PathBuf,
    },
    /// The file is not there.
    #[error("no file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{} that cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is longer than it may be.
    #[error("more than {limit} bytes in {}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes that it may have.
        limit: u64,
    },
    /// The contents are not those that the name says.
    #[error("contents of {} with SHA-256 {found}", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// Hash of what is in it.
        found: Digest,
    },
    /// The contents have another form.
    #[error("contents of {} that cannot be read: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
}

/// A folder with `blobs/<first 2 hex digits>/<64 hex digits>` and `rounds/<round>.json`.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// # Errors
    /// [`ArchiveError::NoArchive`] if there are no blobs in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let blobs = folder.join("blobs");
        if !blobs.is_dir() {
            return Err(ArchiveError::NoArchive { path: blobs });
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The blob of that SHA-256, hashed again.
    pub(crate) fn blob(&self, hash: &Digest, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let path = self.blob_path(hash);
        let bytes = read(&path, limit)?;
        let found = Digest::of(&bytes);
        if found != *hash {
            return Err(ArchiveError::Hash { path, found });
        }
        Ok(bytes)
    }

    /// Whether there is a file of that name, whatever is in it.
    pub(crate) fn has(&self, hash: &Digest) -> bool {
        self.blob_path(hash).exists()
    }

    /// The same, or `None` if it is not there.
    pub(crate) fn blob_if_there(&self, hash: &Digest, limit: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.blob(hash, limit) {
            Err(ArchiveError::Missing { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Which blob is whose bundle in `round`, as `{"<bank>": "<64 hex digits>", ...}` says.
    pub(crate) fn round_index(&self, round: Round) -> Result<BTreeMap<BankIndex, Digest>, ArchiveError> {
        let path = self.index_path(round);
        let bytes = read(&path, INDEX_LIMIT)?;
        read_index(&bytes).map_err(|problem| ArchiveError::Form { path, problem })
    }

    /// The bundle in the blob of that SHA-256.
    pub(crate) fn bundle(&self, hash: &Digest) -> Result<Bundle, ArchiveError> {
        let bytes = self.blob(hash, MESSAGE_LIMIT as u64)?;
        frame::decode(&bytes, MESSAGE_LIMIT).map_err(|error| ArchiveError::Form {
            path: self.blob_path(hash),
            problem: error.to_string(),
        })
    }

    /// Where the index of a round lies.
    pub(crate) fn index_path(&self, round: Round) -> PathBuf {
        self.folder.join(index_path(round))
    }

    fn blob_path(&self, hash: &Digest) -> PathBuf {
        self.folder.join(blob_path(hash))
    }
}

/// Where the blob of that SHA-256 lies in an archive.
pub(crate) fn blob_path(hash: &Digest) -> String {
    let Digest([first, ..]) = hash;
    format!("blobs/{first:02x}/{}", hash.to_hex())
}

/// Where the index of a round lies in an archive.
pub(crate) fn index_path(round: Round) -> String {
    format!("rounds/{round}.json")
}

/// Reads the index of a round: which blob is whose bundle. Only one spelling of a hash is read, and a bank stands there once, so that no
/// change of the file goes unseen.
pub(crate) fn read_index(bytes: &[u8]) -> Result<BTreeMap<BankIndex, Digest>, String> {
    let Index(index) = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(index)
}

struct Index(BTreeMap<BankIndex, Digest>);

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Banks)
    }
}

struct Banks;

impl<'de> Visitor<'de> for Banks {
    type Value = Index;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("each bank's position with the 64 hex digits of its bundle")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Index, A::Error> {
        let mut index = BTreeMap::new();
        while let Some((bank, hex)) = map.next_entry::<BankIndex, String>()? {
            let hash = Digest::from_hex(&hex).filter(|hash| hash.to_hex() == hex);
            let hash = hash.ok_or_else(|| {
                A::Error::custom(format!("bank {bank}: {hex:?} is not 64 lowercase hex digits"))
            })?;
            if index.insert(bank, hash).is_some() {
                return Err(A::Error::custom(format!("bank {bank} is named twice")));
            }
        }
        Ok(Index(index))
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let refuse = |source| ArchiveError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::exists(path).map_err(refuse)? {
        return Err(ArchiveError::Missing {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(refuse)?;
    if bytes.len() as u64 > limit {
        return Err(ArchiveError::TooLong {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}
