//! Reads the published files of a log from where it stopped, as auditors do: no engine and no store is asked.

use std::fs;
use std::path::PathBuf;

use veilsum_protocol::log::tile::{TILE_WIDTH, TileKind, decode_entries};
use veilsum_protocol::log::{Tile, VerifiedCheckpoint, VerifierKey};

use super::CHECKPOINT_FILE;

/// A place in a published log.
#[derive(Debug)]
pub struct Reader {
    log: PathBuf,
    key: VerifierKey,
    size: u64,
}

impl Reader {
    /// At the beginning of the log in this folder, which `key` signs.
    pub fn new(log: PathBuf, key: VerifierKey) -> Self {
        Self { log, key, size: 0 }
    }

    /// Reads on up to the published checkpoint, and hands over every entry once.
    ///
    /// # Errors
    /// What cannot be read, in words. What was handed over before is not handed over again.
    pub fn follow(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), String> {
        let path = self.log.join(CHECKPOINT_FILE);
        let note = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let checkpoint = VerifiedCheckpoint::parse(&note, &self.key)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let size = checkpoint.checkpoint().size;
        while self.size < size {
            let width = u64::from(TILE_WIDTH);
            let index = self.size / width;
            let here = size.saturating_sub(index * width).min(width);
            for entry in self.bundle(index, here)?.iter().skip(usize_of(self.size % width)) {
                take(entry);
                self.size += 1;
            }
        }
        Ok(())
    }

    /// The first `items` entries of a bundle. The partial file goes away when the full one is there.
    fn bundle(&self, index: u64, items: u64) -> Result<Vec<Vec<u8>>, String> {
        let wanted = u16::try_from(items).unwrap_or(TILE_WIDTH);
        let mut missing = String::new();
        for width in [wanted, TILE_WIDTH] {
            let tile = Tile::new(TileKind::Entries, index, width).ok_or("the log has too many entries")?;
            let path = self.log.join(tile.path());
            match fs::read(&path) {
                Ok(bytes) => {
                    let mut entries = decode_entries(&bytes, width)
                        .map_err(|error| format!("{}: {error}", path.display()))?;
                    entries.truncate(usize_of(items));
                    return Ok(entries);
                }
                Err(error) => missing = format!("{}: {error}", path.display()),
            }
        }
        Err(missing)
    }
}

fn usize_of(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
