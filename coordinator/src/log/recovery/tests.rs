#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use ring::signature::{Ed25519KeyPair, KeyPair};
use tempfile::TempDir;
use veilsum_protocol::log::{Checkpoint, tiles_between};

use super::super::sequencer::Prepared;
use super::*;
use crate::atomic_file::WriteError;
use crate::engine::ports::Commit;
use crate::store::memory::MemoryStore;

pub(in crate::log) fn key_pair(name: &str, seed: u8) -> (VerifierKey, impl Fn(&[u8]) -> [u8; 64] + Clone) {
    let pair = std::sync::Arc::new(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
    let public = pair.public_key().as_ref().try_into().unwrap();
    let sign = move |bytes: &[u8]| pair.sign(bytes).as_ref().try_into().unwrap();
    (VerifierKey::new(name, public).unwrap(), sign)
}

fn key() -> VerifierKey {
    key_pair("log.example", 1).0
}

fn entries(from: u64, count: u64) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|n| format!("entry {n}").into_bytes())
        .collect()
}

fn prepare(sequencer: &Sequencer, count: u64) -> Prepared {
    sequencer
        .prepare(entries(sequencer.size(), count), key_pair("log.example", 1).1)
        .unwrap()
}

fn commit(store: &mut MemoryStore, step: &Prepared) {
    let (entries, checkpoint) = (step.entries().to_vec(), Some(step.note().to_owned()));
    store
        .commit(&Commit {
            entries,
            checkpoint,
            ..Commit::default()
        })
        .unwrap();
}

fn publish(publisher: &mut Publisher, step: &Prepared) {
    publisher.publish_tiles(step.entries()).unwrap();
    publisher.publish_checkpoint(step.checkpoint()).unwrap();
}

/// A store and a folder after steps of these many entries, all published.
fn published(steps: &[u64]) -> (MemoryStore, TempDir) {
    let (mut store, folder) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let Recovered {
        mut sequencer,
        mut publisher,
        ..
    } = recover(&store, folder.path(), &key()).unwrap();
    for count in steps {
        let step = prepare(&sequencer, *count);
        commit(&mut store, &step);
        publish(&mut publisher, &step);
        sequencer.advance(&step).unwrap();
    }
    (store, folder)
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|file| file.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

fn folder_with(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, contents) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    folder
}

#[test]
fn an_empty_log_is_recovered_to_nothing() {
    let (store, folder) = published(&[]);
    let Recovered {
        sequencer, publisher, ..
    } = recover(&store, folder.path(), &key()).unwrap();
    assert_eq!((sequencer.size(), publisher.size()), (0, 0));
    assert_eq!(files(folder.path()), Files::new());
}

#[test]
fn a_published_log_is_recovered_as_it_is_and_goes_on() {
    let (mut store, folder) = published(&[3, 300]);
    let before = files(folder.path());
    let Recovered {
        sequencer,
        mut publisher,
        ..
    } = recover(&store, folder.path(), &key()).unwrap();
    assert_eq!(files(folder.path()), before);
    let step = prepare(&sequencer, 250);
    commit(&mut store, &step);
    publish(&mut publisher, &step);
    let whole = files(published(&[3, 300, 250]).1.path());
    assert_eq!(
        files(folder.path()).keys().collect::<Vec<_>>(),
        whole.keys().collect::<Vec<_>>()
    );
    assert!(files(folder.path()) == whole);
}

#[test]
fn a_step_that_was_not_committed_never_was() {
    let (store, folder) = published(&[5]);
    let before = files(folder.path());
    let Recovered { sequencer, .. } = recover(&store, folder.path(), &key()).unwrap();
    prepare(&sequencer, 2);
    let Recovered { sequencer: again, .. } = recover(&store, folder.path(), &key()).unwrap();
    assert_eq!((again.size(), again.root()), (5, sequencer.root()));
    assert_eq!(files(folder.path()), before);
}

/// After the commit the process dies after each of the file writes in turn.
fn dies_after_every_write(steps: &[u64], last_step: u64) {
    let (mut store, folder) = published(steps);
    let before = files(folder.path());
    let Recovered {
        sequencer,
        mut publisher,
        ..
    } = recover(&store, folder.path(), &key()).unwrap();
    let old_size = sequencer.size();
    let step = prepare(&sequencer, last_step);
    commit(&mut store, &step);
    publisher.publish_tiles(step.entries()).unwrap();
    let mut with_superseded = files(folder.path());
    publisher.publish_checkpoint(step.checkpoint()).unwrap();
    let after = files(folder.path());
    let head = Path::new(CHECKPOINT_FILE);
    with_superseded.insert(head.to_owned(), after[head].clone());

    let tiles = tiles_between(old_size, step.size()).map(|tile| tile.path());
    let writes: Vec<PathBuf> = tiles
        .chain([CHECKPOINT_FILE.to_owned()])
        .map(PathBuf::from)
        .collect();
    let mut torn = before;
    for done in 0..=writes.len() {
        if let Some(last) = done.checked_sub(1) {
            torn.insert(writes[last].clone(), with_superseded[&writes[last]].clone());
        }
        let folder = folder_with(&torn);
        let published = torn.get(head).cloned();
        let Recovered {
            sequencer,
            mut publisher,
            head: committed,
            ..
        } = recover(&store, folder.path(), &key()).unwrap();
        assert_eq!(
            files(folder.path()).get(head).cloned(),
            published,
            "no head without cosignatures"
        );
        publisher.publish_checkpoint(&committed.unwrap()).unwrap();
        assert_eq!((sequencer.size(), publisher.size()), (step.size(), step.size()));
        assert_eq!(sequencer.root(), step.root());
        assert!(
            files(folder.path()) == after,
            "after {done} of {} writes",
            writes.len()
        );
    }
    assert!(torn == with_superseded, "the writes are all that publishing does");
}

#[test]
fn the_first_step_is_recovered_wherever_it_was_broken_off() {
    dies_after_every_write(&[], 2);
}

#[test]
fn a_step_within_a_tile_is_recovered_wherever_it_was_broken_off() {
    dies_after_every_write(&[3, 4], 5);
}

#[test]
fn a_step_that_fills_tiles_is_recovered_wherever_it_was_broken_off() {
    dies_after_every_write(&[250], 6);
    dies_after_every_write(&[1, 254], 300);
}

#[test]
fn a_lost_folder_is_written_again_from_the_store() {
    let (store, folder) = published(&[100, 100, 700]);
    let fresh = tempfile::tempdir().unwrap();
    let Recovered {
        mut publisher, head, ..
    } = recover(&store, &fresh.path().join("new/log"), &key()).unwrap();
    publisher.publish_checkpoint(&head.unwrap()).unwrap();
    let at_once = files(&fresh.path().join("new/log"));
    let mut grown = files(folder.path());
    // The partial tiles of earlier sizes are what a folder that grew has beside it.
    grown.retain(|path, _| at_once.contains_key(path));
    assert!(grown == at_once);
    assert_eq!(at_once.len(), 1 + tiles_between(0, 900).count());
}

fn refusal(store: &MemoryStore, folder: &Path) -> RecoveryError {
    let before = files(folder);
    let error = recover(store, folder, &key()).map(drop).unwrap_err();
    assert!(files(folder) == before, "nothing is written after a failed check");
    error
}

#[test]
fn a_published_head_that_is_newer_than_the_store_stops_the_coordinator() {
    let (_, folder) = published(&[3, 1]);
    let (older, _) = published(&[3]);
    let error = refusal(&older, folder.path());
    assert!(
        matches!(
            error,
            RecoveryError::PublishedIsNewer {
                published: 4,
                stored: 3
            }
        ),
        "{error}"
    );
    assert!(matches!(
        refusal(&MemoryStore::new(), folder.path()),
        RecoveryError::PublishedIsNewer { .. }
    ));
}

/// A store with another log than [`entries`] gives, signed by the same key.
fn another_log(count: u64) -> MemoryStore {
    let folder = tempfile::tempdir().unwrap();
    let mut store = MemoryStore::new();
    let Recovered { sequencer, .. } = recover(&store, folder.path(), &key()).unwrap();
    let step = sequencer
        .prepare(entries(1000, count), key_pair("log.example", 1).1)
        .unwrap();
    commit(&mut store, &step);
    store
}

#[test]
fn another_root_at_the_published_size_stops_the_coordinator() {
    let (_, folder) = published(&[3]);
    for count in [3, 7] {
        let error = refusal(&another_log(count), folder.path());
        assert!(matches!(error, RecoveryError::Forked { size: 3, .. }), "{error}");
        assert!(error.to_string().contains("forked"));
    }
}

#[test]
fn the_folder_of_another_log_stops_the_coordinator() {
    let (store, folder) = published(&[3]);
    let (other_key, other_sign) = key_pair("other.example", 2);
    let head = Checkpoint {
        origin: "other.example".to_owned(),
        size: 1,
        root: Digest([7; 32]),
    };
    let note = head.sign(&other_key, other_sign).unwrap();
    fs::write(folder.path().join(CHECKPOINT_FILE), note.note().as_str()).unwrap();
    let error = refusal(&store, folder.path());
    assert!(matches!(error, RecoveryError::PublishedHead { .. }), "{error}");
    fs::write(folder.path().join(CHECKPOINT_FILE), "torn").unwrap();
    assert!(matches!(
        refusal(&store, folder.path()),
        RecoveryError::PublishedHead { .. }
    ));
}

#[test]
fn a_store_that_contradicts_its_own_head_stops_the_coordinator() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = published(&[3]);
    store
        .commit(&Commit {
            entries: entries(3, 1),
            ..Commit::default()
        })
        .unwrap();
    let error = refusal(&store, folder.path());
    assert!(
        matches!(
            error,
            RecoveryError::StoreContradictsHead {
                size: 4,
                head_size: 3,
                ..
            }
        ),
        "{error}"
    );

    let mut headless = MemoryStore::new();
    headless
        .commit(&Commit {
            entries: entries(0, 2),
            ..Commit::default()
        })
        .unwrap();
    assert!(matches!(
        refusal(&headless, folder.path()),
        RecoveryError::NoHead { size: 2 }
    ));

    let mut foreign = MemoryStore::new();
    foreign
        .commit(&Commit {
            checkpoint: Some("no note".to_owned()),
            ..Commit::default()
        })
        .unwrap();
    assert!(matches!(
        refusal(&foreign, folder.path()),
        RecoveryError::StoredHead(_)
    ));
}

#[test]
fn a_head_that_is_not_that_of_the_tiles_is_not_published() {
    let (store, folder) = published(&[3]);
    let Recovered {
        sequencer,
        mut publisher,
        ..
    } = recover(&store, folder.path(), &key()).unwrap();
    let before = files(folder.path());
    let step = prepare(&sequencer, 1);
    let error = publisher.publish_checkpoint(step.checkpoint()).unwrap_err();
    assert!(
        matches!(
            error,
            PublishError::OtherHead {
                size: 4,
                tile_size: 3,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_disk_that_refuses_is_an_error_with_the_path() {
    let (store, _) = published(&[3]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tile"), b"a file in the way").unwrap();
    let RecoveryError::Publish(PublishError::Write(WriteError { path, .. })) = refusal(&store, folder.path())
    else {
        panic!("expected an error of the disk");
    };
    assert!(path.starts_with(folder.path().join("tile")));
}
