//! The engine's ledger from its parts: store, sequencer and published files, in the order that crashes demand.
//!
//! Blobs are durable before (the engine sees to that), then one store commit with records, entries and signed checkpoint is the
//! commit point, then the tiles follow, before anybody is shown the head over them, and the checkpoint file when enough banks have cosigned. Tiles that were committed and not written
//! are written at the next start.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::{VerifiedCheckpoint, VerifierKey};

use crate::atomic_file::{durable_create_folder, durable_write, sync_folder};
use crate::engine::ports::{Blobs, Commit, Fault, Ledger, Store, StoreError, View};
use crate::log::{Publisher, Recovered, Sequencer, recover};
use crate::side_by_side::side_by_side;
use crate::store::blobs::BlobStore;

/// Threads that write blobs at once at most. Each write waits for the disk several times, and side by side they wait together: the file system
/// makes durable in one step what waits.
const MOST_WRITERS: usize = 16;

/// Store and log of a coordinator.
pub struct StoredLedger<S> {
    store: S,
    sequencer: Sequencer,
    publisher: Publisher,
    key: SigningKey,
    head: Option<VerifiedCheckpoint>,
    /// Committed entries whose tiles are not written yet.
    unwritten: Vec<Vec<u8>>,
    published: Option<VerifiedCheckpoint>,
}

impl<S: Store> StoredLedger<S> {
    /// Opens the log over `store`, and writes the tiles that a crash left unwritten.
    ///
    /// # Errors
    /// If store and published files contradict each other, or the disk fails.
    pub fn open(store: S, folder: &Path, verifier: &VerifierKey, key: SigningKey) -> Result<Self, Fault> {
        let Recovered {
            sequencer,
            publisher,
            head,
            published,
        } = recover(&store, folder, verifier).map_err(Fault::new)?;
        Ok(Self {
            store,
            sequencer,
            publisher,
            key,
            head,
            unwritten: Vec::new(),
            published,
        })
    }
}

impl<S: Store> Ledger for StoredLedger<S> {
    fn commit(
        &mut self,
        puts: Vec<(String, Vec<u8>)>,
        deletes: Vec<String>,
        entries: Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        let mut commit = Commit {
            puts,
            deletes,
            entries: Vec::new(),
            checkpoint: None,
        };
        if entries.is_empty() {
            return Ok(self.store.commit(&commit)?);
        }
        let sign = |bytes: &[u8]| self.key.sign_bytes(bytes).0;
        let prepared = self.sequencer.prepare(entries, sign).map_err(Fault::new)?;
        commit.entries = prepared.entries().to_vec();
        commit.checkpoint = Some(prepared.note().to_owned());
        self.store.commit(&commit)?;
        self.sequencer.advance(&prepared).map_err(Fault::new)?;
        self.unwritten.extend_from_slice(prepared.entries());
        self.head = Some(prepared.checkpoint().clone());
        Ok(())
    }

    fn write_tiles(&mut self) -> Result<(), Fault> {
        let entries = std::mem::take(&mut self.unwritten);
        if entries.is_empty() {
            return Ok(());
        }
        self.publisher.publish_tiles(&entries).map_err(Fault::new)
    }

    fn publish(&mut self, head: VerifiedCheckpoint) -> Result<(), Fault> {
        if head.checkpoint().size > self.publisher.size() {
            self.write_tiles()?;
        }
        self.publisher.publish_checkpoint(&head).map_err(Fault::new)?;
        self.published = Some(head);
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.store.get(key)?)
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        Ok(self.store.scan(prefix)?)
    }

    fn log_size(&self) -> u64 {
        self.sequencer.size()
    }

    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Fault> {
        Ok(self.store.entries(from, to)?)
    }

    fn head(&self) -> Option<&VerifiedCheckpoint> {
        self.head.as_ref()
    }

    fn published(&self) -> Option<&VerifiedCheckpoint> {
        self.published.as_ref()
    }

    fn view(&self) -> Result<View, Fault> {
        Ok(self.store.view()?)
    }
}

/// The blobs and the index of bundles beside them.
pub struct Archive {
    blobs: BlobStore,
    rounds: PathBuf,
    published: RwLock<HashSet<Digest>>,
    /// Blobs that are about to be deleted. Whoever stores one takes it out first.
    doomed: Mutex<BTreeSet<Digest>>,
}

impl Archive {
    /// In the coordinator's data folder.
    ///
    /// # Errors
    /// If the folders cannot be made.
    pub fn open(data: &Path) -> Result<Self, Fault> {
        let rounds = data.join("rounds");
        durable_create_folder(&rounds).map_err(Fault::new)?;
        Ok(Self {
            blobs: BlobStore::open(data)?,
            rounds,
            published: RwLock::default(),
            doomed: Mutex::default(),
        })
    }

    fn index(&self, round: Round) -> PathBuf {
        self.rounds.join(format!("{round}.json"))
    }

    fn doomed(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a blob that banks may fetch, with its length; `None` if there is none, or it is not for them.
    pub fn open_published(&self, hash: &Digest) -> Option<(File, u64)> {
        if !self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(hash)
        {
            return None;
        }
        let file = self.blobs.open_blob(hash).ok()??;
        let length = file.metadata().ok()?.len();
        Some((file, length))
    }
}

impl Blobs for Archive {
    fn put(&self, bytes: &[u8]) -> Result<Digest, Fault> {
        let hash = Digest::of(bytes);
        self.doomed().remove(&hash);
        self.blobs.put_as(&hash, bytes)?;
        Ok(hash)
    }

    fn put_all(&self, blobs: &[Vec<u8>]) -> Result<Vec<Digest>, Fault> {
        let hashes: Vec<Digest> = blobs.iter().map(|bytes| Digest::of(bytes)).collect();
        // A blob has one writer at a time.
        let distinct: BTreeMap<Digest, &Vec<u8>> = hashes.iter().copied().zip(blobs).collect();
        let distinct: Vec<_> = distinct.into_iter().collect();
        side_by_side(MOST_WRITERS, &distinct, |(hash, bytes)| {
            self.doomed().remove(hash);
            Ok(self.blobs.put_as(hash, bytes)?)
        })?;
        Ok(hashes)
    }

    fn adopt_all(&self, finished: &[(PathBuf, Digest)]) -> Result<(), Fault> {
        side_by_side(MOST_WRITERS, finished, |(path, hash)| {
            self.doomed().remove(hash);
            Ok(self.blobs.adopt(path, hash)?)
        })
    }

    fn open(&self, hash: &Digest) -> Result<Option<File>, Fault> {
        Ok(self.blobs.open_blob(hash)?)
    }

    fn publish(&self, hash: &Digest) {
        self.published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*hash);
    }

    fn doom(&self, blobs: &BTreeSet<Digest>) {
        self.doomed().extend(blobs);
    }

    fn forget_round(&self, round: Round, blobs: &BTreeSet<Digest>) -> Result<usize, Fault> {
        let mut deleted = 0;
        for hash in blobs {
            // Held meanwhile, so that nobody stores the blob between the question and the deletion.
            let mut doomed = self.doomed();
            if doomed.remove(hash) {
                deleted += usize::from(self.blobs.remove(hash)?);
            }
        }
        let path = self.index(round);
        match fs::remove_file(&path) {
            Ok(()) => deleted += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("remove the index", &path)(error).into()),
        }
        sync_folder(&self.rounds).map_err(Fault::new)?;
        Ok(deleted)
    }

    fn index_bundles(&self, round: Round, bundles: &BTreeMap<BankIndex, Digest>) -> Result<(), Fault> {
        let named: BTreeMap<u16, String> = bundles
            .iter()
            .map(|(bank, hash)| (bank.get(), hash.to_hex()))
            .collect();
        let text = serde_json::to_vec_pretty(&named).map_err(Fault::new)?;
        durable_write(&self.index(round), &text).map_err(Fault::new)
    }

    fn bundles(&self, round: Round) -> Result<Option<Vec<Digest>>, Fault> {
        let path = self.index(round);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read the index", &path)(error).into()),
        };
        let refuse = |what: String| Fault::new(format!("{}: {what}", path.display()));
        let named: BTreeMap<u16, String> =
            serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
        let digest = |hex: &String| {
            Digest::from_hex(hex).ok_or_else(|| refuse(format!("found {hex:?}, expected 64 hex digits")))
        };
        named.values().map(digest).collect::<Result<_, _>>().map(Some)
    }
}
