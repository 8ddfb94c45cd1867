//! A mirror of a log's folder on the local disk.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::note::MAX_NOTE_BYTES;
use veilsum_protocol::log::tile::TILE_WIDTH;
use veilsum_protocol::log::{Checkpoint, MAX_ENTRY_BYTES, Tile, TileKind, VerifiedCheckpoint, VerifierKey};

use super::tree::{LogTree, Tiles, Untrue, narrowed};
use super::{CHECKPOINT_FILE, SourceError};

/// The files of a mirror, for a log of `size` entries.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    size: u64,
}

impl Folder {
    pub(crate) fn new(path: &Path, size: u64) -> Self {
        Self {
            path: path.to_owned(),
            size,
        }
    }

    /// The file that holds the tile, its width and its contents: where the mirror is ahead, a wider one.
    pub(crate) fn find(&self, tile: &Tile) -> Result<Option<(PathBuf, u16, Vec<u8>)>, SourceError> {
        for candidate in
            (tile.width()..=TILE_WIDTH).filter_map(|width| Tile::new(tile.kind(), tile.index(), width))
        {
            let path = self.path.join(candidate.path());
            if let Some(contents) = read_at_most(&path, tile_limit(tile.kind()))? {
                return Ok(Some((path, candidate.width(), contents)));
            }
        }
        Ok(None)
    }
}

impl Tiles for Folder {
    type Error = SourceError;

    fn wrong_root(&self, edge: &[Tile], source: Untrue) -> SourceError {
        let held = |tile| match self.find(tile) {
            Ok(Some((path, _, _))) => path,
            _ => self.path.join(tile.path()),
        };
        SourceError::Root {
            paths: edge.iter().map(held).collect(),
            source,
        }
    }

    fn tile<T>(&self, tile: &Tile, read: impl Fn(&[u8]) -> Result<T, Untrue>) -> Result<T, SourceError> {
        let Some((path, width, contents)) = self.find(tile)? else {
            return Err(SourceError::Missing {
                path: self.path.join(tile.path()),
                size: self.size,
            });
        };
        narrowed(tile.kind(), contents, width, tile.width())
            .map_err(Untrue::from)
            .and_then(|contents| read(&contents))
            .map_err(|source| SourceError::Tile { path, source })
    }
}

/// A log whose right edge hashes to a root that the log's key signed. Everything that is read from it afterwards is compared with that.
#[derive(Debug)]
pub struct LogReader {
    folder: Folder,
    head: VerifiedCheckpoint,
    tree: LogTree,
}

impl LogReader {
    /// Opens the log in `folder` under the pinned `key`.
    ///
    /// A mirror may be ahead of its `checkpoint`: what stands behind the signed size is not looked at.
    ///
    /// # Errors
    /// What is missing or does not hold, with its file.
    pub fn open(folder: &Path, key: &VerifierKey) -> Result<Self, SourceError> {
        let head = Self::head_of(folder, key)?;
        let folder = Folder::new(folder, head.checkpoint().size);
        let tree = LogTree::read(head.checkpoint(), &folder)?;
        Ok(Self { folder, head, tree })
    }

    /// The signed head alone.
    ///
    /// # Errors
    /// If it is missing, or not one of the pinned key.
    pub fn head_of(folder: &Path, key: &VerifierKey) -> Result<VerifiedCheckpoint, SourceError> {
        let path = folder.join(CHECKPOINT_FILE);
        let Some(note) = read_at_most(&path, MAX_NOTE_BYTES)? else {
            return Err(SourceError::NoCheckpoint { path });
        };
        VerifiedCheckpoint::parse(&note, key).map_err(|source| SourceError::Checkpoint { path, source })
    }

    /// The signed head, with the signatures of others that nobody has checked yet.
    pub fn head(&self) -> &VerifiedCheckpoint {
        &self.head
    }

    /// Origin, size and root.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.head.checkpoint()
    }

    /// The entries in order, up to 256 at a time.
    ///
    /// # Errors
    /// The first file that is missing or not the one under the signed root. What came before it is under that root.
    pub fn bundles(&self) -> impl Iterator<Item = Result<Vec<Vec<u8>>, SourceError>> {
        (0..self.tree.bundles()).map(|index| {
            let leaves = self.tree.leaves(index, &self.folder)?;
            LogTree::entries(index, &leaves, &self.folder)
        })
    }

    /// The root that this log had when it had `size` entries; none if it never had so many.
    ///
    /// # Errors
    /// As [`LogReader::bundles`].
    pub fn root_at(&self, size: u64) -> Result<Option<Digest>, SourceError> {
        self.tree.root_at(size, &self.folder)
    }
}

/// A whole log in memory, whose entries hash to a root that the log's key signed.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    head: VerifiedCheckpoint,
    entries: Vec<Vec<u8>>,
}

impl VerifiedLog {
    /// The signed head, with the signatures of others that nobody has checked yet.
    pub fn head(&self) -> &VerifiedCheckpoint {
        &self.head
    }

    /// Origin, size and root.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.head.checkpoint()
    }

    /// The entries, in order.
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }
}

/// A mirror of a log's folder that is read as a whole.
#[derive(Clone, Debug)]
pub struct MirrorSource;

impl MirrorSource {
    /// Reads the log in `folder` and verifies it under the pinned `key`: head, entry bundles, and every hash tile. Where memory
    /// matters, [`LogReader`] does the same bundle by bundle.
    ///
    /// # Errors
    /// The first thing that is missing or does not hold, with its file.
    pub fn open(folder: &Path, key: &VerifierKey) -> Result<VerifiedLog, SourceError> {
        let log = LogReader::open(folder, key)?;
        let mut entries = Vec::new();
        for bundle in log.bundles() {
            entries.extend(bundle?);
        }
        Ok(VerifiedLog {
            head: log.head,
            entries,
        })
    }
}

/// Most bytes that a tile of this kind has.
pub(crate) fn tile_limit(kind: TileKind) -> usize {
    match kind {
        TileKind::Entries => usize::from(TILE_WIDTH) * (2 + MAX_ENTRY_BYTES),
        TileKind::Hashes(_) => usize::from(TILE_WIDTH) * 32,
    }
}

/// The contents of a file, or `None` if it is not there.
pub(crate) fn read_at_most(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, SourceError> {
    let refuse = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::exists(path).map_err(refuse)? {
        return Ok(None);
    }
    let mut contents = Vec::new();
    let one_more = (limit as u64).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(one_more).read_to_end(&mut contents))
        .map_err(refuse)?;
    if contents.len() > limit {
        return Err(SourceError::TooLong {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(Some(contents))
}
