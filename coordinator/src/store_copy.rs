//! What a store holds, as a file: made while the daemon runs, and from which another store is filled. It does not hang on how a store keeps things.
//!
//! The form: a line with its version; then a byte that says what comes, and the lengths (32 bits, big-endian) and bytes of it: `r` a record's key and
//! value, `e` an entry of the log, `c` the checkpoint; at the end `z` and the numbers of records and entries (64 bits).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use veilsum_protocol::log::MAX_ENTRY_BYTES;

use crate::engine::ports::{Commit, MAX_RECORD_BYTES, Store, StoreError, View};

/// Name of the file in the data folder, while a backup is made.
const FILE: &str = "store.copy";

const VERSION: &[u8] = b"veilsum-coordinator-store-copy/1\n";

/// Entries that are read or written at a time.
const CHUNK: u64 = 1024;

/// Longest key of a record, in bytes.
const KEY_LIMIT: usize = 4096;

/// Why a store was not copied, or not filled.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The file.
    #[error("{}: cannot {action}: {source}{}", path.display(), crate::remedy::of_disk(source))]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is no copy of a store.
    #[error("{}: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What was found, and what was expected.
        problem: String,
    },
}

/// What a copy held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Records.
    pub records: u64,
    /// Entries of the log.
    pub entries: u64,
}

/// Removes what a backup that was interrupted left in the data folder.
///
/// # Errors
/// If it cannot be removed.
pub fn forget_in(data: &Path) -> io::Result<()> {
    match fs::remove_file(data.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the copy into the data folder. Whoever asked for it removes it.
///
/// # Errors
/// [`CopyError`]; there is no file then.
pub fn write_in(data: &Path, view: &View) -> Result<PathBuf, CopyError> {
    let path = data.join(FILE);
    let at = |action| {
        let path = path.clone();
        move |source| CopyError::Io { action, path, source }
    };
    forget_in(data).map_err(at("remove the copy before"))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(at("write the copy of the store"))?;
    let written = write(view, BufWriter::new(file));
    if written.is_err() {
        // It would be taken for a whole one; if it cannot go, the next copy replaces it.
        let _ = forget_in(data);
    }
    match written {
        Ok(()) => Ok(path),
        Err(Failed::Io(source)) => Err(at("write the copy of the store")(source)),
        Err(Failed::Store(error)) => Err(error.into()),
    }
}

enum Failed {
    Io(io::Error),
    Store(StoreError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn write(view: &View, mut out: impl Write) -> Result<(), Failed> {
    out.write_all(VERSION)?;
    for (key, value) in &view.records {
        out.write_all(b"r")?;
        bytes(&mut out, key.as_bytes())?;
        bytes(&mut out, value)?;
    }
    let mut next = 0;
    while next < view.log_size {
        let end = view.log_size.min(next.saturating_add(CHUNK));
        for entry in (view.entries)(next, end).map_err(Failed::Store)? {
            out.write_all(b"e")?;
            bytes(&mut out, &entry)?;
        }
        next = end;
    }
    if let Some(checkpoint) = &view.checkpoint {
        out.write_all(b"c")?;
        bytes(&mut out, checkpoint.as_bytes())?;
    }
    out.write_all(b"z")?;
    out.write_all(&(view.records.len() as u64).to_be_bytes())?;
    out.write_all(&view.log_size.to_be_bytes())?;
    out.flush()?;
    Ok(())
}

fn bytes(out: &mut impl Write, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(content)
}

/// Fills an empty store from a copy. `mark` is a record of its own, written in the last step, with the checkpoint: a store without it is not whole.
///
/// # Errors
/// [`CopyError`]; the store is of no use then.
pub fn fill(store: &mut dyn Store, path: &Path, mark: (String, Vec<u8>)) -> Result<Copied, CopyError> {
    let file = File::open(path).map_err(|source| CopyError::Io {
        action: "read the copy of the store",
        path: path.to_owned(),
        source,
    })?;
    let mut copy = Copy {
        from: BufReader::new(file),
        path,
    };
    let mut version = vec![0; VERSION.len()];
    copy.exactly(&mut version)?;
    if version != VERSION {
        return Err(copy.form("its version is another; use the release that wrote it".to_owned()));
    }
    let (mut records, mut entries) = (0u64, 0u64);
    let mut commit = Commit::default();
    let mut checkpoint = None;
    loop {
        let mut kind = [0];
        copy.exactly(&mut kind)?;
        match &kind {
            b"r" => {
                let key = String::from_utf8(copy.bytes(KEY_LIMIT)?)
                    .map_err(|_| copy.form("a record's key is not text".to_owned()))?;
                let value = copy.bytes(MAX_RECORD_BYTES)?;
                if key != mark.0 {
                    commit.puts.push((key, value));
                }
                records += 1;
            }
            b"e" => {
                commit.entries.push(copy.bytes(MAX_ENTRY_BYTES)?);
                entries += 1;
            }
            b"c" if checkpoint.is_none() => {
                let text = copy.bytes(MAX_RECORD_BYTES)?;
                let text = String::from_utf8(text);
                checkpoint = Some(text.map_err(|_| copy.form("the checkpoint is not text".to_owned()))?);
            }
            b"z" => break,
            other => {
                return Err(copy.form(format!("found {:?}, expected r, e, c or z", other.escape_ascii())));
            }
        }
        if (commit.puts.len() + commit.entries.len()) as u64 >= CHUNK {
            store.commit(&std::mem::take(&mut commit))?;
        }
    }
    let mut counts = [[0; 8]; 2];
    for count in &mut counts {
        copy.exactly(count)?;
    }
    let expected = counts.map(u64::from_be_bytes);
    if expected != [records, entries] {
        return Err(copy.form(format!(
            "found {records} records and {entries} entries, expected {} and {}",
            expected[0], expected[1]
        )));
    }
    commit.puts.push(mark);
    commit.checkpoint = checkpoint;
    store.commit(&commit)?;
    Ok(Copied { records, entries })
}

struct Copy<'a> {
    from: BufReader<File>,
    path: &'a Path,
}

impl Copy<'_> {
    fn form(&self, problem: String) -> CopyError {
        CopyError::Form {
            path: self.path.to_owned(),
            problem,
        }
    }

    fn exactly(&mut self, into: &mut [u8]) -> Result<(), CopyError> {
        self.from
            .read_exact(into)
            .map_err(|error| self.form(format!("it was cut off: {error}")))
    }

    fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, CopyError> {
        let mut length = [0; 4];
        self.exactly(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(self.form(format!("found {length} bytes, expected at most {limit}")));
        }
        let mut content = vec![0; length];
        self.exactly(&mut content)?;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::memory::MemoryStore;

    fn filled() -> MemoryStore {
        let mut store = MemoryStore::new();
        let commit = Commit {
            puts: vec![
                ("a".to_owned(), vec![1; 3000]),
                ("restored".to_owned(), b"old".to_vec()),
            ],
            entries: (0..3000u32).map(|it| it.to_be_bytes().to_vec()).collect(),
            checkpoint: Some("head".to_owned()),
            ..Commit::default()
        };
        store.commit(&commit).unwrap();
        store
    }

    fn mark() -> (String, Vec<u8>) {
        ("restored".to_owned(), b"new".to_vec())
    }

    #[test]
    fn a_store_is_filled_with_what_another_held_at_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = filled();
        let view = store.view().unwrap();
        store
            .commit(&Commit {
                entries: vec![b"later".to_vec()],
                deletes: vec!["a".to_owned()],
                checkpoint: Some("later".to_owned()),
                ..Commit::default()
            })
            .unwrap();
        let path = write_in(folder.path(), &view).unwrap();
        let mut other = MemoryStore::new();
        let copied = fill(&mut other, &path, mark()).unwrap();
        assert_eq!((copied.records, copied.entries), (2, 3000));
        let expected = filled();
        assert_eq!(other.get("a").unwrap(), expected.get("a").unwrap());
        assert_eq!(other.get("restored").unwrap().unwrap(), b"new");
        assert_eq!(
            other.entries(0, 3000).unwrap(),
            expected.entries(0, 3000).unwrap()
        );
        assert_eq!(other.checkpoint().unwrap().unwrap(), "head");
        // A copy that an interrupted backup left is replaced.
        write_in(folder.path(), &store.view().unwrap()).unwrap();
        forget_in(folder.path()).unwrap();
        forget_in(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_cut_off_or_changed_fills_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_in(folder.path(), &filled().view().unwrap()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(1501) {
            fs::write(&path, &whole[..length]).unwrap();
            let mut store = MemoryStore::new();
            fill(&mut store, &path, mark()).unwrap_err();
            assert_eq!(store.checkpoint().unwrap(), None);
        }
        for (at, byte) in [
            (3, b'x'),
            (VERSION.len(), b'q'),
            (VERSION.len() + 1, 0xff),
            (whole.len() - 1, 9),
        ] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            fs::write(&path, &bytes).unwrap();
            let error = fill(&mut MemoryStore::new(), &path, mark()).unwrap_err();
            assert!(matches!(error, CopyError::Form { .. }), "{error}");
        }
    }
}
