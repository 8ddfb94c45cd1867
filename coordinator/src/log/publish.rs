//! Writes the committed log as static files into a folder that any web server can serve.
//!
//! The folder is not trusted: all of it is written again from the store when it is lost, and readers check it against the
//! log's key. Only its `checkpoint` is read back at a start, because others may have seen it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{Tile, TileError, VerifiedCheckpoint, tiles_between};

use super::frontier::{Frontier, TileFile};
use crate::atomic_file::{WriteError, durable_create_folder, durable_write};

/// Name of the signed head in the folder.
pub const CHECKPOINT_FILE: &str = "checkpoint";

/// Why the log was not, or not wholly, published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The disk refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An entry does not fit the log's format.
    #[error(transparent)]
    Entry(#[from] TileError),
    /// The head is not one of the tiles that were written since the last one.
    #[error(
        "found a checkpoint of {size} entries with root {root}, expected one of the log whose tiles were written, up to {tile_size} entries, and not an older one than the last"
    )]
    OtherHead {
        /// Size in the checkpoint.
        size: u64,
        /// Root in the checkpoint.
        root: Digest,
        /// Size of the tiles.
        tile_size: u64,
    },
}

/// The folder of the log, and what it takes to add to it.
///
/// After an error it must be thrown away and made again by [`recover`](super::recover).
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    frontier: Frontier,
    /// Full tiles whose partial predecessors are still there, each with the size of the log that filled it.
    filled: Vec<(Tile, u64)>,
    /// Root by size wherever a head may be published: the tiles under it are durable.
    heads: BTreeMap<u64, Digest>,
}

impl Publisher {
    /// Goes on from the tiles of a published log.
    pub(super) fn at(folder: &Path, frontier: Frontier) -> Self {
        Self {
            folder: folder.to_owned(),
            frontier,
            filled: Vec::new(),
            heads: BTreeMap::new(),
        }
    }

    /// The tiles as they are may get a head.
    pub(super) fn allow_head(&mut self) {
        self.heads.insert(self.frontier.size(), self.frontier.root());
    }

    /// Number of entries under the tiles.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Writes the tiles and entry bundles that committed entries fill or extend. To write them again gives the same bytes. When it returns, witnesses may
    /// be shown the head over them.
    ///
    /// # Errors
    /// The disk refuses, or an entry is too long.
    pub fn publish_tiles(&mut self, entries: &[Vec<u8>]) -> Result<(), PublishError> {
        let old_size = self.frontier.size();
        self.write_filled(entries)?;
        self.write_partial(old_size)?;
        self.allow_head();
        Ok(())
    }

    /// Appends entries and writes the tiles that they fill.
    pub(super) fn write_filled(&mut self, entries: &[Vec<u8>]) -> Result<(), PublishError> {
        for entry in entries {
            for file in self.frontier.append(entry)? {
                self.write(&file)?;
                self.filled.push((file.tile, self.frontier.size()));
            }
        }
        Ok(())
    }

    /// Writes the partial tiles that changed since the log had `old_size` entries.
    pub(super) fn write_partial(&self, old_size: u64) -> Result<(), PublishError> {
        let changed: BTreeSet<Tile> = tiles_between(old_size, self.frontier.size())
            .filter(|tile| !tile.is_full())
            .collect();
        for file in self
            .frontier
            .partial()
            .iter()
            .filter(|file| changed.contains(&file.tile))
        {
            self.write(file)?;
        }
        Ok(())
    }

    /// Replaces the head by rename: it may be older than the newest tiles. The note carries the cosignatures of those who have seen it;
    /// when this returns, anyone may act on it. Partial tiles that full ones under it have replaced are removed.
    ///
    /// # Errors
    /// The disk refuses, or `checkpoint` is no head of the tiles that were written, or older than the last one.
    pub fn publish_checkpoint(&mut self, checkpoint: &VerifiedCheckpoint) -> Result<(), PublishError> {
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        if self.heads.get(&size) != Some(&root) {
            return Err(PublishError::OtherHead {
                size,
                root,
                tile_size: self.frontier.size(),
            });
        }
        let path = self.folder.join(CHECKPOINT_FILE);
        durable_write(&path, checkpoint.note().as_str().as_bytes())?;
        // The same head may come again, with more cosignatures.
        self.heads = self.heads.split_off(&size);
        let (under, over) = std::mem::take(&mut self.filled)
            .into_iter()
            .partition(|(_, filled_at)| *filled_at <= size);
        self.filled = over;
        self.remove_superseded(under)
    }

    /// Removes the partial tiles of tiles that filled up; under the published head readers find the full ones.
    fn remove_superseded(&self, full: Vec<(Tile, u64)>) -> Result<(), PublishError> {
        full.iter().try_for_each(|(tile, _)| self.remove_partial(tile))
    }

    /// The same for every full tile of the log of `size` entries, whoever wrote it.
    pub(super) fn remove_all_superseded(&self, size: u64) -> Result<(), PublishError> {
        let mut full = tiles_between(0, size).filter(Tile::is_full);
        full.try_for_each(|tile| self.remove_partial(&tile))
    }

    fn remove_partial(&self, full: &Tile) -> Result<(), PublishError> {
        let folder = self.folder.join(format!("{}.p", full.path()));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(WriteError::at("remove the superseded tiles", &folder)(error).into())
            }
            _ => Ok(()),
        }
    }

    fn write(&self, file: &TileFile) -> Result<(), PublishError> {
        let path = self.folder.join(file.tile.path());
        if let Some(folder) = path.parent() {
            durable_create_folder(folder)?;
        }
        Ok(durable_write(&path, &file.contents)?)
    }
}
