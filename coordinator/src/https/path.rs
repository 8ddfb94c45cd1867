//! What a path asks for.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::Tile;

/// A file of log or archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The signed head of the log.
    Checkpoint,
    /// Hashes or entries of the log.
    Tile(Tile),
    /// What an entry of the log names by its hash.
    Blob(Digest),
    /// Which blob is whose bundle in a round.
    Round(u64),
}

impl Asked {
    /// Reads a path as it stands in the request. There is one way to write each; nothing is decoded, joined or cleaned up.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        if let Some(log) = path.strip_prefix("/log/") {
            return match log {
                "checkpoint" => Some(Self::Checkpoint),
                tile => tile.parse().ok().map(Self::Tile),
            };
        }
        let archive = path.strip_prefix("/archive/")?;
        if let Some(blob) = archive.strip_prefix("blobs/") {
            let (shelf, name) = blob.split_once('/')?;
            let hash = Digest::from_hex(name)?;
            return (hash.to_hex() == name && name.get(..2) == Some(shelf)).then_some(Self::Blob(hash));
        }
        let number = archive.strip_prefix("rounds/")?.strip_suffix(".json")?;
        let round: u64 = number.parse().ok()?;
        (round.to_string() == number).then_some(Self::Round(round))
    }

    /// Media type of the contents.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Checkpoint => "text/plain; charset=utf-8",
            Self::Round(_) => "application/json",
            Self::Tile(_) | Self::Blob(_) => "application/octet-stream",
        }
    }

    /// What a cache may do. Everything but the head has its contents for ever; a partial tile goes away once the full one is there.
    pub(super) fn cache_control(self) -> &'static str {
        match self {
            Self::Checkpoint => "no-cache",
            Self::Tile(tile) if !tile.is_full() => "max-age=60",
            Self::Tile(_) | Self::Blob(_) | Self::Round(_) => "max-age=31536000, immutable",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use veilsum_protocol::log::TileKind;

    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_four_kinds_of_paths_are_read() {
        let tile = |kind, index, width| Asked::Tile(Tile::new(kind, index, width).unwrap());
        for (path, asked) in [
            ("/log/checkpoint".to_owned(), Asked::Checkpoint),
            (
                "/log/tile/0/x001/x234/067".to_owned(),
                tile(TileKind::Hashes(0), 1_234_067, 256),
            ),
            (
                "/log/tile/entries/273.p/112".to_owned(),
                tile(TileKind::Entries, 273, 112),
            ),
            (
                format!("/archive/blobs/ba/{HASH}"),
                Asked::Blob(Digest::from_hex(HASH).unwrap()),
            ),
            ("/archive/rounds/0.json".to_owned(), Asked::Round(0)),
            ("/archive/rounds/17.json".to_owned(), Asked::Round(17)),
        ] {
            assert_eq!(Asked::from_path(&path), Some(asked), "{path}");
        }
    }

    #[test]
    fn every_other_path_is_nothing() {
        let upper = HASH.to_ascii_uppercase();
        for path in [
            "",
            "/",
            "/log",
            "/log/",
            "/log/checkpoint/",
            "/log/Checkpoint",
            "/log//checkpoint",
            "//log/checkpoint",
            "/log/./checkpoint",
            "/log/../log/checkpoint",
            "/log/checkpoint.tmp",
            "/log/checkpoin%74",
            "/log/tile/0/000.tmp",
            "/log/tile/0/001/../000",
            "/log/tile/../../data/store/db",
            "/log/../data/store/conf",
            "/log/%2e%2e/data/store/conf",
            "/log/..%2fdata/store/conf",
            "/log/\0checkpoint",
            "/archive/store/db",
            "/archive/spool/1",
            "/archive/../identity/ca.key.pem",
            "/archive/rounds/01.json",
            "/archive/rounds/+1.json",
            "/archive/rounds/-1.json",
            "/archive/rounds/18446744073709551616.json",
            "/archive/rounds/1.json.tmp",
            "/archive/rounds/1",
            "/archive/rounds/.json",
            "/archive/rounds/../blobs/1.json",
            &format!("/archive/blobs/{HASH}"),
            &format!("/archive/blobs/bb/{HASH}"),
            &format!("/archive/blobs/ba/{upper}"),
            &format!("/archive/blobs/BA/{upper}"),
            &format!("/archive/blobs/ba/{HASH}.tmp"),
            &format!("/archive/blobs/ba/{HASH}/"),
            &format!("/archive/blobs/ba/../ba/{HASH}"),
            &format!("/archive/blobs/../blobs/ba/{HASH}"),
            &format!("/data/blobs/ba/{HASH}"),
            &"/log/".repeat(10_000),
        ] {
            assert_eq!(Asked::from_path(path), None, "{path:?}");
        }
    }
}
