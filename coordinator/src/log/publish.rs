//! Writes the committed log as static files into a folder that any web server can serve.
//!
//! The folder is not trusted: all of it is written again from the store when it is lost, and readers check it against the
//! log's key. Only its `checkpoint` is read back at a start, because others may have seen it.

use std::collections::BTreeSet;
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
    /// The head is not that of the tiles that were written.
    #[error(
        "found a checkpoint of {size} entries with root {root}, expected the head of the published tiles: {tile_size} entries with root {tile_root}"
    )]
    OtherHead {
        /// Size in the checkpoint.
        size: u64,
        /// Root in the checkpoint.
        root: Digest,
        /// Size of the tiles.
        tile_size: u64,
        /// Root over the tiles.
        tile_root: Digest,
    },
}

/// The folder of the log, and what it takes to add to it.
///
/// After an error it must be thrown away and made again by [`recover`](super::recover).
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    frontier: Frontier,
    /// Full tiles whose partial predecessors are still there.
    filled: Vec<Tile>,
}

impl Publisher {
    /// Goes on from the tiles of a published log.
    pub(super) fn at(folder: &Path, frontier: Frontier) -> Self {
        Self {
            folder: folder.to_owned(),
            frontier,
            filled: Vec::new(),
        }
    }

    /// Number of entries under the tiles.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Publishes committed entries: tiles and entry bundles, then the head by rename. When it returns, anyone may be told.
    ///
    /// # Errors
    /// The disk refuses, or `checkpoint` is not the head of the log with these entries.
    pub fn publish(
        &mut self,
        entries: &[Vec<u8>],
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), PublishError> {
        self.publish_tiles(entries)?;
        self.publish_checkpoint(checkpoint)?;
        self.remove_superseded()
    }

    /// Writes the tiles and entry bundles that committed entries fill or extend. To write them again gives the same bytes.
    ///
    /// # Errors
    /// The disk refuses, or an entry is too long.
    pub fn publish_tiles(&mut self, entries: &[Vec<u8>]) -> Result<(), PublishError> {
        let old_size = self.frontier.size();
        self.write_filled(entries)?;
        self.write_partial(old_size)
    }

    /// Appends entries and writes the tiles that they fill.
    pub(super) fn write_filled(&mut self, entries: &[Vec<u8>]) -> Result<(), PublishError> {
        for entry in entries {
            for file in self.frontier.append(entry)? {
                self.write(&file)?;
                self.filled.push(file.tile);
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

    /// Replaces the head, after the tiles under it are durable. The note may carry signatures of others.
    ///
    /// # Errors
    /// The disk refuses, or `checkpoint` is not the head of the tiles.
    pub fn publish_checkpoint(&mut self, checkpoint: &VerifiedCheckpoint) -> Result<(), PublishError> {
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        let (tile_size, tile_root) = (self.frontier.size(), self.frontier.root());
        if (size, root) != (tile_size, tile_root) {
            return Err(PublishError::OtherHead {
                size,
                root,
                tile_size,
                tile_root,
            });
        }
        let path = self.folder.join(CHECKPOINT_FILE);
        Ok(durable_write(&path, checkpoint.note().as_str().as_bytes())?)
    }

    /// Removes the partial tiles of tiles that filled up; under the published head readers find the full ones.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove_superseded(&mut self) -> Result<(), PublishError> {
        for tile in std::mem::take(&mut self.filled) {
            self.remove_partial(&tile)?;
        }
        Ok(())
    }

    /// As [`Self::remove_superseded`] for every full tile, whoever wrote it.
    pub(super) fn remove_all_superseded(&mut self) -> Result<(), PublishError> {
        self.filled = tiles_between(0, self.size()).filter(Tile::is_full).collect();
        self.remove_superseded()
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
