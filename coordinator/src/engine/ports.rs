//! What the engine asks of the outside. The engine owns these traits; backends implement them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::{MAX_ENTRY_BYTES, VerifiedCheckpoint};
use veilsum_protocol::roster::{Roster, RosterEntry};

use crate::remedy;

/// Longest record in bytes. What is larger is a blob, of which a record holds the hash.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// One atomic, durable step. Nothing of it, or all of it, is there after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Records to write, new or over what was there. A key occurs once, here or in `deletes`.
    pub puts: Vec<(String, Vec<u8>)>,
    /// Keys of records to remove; a key that is not there is no error.
    pub deletes: Vec<String>,
    /// Appended to the log, in order.
    pub entries: Vec<Vec<u8>>,
    /// The signed head of the log with these entries, in place of the last one.
    pub checkpoint: Option<String>,
}

impl Commit {
    /// What every store refuses before it writes anything.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for an empty key, a key that occurs twice, a record above [`MAX_RECORD_BYTES`], an entry or
    /// a checkpoint that the log's format does not hold.
    pub fn check(&self) -> Result<(), StoreError> {
        let refuse = |what: String| Err(StoreError::Refused { what });
        let mut seen = BTreeSet::new();
        for key in self.puts.iter().map(|(key, _)| key).chain(&self.deletes) {
            if key.is_empty() {
                return refuse("found an empty key, expected at least one character".to_owned());
            }
            if !seen.insert(key) {
                return refuse(format!("found key {key:?} twice in one commit, expected it once"));
            }
        }
        for (key, value) in &self.puts {
            if value.len() > MAX_RECORD_BYTES {
                let found = value.len();
                return refuse(format!(
                    "found {found} bytes under key {key:?}, expected at most {MAX_RECORD_BYTES}; store it as a blob"
                ));
            }
        }
        if let Some(entry) = self.entries.iter().find(|entry| entry.len() > MAX_ENTRY_BYTES) {
            let found = entry.len();
            return refuse(format!(
                "found a log entry of {found} bytes, expected at most {MAX_ENTRY_BYTES}"
            ));
        }
        match &self.checkpoint {
            Some(text) if text.len() > MAX_RECORD_BYTES => refuse(format!(
                "found a checkpoint of {} bytes, expected at most {MAX_RECORD_BYTES}",
                text.len()
            )),
            _ => Ok(()),
        }
    }
}

/// Why the store could not do what it was asked to.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}{}", path.display(), remedy::of_disk(source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// File or folder it was done to.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody else has the store open.
    #[error("{}: already in use by another process; stop the other coordinator or give this one its own folder", path.display())]
    InUse {
        /// Folder of the store.
        path: PathBuf,
    },
    /// The store was written by another version, or by another program.
    #[error("{}: found store format {found}, expected {expected}; use the version that wrote it, or another folder", path.display())]
    Format {
        /// Folder of the store.
        path: PathBuf,
        /// Format of the store.
        found: String,
        /// Format that this version reads and writes.
        expected: String,
    },
    /// What the store holds cannot be.
    #[error("{}: the store is damaged: {what}; restore it from a backup of the whole folder", path.display())]
    Damaged {
        /// Folder of the store.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The commit is not one that a store takes; nothing was written.
    #[error("the commit was refused: {what}")]
    Refused {
        /// What was found and what was expected.
        what: String,
    },
    /// There are no such entries.
    #[error(
        "found a request for log entries {from} to {to}, expected a range within the {size} entries of the log"
    )]
    NoSuchEntries {
        /// First entry asked for.
        from: u64,
        /// One past the last entry asked for.
        to: u64,
        /// Entries that there are.
        size: u64,
    },
    /// A commit failed half-way, so that nobody knows what is on the disk.
    #[error("{}: an earlier commit failed and may or may not be on the disk; restart the coordinator", path.display())]
    Failed {
        /// Folder of the store.
        path: PathBuf,
    },
}

impl StoreError {
    /// For `map_err`: the system refused `action` on `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Reads entries `from..to` of the log as it was at one moment.
pub type ReadEntries = Box<dyn Fn(u64, u64) -> Result<Vec<Vec<u8>>, StoreError> + Send>;

/// What a store held at one moment, to be read while it goes on.
pub struct View {
    /// Every record, in the order of the keys' bytes.
    pub records: Vec<(String, Vec<u8>)>,
    /// Number of entries of the log.
    pub log_size: u64,
    /// The last checkpoint that was committed.
    pub checkpoint: Option<String>,
    /// Its entries, which never change.
    pub entries: ReadEntries,
}

/// Records by key, and the entries and head of the log.
///
/// There is one writer. What [`commit`](Store::commit) has answered is there after a crash of the process, and of the
/// machine if its disk keeps what it acknowledged.
pub trait Store: Send {
    /// Does the whole step, durably, or nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] leaves the store as it was. After any other error the outcome is not known: every further
    /// call of `commit` fails, and what holds is found out by opening the store again.
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// The record under this key.
    ///
    /// # Errors
    /// Fails only if the disk does.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every record whose key begins with `prefix`, in the order of the keys' bytes.
    ///
    /// # Errors
    /// Fails only if the disk does.
    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Number of entries of the log.
    ///
    /// # Errors
    /// Fails only if the disk does.
    fn log_size(&self) -> Result<u64, StoreError>;

    /// Entries `from..to` of the log, from 0.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntries`] unless `from <= to <= log_size`.
    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The last checkpoint that was committed.
    ///
    /// # Errors
    /// Fails only if the disk does.
    fn checkpoint(&self) -> Result<Option<String>, StoreError>;

    /// What it holds now.
    ///
    /// # Errors
    /// Fails only if the disk does.
    fn view(&self) -> Result<View, StoreError>;
}

/// The log and the store as one: what is committed is logged and durable, or nothing of it is.
pub trait Ledger: Send {
    /// Appends `entries`, writes `puts` and removes `deletes` in one step, and returns when it is durable.
    ///
    /// # Errors
    /// [`Fault`]: the engine must stop, because what is on the disk is no longer known.
    fn commit(
        &mut self,
        puts: Vec<(String, Vec<u8>)>,
        deletes: Vec<String>,
        entries: Vec<Vec<u8>>,
    ) -> Result<(), Fault>;

    /// Writes the log's tiles up to the newest head. When it returns, banks may be shown that head.
    ///
    /// # Errors
    /// If the disk does not take them.
    fn write_tiles(&mut self) -> Result<(), Fault>;

    /// Publishes a head that was committed, with the cosignatures that its note carries.
    ///
    /// # Errors
    /// If the disk does not take it, or it is no head of this log.
    fn publish(&mut self, head: VerifiedCheckpoint) -> Result<(), Fault>;

    /// The value under a key.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// Keys with a prefix and their values, sorted by key.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Fault>;

    /// Number of log entries.
    fn log_size(&self) -> u64;

    /// Log entries from `from` on, below `to`.
    ///
    /// # Errors
    /// If the store cannot be read or there are fewer.
    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Fault>;

    /// The signed head over all entries; `None` before the first.
    fn head(&self) -> Option<&VerifiedCheckpoint>;

    /// The published head with its cosignatures; `None` before the first.
    fn published(&self) -> Option<&VerifiedCheckpoint>;

    /// What the store holds now, for a backup.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn view(&self) -> Result<View, Fault>;
}

/// Content-addressed files: task texts, states, sums, masked updates, bundles, released shares.
pub trait Blobs: Send + Sync {
    /// Stores bytes durably under their hash.
    ///
    /// # Errors
    /// If the disk does not take them.
    fn put(&self, bytes: &[u8]) -> Result<Digest, Fault>;

    /// The same for many at once: when it returns, all of them are durable. The hashes are in the order of the blobs.
    ///
    /// # Errors
    /// If the disk does not take one; others may be there then.
    fn put_all(&self, blobs: &[Vec<u8>]) -> Result<Vec<Digest>, Fault>;

    /// Takes over finished files whose hashes were measured.
    ///
    /// # Errors
    /// If the disk does not take one; others may be there then.
    fn adopt_all(&self, finished: &[(PathBuf, Digest)]) -> Result<(), Fault>;

    /// Opens a blob; `None` if there is none of this hash.
    ///
    /// # Errors
    /// If it cannot be read.
    fn open(&self, hash: &Digest) -> Result<Option<File>, Fault>;

    /// Lets banks fetch a blob. Only what the log names for everybody is published: task texts and sums.
    fn publish(&self, hash: &Digest);

    /// These blobs will be deleted by [`forget_round`](Self::forget_round), but for those that are stored again before.
    fn doom(&self, blobs: &BTreeSet<Digest>);

    /// Deletes those of these blobs that are still doomed, and the index of the round last. Gives the number of files that were deleted.
    ///
    /// # Errors
    /// If the disk does not do it. Some files may be gone then; the index is not.
    fn forget_round(&self, round: Round, blobs: &BTreeSet<Digest>) -> Result<usize, Fault>;

    /// Says which blob holds which bank's bundle of a round, for those who replay it.
    ///
    /// # Errors
    /// If the disk does not take it.
    fn index_bundles(&self, round: Round, bundles: &BTreeMap<BankIndex, Digest>) -> Result<(), Fault>;

    /// The bundles that the index of a round names; `None` if there is no index.
    ///
    /// # Errors
    /// If it cannot be read.
    fn bundles(&self, round: Round) -> Result<Option<Vec<Digest>>, Fault>;
}

/// Who may come in, and the file that names them.
pub trait Membership: Send + Sync {
    /// Has the consortium file name this roster, durably, and admits its banks and no others from now on. Where both are so already, nothing
    /// happens.
    ///
    /// # Errors
    /// If the disk does not take the file.
    fn seat(&self, roster: &Roster) -> Result<(), Fault>;

    /// These banks are about to join, and are told at the door what they wait for.
    fn expect(&self, joining: &[RosterEntry], waits_for: &str);

    /// True if this bank, which is about to join, stood at the door lately.
    fn is_here(&self, bank: &RosterEntry) -> bool;

    /// What the door has seen of a bank since the start.
    fn met(&self, bank: &RosterEntry) -> Met {
        let _ = bank;
        Met::default()
    }
}

/// What the door has seen of a bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Until when its certificate is valid, in Unix seconds.
    pub certificate_until: Option<i64>,
    /// How often a newer connection took the place of one that stood.
    pub replaced: u64,
    /// From where it comes, if two daemons run with its identity: the connection before, and the one now.
    pub two_places: Option<[String; 2]>,
}

/// Our own disk or our own bug: the engine stops, and the next start builds it again from the journal.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl Fault {
    /// What stopped the engine, in words.
    pub fn new(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}
