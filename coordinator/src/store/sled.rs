//! The [`Store`] on disk, in a sled database.
//!
//! Trusted: what it holds is what the coordinator believes about its rounds and its log. To lose it ends the log: a
//! coordinator that starts with an empty or an older store stops at the published checkpoint, and goes on only under a new
//! origin. Nothing in it is secret from the operator, and no update of a bank can be read from it.
//!
//! How sled 0.34 is used, because its defaults promise less than they seem to:
//! * `flush()` writes and does not call fsync. A commit is therefore one batch, `flush()`, then `fdatasync` of the database
//!   file, and fsync of the files that sled puts beside it for pages above 128 KiB.
//! * Large values that are overwritten are kept for long, so blobs never go into it; see [`super::blobs`].
//! * Only its flush thread returns the space of old values, so that thread stays on, although no promise rests on it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::sled::{Batch, Config, Db, IVec};

use crate::atomic_file::{durable_create_folder, sync_folder};
use crate::engine::ports::{Commit, Store, StoreError, View};

/// Version of the layout of keys and values below.
const FORMAT: &str = "veilsum-coordinator-store/1";

const KEY_FORMAT: &[u8] = b"m/format";
const KEY_LOG_SIZE: &[u8] = b"m/log-size";
const KEY_CHECKPOINT: &[u8] = b"m/checkpoint";
const RECORD: &[u8] = b"r/";
const ENTRY: &[u8] = b"e/";

const LOCK_FILE: &str = "lock";
/// How long an opener waits for one that is about to go: sled's threads close the file shortly after the database.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// Records, entries and head of the log in a folder of their own.
///
/// One process has it open at a time.
#[derive(Debug)]
pub struct SledStore {
    db: Database,
    folder: PathBuf,
    data: File,
    log_size: u64,
    /// The newest of sled's files for large pages that is known to be durable. Their names are numbers that grow.
    synced_page: Option<u64>,
    failed: bool,
    /// Held until the database is closed.
    _lock: File,
}

/// Closes without a panic: sled syncs once more when it is closed and unwraps the result. All that counts is durable by then, and
/// whatever made the daemon stop must be its last word.
#[derive(Debug)]
struct Database(Option<Db>);

impl Deref for Database {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.0.as_ref().expect("only drop takes it out")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let db = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!("the disk failed while the store was closed; what was committed is durable");
        }
    }
}

impl SledStore {
    /// Opens the store in `folder`, or creates it there.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it open, [`StoreError::Format`] if another version wrote it,
    /// [`StoreError::Damaged`] if what it holds cannot be, [`StoreError::Io`] if the system refuses.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        durable_create_folder(folder)?;
        let lock = take_lock(folder)?;
        let db = Database(Some(open_database(folder)?));
        let data_path = folder.join("db");
        // Opened before the first write, so that it learns of every failure to write back.
        let data = File::open(&data_path).map_err(StoreError::io("open the database file", &data_path))?;
        let folder = folder.to_owned();
        let mut store = Self {
            db,
            folder,
            data,
            log_size: 0,
            synced_page: None,
            failed: false,
            _lock: lock,
        };
        store.check_format()?;
        store.log_size = store.read_log_size()?;
        Ok(store)
    }

    /// Stamps an empty database, and refuses one with another stamp or none.
    fn check_format(&mut self) -> Result<(), StoreError> {
        match self.read(KEY_FORMAT)? {
            Some(found) if *found == *FORMAT.as_bytes() => Ok(()),
            None if self.db.is_empty() => {
                let mut batch = Batch::default();
                batch.insert(KEY_FORMAT, FORMAT);
                self.apply(batch)?;
                // sled writes its settings once, here, and never makes them durable.
                let settings = self.folder.join("conf");
                File::open(&settings)
                    .and_then(|file| file.sync_all())
                    .map_err(StoreError::io("fsync the file", &settings))?;
                Ok(sync_folder(&self.folder)?)
            }
            found => {
                let found = found.map_or("without a version".into(), |found| {
                    format!("{:?}", String::from_utf8_lossy(&found))
                });
                Err(StoreError::Format {
                    path: self.folder.clone(),
                    found,
                    expected: format!("{FORMAT:?}"),
                })
            }
        }
    }

    fn read_log_size(&self) -> Result<u64, StoreError> {
        let size = match self.read(KEY_LOG_SIZE)? {
            None => 0,
            Some(bytes) => {
                let bytes = <[u8; 8]>::try_from(&*bytes)
                    .map_err(|_| self.damaged("the size of the log is not 8 bytes"))?;
                u64::from_be_bytes(bytes)
            }
        };
        let last = self
            .db
            .scan_prefix(ENTRY)
            .keys()
            .next_back()
            .transpose()
            .map_err(|error| self.error(error))?;
        let expected = size.checked_sub(1).map(entry_key);
        if last.as_deref() != expected.as_ref().map(<[u8; 10]>::as_slice) {
            return Err(self.damaged(&format!("its last log entry is not entry {size} of {size}")));
        }
        Ok(size)
    }

    fn read(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.db.get(key).map_err(|error| self.error(error))
    }

    /// One batch, durable when this returns.
    fn apply(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.db.apply_batch(batch).map_err(|error| self.error(error))?;
        self.db.flush().map_err(|error| self.error(error))?;
        self.sync_large_pages()?;
        self.data
            .sync_data()
            .map_err(StoreError::io("fdatasync the database", &self.folder.join("db")))
    }

    fn sync_large_pages(&mut self) -> Result<(), StoreError> {
        let folder = self.folder.join("blobs");
        let mut newest = self.synced_page;
        for file in fs::read_dir(&folder).map_err(StoreError::io("list the folder", &folder))? {
            let file = file.map_err(StoreError::io("list the folder", &folder))?;
            let Some(number) = file.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if Some(number) > self.synced_page {
                let path = file.path();
                match File::open(&path).and_then(|page| page.sync_all()) {
                    // sled's flush thread has moved its contents elsewhere in the meantime.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result.map_err(StoreError::io("fsync the file", &path))?,
                }
                newest = newest.max(Some(number));
            }
        }
        if newest > self.synced_page {
            sync_folder(&folder)?;
            self.synced_page = newest;
        }
        Ok(())
    }

    fn error(&self, error: ::sled::Error) -> StoreError {
        store_error(&self.folder, error)
    }

    fn damaged(&self, what: &str) -> StoreError {
        damaged(&self.folder, what)
    }
}

impl Store for SledStore {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed {
                path: self.folder.clone(),
            });
        }
        commit.check()?;
        let mut batch = Batch::default();
        for (key, value) in &commit.puts {
            batch.insert(record_key(key), value.as_slice());
        }
        for key in &commit.deletes {
            batch.remove(record_key(key));
        }
        let mut log_size = self.log_size;
        for entry in &commit.entries {
            batch.insert(&entry_key(log_size), entry.as_slice());
            log_size += 1;
        }
        batch.insert(KEY_LOG_SIZE, &log_size.to_be_bytes());
        if let Some(checkpoint) = &commit.checkpoint {
            batch.insert(KEY_CHECKPOINT, checkpoint.as_str());
        }
        self.failed = true;
        self.apply(batch)?;
        self.failed = false;
        self.log_size = log_size;
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(&record_key(key))?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut records = Vec::new();
        for record in self.db.scan_prefix(record_key(prefix)) {
            let (key, value) = record.map_err(|error| self.error(error))?;
            let key = key
                .strip_prefix(RECORD)
                .and_then(|key| std::str::from_utf8(key).ok());
            let key = key.ok_or_else(|| self.damaged("found a record whose key is not text"))?;
            records.push((key.to_owned(), value.to_vec()));
        }
        Ok(records)
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        Ok(self.log_size)
    }

    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        entries(&self.db, &self.folder, self.log_size, from, to)
    }

    fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let Some(bytes) = self.read(KEY_CHECKPOINT)? else {
            return Ok(None);
        };
        let text =
            String::from_utf8(bytes.to_vec()).map_err(|_| self.damaged("the checkpoint is not text"))?;
        Ok(Some(text))
    }

    fn view(&self) -> Result<View, StoreError> {
        // A handle of its own on the same database, in which no entry ever changes.
        let (db, folder, size) = (Db::clone(&self.db), self.folder.clone(), self.log_size);
        Ok(View {
            records: self.scan("")?,
            log_size: size,
            checkpoint: self.checkpoint()?,
            entries: Box::new(move |from, to| entries(&db, &folder, size, from, to)),
        })
    }
}

fn entries(db: &Db, folder: &Path, size: u64, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    if from > to || to > size {
        return Err(StoreError::NoSuchEntries { from, to, size });
    }
    let mut entries = Vec::new();
    let mut number = from;
    for entry in db.range(entry_key(from)..entry_key(to)) {
        let (key, entry) = entry.map_err(|error| store_error(folder, error))?;
        if *key != entry_key(number) {
            break;
        }
        entries.push(entry.to_vec());
        number += 1;
    }
    if number != to {
        return Err(damaged(folder, &format!("log entry {number} is missing")));
    }
    Ok(entries)
}

fn store_error(folder: &Path, error: ::sled::Error) -> StoreError {
    let path = folder.to_owned();
    match error {
        ::sled::Error::Io(source) => StoreError::Io {
            action: "read or write the database",
            path,
            source,
        },
        ::sled::Error::Corruption { at, .. } => {
            let what = at.map_or("found a page that fails its checksum".to_owned(), |at| {
                format!("found a page that fails its checksum, at {at}")
            });
            StoreError::Damaged { path, what }
        }
        other => StoreError::Damaged {
            path,
            what: other.to_string(),
        },
    }
}

fn damaged(folder: &Path, what: &str) -> StoreError {
    StoreError::Damaged {
        path: folder.to_owned(),
        what: what.to_owned(),
    }
}

fn record_key(key: &str) -> Vec<u8> {
    [RECORD, key.as_bytes()].concat()
}

/// Big-endian, so that the order of the keys is that of the log.
fn entry_key(number: u64) -> [u8; 10] {
    let mut key = [0; 10];
    let (prefix, digits) = key.split_at_mut(ENTRY.len());
    prefix.copy_from_slice(ENTRY);
    digits.copy_from_slice(&number.to_be_bytes());
    key
}

fn take_lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK_FILE);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StoreError::io("open the lock file", &path))?;
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    path: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock the file", &path)(error)),
        }
    }
}

/// Opens the database, whose own lock is held only by what is left of an earlier opener, or by a foreign program.
fn open_database(folder: &Path) -> Result<Db, StoreError> {
    let started = Instant::now();
    loop {
        let error = match Config::new().path(folder).open() {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        // sled has no error of its own for this; the text is the only mark.
        let in_use = error.to_string().contains("could not acquire lock");
        match error {
            _ if in_use && started.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_RETRY),
            _ if in_use => {
                return Err(StoreError::InUse {
                    path: folder.to_owned(),
                });
            }
            ::sled::Error::Io(source) => return Err(StoreError::io("open the database", folder)(source)),
            ::sled::Error::Unsupported(found) => {
                let expected = "a sled 0.34 database".to_owned();
                return Err(StoreError::Format {
                    path: folder.to_owned(),
                    found,
                    expected,
                });
            }
            other => {
                return Err(StoreError::Damaged {
                    path: folder.to_owned(),
                    what: other.to_string(),
                });
            }
        }
    }
}
