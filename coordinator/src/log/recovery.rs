//! Brings the published files in line with the store at a start, or finds that they contradict each other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{
    CheckpointError, CompactRange, TileError, VerifiedCheckpoint, VerifierKey, leaf_hash,
};

use super::frontier::Frontier;
use super::publish::{CHECKPOINT_FILE, PublishError, Publisher};
use super::sequencer::Sequencer;
use crate::atomic_file::durable_create_folder;
use crate::engine::ports::{Store, StoreError};

/// Entries that are read from the store at a time.
const CHUNK: u64 = 256;

/// Why the coordinator must not go on.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files cannot be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The published head cannot be read.
    #[error("{}: cannot read the published checkpoint: {source}", path.display())]
    Read {
        /// File of the head.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The store has entries and no head for them.
    #[error(
        "the store holds {size} log entries and no checkpoint, expected the checkpoint that was committed with them; restore it from a backup"
    )]
    NoHead {
        /// Entries in the store.
        size: u64,
    },
    /// The head in the store is not one of this log.
    #[error(
        "the checkpoint in the store is refused: {0}; was the log's key or origin changed in the configuration?"
    )]
    StoredHead(CheckpointError),
    /// The head in the store is not that of its entries.
    #[error(
        "the store holds {size} log entries with root {root}, expected what its own checkpoint says: {head_size} entries with root {head_root}; restore it from a backup"
    )]
    StoreContradictsHead {
        /// Entries in the store.
        size: u64,
        /// Root over them.
        root: Digest,
        /// Size in the checkpoint.
        head_size: u64,
        /// Root in the checkpoint.
        head_root: Digest,
    },
    /// The published head is not one of this log.
    #[error("{}: the published checkpoint is refused: {source}; is this the folder of another log?", path.display())]
    PublishedHead {
        /// File of the head.
        path: PathBuf,
        /// Why it was refused.
        source: CheckpointError,
    },
    /// More was published than the store knows of.
    #[error(
        "the published checkpoint covers {published} entries, expected at most the {stored} of the store: the store is older than what others have seen; restore the newest backup of the store, and never publish from this one"
    )]
    PublishedIsNewer {
        /// Size in the published checkpoint.
        published: u64,
        /// Entries in the store.
        stored: u64,
    },
    /// What was published is not what the store holds.
    #[error(
        "the published checkpoint has root {published} at {size} entries, expected {stored} as in the store: the log has forked; keep both as evidence, and never publish from this store"
    )]
    Forked {
        /// Size at which they differ.
        size: u64,
        /// Root in the published checkpoint.
        published: Digest,
        /// Root over the same number of entries in the store.
        stored: Digest,
    },
}

/// What a log goes on from.
#[derive(Debug)]
pub struct Recovered {
    /// The end of the committed log.
    pub sequencer: Sequencer,
    /// The folder, with all tiles of the committed log.
    pub publisher: Publisher,
    /// The head of the committed log; `None` before the first entry.
    pub head: Option<VerifiedCheckpoint>,
    /// The published head, with its cosignatures, which nobody has checked.
    pub published: Option<VerifiedCheckpoint>,
}

/// Checks the whole log of the store against its own head and against the published one, writes the tiles that were committed and
/// not written, and returns what goes on from there. The folder is created if it is not there. The published head stays: a newer one
/// takes cosignatures.
///
/// Nothing is written unless all checks hold.
///
/// # Errors
/// Every error must stop the coordinator: to go on would show two different logs to its readers.
pub fn recover(store: &dyn Store, folder: &Path, key: &VerifierKey) -> Result<Recovered, RecoveryError> {
    let size = store.log_size()?;
    let committed = committed_head(store, key, size)?;
    let published = published_head(folder, key)?;
    let published_size = published.as_ref().map_or(0, |head| head.checkpoint().size);
    if published_size > size {
        return Err(RecoveryError::PublishedIsNewer {
            published: published_size,
            stored: size,
        });
    }

    let mut frontier = Frontier::default();
    let mut range = CompactRange::new();
    for_entries(store, 0, published_size, |entry| {
        range.append_leaf_hash(leaf_hash(entry));
        frontier.append(entry).map(drop)
    })?;
    if let Some(head) = &published
        && head.checkpoint().root != range.root()
    {
        let published = head.checkpoint().root;
        return Err(RecoveryError::Forked {
            size: published_size,
            published,
            stored: range.root(),
        });
    }
    for_entries(store, published_size, size, |entry| {
        range.append_leaf_hash(leaf_hash(entry));
        Ok(())
    })?;

    let head = committed.as_ref().map(VerifiedCheckpoint::checkpoint);
    if let Some(head) = head
        && (head.size, head.root) != (size, range.root())
    {
        let (root, head_size, head_root) = (range.root(), head.size, head.root);
        return Err(RecoveryError::StoreContradictsHead {
            size,
            root,
            head_size,
            head_root,
        });
    }

    durable_create_folder(folder).map_err(PublishError::from)?;
    let mut publisher = Publisher::at(folder, frontier);
    write_rest(store, &mut publisher, size)?;
    publisher.remove_all_superseded(published_size)?;
    Ok(Recovered {
        sequencer: Sequencer::at(key.clone(), range),
        publisher,
        head: committed,
        published,
    })
}

/// Writes all tiles that the published head lacks.
fn write_rest(store: &dyn Store, publisher: &mut Publisher, size: u64) -> Result<(), RecoveryError> {
    let old_size = publisher.size();
    while publisher.size() < size {
        let end = size.min(publisher.size().saturating_add(CHUNK));
        publisher.write_filled(&store.entries(publisher.size(), end)?)?;
    }
    publisher.write_partial(old_size)?;
    publisher.allow_head();
    Ok(())
}

fn committed_head(
    store: &dyn Store,
    key: &VerifierKey,
    size: u64,
) -> Result<Option<VerifiedCheckpoint>, RecoveryError> {
    match store.checkpoint()? {
        None if size == 0 => Ok(None),
        None => Err(RecoveryError::NoHead { size }),
        Some(note) => VerifiedCheckpoint::parse(note.as_bytes(), key)
            .map(Some)
            .map_err(RecoveryError::StoredHead),
    }
}

fn published_head(folder: &Path, key: &VerifierKey) -> Result<Option<VerifiedCheckpoint>, RecoveryError> {
    let path = folder.join(CHECKPOINT_FILE);
    let note = match fs::read(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecoveryError::Read { path, source }),
    };
    match VerifiedCheckpoint::parse(&note, key) {
        Ok(head) => Ok(Some(head)),
        Err(source) => Err(RecoveryError::PublishedHead { path, source }),
    }
}

fn for_entries(
    store: &dyn Store,
    from: u64,
    to: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), TileError>,
) -> Result<(), RecoveryError> {
    let mut next = from;
    while next < to {
        let end = to.min(next.saturating_add(CHUNK));
        for entry in store.entries(next, end)? {
            each(&entry).map_err(PublishError::from)?;
        }
        next = end;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
