//! A mirror that is whole, ahead, or wrong in one place.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use ring::signature::{Ed25519KeyPair, KeyPair};
use tempfile::TempDir;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::tile::{encode_hash_tile, next_level, push_entry};
use veilsum_protocol::log::{
    Checkpoint, TileError, TileKind, VerifierKey, leaf_hash, root_of, tiles_between,
};

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
    let levels = [
        leaves.clone(),
        next_level(&leaves),
        next_level(&next_level(&leaves)),
    ];
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
            source: Untrue::Form(TileError::BundleTooLong { extra: 1, .. }),
            ..
        }
    ));
    set(
        "tile/entries/001.p/44",
        &[&bundle[..bundle.len() - 1], b"x"].concat(),
    );
    assert!(matches!(
        refusal(folder.path()),
        SourceError::Tile {
            source: Untrue::Entry { index: 299, .. },
            ..
        }
    ));
    set("tile/entries/001.p/44", &vec![0; 256 * 65_537 + 1]);
    assert!(matches!(refusal(folder.path()), SourceError::TooLong { .. }));
    set("tile/entries/001.p/44", &bundle);

    let mut hashes = fs::read(tile("tile/0/000")).unwrap();
    hashes[32 * 5] ^= 1;
    set("tile/0/000", &hashes);
    assert!(matches!(
        refusal(folder.path()),
        SourceError::Tile {
            source: Untrue::Hashes { .. },
            ..
        }
    ));
    set("tile/0/000", &hashes[1..]);
    assert!(matches!(
        refusal(folder.path()),
        SourceError::Tile {
            source: Untrue::Form(TileError::HashTileLength { .. }),
            ..
        }
    ));
    fs::remove_file(tile("tile/0/000")).unwrap();
    let error = refusal(folder.path());
    assert!(
        matches!(&error, SourceError::Missing { path, size: 300 } if path.ends_with("tile/0/000")),
        "{error}"
    );

    hashes[32 * 5] ^= 1;
    set("tile/0/000", &hashes);
    let edge = fs::read(tile("tile/0/001.p/44")).unwrap();
    set("tile/0/001.p/44", &[&[edge[0] ^ 1], &edge[1..]].concat());
    assert!(matches!(
        refusal(folder.path()),
        SourceError::Root {
            source: Untrue::Root { size: 300, .. },
            ..
        }
    ));
    set("tile/0/001.p/44", &edge);

    set(CHECKPOINT_FILE, b"not a note");
    assert!(matches!(refusal(folder.path()), SourceError::Checkpoint { .. }));
    fs::remove_file(tile(CHECKPOINT_FILE)).unwrap();
    assert!(matches!(refusal(folder.path()), SourceError::NoCheckpoint { .. }));
}

#[test]
fn a_reader_knows_the_root_of_every_size_before() {
    // 65,536 entries fill the second level, and 66,000 leave something over in each.
    for size in [300, 66_000] {
        let all = entries(size);
        let folder = mirror(&all);
        let log = LogReader::open(folder.path(), &key()).unwrap();
        let leaves: Vec<Digest> = all.iter().map(|entry| leaf_hash(entry)).collect();
        for before in [
            0, 1, 2, 5, 255, 256, 257, 299, 300, 65_535, 65_536, 65_537, 65_999, 66_000,
        ] {
            let expected = (before <= size)
                .then(|| root_of(&leaves[..usize::try_from(before).unwrap().min(leaves.len())]));
            assert_eq!(log.root_at(before).unwrap(), expected, "{before} of {size}");
        }
    }
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
