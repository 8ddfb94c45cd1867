//! Rows in a file that has no name, so that nothing of it is left once the process has ended, however it ended.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::DataError;

/// Bytes of one write.
const WRITE: usize = 1 << 20;

/// Rows that lie this near to each other are read in one go, with what is between them: that takes a disk no longer than to
/// look for a row anew.
const GAP: u64 = 16 << 10;

/// Most bytes of one read, unless one row has more.
const READ: u64 = 1 << 20;

/// Rows of one size, each as its bytes.
pub(super) struct RowFile {
    file: File,
    folder: PathBuf,
    /// Bytes of a row.
    width: usize,
    /// Rows on their way to the file.
    pending: Vec<u8>,
}

/// A row of the file, and which of the rows that are asked for it is: the first of those from the file's begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted(u64);

impl Wanted {
    pub(super) fn new(row: u32, place: u32) -> Self {
        Self(u64::from(row) << 32 | u64::from(place))
    }

    fn row(self) -> u64 {
        self.0 >> 32
    }

    fn place(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

impl RowFile {
    /// Makes the file, which this process alone can reach, and the folder if it is not there.
    ///
    /// # Errors
    /// If the folder takes no file.
    pub(super) fn create(folder: &Path, width: usize) -> Result<Self, DataError> {
        let file = nameless(folder).map_err(|source| unkept(folder, MAKE, source))?;
        Ok(Self::of(file, folder, width))
    }

    fn of(file: File, folder: &Path, width: usize) -> Self {
        Self {
            file,
            folder: folder.to_owned(),
            width,
            pending: Vec::new(),
        }
    }

    /// Puts rows behind the last.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub(super) fn push(&mut self, rows: &[u8]) -> Result<(), DataError> {
        if self.pending.len() + rows.len() > WRITE {
            self.flush()?;
        }
        if rows.len() > WRITE {
            return self.write(rows);
        }
        self.pending.extend_from_slice(rows);
        Ok(())
    }

    /// Lets all rows be read.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub(super) fn flush(&mut self) -> Result<(), DataError> {
        let pending = std::mem::take(&mut self.pending);
        self.write(&pending)
    }

    fn write(&mut self, rows: &[u8]) -> Result<(), DataError> {
        self.file
            .write_all(rows)
            .map_err(|source| unkept(&self.folder, WRITE_INTO, source))
    }

    /// Reads rows to their places among `rows`; those that lie near to each other at once, in the order of the file. `wanted` is sorted then.
    ///
    /// # Errors
    /// If the disk does not give them back.
    pub(super) fn read(
        &self,
        wanted: &mut [Wanted],
        rows: &mut [u8],
        between: &mut Vec<u8>,
    ) -> Result<(), DataError> {
        wanted.sort_unstable();
        let width = self.width as u64;
        let mut left = &*wanted;
        while let Some(first) = left.first() {
            let start = first.row() * width;
            let mut end = start + width;
            let near = left.iter().take_while(|next| {
                let (next_start, next_end) = (next.row() * width, (next.row() + 1) * width);
                let is_near = next_start <= end + GAP && next_end <= (start + READ).max(start + width);
                if is_near {
                    end = next_end;
                }
                is_near
            });
            let count = near.count();
            let (together, rest) = left.split_at(count);
            let place = |wanted: &Wanted| wanted.place() * self.width;
            if let [one] = together {
                let place = place(one);
                self.read_at(&mut rows[place..place + self.width], start)?;
            } else {
                between.resize((end - start) as usize, 0);
                self.read_at(between, start)?;
                for wanted in together {
                    let (from, to) = ((wanted.row() * width - start) as usize, place(wanted));
                    rows[to..to + self.width].copy_from_slice(&between[from..from + self.width]);
                }
            }
            left = rest;
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], start: u64) -> Result<(), DataError> {
        self.file
            .read_exact_at(bytes, start)
            .map_err(|source| unkept(&self.folder, READ_FROM, source))
    }
}

const MAKE: &str = "put into a file in this folder";
const WRITE_INTO: &str = "written to their file in this folder";
const READ_FROM: &str = "read back from their file in this folder";

fn unkept(folder: &Path, doing: &'static str, source: io::Error) -> DataError {
    let advice = match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free space on its disk, or raise data.memory_bytes if the machine has the memory"
        }
        ErrorKind::FileTooLarge => {
            "raise the limit on the size of files (ulimit -f), or data.memory_bytes if the machine has the memory"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
            "set `state` to a folder that the user of the daemon may write to"
        }
        _ => "look at the system's log, whether its disk fails; the table is read anew the next time",
    };
    DataError::Unkept {
        folder: folder.to_owned(),
        doing,
        source,
        advice,
    }
}

/// A file of mode 0600 whose name is gone before anything is written. A crash between the two leaves an empty file.
fn nameless(folder: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder)?;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("rows.{}.{number}", process::id()));
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            // Left by a crash of a process of the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn read(file: &RowFile, rows: &[u32]) -> Result<Vec<u8>, DataError> {
        let places = (0..).zip(rows).map(|(place, row)| Wanted::new(*row, place));
        let mut bytes = vec![0; rows.len() * file.width];
        file.read(&mut places.collect::<Vec<_>>(), &mut bytes, &mut Vec::new())?;
        Ok(bytes)
    }

    /// Rows that tell their number, so many that some reads hold several of them and some one.
    #[test]
    fn rows_come_back_in_the_order_in_which_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for (width, count) in [(4, 100_000_u32), (5000, 700), (WRITE + 1, 3)] {
            let mut file = RowFile::create(folder.path(), width).unwrap();
            let row = |row: u32| row.to_le_bytes().into_iter().cycle().take(width);
            for first in (0..count).step_by(10) {
                let rows: Vec<u8> = (first..count.min(first + 10)).flat_map(row).collect();
                file.push(&rows).unwrap();
            }
            file.flush().unwrap();
            let asked: Vec<u32> = (0..count).rev().step_by(3).chain([0, 1, 0, count - 1]).collect();
            let expected: Vec<u8> = asked.iter().copied().flat_map(row).collect();
            assert!(read(&file, &asked).unwrap() == expected, "width {width}");
            assert!(read(&file, &[]).unwrap().is_empty());
        }
    }

    #[test]
    fn the_file_is_its_owner_s_alone_and_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("state");
        let file = RowFile::create(&inner, 4).unwrap();
        let facts = file.file.metadata().unwrap();
        assert_eq!((facts.mode() & 0o777, facts.nlink()), (0o600, 0));
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
        // What a crash left does not stand in the way.
        let all: Vec<_> = (0..10_000)
            .map(|number| inner.join(format!("rows.{}.{number}", process::id())))
            .collect();
        all.iter().for_each(|path| fs::write(path, "").unwrap());
        RowFile::create(&inner, 4).unwrap();
        assert_eq!(fs::read_dir(&inner).unwrap().count(), all.len());
    }

    #[test]
    fn what_the_disk_says_is_told_with_the_folder_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut full = RowFile::of(full, Path::new("state"), 4);
        full.push(&[1; 8]).unwrap();
        let error = full.flush().unwrap_err().to_string();
        assert!(
            error.starts_with("state: ") && error.contains("No space left") && error.contains("free space"),
            "{error}"
        );

        let mut short = RowFile::create(folder.path(), 4).unwrap();
        short.push(&[1; 8]).unwrap();
        short.flush().unwrap();
        short.file.set_len(6).unwrap();
        assert_eq!(read(&short, &[0]).unwrap(), [1; 4]);
        let error = read(&short, &[1]).unwrap_err().to_string();
        assert!(
            error.contains("read back") && error.contains("system's log"),
            "{error}"
        );

        let no_folder = folder.path().join("file");
        fs::write(&no_folder, "").unwrap();
        let error = RowFile::create(&no_folder, 4).err().unwrap().to_string();
        assert!(error.contains("data.memory_bytes"), "{error}");
    }
}
