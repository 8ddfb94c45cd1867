//! Copies the log: its head, and below it every tile and bundle.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::note::MAX_NOTE_BYTES;
use veilsum_protocol::log::{Checkpoint, Tile, VerifiedCheckpoint, VerifierKey, tiles_between};

use super::{ArchiveMirror, ArchiveMirrored, MirrorError, MirrorProgress, workers};
use crate::durable;
use crate::evidence;
use crate::fetch::Origin;
use crate::source::tree::{LogTree, Tiles, narrowed};
use crate::source::{CHECKPOINT_FILE, Folder, LogReader, SourceError, Untrue, tile_limit};
use crate::verify::Contradiction;
use crate::verify::agreement::Disagreement;

/// Where signed notes are kept that contradict the copy.
const EVIDENCE_FOLDER: &str = "evidence";
/// How often a log that grows is gone through for its archive.
const MOST_PASSES: usize = 4;
/// Held while a process writes into a copy.
const LOCK_FILE: &str = ".lock";

/// A log that is copied into a folder.
#[derive(Debug)]
pub struct LogMirror<'a> {
    origin: &'a Origin,
    folder: &'a Path,
    key: &'a VerifierKey,
    _lock: File,
}

/// What a mirror did.
#[derive(Debug)]
pub struct Mirrored {
    /// The head that the copy had before, if there was a copy.
    pub before: Option<VerifiedCheckpoint>,
    /// The head that it has now.
    pub head: VerifiedCheckpoint,
    /// Tiles and bundles that were fetched.
    pub fetched: u64,
    /// Bundles and full hash tiles that were there and right.
    pub kept: u64,
}

impl<'a> LogMirror<'a> {
    /// Mirrors the log of `key` from `origin` into `folder`, which is made if it is missing. Nobody else writes there meanwhile.
    ///
    /// # Errors
    /// If the folder is in use, cannot be made, or is the source.
    pub fn new(origin: &'a Origin, folder: &'a Path, key: &'a VerifierKey) -> Result<Self, MirrorError> {
        let refuse = |path: &Path| {
            let path = path.to_owned();
            move |source| MirrorError::Write { path, source }
        };
        fs::create_dir_all(folder).map_err(refuse(folder))?;
        if let Origin::Folder(source) = origin
            && let (Ok(one), Ok(other)) = (source.canonicalize(), folder.canonicalize())
            && one == other
        {
            return Err(MirrorError::SameFolder { path: other });
        }
        let path = folder.join(LOCK_FILE);
        let lock = File::create(&path).map_err(refuse(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MirrorError::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(MirrorError::Write { path, source }),
        }
        Ok(Self {
            origin,
            folder,
            key,
            _lock: lock,
        })
    }

    /// Fetches what is missing and wrong, and only then replaces the copy's head.
    ///
    /// # Errors
    /// [`MirrorError`]; the copy stays what it was. The two notes of a contradiction are kept in its folder `evidence`.
    pub fn run(&self, progress: impl FnMut(MirrorProgress)) -> Result<Mirrored, MirrorError> {
        self.copy(progress).map_err(|error| match error {
            MirrorError::Contradiction { contradiction, .. } => {
                let folder = self.folder.join(EVIDENCE_FOLDER);
                let kept = evidence::keep_told(&folder, &contradiction.notes);
                MirrorError::Contradiction { contradiction, kept }
            }
            other => other,
        })
    }

    /// The same, and then the archive that the log names. Where files are missing and the log has grown meanwhile, both are gone through again:
    /// the rounds may be too old by now, and deleted.
    ///
    /// # Errors
    /// [`MirrorError`]; what arrived by then stays.
    pub fn run_with(
        &self,
        archive: &ArchiveMirror<'_>,
        mut progress: impl FnMut(MirrorProgress),
    ) -> Result<(Mirrored, ArchiveMirrored), MirrorError> {
        let mut mirrored = self.run(&mut progress)?;
        let (mut fetched, mut passes) = (0, 1);
        loop {
            let log = LogReader::open(self.folder, self.key).map_err(MirrorError::Copy)?;
            let mut archived = archive.run(&log, &mut progress)?;
            fetched += archived.fetched;
            if !archived.missing.is_empty() && passes < MOST_PASSES {
                let again = self.run(&mut progress)?;
                mirrored.fetched += again.fetched;
                let before = mirrored.head.checkpoint().size;
                mirrored.head = again.head;
                if mirrored.head.checkpoint().size > before {
                    passes += 1;
                    continue;
                }
            }
            archived.fetched = fetched;
            return Ok((mirrored, archived));
        }
    }

    fn copy(&self, mut progress: impl FnMut(MirrorProgress)) -> Result<Mirrored, MirrorError> {
        let before = match LogReader::head_of(self.folder, self.key) {
            Ok(head) => Some(head),
            Err(SourceError::NoCheckpoint { .. }) => None,
            Err(error) => return Err(MirrorError::Copy(error)),
        };
        let head = self.served_head()?;
        let (old, new) = (
            before.as_ref().map(VerifiedCheckpoint::checkpoint),
            head.checkpoint(),
        );
        // Before anything is fetched that the heads alone rule out.
        self.agree(before.as_ref(), &head, None)?;
        let tree = self.tree(new)?;
        if let Some(old) = old {
            let root = tree.root_at(old.size, &self.served(new.size, Keep::Nothing))?;
            self.agree(before.as_ref(), &head, root)?;
        }
        progress(MirrorProgress::Head {
            from: old.map_or(0, |old| old.size),
            to: new.size,
        });
        let tiles = self.served(new.size, Keep::Everything);
        self.write_upper(&tree, new.size)?;
        let of = tree.bundles();
        let bundle = |index| {
            let leaves = tree.leaves(index, &tiles)?;
            LogTree::entries(index, &leaves, &tiles).map(drop)
        };
        workers::each(of, bundle, |done| progress(MirrorProgress::Bundles { done, of }))?;
        if before.as_ref() != Some(&head) {
            self.write(CHECKPOINT_FILE, head.note().as_str().as_bytes())?;
        }
        self.remove_superseded(old.map_or(0, |old| old.size), new.size)?;
        Ok(Mirrored {
            before,
            fetched: tiles.fetched.into_inner(),
            kept: tiles.kept.into_inner(),
            head,
        })
    }

    fn served_head(&self) -> Result<VerifiedCheckpoint, MirrorError> {
        let address = self.origin.address(CHECKPOINT_FILE);
        let Some(note) = self.origin.get(CHECKPOINT_FILE, MAX_NOTE_BYTES as u64)? else {
            return Err(MirrorError::NoLog { address });
        };
        VerifiedCheckpoint::parse(&note, self.key)
            .map_err(|source| MirrorError::Checkpoint { address, source })
    }

    /// That the served head continues the copy's; `root` is that of the served log at the copy's size, once it is known.
    fn agree(
        &self,
        before: Option<&VerifiedCheckpoint>,
        head: &VerifiedCheckpoint,
        root: Option<Digest>,
    ) -> Result<(), MirrorError> {
        let Some(before) = before else {
            return Ok(());
        };
        match Disagreement::between(head.checkpoint(), before.checkpoint(), root) {
            None => Ok(()),
            Some(disagreement) => Err(MirrorError::Contradiction {
                contradiction: Box::new(Contradiction {
                    what: format!(
                        "{}, expected {}",
                        disagreement.found(),
                        disagreement.expected("the copy")
                    ),
                    notes: [before.clone(), head.clone()],
                }),
                kept: String::new(),
            }),
        }
    }

    /// The hashes under the served root, from the copy if it has them.
    fn tree(&self, head: &Checkpoint) -> Result<LogTree, MirrorError> {
        let copy = Folder::new(self.folder, head.size);
        LogTree::read(head, &copy).or_else(|_| LogTree::read(head, &self.served(head.size, Keep::Nothing)))
    }

    /// What stands above the lowest level, and the partial tiles, came with the tree.
    fn write_upper(&self, tree: &LogTree, size: u64) -> Result<(), MirrorError> {
        for tile in tiles_between(0, size) {
            let Some(contents) = tree.contents(&tile) else {
                continue;
            };
            let same = Folder::new(self.folder, size).find(&tile).is_ok_and(|found| {
                found.is_some_and(|(_, width, found)| width == tile.width() && found == contents)
            });
            if !same {
                self.write(&tile.path(), &contents)?;
            }
        }
        Ok(())
    }

    fn served(&self, size: u64, keep: Keep) -> Served<'_> {
        Served {
            mirror: self,
            size,
            keep,
            fetched: AtomicU64::new(0),
            kept: AtomicU64::new(0),
        }
    }

    fn write(&self, path: &str, contents: &[u8]) -> Result<(), MirrorError> {
        let path = self.folder.join(path);
        durable::write(&path, contents).map_err(|source| MirrorError::Write { path, source })
    }

    /// Partial tiles in whose place a wider one stands now.
    fn remove_superseded(&self, old: u64, new: u64) -> Result<(), MirrorError> {
        for tile in tiles_between(old, new) {
            let partials = self.folder.join(format!("{}.p", tile.filled().path()));
            let Ok(files) = fs::read_dir(&partials) else {
                continue;
            };
            let current = tile.width().to_string();
            for file in files
                .flatten()
                .filter(|file| tile.is_full() || file.file_name() != *current)
            {
                let path = file.path();
                fs::remove_file(&path).map_err(|source| MirrorError::Write { path, source })?;
            }
            if tile.is_full() {
                // It stays where something stands in it that is not this program's.
                let _ = fs::remove_dir(&partials);
            }
        }
        Ok(())
    }
}

/// What is done with what was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// It is not known yet whether the log continues the copy, so the copy is left alone.
    Nothing,
    /// It is written into the copy.
    Everything,
}

/// Tiles of the copy and, where they are missing or wrong there, of the source.
struct Served<'a> {
    mirror: &'a LogMirror<'a>,
    size: u64,
    keep: Keep,
    fetched: AtomicU64,
    kept: AtomicU64,
}

impl Served<'_> {
    /// The address and the contents of a tile in the source; of the full one where the log has grown since.
    fn fetch(&self, tile: &Tile) -> Result<(String, Result<Vec<u8>, Untrue>), MirrorError> {
        let origin = self.mirror.origin;
        let limit = tile_limit(tile.kind()) as u64;
        for served in [*tile, tile.filled()] {
            if let Some(contents) = origin.get(&served.path(), limit)? {
                let cut = narrowed(tile.kind(), contents, served.width(), tile.width());
                return Ok((origin.address(&served.path()), cut.map_err(Untrue::from)));
            }
        }
        Err(MirrorError::Missing {
            address: origin.address(&tile.path()),
            size: self.size,
        })
    }
}

impl Tiles for Served<'_> {
    type Error = MirrorError;

    fn wrong_root(&self, edge: &[Tile], source: Untrue) -> MirrorError {
        let addresses: Vec<String> = edge
            .iter()
            .map(|tile| self.mirror.origin.address(&tile.path()))
            .collect();
        MirrorError::Untrue {
            address: match addresses.as_slice() {
                [] => CHECKPOINT_FILE.to_owned(),
                several => several.join(", "),
            },
            source,
        }
    }

    fn tile<T>(&self, tile: &Tile, read: impl Fn(&[u8]) -> Result<T, Untrue>) -> Result<T, MirrorError> {
        // A partial hash tile has nothing above it to be compared with, so the copy's may be wrong.
        let judged = tile.is_full() || self.keep == Keep::Everything;
        let copy = Folder::new(self.mirror.folder, self.size);
        if let (true, Ok(good)) = (judged, copy.tile(tile, &read)) {
            self.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(good);
        }
        let (address, contents) = self.fetch(tile)?;
        let (contents, good) = contents
            .and_then(|contents| read(&contents).map(|good| (contents, good)))
            .map_err(|source| MirrorError::Untrue { address, source })?;
        self.fetched.fetch_add(1, Ordering::Relaxed);
        if self.keep == Keep::Everything {
            self.mirror.write(&tile.path(), &contents)?;
        }
        Ok(good)
    }
}
