//! The unfinished tiles at the right edge of the log: all that it takes to write the next ones.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::tile::{TILE_WIDTH, encode_hash_tile, push_entry};
use veilsum_protocol::log::{CompactRange, Tile, TileError, TileKind, leaf_hash, root_of};

/// A tile and the contents of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TileFile {
    pub(super) tile: Tile,
    pub(super) contents: Vec<u8>,
}

/// At most 255 entries and 255 hashes of each level, whatever the size of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Frontier {
    range: CompactRange,
    bundle: Vec<u8>,
    levels: Vec<Vec<Digest>>,
}

impl Frontier {
    pub(super) fn size(&self) -> u64 {
        self.range.size()
    }

    pub(super) fn root(&self) -> Digest {
        self.range.root()
    }

    /// Adds an entry and returns the tiles that it filled. A refused entry changes nothing.
    pub(super) fn append(&mut self, entry: &[u8]) -> Result<Vec<TileFile>, TileError> {
        push_entry(&mut self.bundle, entry)?;
        let mut hash = leaf_hash(entry);
        self.range.append_leaf_hash(hash);
        let mut filled = Vec::new();
        for level in 0u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if hashes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let full = std::mem::take(hashes);
            if level == 0 {
                filled.push(TileFile {
                    tile: self.last_tile(TileKind::Entries, TILE_WIDTH),
                    contents: std::mem::take(&mut self.bundle),
                });
            }
            let tile = self.last_tile(TileKind::Hashes(level), TILE_WIDTH);
            filled.push(TileFile {
                tile,
                contents: encode_hash_tile(&full),
            });
            hash = root_of(&full);
        }
        Ok(filled)
    }

    /// The tiles at the edge that are not full.
    pub(super) fn partial(&self) -> Vec<TileFile> {
        let mut files = Vec::new();
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let width = u16::try_from(hashes.len()).expect("fewer than 256 hashes wait on a level");
            if width > 0 {
                if level == 0 {
                    let tile = self.last_tile(TileKind::Entries, width);
                    files.push(TileFile {
                        tile,
                        contents: self.bundle.clone(),
                    });
                }
                let tile = self.last_tile(TileKind::Hashes(level), width);
                files.push(TileFile {
                    tile,
                    contents: encode_hash_tile(hashes),
                });
            }
        }
        files
    }

    /// The tile of this kind that holds the last complete item.
    fn last_tile(&self, kind: TileKind, width: u16) -> Tile {
        let level = match kind {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => u32::from(level),
        };
        let last_item = (self.size() >> (8 * level)).saturating_sub(1);
        Tile::new(kind, last_item / u64::from(TILE_WIDTH), width).expect("the tile covers entries that exist")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use veilsum_protocol::log::tile::{decode_entries, next_level};
    use veilsum_protocol::log::tiles_between;

    use super::*;

    #[test]
    fn three_levels_of_tiles_are_those_of_the_whole_tree() {
        let size = 65_536 + 3 * 256 + 17;
        let entries: Vec<[u8; 8]> = (0..size).map(u64::to_be_bytes).collect();
        let mut frontier = Frontier::default();
        let mut files = BTreeMap::new();
        for entry in &entries {
            files.extend(
                frontier
                    .append(entry)
                    .unwrap()
                    .into_iter()
                    .map(|file| (file.tile, file.contents)),
            );
        }
        files.extend(
            frontier
                .partial()
                .into_iter()
                .map(|file| (file.tile, file.contents)),
        );

        let level_0: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let level_1 = next_level(&level_0);
        let levels = [level_0, level_1.clone(), next_level(&level_1)];
        assert_eq!(frontier.root(), root_of(&levels[0]));
        assert_eq!(frontier.size(), size);
        assert!(files.keys().copied().eq({
            let mut expected: Vec<Tile> = tiles_between(0, size).collect();
            expected.sort_unstable();
            expected
        }));
        assert!(files.keys().any(|tile| tile.kind() == TileKind::Hashes(2)));
        for (tile, contents) in files {
            let first = usize::try_from(tile.first_item()).unwrap();
            let items = first..first + usize::from(tile.width());
            match tile.kind() {
                TileKind::Entries => {
                    assert_eq!(decode_entries(&contents, tile.width()).unwrap(), entries[items])
                }
                TileKind::Hashes(level) => {
                    assert_eq!(
                        contents,
                        encode_hash_tile(&levels[usize::from(level)][items]),
                        "{tile}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_entry_that_is_too_long_changes_nothing() {
        let mut frontier = Frontier::default();
        frontier.append(b"a").unwrap();
        let before = (frontier.size(), frontier.root(), frontier.partial());
        assert_eq!(
            frontier.append(&[0; 65_536]),
            Err(TileError::EntryTooLong { found: 65_536 })
        );
        assert_eq!((frontier.size(), frontier.root(), frontier.partial()), before);
    }
}
