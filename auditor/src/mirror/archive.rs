//! Copies what a log names by its hash: task texts, masked updates, releases, sums, key directories, and the bundles of each round.
//! A blob is hashed as it comes and gets its name only then; what is there under its name is not fetched again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::RoundAges;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::MESSAGE_LIMIT;

use super::{MirrorError, MirrorProgress, workers};
use crate::durable;
use crate::fetch::{Begin, FetchError, Origin};
use crate::source::LogReader;
use crate::verify::archive::{Archive, INDEX_LIMIT, blob_path, index_path, read_index};
use crate::verify::replay::TASK_LIMIT;
use crate::verify::retention::each_entry;
use crate::verify::told_archive::text;

/// Longest masked update or sum, in bytes: more than any model here needs, and no log can fill the disk with one.
const UPDATE_LIMIT: u64 = 1 << 32;

/// An archive that is copied into a folder.
#[derive(Debug)]
pub struct ArchiveMirror<'a> {
    /// Where it is served.
    pub origin: &'a Origin,
    /// The copy.
    pub folder: &'a Path,
}

/// What a mirror of an archive did.
#[derive(Debug, Default)]
pub struct ArchiveMirrored {
    /// Files that were fetched.
    pub fetched: u64,
    /// Blobs that were there.
    pub kept: u64,
    /// Files that the log names and the source does not have.
    pub missing: Vec<String>,
    /// Rounds that are not here and were not asked for: their tasks keep them no longer.
    pub expired: usize,
}

/// Something that an entry names.
#[derive(Clone, Debug)]
enum Named {
    Blob {
        hash: Digest,
        limit: u64,
        /// Whether a sum hangs on it.
        needed: bool,
    },
    /// The index of a round, and the bundles that it names.
    Bundles { round: Round, cohort: Vec<BankIndex> },
}

#[derive(Default)]
struct Counts {
    fetched: AtomicU64,
    kept: AtomicU64,
    missing: Mutex<Vec<String>>,
    /// Blobs that one of the workers has taken on, so that no two write one file.
    taken: Mutex<BTreeSet<Digest>>,
}

impl Counts {
    /// Whether nobody else takes this blob on.
    fn take(&self, hash: &Digest) -> bool {
        self.taken.lock().is_ok_and(|mut taken| taken.insert(*hash))
    }

    fn miss(&self, address: String) {
        if let Ok(mut missing) = self.missing.lock() {
            missing.push(address);
        }
    }
}

impl ArchiveMirror<'_> {
    /// Fetches everything that the log in `log` names and the copy does not have. What the source does not have either is told, and does not
    /// stop the rest.
    ///
    /// # Errors
    /// [`MirrorError`]; what arrived by then stays.
    pub fn run(
        &self,
        log: &LogReader,
        mut progress: impl FnMut(MirrorProgress),
    ) -> Result<ArchiveMirrored, MirrorError> {
        let counts = Counts::default();
        let of = log.checkpoint().size;
        let (mut done, mut names) = (0, Names::default());
        fs::create_dir_all(self.folder.join("blobs")).map_err(self.refuse("blobs"))?;
        let mut rules = self.rules(log, &counts)?;
        for bundle in log.bundles() {
            let bundle = bundle.map_err(MirrorError::Copy)?;
            done += bundle.len() as u64;
            // An entry that cannot be read names nothing; `verify` tells of it.
            let entries = bundle.iter().filter_map(|entry| Entry::from_bytes(entry).ok());
            let entries = entries.map(|entry| (rules.lets_go(&entry, self.folder), entry));
            let named = entries.filter_map(|(gone, entry)| names.of(entry).filter(|_| !gone));
            let named: Vec<Named> = named.collect();
            let fetch = |index| match usize::try_from(index).ok().and_then(|index| named.get(index)) {
                Some(named) => self.fetch(named, &counts),
                None => Ok(()),
            };
            workers::each(named.len() as u64, fetch, |_| ())?;
            if let Ok(mut taken) = counts.taken.lock() {
                taken.clear();
            }
            progress(MirrorProgress::Archive { done, of });
        }
        let mut missing = counts.missing.into_inner().unwrap_or_default();
        missing.sort();
        Ok(ArchiveMirrored {
            fetched: counts.fetched.into_inner(),
            kept: counts.kept.into_inner(),
            expired: rules.expired.len(),
            missing,
        })
    }

    /// Fetches the tasks' texts, and finds out by them and the whole log which rounds need not be there any more.
    fn rules(&self, log: &LogReader, counts: &Counts) -> Result<Rules, MirrorError> {
        let mut rules = Rules::default();
        let mut tasks = BTreeSet::new();
        each_entry(log, |entry| {
            rules.ages.follow(&entry);
            if let Entry::Task { task, .. } = entry {
                tasks.insert(task);
            }
        })
        .map_err(MirrorError::Copy)?;
        for task in &tasks {
            self.blob(task, TASK_LIMIT, true, counts)?;
        }
        // Of a text that is not to be had nothing is let go.
        if let Ok(archive) = Archive::open(self.folder) {
            let texts = tasks
                .into_iter()
                .filter_map(|task| Some((task, text(&archive, &task)?)));
            rules.texts = texts.filter(|(_, text)| text.archive_rounds.is_some()).collect();
        }
        Ok(rules)
    }

    fn fetch(&self, named: &Named, counts: &Counts) -> Result<(), MirrorError> {
        match named {
            Named::Blob { hash, limit, needed } => self.blob(hash, *limit, *needed, counts),
            Named::Bundles { round, cohort } => self.bundles(*round, cohort, counts),
        }
    }

    /// The index of a round never changes, and every blob that it names is here: nothing is to do then.
    fn bundles(&self, round: Round, cohort: &[BankIndex], counts: &Counts) -> Result<(), MirrorError> {
        let path = index_path(round);
        let here = fs::read(self.folder.join(&path)).ok();
        if let Some(index) = here.and_then(|bytes| read_index(&bytes).ok())
            && cohort.iter().all(|bank| index.contains_key(bank))
            && index
                .values()
                .all(|hash| self.folder.join(blob_path(hash)).exists())
        {
            counts.kept.fetch_add(index.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        let address = self.origin.address(&path);
        let Some(bytes) = self.origin.get(&path, INDEX_LIMIT)? else {
            counts.miss(address);
            return Ok(());
        };
        let index = read_index(&bytes).map_err(|problem| MirrorError::Index { address, problem })?;
        for hash in index.values() {
            self.blob(hash, MESSAGE_LIMIT as u64, true, counts)?;
        }
        // Behind its bundles, so that an index that is here has them.
        durable::write(&self.folder.join(&path), &bytes).map_err(self.refuse(&path))?;
        counts.fetched.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn blob(&self, hash: &Digest, limit: u64, needed: bool, counts: &Counts) -> Result<(), MirrorError> {
        let path = blob_path(hash);
        if !counts.take(hash) {
            return Ok(());
        }
        if self.folder.join(&path).exists() {
            counts.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let mut arrival = Arrival::open(&self.folder.join(&path)).map_err(self.refuse(&path))?;
        let resumed = arrival.bytes > 0;
        let mut there = self.stream(&path, limit, &mut arrival)?;
        if there && resumed && arrival.hash() != *hash {
            // What an earlier run left here may be at fault.
            arrival.restart().map_err(self.refuse(&path))?;
            there = self.stream(&path, limit, &mut arrival)?;
        }
        let found = arrival.hash();
        let done = if there && found == *hash {
            counts.fetched.fetch_add(1, Ordering::Relaxed);
            arrival.publish()
        } else {
            arrival.drop_file()
        };
        done.map_err(self.refuse(&path))?;
        match there {
            true if found != *hash => Err(MirrorError::Blob {
                address: self.origin.address(&path),
                found,
            }),
            false if needed => {
                counts.miss(self.origin.address(&path));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn stream(&self, path: &str, limit: u64, arrival: &mut Arrival) -> Result<bool, MirrorError> {
        let from = arrival.bytes;
        let streamed = self
            .origin
            .stream(path, from, limit, |begin, bytes| arrival.take(begin, bytes));
        match streamed {
            // Longer than it can be: not to be gone on with.
            Err(error @ FetchError::TooLong { .. }) => {
                arrival.restart().map_err(self.refuse(path))?;
                Err(error.into())
            }
            other => Ok(other?),
        }
    }

    fn refuse(&self, path: &str) -> impl FnOnce(io::Error) -> MirrorError {
        let path = self.folder.join(path);
        move |source| MirrorError::Write { path, source }
    }
}

/// Which rounds the archive need not hold any longer. They are not asked for: a source has nothing of them, and a long log has many.
#[derive(Default)]
struct Rules {
    ages: RoundAges,
    /// Of the tasks that do not keep every round.
    texts: BTreeMap<Digest, Task>,
    /// Those that are not here.
    expired: BTreeSet<Round>,
}

impl Rules {
    /// Whether what the entry names was let go of with its round.
    fn lets_go(&mut self, entry: &Entry, folder: &Path) -> bool {
        let round = match entry {
            Entry::Masked { round, .. } | Entry::Release { round, .. } | Entry::Cohort { round, .. } => {
                *round
            }
            _ => return false,
        };
        let task = self.ages.task(round).and_then(|task| self.texts.get(&task));
        let gone = task.is_some_and(|task| !task.archives(self.ages.of(round)));
        if gone && matches!(entry, Entry::Cohort { .. }) && !folder.join(index_path(round)).exists() {
            self.expired.insert(round);
        }
        gone
    }
}

/// What the entries name, one after the other.
#[derive(Default)]
struct Names {
    /// Length of the last masked update: a sum has as many lanes as each of its updates.
    length: u64,
}

impl Names {
    fn of(&mut self, entry: Entry) -> Option<Named> {
        let message = MESSAGE_LIMIT as u64;
        let (hash, limit, needed) = match entry {
            Entry::KeyDirectory { directory, .. } => (directory, message, false),
            Entry::Masked { hash, length, .. } => {
                self.length = length.min(UPDATE_LIMIT);
                (hash, self.length, true)
            }
            Entry::Release { body, .. } => (body, message, true),
            Entry::Result(result) => (result.sum, self.length, true),
            Entry::Cohort { round, banks } => {
                return Some(Named::Bundles { round, cohort: banks });
            }
            _ => return None,
        };
        Some(Named::Blob { hash, limit, needed })
    }
}

/// A blob on its way in, under a temporary name, hashed as it comes.
struct Arrival {
    path: PathBuf,
    file: File,
    bytes: u64,
    hash: Context,
}

impl Arrival {
    /// Goes on behind what an earlier run left.
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = durable::temporary(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(temporary)?;
        let mut hash = Context::new(&SHA256);
        let (mut bytes, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
            bytes += read as u64;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            hash,
        })
    }

    fn take(&mut self, begin: Begin, bytes: &[u8]) -> io::Result<()> {
        if begin == Begin::Anew {
            self.restart()?;
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash = Context::new(&SHA256);
        self.bytes = 0;
        Ok(())
    }

    fn hash(&self) -> Digest {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.hash.clone().finish().as_ref());
        Digest(hash)
    }

    fn publish(self) -> io::Result<()> {
        self.file.sync_all()?;
        durable::publish(&durable::temporary(&self.path), &self.path)
    }

    fn drop_file(self) -> io::Result<()> {
        fs::remove_file(durable::temporary(&self.path))
    }
}
