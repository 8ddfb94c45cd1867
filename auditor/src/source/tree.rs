//! A log's tree, read from the signed root down: the tiles at the right edge give the root, every full tile gives a hash that
//! stands in the level above it, and every entry gives a hash of the lowest level. So one wrong file is known as that file, and no
//! more than one hash for 256 entries stays in memory.

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::tile::{
    TILE_WIDTH, decode_entries, decode_hash_tile, encode_hash_tile, push_entry,
};
use veilsum_protocol::log::{Checkpoint, CompactRange, Tile, TileError, TileKind, leaf_hash, root_of};

/// Tile levels of the largest log.
const LEVELS: u8 = 8;
const SIZE_BYTES: usize = 8;

/// In what way contents are not those of the signed tree.
#[derive(Debug, Error)]
pub enum Untrue {
    /// They have not the form of a tile.
    #[error(transparent)]
    Form(#[from] TileError),
    /// A hash tile has another hash than the level above says.
    #[error("its hashes give {found}, expected {expected} as the level above it says")]
    Hashes {
        /// Root over the tile.
        found: Digest,
        /// Hash in the level above.
        expected: Digest,
    },
    /// An entry has another hash than the lowest level says.
    #[error("entry {index} has hash {found}, expected {expected} as its hash tile says")]
    Entry {
        /// Index of the entry in the log.
        index: u64,
        /// Hash of the entry.
        found: Digest,
        /// Hash in the tile.
        expected: Digest,
    },
    /// The tiles at the right edge do not give the signed root.
    #[error("the {size} entries have root {found}, expected {expected} as signed in the checkpoint")]
    Root {
        /// Number of entries.
        size: u64,
        /// Root over the right edge.
        found: Digest,
        /// Root in the checkpoint.
        expected: Digest,
    },
}

/// Where tiles come from.
pub(crate) trait Tiles {
    /// Why a tile is not to be had.
    type Error;

    /// Says that these tiles, together, do not give the signed root.
    fn wrong_root(&self, edge: &[Tile], source: Untrue) -> Self::Error;

    /// What `read` makes of the tile's contents. They are cut to the tile's width where the log has grown since. `read` may refuse them, and
    /// a place with several copies may then try the next one.
    fn tile<T>(&self, tile: &Tile, read: impl Fn(&[u8]) -> Result<T, Untrue>) -> Result<T, Self::Error>;
}

/// The hashes above the leaves of a log, each of them under the signed root.
#[derive(Clone, Debug)]
pub(crate) struct LogTree {
    size: u64,
    /// The partial tile of each level, from 0 up.
    edge: Vec<Vec<Digest>>,
    /// All hashes of each level, from 1 up.
    upper: Vec<Vec<Digest>>,
}

impl LogTree {
    /// Reads the right edge, compares it with the signed root, and then every hash tile above the lowest level.
    pub(crate) fn read<T: Tiles>(head: &Checkpoint, tiles: &T) -> Result<Self, T::Error> {
        let size = head.size;
        let (mut edge, mut edge_tiles) = (Vec::new(), Vec::new());
        for level in 0..LEVELS {
            let partial = partial(level, size);
            edge.push(match &partial {
                Some(tile) => tiles.tile(tile, |bytes| Ok(decode_hash_tile(bytes, tile.width())?))?,
                None => Vec::new(),
            });
            edge_tiles.extend(partial);
        }
        let found = root_of_edge(size, &edge);
        if found != head.root {
            let expected = head.root;
            let source = Untrue::Root {
                size,
                found,
                expected,
            };
            return Err(tiles.wrong_root(&edge_tiles, source));
        }
        // From the top down; the level above the highest has no hash.
        let mut upper: Vec<Vec<Digest>> = Vec::new();
        for level in (1..LEVELS).rev() {
            let mut hashes = Vec::new();
            if let Some(above) = upper.last() {
                for (index, expected) in (0..).zip(above) {
                    hashes.extend(full_tile(tiles, level, index, expected)?);
                }
            }
            hashes.extend(edge.get(usize::from(level)).into_iter().flatten());
            upper.push(hashes);
        }
        upper.reverse();
        Ok(Self { size, edge, upper })
    }

    /// Number of entry bundles, the partial one included; as many hash tiles of the lowest level.
    pub(crate) fn bundles(&self) -> u64 {
        self.size.div_ceil(u64::from(TILE_WIDTH))
    }

    /// What is in a tile, for those that came with the tree: all but the full ones of the lowest level.
    pub(crate) fn contents(&self, tile: &Tile) -> Option<Vec<u8>> {
        let TileKind::Hashes(level) = tile.kind() else {
            return None;
        };
        let hashes = match usize::from(level).checked_sub(1) {
            None if tile.is_full() => return None,
            None => self.edge.first()?.to_vec(),
            Some(above) => {
                let first = usize::try_from(tile.first_item()).ok()?;
                let hashes = self.upper.get(above)?.iter().skip(first);
                hashes.take(usize::from(tile.width())).copied().collect()
            }
        };
        Some(encode_hash_tile(&hashes))
    }

    /// The hash tile of the lowest level that stands over bundle `index`.
    pub(crate) fn leaves<T: Tiles>(&self, index: u64, tiles: &T) -> Result<Vec<Digest>, T::Error> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self.upper.first().and_then(|level| level.get(at)) {
            Some(expected) => full_tile(tiles, 0, index, expected),
            None => Ok(self.edge.first().cloned().unwrap_or_default()),
        }
    }

    /// The entries under these hashes, which are the [leaves](Self::leaves) of the same index.
    pub(crate) fn entries<T: Tiles>(
        index: u64,
        leaves: &[Digest],
        tiles: &T,
    ) -> Result<Vec<Vec<u8>>, T::Error> {
        let width = u16::try_from(leaves.len()).unwrap_or(u16::MAX);
        let Some(tile) = Tile::new(TileKind::Entries, index, width) else {
            return Ok(Vec::new());
        };
        tiles.tile(&tile, |bytes| {
            let entries = decode_entries(bytes, width)?;
            for (index, (entry, expected)) in (tile.first_item()..).zip(entries.iter().zip(leaves)) {
                let (found, expected) = (leaf_hash(entry), *expected);
                if found != expected {
                    return Err(Untrue::Entry {
                        index,
                        found,
                        expected,
                    });
                }
            }
            Ok(entries)
        })
    }

    /// The root that this log had when it had `size` entries; none if it never had so many.
    pub(crate) fn root_at<T: Tiles>(&self, size: u64, tiles: &T) -> Result<Option<Digest>, T::Error> {
        if size > self.size {
            return Ok(None);
        }
        let mut edge = Vec::new();
        for level in 0..LEVELS {
            let Some(tile) = partial(level, size) else {
                edge.push(Vec::new());
                continue;
            };
            let first = usize::try_from(tile.first_item()).unwrap_or(usize::MAX);
            let hashes = match usize::from(level).checked_sub(1) {
                None => self.leaves(tile.index(), tiles)?,
                Some(above) => {
                    let level = self.upper.get(above).into_iter().flatten();
                    level.skip(first).copied().collect()
                }
            };
            edge.push(hashes.into_iter().take(usize::from(tile.width())).collect());
        }
        Ok(Some(root_of_edge(size, &edge)))
    }
}

/// The partial tile at the end of a level, if there is one.
fn partial(level: u8, size: u64) -> Option<Tile> {
    let items = size >> (u32::from(level) * 8);
    let width = u16::try_from(items % u64::from(TILE_WIDTH)).ok()?;
    Tile::new(TileKind::Hashes(level), items / u64::from(TILE_WIDTH), width)
}

fn full_tile<T: Tiles>(tiles: &T, level: u8, index: u64, expected: &Digest) -> Result<Vec<Digest>, T::Error> {
    let Some(tile) = Tile::new(TileKind::Hashes(level), index, TILE_WIDTH) else {
        return Ok(Vec::new());
    };
    tiles.tile(&tile, |bytes| {
        let hashes = decode_hash_tile(bytes, TILE_WIDTH)?;
        let (found, expected) = (root_of(&hashes), *expected);
        if found == expected {
            Ok(hashes)
        } else {
            Err(Untrue::Hashes { found, expected })
        }
    })
}

/// The hashes of a partial tile split into perfect subtrees as the tree of its width does; those of all levels together, largest first, are
/// the right edge of the whole tree. A tile of another width than the size says gives another root, never an error.
fn root_of_edge(size: u64, edge: &[Vec<Digest>]) -> Digest {
    let mut bytes = size.to_be_bytes().to_vec();
    for hashes in edge.iter().rev() {
        let mut range = CompactRange::new();
        for hash in hashes {
            range.append_leaf_hash(*hash);
        }
        bytes.extend(range.to_bytes().into_iter().skip(SIZE_BYTES));
    }
    CompactRange::from_bytes(&bytes).map_or(Digest([0; 32]), |range| range.root())
}

/// The first `want` items of a tile that has `have` of them, in the form of a tile of that width.
pub(crate) fn narrowed(
    kind: TileKind,
    contents: Vec<u8>,
    have: u16,
    want: u16,
) -> Result<Vec<u8>, TileError> {
    if have == want {
        return Ok(contents);
    }
    match kind {
        TileKind::Hashes(_) => {
            let hashes = decode_hash_tile(&contents, have)?;
            let kept = hashes.iter().take(usize::from(want));
            Ok(kept.flat_map(|hash| hash.0).collect())
        }
        TileKind::Entries => {
            let mut bundle = Vec::new();
            for entry in decode_entries(&contents, have)?.iter().take(usize::from(want)) {
                push_entry(&mut bundle, entry)?;
            }
            Ok(bundle)
        }
    }
}
