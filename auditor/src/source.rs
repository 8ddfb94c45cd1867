//! Reads a whole log from a mirror of its folder, and believes none of it until it hashes to the signed root.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::note::MAX_NOTE_BYTES;
use veilsum_protocol::log::tile::{TILE_WIDTH, decode_entries, decode_hash_tile, next_level};
use veilsum_protocol::log::{
    Checkpoint, CheckpointError, MAX_ENTRY_BYTES, Tile, TileError, TileKind, VerifiedCheckpoint, VerifierKey,
    leaf_hash, root_of, tiles_between,
};

/// Name of the signed head in a log's folder.
pub const CHECKPOINT_FILE: &str = "checkpoint";

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
    /// A tile or an entry bundle is not of the form.
    #[error("{}: {source}", path.display())]
    Tile {
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        source: TileError,
    },
    /// A hash tile does not hold the hashes of the entries.
    #[error("{}: hash {item} is {found}, expected {expected} as computed from the entries", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// Position of the hash in the tile, from 0.
        item: usize,
        /// Hash in the tile.
        found: Digest,
        /// Hash that the entries have.
        expected: Digest,
    },
    /// The entries are not those that were signed.
    #[error("the {size} entries have root {found}, expected {expected} as signed in the checkpoint")]
    Root {
        /// Number of entries.
        size: u64,
        /// Root over the entries.
        found: Digest,
        /// Root in the checkpoint.
        expected: Digest,
    },
}

/// A log whose entries, all of them, hash to a root that the log's key signed.
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

/// A mirror of a log's folder on the local disk.
#[derive(Clone, Debug)]
pub struct MirrorSource {
    folder: PathBuf,
}

impl MirrorSource {
    /// Reads the log in `folder` and verifies it under the pinned `key`: head, entry bundles, and every hash tile.
    ///
    /// A mirror may be ahead of its `checkpoint`: what stands behind the signed size is not looked at.
    ///
    /// # Errors
    /// The first thing that is missing or does not hold, with its file.
    pub fn open(folder: &Path, key: &VerifierKey) -> Result<VerifiedLog, SourceError> {
        let source = Self {
            folder: folder.to_owned(),
        };
        let head = source.head(key)?;
        let (size, expected) = (head.checkpoint().size, head.checkpoint().root);
        let entries = source.entries(size)?;
        let mut level: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let found = root_of(&level);
        if found != expected {
            return Err(SourceError::Root {
                size,
                found,
                expected,
            });
        }
        let mut height = 0;
        for tile in tiles_between(0, size) {
            let TileKind::Hashes(tile_level) = tile.kind() else {
                continue;
            };
            while height < tile_level {
                level = next_level(&level);
                height += 1;
            }
            source.check_hashes(&tile, size, &level)?;
        }
        Ok(VerifiedLog { head, entries })
    }

    fn head(&self, key: &VerifierKey) -> Result<VerifiedCheckpoint, SourceError> {
        let path = self.folder.join(CHECKPOINT_FILE);
        let Some(note) = read_at_most(&path, MAX_NOTE_BYTES)? else {
            return Err(SourceError::NoCheckpoint { path });
        };
        VerifiedCheckpoint::parse(&note, key).map_err(|source| SourceError::Checkpoint { path, source })
    }

    fn entries(&self, size: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        let mut entries = Vec::new();
        for tile in tiles_between(0, size).take_while(|tile| tile.kind() == TileKind::Entries) {
            let (path, width, bundle) = self.read_tile(&tile, size)?;
            let bundle =
                decode_entries(&bundle, width).map_err(|source| SourceError::Tile { path, source })?;
            entries.extend(bundle.into_iter().take(usize::from(tile.width())));
        }
        Ok(entries)
    }

    /// `level` holds all hashes of the tile's level.
    fn check_hashes(&self, tile: &Tile, size: u64, level: &[Digest]) -> Result<(), SourceError> {
        let (path, width, contents) = self.read_tile(tile, size)?;
        let hashes = match decode_hash_tile(&contents, width) {
            Ok(hashes) => hashes,
            Err(source) => return Err(SourceError::Tile { path, source }),
        };
        let first = usize::try_from(tile.first_item()).unwrap_or(usize::MAX);
        let expected = level.iter().skip(first).take(usize::from(tile.width()));
        for (item, (found, expected)) in hashes.into_iter().zip(expected).enumerate() {
            if found != *expected {
                return Err(SourceError::Hash {
                    path,
                    item,
                    found,
                    expected: *expected,
                });
            }
        }
        Ok(())
    }

    /// The tile's file and how many items are in it: where the mirror is ahead, in a wider one.
    fn read_tile(&self, tile: &Tile, size: u64) -> Result<(PathBuf, u16, Vec<u8>), SourceError> {
        let limit = match tile.kind() {
            TileKind::Entries => usize::from(TILE_WIDTH) * (2 + MAX_ENTRY_BYTES),
            TileKind::Hashes(_) => usize::from(TILE_WIDTH) * 32,
        };
        for candidate in
            (tile.width()..=TILE_WIDTH).filter_map(|width| Tile::new(tile.kind(), tile.index(), width))
        {
            let path = self.folder.join(candidate.path());
            if let Some(contents) = read_at_most(&path, limit)? {
                return Ok((path, candidate.width(), contents));
            }
        }
        Err(SourceError::Missing {
            path: self.folder.join(tile.path()),
            size,
        })
    }
}

/// The contents of a file, or `None` if it is not there.
fn read_at_most(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, SourceError> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{Ed25519KeyPair, KeyPair};
    use tempfile::TempDir;
    use veilsum_protocol::log::tile::{encode_hash_tile, push_entry};

    use super::*;

    fn key_pair(name: &str) -> (VerifierKey, impl Fn(&[u8]) -> [u8; 64]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let sign = move |bytes: &[u8]| pair.sign(bytes).as_ref().try_into().unwrap();
        (VerifierKey::new(name, public).unwrap(), sign)
    }

    fn key() -> VerifierKey {
        key_pair("log.example").0
    }

    fn entries(size: u64) -> Vec<Vec<u8>> {
        (0..size).map(|n| format!("entry {n}").into_bytes()).collect()
    }

    fn write_checkpoint(folder: &Path, entries: &[Vec<u8>]) {
        let (key, sign) = key_pair("log.example");
        let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let head = Checkpoint {
            origin: key.name().to_owned(),
            size: leaves.len() as u64,
            root: root_of(&leaves),
        };
        let signed = head.sign(&key, sign).unwrap();
        fs::write(folder.join(CHECKPOINT_FILE), signed.note().as_str()).unwrap();
    }

    /// A folder with the log of these entries, as the format says.
    fn mirror(entries: &[Vec<u8>]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let levels = [leaves.clone(), next_level(&leaves)];
        for tile in tiles_between(0, entries.len() as u64) {
            let first = usize::try_from(tile.first_item()).unwrap();
            let items = first..first + usize::from(tile.width());
            let contents = match tile.kind() {
                TileKind::Hashes(level) => encode_hash_tile(&levels[usize::from(level)][items]),
                TileKind::Entries => {
                    let mut bundle = Vec::new();
                    entries[items]
                        .iter()
                        .for_each(|entry| push_entry(&mut bundle, entry).unwrap());
                    bundle
                }
            };
            let path = folder.path().join(tile.path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        write_checkpoint(folder.path(), entries);
        folder
    }

    fn refusal(folder: &Path) -> SourceError {
        MirrorSource::open(folder, &key()).map(drop).unwrap_err()
    }

    #[test]
    fn a_whole_mirror_is_read() {
        for size in [0, 1, 255, 256, 257, 800] {
            let folder = mirror(&entries(size));
            let log = MirrorSource::open(folder.path(), &key()).unwrap();
            assert_eq!(log.entries(), entries(size));
            assert_eq!(log.checkpoint().size, size);
        }
    }

    #[test]
    fn a_mirror_that_is_ahead_of_its_checkpoint_is_read_up_to_it() {
        let folder = mirror(&entries(512));
        write_checkpoint(folder.path(), &entries(300));
        let log = MirrorSource::open(folder.path(), &key()).unwrap();
        assert_eq!(log.entries(), entries(300));
    }

    #[test]
    fn every_changed_byte_of_every_file_is_found() {
        let folder = mirror(&entries(257));
        let files = [
            "tile/entries/000",
            "tile/entries/001.p/1",
            "tile/0/000",
            "tile/0/001.p/1",
            "tile/1/000.p/1",
            CHECKPOINT_FILE,
        ];
        for file in files {
            let path = folder.path().join(file);
            let whole = fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(whole.len().div_ceil(37)) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                fs::write(&path, changed).unwrap();
                MirrorSource::open(folder.path(), &key())
                    .map(drop)
                    .expect_err(&format!("{file}, byte {at}"));
            }
            fs::write(&path, whole).unwrap();
        }
        MirrorSource::open(folder.path(), &key()).unwrap();
    }

    #[test]
    fn each_failure_is_told_by_its_name() {
        let folder = mirror(&entries(300));
        let tile = |path: &str| folder.path().join(path);
        let set = |path: &str, contents: &[u8]| fs::write(tile(path), contents).unwrap();

        let bundle = fs::read(tile("tile/entries/001.p/44")).unwrap();
        set("tile/entries/001.p/44", &[&bundle[..], b"x"].concat());
        assert!(matches!(
            refusal(folder.path()),
            SourceError::Tile {
                source: TileError::BundleTooLong { extra: 1, .. },
                ..
            }
        ));
        set(
            "tile/entries/001.p/44",
            &[&bundle[..bundle.len() - 1], b"x"].concat(),
        );
        assert!(matches!(
            refusal(folder.path()),
            SourceError::Root { size: 300, .. }
        ));
        set("tile/entries/001.p/44", &vec![0; 256 * 65_537 + 1]);
        assert!(matches!(refusal(folder.path()), SourceError::TooLong { .. }));
        set("tile/entries/001.p/44", &bundle);

        let mut hashes = fs::read(tile("tile/0/000")).unwrap();
        hashes[32 * 5] ^= 1;
        set("tile/0/000", &hashes);
        assert!(matches!(
            refusal(folder.path()),
            SourceError::Hash { item: 5, .. }
        ));
        set("tile/0/000", &hashes[1..]);
        assert!(matches!(
            refusal(folder.path()),
            SourceError::Tile {
                source: TileError::HashTileLength { .. },
                ..
            }
        ));
        fs::remove_file(tile("tile/0/000")).unwrap();
        let error = refusal(folder.path());
        assert!(
            matches!(&error, SourceError::Missing { path, size: 300 } if path.ends_with("tile/0/000")),
            "{error}"
        );

        set(CHECKPOINT_FILE, b"not a note");
        assert!(matches!(refusal(folder.path()), SourceError::Checkpoint { .. }));
        fs::remove_file(tile(CHECKPOINT_FILE)).unwrap();
        assert!(matches!(refusal(folder.path()), SourceError::NoCheckpoint { .. }));
    }

    #[test]
    fn a_log_of_another_key_is_refused() {
        let folder = mirror(&entries(1));
        let (other, _) = key_pair("other.example");
        let error = MirrorSource::open(folder.path(), &other).map(drop).unwrap_err();
        assert!(
            error.to_string().contains("not signed by other.example"),
            "{error}"
        );
    }

    #[test]
    fn a_size_that_no_mirror_can_hold_is_a_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        let (key, sign) = key_pair("log.example");
        let head = Checkpoint {
            origin: "log.example".to_owned(),
            size: u64::MAX,
            root: Digest([1; 32]),
        };
        fs::write(
            folder.path().join(CHECKPOINT_FILE),
            head.sign(&key, sign).unwrap().note().as_str(),
        )
        .unwrap();
        assert!(matches!(
            refusal(folder.path()),
            SourceError::Missing { size: u64::MAX, .. }
        ));
    }
}
