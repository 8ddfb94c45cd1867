//! Brings the published files in line with the store at a start, or finds that they contradict each other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{
    CheckpointError, CompactRange, TileError, VerifiedCheckpoint, VerifierKey, leaf_hash,
};

use super::frontier::Frontier;
use super::publish::{CHECKPOINT_FILE, PublishError, Publisher};
use super::sequencer::Sequencer;
use crate::atomic_file::durable_create_folder;
use crate::engine::ports::{Store, StoreError};

/// Entries that are read from the store at a time.
const CHUNK: u64 = 256;

/// Why the coordinator must not go on.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files cannot be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The published head cannot be read.
    #[error("{}: cannot read the published checkpoint: {source}", path.display())]
    Read {
        /// File of the head.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The store has entries and no head for them.
    #[error(
        "the store holds {size} log entries and no checkpoint, expected the checkpoint that was committed with them; restore it from a backup"
    )]
    NoHead {
        /// Entries in the store.
        size: u64,
    },
    /// The head in the store is not one of this log.
    #[error(
        "the checkpoint in the store is refused: {0}; was the log's key or origin changed in the configuration?"
    )]
    StoredHead(CheckpointError),
    /// The head in the store is not that of its entries.
    #[error(
        "the store holds {size} log entries with root {root}, expected what its own checkpoint says: {head_size} entries with root {head_root}; restore it from a backup"
    )]
    StoreContradictsHead {
        /// Entries in the store.
        size: u64,
        /// Root over them.
        root: Digest,
        /// Size in the checkpoint.
        head_size: u64,
        /// Root in the checkpoint.
        head_root: Digest,
    },
    /// The published head is not one of this log.
    #[error("{}: the published checkpoint is refused: {source}; is this the folder of another log?", path.display())]
    PublishedHead {
        /// File of the head.
        path: PathBuf,
        /// Why it was refused.
        source: CheckpointError,
    },
    /// More was published than the store knows of.
    #[error(
        "the published checkpoint covers {published} entries, expected at most the {stored} of the store: the store is older than what others have seen; restore the newest backup of the store, and never publish from this one"
    )]
    PublishedIsNewer {
        /// Size in the published checkpoint.
        published: u64,
        /// Entries in the store.
        stored: u64,
    },
    /// What was published is not what the store holds.
    #[error(
        "the published checkpoint has root {published} at {size} entries, expected {stored} as in the store: the log has forked; keep both as evidence, and never publish from this store"
    )]
    Forked {
        /// Size at which they differ.
        size: u64,
        /// Root in the published checkpoint.
        published: Digest,
        /// Root over the same number of entries in the store.
        stored: Digest,
    },
}

/// Checks the whole log of the store against its own head and against the published one, publishes what was committed and
/// not published, and returns what goes on from there. The folder is created if it is not there.
///
/// Nothing is written unless all checks hold.
///
/// # Errors
/// Every error must stop the coordinator: to go on would show two different logs to its readers.
pub fn recover(
    store: &dyn Store,
    folder: &Path,
    key: &VerifierKey,
) -> Result<(Sequencer, Publisher), RecoveryError> {
    let size = store.log_size()?;
    let committed = committed_head(store, key, size)?;
    let published = published_head(folder, key)?;
    let published_size = published.as_ref().map_or(0, |head| head.checkpoint().size);
    if published_size > size {
        return Err(RecoveryError::PublishedIsNewer {
            published: published_size,
            stored: size,
        });
    }

    let mut frontier = Frontier::default();
    let mut range = CompactRange::new();
    for_entries(store, 0, published_size, |entry| {
        range.append_leaf_hash(leaf_hash(entry));
        frontier.append(entry).map(drop)
    })?;
    if let Some(head) = &published
        && head.checkpoint().root != range.root()
    {
        let published = head.checkpoint().root;
        return Err(RecoveryError::Forked {
            size: published_size,
            published,
            stored: range.root(),
        });
    }
    for_entries(store, published_size, size, |entry| {
        range.append_leaf_hash(leaf_hash(entry));
        Ok(())
    })?;

    let head = committed.as_ref().map(VerifiedCheckpoint::checkpoint);
    if let Some(head) = head
        && (head.size, head.root) != (size, range.root())
    {
        let (root, head_size, head_root) = (range.root(), head.size, head.root);
        return Err(RecoveryError::StoreContradictsHead {
            size,
            root,
            head_size,
            head_root,
        });
    }

    durable_create_folder(folder).map_err(PublishError::from)?;
    let mut publisher = Publisher::at(folder, frontier);
    if let Some(head) = committed {
        if published.is_none() || published_size < size {
            publish_rest(store, &mut publisher, &head)?;
        }
        publisher.remove_all_superseded()?;
    }
    Ok((Sequencer::at(key.clone(), range), publisher))
}

/// Writes all tiles that the published head lacks, and then the committed head, once.
fn publish_rest(
    store: &dyn Store,
    publisher: &mut Publisher,
    head: &VerifiedCheckpoint,
) -> Result<(), RecoveryError> {
    let (old_size, size) = (publisher.size(), head.checkpoint().size);
    while publisher.size() < size {
        let end = size.min(publisher.size().saturating_add(CHUNK));
        publisher.write_filled(&store.entries(publisher.size(), end)?)?;
    }
    publisher.write_partial(old_size)?;
    Ok(publisher.publish_checkpoint(head)?)
}

fn committed_head(
    store: &dyn Store,
    key: &VerifierKey,
    size: u64,
) -> Result<Option<VerifiedCheckpoint>, RecoveryError> {
    match store.checkpoint()? {
        None if size == 0 => Ok(None),
        None => Err(RecoveryError::NoHead { size }),
        Some(note) => VerifiedCheckpoint::parse(note.as_bytes(), key)
            .map(Some)
            .map_err(RecoveryError::StoredHead),
    }
}

fn published_head(folder: &Path, key: &VerifierKey) -> Result<Option<VerifiedCheckpoint>, RecoveryError> {
    let path = folder.join(CHECKPOINT_FILE);
    let note = match fs::read(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecoveryError::Read { path, source }),
    };
    match VerifiedCheckpoint::parse(&note, key) {
        Ok(head) => Ok(Some(head)),
        Err(source) => Err(RecoveryError::PublishedHead { path, source }),
    }
}

fn for_entries(
    store: &dyn Store,
    from: u64,
    to: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), TileError>,
) -> Result<(), RecoveryError> {
    let mut next = from;
    while next < to {
        let end = to.min(next.saturating_add(CHUNK));
        for entry in store.entries(next, end)? {
            each(&entry).map_err(PublishError::from)?;
        }
        next = end;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
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

    pub(in super::super) fn key_pair(
        name: &str,
        seed: u8,
    ) -> (VerifierKey, impl Fn(&[u8]) -> [u8; 64] + Clone) {
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

    /// A store and a folder after steps of these many entries, all published.
    fn published(steps: &[u64]) -> (MemoryStore, TempDir) {
        let (mut store, folder) = (MemoryStore::new(), tempfile::tempdir().unwrap());
        let (mut sequencer, mut publisher) = recover(&store, folder.path(), &key()).unwrap();
        for count in steps {
            let step = prepare(&sequencer, *count);
            commit(&mut store, &step);
            publisher.publish(step.entries(), step.checkpoint()).unwrap();
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
        let (sequencer, publisher) = recover(&store, folder.path(), &key()).unwrap();
        assert_eq!((sequencer.size(), publisher.size()), (0, 0));
        assert_eq!(files(folder.path()), Files::new());
    }

    #[test]
    fn a_published_log_is_recovered_as_it_is_and_goes_on() {
        let (mut store, folder) = published(&[3, 300]);
        let before = files(folder.path());
        let (sequencer, mut publisher) = recover(&store, folder.path(), &key()).unwrap();
        assert_eq!(files(folder.path()), before);
        let step = prepare(&sequencer, 250);
        commit(&mut store, &step);
        publisher.publish(step.entries(), step.checkpoint()).unwrap();
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
        let (sequencer, _) = recover(&store, folder.path(), &key()).unwrap();
        prepare(&sequencer, 2);
        let (again, _) = recover(&store, folder.path(), &key()).unwrap();
        assert_eq!((again.size(), again.root()), (5, sequencer.root()));
        assert_eq!(files(folder.path()), before);
    }

    /// After the commit the process dies after each of the file writes in turn.
    fn dies_after_every_write(steps: &[u64], last_step: u64) {
        let (mut store, folder) = published(steps);
        let before = files(folder.path());
        let (sequencer, mut publisher) = recover(&store, folder.path(), &key()).unwrap();
        let old_size = sequencer.size();
        let step = prepare(&sequencer, last_step);
        commit(&mut store, &step);
        publisher.publish_tiles(step.entries()).unwrap();
        publisher.publish_checkpoint(step.checkpoint()).unwrap();
        let with_superseded = files(folder.path());
        publisher.remove_superseded().unwrap();
        let after = files(folder.path());

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
            let (sequencer, publisher) = recover(&store, folder.path(), &key()).unwrap();
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
        recover(&store, &fresh.path().join("new/log"), &key()).unwrap();
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
        let (sequencer, _) = recover(&store, folder.path(), &key()).unwrap();
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
        let (sequencer, mut publisher) = recover(&store, folder.path(), &key()).unwrap();
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
        let RecoveryError::Publish(PublishError::Write(WriteError { path, .. })) =
            refusal(&store, folder.path())
        else {
            panic!("expected an error of the disk");
        };
        assert!(path.starts_with(folder.path().join("tile")));
    }
}
