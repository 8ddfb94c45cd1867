//! The files in which a log is served (C2SP `tlog-tiles`): any web server or object store can do it, and a plain download
//! tool mirrors it.
//!
//! * `tile/<L>/<N>[.p/<W>]`: hashes of level `8 L` of the tree, 256 to a tile, 32 bytes each.
//! * `tile/entries/<N>[.p/<W>]`: 256 entries to a bundle, a big-endian u16 length before each.
//!
//! `<N>` is written in groups of three digits, all but the last with an `x` before them (1234067 is `x001/x234/067`). The
//! suffix `.p/<W>` marks a partial tile of `W` from 1 to 255 items; full tiles never change.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::merkle::root_of;
use crate::ids::Digest;

/// Items of a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Longest entry in bytes: its length is a u16.
pub const MAX_ENTRY_BYTES: usize = 65_535;

const TILE_WIDTH_BITS: u32 = 8;
const LAST_LEVEL: u8 = 7;
const HASH_BYTES: usize = 32;
const LENGTH_BYTES: usize = 2;

/// Why a tile, its path or its contents were refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TileError {
    /// No tile has this path.
    #[error("{found:?} is not the path of a tile: expected tile/<level or entries>/<index>[.p/<width>]")]
    Path {
        /// The path that was found.
        found: String,
    },
    /// The entry does not fit a bundle.
    #[error("entry of {found} bytes: expected at most {MAX_ENTRY_BYTES}")]
    EntryTooLong {
        /// Bytes of the entry.
        found: usize,
    },
    /// A bundle ends within an entry.
    #[error("entry bundle: entry {entry} of {expected} is cut off at byte {at}")]
    BundleTooShort {
        /// Position of the entry in the bundle, from 0.
        entry: u16,
        /// Entries that the bundle should hold.
        expected: u16,
        /// Bytes of the bundle.
        at: usize,
    },
    /// Bytes follow the last entry of a bundle.
    #[error("entry bundle: {extra} bytes follow the last of {expected} entries")]
    BundleTooLong {
        /// Bytes that follow.
        extra: usize,
        /// Entries that the bundle should hold.
        expected: u16,
    },
    /// A hash tile has not the length of its width.
    #[error("hash tile of {found} bytes: expected {expected}")]
    HashTileLength {
        /// Bytes of the tile.
        found: usize,
        /// 32 bytes for each hash.
        expected: usize,
    },
}

/// What the items of a tile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Whole entries.
    Entries,
    /// Hashes of this tile level, 0 to 7: each is the root of `256^level` entries.
    Hashes(u8),
}

impl TileKind {
    /// How many entries stand under one item, as a power of two.
    fn entries_bits(self) -> u32 {
        match self {
            Self::Entries => 0,
            Self::Hashes(level) => u32::from(level) * TILE_WIDTH_BITS,
        }
    }
}

/// Which tile: kind, position among its kind and number of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// Tile `index` (from 0) of a kind, with `width` items; `None` unless the width is 1 to 256, the level at most 7 and
    /// every entry under the tile has a number below 2^64.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let level_exists = !matches!(kind, TileKind::Hashes(level) if level > LAST_LEVEL);
        let width_exists = (1..=TILE_WIDTH).contains(&width);
        // Two shifts, because at level 7 the one tile spans all 64 bits.
        let in_range =
            level_exists && index <= (u64::MAX >> kind.entries_bits()) >> (TILE_WIDTH_BITS - 1) >> 1;
        (width_exists && in_range).then_some(Self { kind, index, width })
    }

    /// What its items are.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Position among its kind, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of items, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds 256 items, and so never changes again.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile that this one grows into.
    pub fn filled(&self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..*self
        }
    }

    /// Number of the first item among its kind.
    pub fn first_item(&self) -> u64 {
        self.index << TILE_WIDTH_BITS
    }

    /// The path under the log's folder, with `/` between the parts.
    pub fn path(&self) -> String {
        let mut index = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1000);
            rest /= 1000;
        }
        let kind = match self.kind {
            TileKind::Entries => "entries".to_owned(),
            TileKind::Hashes(level) => level.to_string(),
        };
        let partial = if self.is_full() {
            String::new()
        } else {
            format!(".p/{}", self.width)
        };
        format!("tile/{kind}/{index}{partial}")
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        parse_path(path)
            .filter(|tile| tile.path() == path)
            .ok_or_else(|| TileError::Path {
                found: path.to_owned(),
            })
    }
}

/// Reads more than the one form of a path; the caller compares.
fn parse_path(path: &str) -> Option<Tile> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok()?),
    };
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, TILE_WIDTH),
        Some((index, width)) => (index, width.parse().ok()?),
    };
    let mut number = 0u64;
    for group in index.split('/') {
        let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        number = number.checked_mul(1000)?.checked_add(group)?;
    }
    Tile::new(kind, number, width)
}

/// The tiles that are to be written when the log grows from `old_size` to `new_size` entries: entry bundles first, then
/// hashes from the lowest level up; in each kind the tiles that filled up, then the partial one at the end.
/// None if the log does not grow.
pub fn tiles_between(old_size: u64, new_size: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..=LAST_LEVEL).map(TileKind::Hashes);
    std::iter::once(TileKind::Entries)
        .chain(levels)
        .flat_map(move |kind| {
            let (old_items, new_items) = (old_size >> kind.entries_bits(), new_size >> kind.entries_bits());
            let (first, full) = (old_items >> TILE_WIDTH_BITS, new_items >> TILE_WIDTH_BITS);
            let filled = (first..full).map(move |index| Tile {
                kind,
                index,
                width: TILE_WIDTH,
            });
            let width = u16::try_from(new_items % u64::from(TILE_WIDTH)).expect("below 256");
            let partial = (width > 0 && old_items < new_items).then_some(Tile {
                kind,
                index: full,
                width,
            });
            filled.chain(partial)
        })
}

/// Hashes of one tile level from those of the level below: the root of every complete group of 256.
///
/// Level 0 is the leaf hashes; what is left over at the end of a level has no hash in the next.
pub fn next_level(hashes: &[Digest]) -> Vec<Digest> {
    hashes
        .chunks_exact(usize::from(TILE_WIDTH))
        .map(root_of)
        .collect()
}

/// Contents of a hash tile.
pub fn encode_hash_tile(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads a hash tile of `width` hashes.
///
/// # Errors
/// [`TileError::HashTileLength`] unless there are exactly 32 bytes for each hash.
pub fn decode_hash_tile(bytes: &[u8], width: u16) -> Result<Vec<Digest>, TileError> {
    let expected = usize::from(width) * HASH_BYTES;
    if bytes.len() != expected {
        return Err(TileError::HashTileLength {
            found: bytes.len(),
            expected,
        });
    }
    let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
    Ok(hashes.iter().map(|hash| Digest(*hash)).collect())
}

/// Appends an entry, with its length before it, to the contents of an entry bundle.
///
/// # Errors
/// [`TileError::EntryTooLong`] above [`MAX_ENTRY_BYTES`]; the bundle is unchanged then.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { found: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads an entry bundle of `width` entries.
///
/// # Errors
/// The bundle must hold exactly that many entries and nothing after them.
pub fn decode_entries(bundle: &[u8], width: u16) -> Result<Vec<Vec<u8>>, TileError> {
    let mut rest = bundle;
    let mut entries = Vec::new();
    for entry in 0..width {
        let cut_off = || TileError::BundleTooShort {
            entry,
            expected: width,
            at: bundle.len(),
        };
        let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(cut_off)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, after) = after.split_at_checked(length).ok_or_else(cut_off)?;
        entries.push(bytes.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(TileError::BundleTooLong {
            extra: rest.len(),
            expected: width,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tlog_tiles::tile::Tile as ForeignTile;

    use super::super::merkle::leaf_hash;
    use super::super::merkle::tests::{ForeignLog, leaves};
    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> Tile {
        Tile::new(TileKind::Hashes(level), index, width).unwrap()
    }

    #[test]
    fn paths_are_those_of_the_format() {
        // The examples of the C2SP page, and the ends of the range.
        for (tile, path) in [
            (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (hashes(0, 273, 112), "tile/0/273.p/112"),
            (hashes(1, 1, 17), "tile/1/001.p/17"),
            (hashes(2, 0, 1), "tile/2/000.p/1"),
            (
                Tile::new(TileKind::Entries, 273, 112).unwrap(),
                "tile/entries/273.p/112",
            ),
            (
                Tile::new(TileKind::Entries, 1000, 256).unwrap(),
                "tile/entries/x001/000",
            ),
        ] {
            assert_eq!(tile.path(), path);
            assert_eq!(path.parse::<Tile>().unwrap(), tile);
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/1000",
            "tile/0/x1/000",
            "tile/0/001/000",
            "tile/0/x000/001",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/00/000",
            "tile/8/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/0/../000",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/000.p/1.p/1",
            "tile/0/+01",
            "tile/7/001",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/entries/x099/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(
                path.parse::<Tile>(),
                Err(TileError::Path {
                    found: path.to_owned()
                })
            );
        }
    }

    #[test]
    fn tiles_of_a_growing_log_are_those_of_a_foreign_implementation() {
        let sizes = [
            0, 1, 2, 255, 256, 257, 511, 512, 70_000, 65_535, 65_536, 65_537, 16_777_216, 16_777_217,
        ];
        for old in sizes {
            for new in sizes {
                let ours: Vec<Tile> = tiles_between(old, new)
                    .filter(|tile| tile.kind() != TileKind::Entries)
                    .collect();
                let mut foreign = Vec::new();
                // The foreign function takes a shrunk log for a grown one.
                if old < new {
                    for tile in ForeignTile::new_tiles(8, old, new) {
                        foreign.push(hashes(
                            tile.level(),
                            tile.level_index(),
                            u16::try_from(tile.width()).unwrap(),
                        ));
                    }
                }
                assert_eq!(ours, foreign, "{old} to {new}");
                let bundles = tiles_between(old, new).filter(|tile| tile.kind() == TileKind::Entries);
                let level_0 = ours.iter().filter(|tile| tile.kind() == TileKind::Hashes(0));
                assert!(
                    bundles
                        .map(|tile| (tile.index(), tile.width()))
                        .eq(level_0.map(|tile| (tile.index(), tile.width())))
                );
            }
        }
    }

    #[test]
    fn tiles_reach_up_to_the_largest_log() {
        let top: Vec<Tile> = tiles_between(u64::MAX - 1, u64::MAX).collect();
        assert_eq!(
            top.iter().map(Tile::path).collect::<Vec<_>>(),
            [
                "tile/entries/x072/x057/x594/x037/x927/935.p/255",
                "tile/0/x072/x057/x594/x037/x927/935.p/255",
            ]
        );
        let highest = hashes(7, 0, 255);
        assert_eq!(highest.path(), "tile/7/000.p/255");
        for tile in [&top[..], &[highest, hashes(7, 0, 256)]].concat() {
            assert_eq!(tile.path().parse::<Tile>().unwrap(), tile);
        }
    }

    #[test]
    fn hash_tiles_hold_what_a_foreign_implementation_reads_from_its_tree() {
        let size = 600;
        let foreign = ForeignLog::of(size);
        let level_0 = leaves(size);
        let levels = [level_0.clone(), next_level(&level_0)];
        for tile in tiles_between(0, size) {
            let TileKind::Hashes(level) = tile.kind() else {
                continue;
            };
            let first = usize::try_from(tile.first_item()).unwrap();
            let items = &levels[usize::from(level)][first..first + usize::from(tile.width())];
            let bytes = encode_hash_tile(items);
            let same = ForeignTile::new(8, level, tile.index(), u32::from(tile.width()), false);
            assert_eq!(bytes, same.read_data(&foreign).unwrap(), "{tile}");
            assert_eq!(decode_hash_tile(&bytes, tile.width()).unwrap(), items);
        }
    }

    #[test]
    fn hash_tiles_of_another_length_are_refused() {
        assert_eq!(
            decode_hash_tile(&[0; 33], 1),
            Err(TileError::HashTileLength {
                found: 33,
                expected: 32
            })
        );
        assert!(decode_hash_tile(&[], 1).is_err());
        assert!(decode_hash_tile(&[0; 64], 1).is_err());
    }

    #[test]
    fn a_bundle_has_the_length_before_each_entry() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"ab").unwrap();
        push_entry(&mut bundle, b"").unwrap();
        push_entry(&mut bundle, &[7; 256]).unwrap();
        assert_eq!(bundle[..8], [0, 2, b'a', b'b', 0, 0, 1, 0]);
        assert_eq!(
            decode_entries(&bundle, 3).unwrap(),
            [b"ab".to_vec(), vec![], vec![7; 256]]
        );
    }

    #[test]
    fn the_longest_entry_fits_and_one_byte_more_does_not() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, &vec![1; MAX_ENTRY_BYTES]).unwrap();
        assert_eq!(
            leaf_hash(&decode_entries(&bundle, 1).unwrap()[0]),
            leaf_hash(&vec![1; MAX_ENTRY_BYTES])
        );
        let before = bundle.clone();
        let error = push_entry(&mut bundle, &vec![1; MAX_ENTRY_BYTES + 1]).unwrap_err();
        assert_eq!(error, TileError::EntryTooLong { found: 65_536 });
        assert_eq!(bundle, before);
    }

    #[test]
    fn bundles_that_are_cut_off_or_go_on_are_refused() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"ab").unwrap();
        push_entry(&mut bundle, b"c").unwrap();
        for end in 0..bundle.len() {
            let error = decode_entries(&bundle[..end], 2).unwrap_err();
            assert!(
                matches!(error, TileError::BundleTooShort { expected: 2, at, .. } if at == end),
                "{end}"
            );
        }
        assert_eq!(
            decode_entries(&bundle, 1),
            Err(TileError::BundleTooLong {
                extra: 3,
                expected: 1
            })
        );
        assert_eq!(
            decode_entries(&[], 1),
            Err(TileError::BundleTooShort {
                entry: 0,
                expected: 1,
                at: 0
            })
        );
    }

    proptest! {
        #[test]
        fn every_tile_has_one_path(level in 0u8..4, index in 0u64..1 << 32, width in 1u16..=256) {
            let tile = hashes(level, index, width);
            prop_assert_eq!(tile.path().parse::<Tile>().unwrap(), tile);
            let foreign = ForeignTile::new(8, level, index, u32::from(width), false);
            prop_assert_eq!(tile.path(), foreign.path().replacen("tile/8/", "tile/", 1));
        }

        #[test]
        fn written_in_steps_the_last_version_of_every_tile_is_that_of_one_step(steps in proptest::collection::vec(0u64..700, 1..6)) {
            let mut newest = BTreeMap::new();
            let mut size = 0;
            for step in steps {
                for tile in tiles_between(size, size + step) {
                    newest.insert((tile.kind(), tile.index()), tile.width());
                }
                size += step;
            }
            let at_once = tiles_between(0, size).map(|tile| ((tile.kind(), tile.index()), tile.width()));
            prop_assert_eq!(newest, at_once.collect::<BTreeMap<_, _>>());
        }
    }
}
