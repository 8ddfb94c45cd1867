//! The ledger on disk: lines of JSON in `egress.jsonl`; when it is full it becomes `egress.1.jsonl`, in the place of the one before, and its sums
//! go into `days.json`. A reader needs no more than `days.json` and the lines behind the number that it goes through.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::record::Record;
use super::totals::Totals;
use crate::participant::FileError;
use crate::participant::durable::{PRIVATE, make_folder, replace};

/// A file of so many bytes is full: some 40 000 lines.
const FULL: u64 = 4 << 20;
/// Lines that wait for a disk that does not take them.
const WAITING: usize = 4096;

const LINES: &str = "egress.jsonl";
const BEFORE: &str = "egress.1.jsonl";
const DAYS: &str = "days.json";

#[derive(Debug)]
pub(super) struct LedgerFile {
    folder: PathBuf,
    file: Option<File>,
    length: u64,
    /// Where the file does not end with the end of a line.
    torn: bool,
    unwritten: Vec<u8>,
    waiting: usize,
    /// Some lines will never be written: the sums must be, before the next line.
    lost: bool,
}

/// What was on disk.
pub(super) struct Read {
    pub(super) totals: Totals,
    /// The last lines, oldest first.
    pub(super) recent: Vec<Record>,
    /// Lines that could not be read.
    pub(super) damaged: u64,
    /// The sums of what is older than the lines could not be read.
    pub(super) sums_are_damaged: bool,
}

impl LedgerFile {
    /// Opens the files in `folder`, which is made.
    pub(super) fn open(folder: &Path, keep: usize) -> Result<(Self, Read), FileError> {
        make_folder(folder)?;
        let read = read(folder, keep)?;
        if read.sums_are_damaged {
            // Kept for who can read it; the lines that are here still count.
            let days = folder.join(DAYS);
            fs::rename(&days, folder.join("days.json.damaged")).map_err(FileError::at(&days))?;
        }
        let path = folder.join(LINES);
        let torn = ends_torn(&path).map_err(FileError::at(&path))?;
        let mut opened = Self {
            folder: folder.to_owned(),
            file: None,
            length: 0,
            torn,
            unwritten: Vec::new(),
            waiting: 0,
            lost: false,
        };
        opened.ready()?;
        Ok((opened, read))
    }

    fn ready(&mut self) -> Result<(), FileError> {
        if self.file.is_none() {
            let path = self.folder.join(LINES);
            let at = FileError::at(&path);
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(PRIVATE)
                .open(&path)
                .map_err(&at)?;
            self.length = file.metadata().map_err(&at)?.len();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Appends a line. `totals` has it already. What a disk does not take now goes with the next line, or at least into the sums.
    pub(super) fn append(&mut self, record: &Record, totals: &Totals) -> Result<(), FileError> {
        if self.waiting >= WAITING {
            self.lost = true;
            self.unwritten.clear();
            self.waiting = 0;
        }
        let path = self.folder.join(LINES);
        let line = serde_json::to_vec(record).map_err(|error| FileError::at(&path)(error.into()))?;
        self.unwritten.extend_from_slice(&line);
        self.unwritten.push(b'\n');
        self.waiting += 1;
        if self.lost || self.length >= FULL {
            return self.turn(totals);
        }
        self.ready()?;
        let (torn, lines) = (self.torn, &self.unwritten);
        let written = self.file.as_mut().map_or(Ok(()), |file| {
            if torn {
                file.write_all(b"\n")?;
            }
            file.write_all(lines)
        });
        if let Err(error) = written {
            // The disk may have taken some of it: the rest of that line would be taken for another.
            self.torn = true;
            self.file = None;
            return Err(FileError::at(&path)(error));
        }
        self.length += u64::try_from(self.unwritten.len()).unwrap_or(u64::MAX);
        self.unwritten.clear();
        self.waiting = 0;
        self.torn = false;
        Ok(())
    }

    /// As if the file had been closed by the system.
    #[cfg(test)]
    pub(super) fn lose(&mut self) {
        self.file = None;
    }

    /// The sums go into `days.json` first, so that the lines can go.
    fn turn(&mut self, totals: &Totals) -> Result<(), FileError> {
        let path = self.folder.join(DAYS);
        let text = serde_json::to_vec(totals).map_err(|error| FileError::at(&path)(error.into()))?;
        replace(&path, PRIVATE, &text)?;
        let lines = self.folder.join(LINES);
        if let Some(file) = self.file.as_mut() {
            // The lines that waited belong to the old file, for who looks at lines; the sums have them already.
            file.write_all(&self.unwritten).map_err(FileError::at(&lines))?;
        }
        self.unwritten.clear();
        self.waiting = 0;
        self.lost = false;
        self.file = None;
        match fs::rename(&lines, self.folder.join(BEFORE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(FileError::at(&lines)(error)),
            _ => {}
        }
        self.torn = false;
        self.ready()
    }
}

/// Sums and last lines in a folder, whether a daemon writes there or not.
pub(super) fn read(folder: &Path, keep: usize) -> Result<Read, FileError> {
    let path = folder.join(DAYS);
    let sums = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(Totals::default()),
        Err(error) => return Err(FileError::at(&path)(error)),
    };
    let sums_are_damaged = sums.is_none();
    let mut totals = sums.unwrap_or_default();
    let mut recent: Vec<Record> = Vec::new();
    let mut damaged = 0;
    for name in [BEFORE, LINES] {
        let path = folder.join(name);
        let mut text = Vec::new();
        match File::open(&path) {
            // A line that is being written now ends the file; the next look has it.
            Ok(file) => file
                .take(2 * FULL)
                .read_to_end(&mut text)
                .map_err(FileError::at(&path))?,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(FileError::at(&path)(error)),
        };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<Record>(line) else {
                damaged += 1;
                continue;
            };
            if record.n > totals.through {
                totals.take(&record);
            }
            recent.push(record);
        }
    }
    let surplus = recent.len().saturating_sub(keep);
    recent.drain(..surplus);
    Ok(Read {
        totals,
        recent,
        damaged,
        sums_are_damaged,
    })
}

fn ends_torn(path: &Path) -> std::io::Result<bool> {
    match fs::read(path) {
        Ok(text) => Ok(text.last().is_some_and(|byte| *byte != b'\n')),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::egress::totals::Count;

    fn record(n: u64, bytes: u64) -> Record {
        Record {
            n,
            at: n * 1000,
            kind: "ready".to_owned(),
            round: Some(n),
            task: None,
            bytes,
            stayed: false,
        }
    }

    fn add(file: &mut LedgerFile, totals: &mut Totals, record: &Record) -> Result<(), FileError> {
        totals.take(record);
        file.append(record, totals)
    }

    #[test]
    fn what_was_written_is_read_back_also_behind_a_line_that_a_crash_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, read_first) = LedgerFile::open(folder.path(), 10).unwrap();
        let mut totals = read_first.totals;
        for n in 1..=3 {
            add(&mut file, &mut totals, &record(n, 10)).unwrap();
        }
        drop(file);
        let path = folder.path().join(LINES);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let (mut file, again) = LedgerFile::open(folder.path(), 10).unwrap();
        assert_eq!((again.totals.sum().bytes, again.damaged), (20, 1));
        let mut totals = again.totals;
        add(&mut file, &mut totals, &record(4, 5)).unwrap();
        let seen = read(folder.path(), 2).unwrap();
        assert_eq!(
            seen.totals.sum(),
            Count {
                times: 3,
                bytes: 25,
                stayed: 0
            }
        );
        let numbers: Vec<u64> = seen.recent.iter().map(|record| record.n).collect();
        assert_eq!(numbers, [2, 4]);
    }

    #[test]
    fn a_full_file_makes_room_and_the_sums_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, read_first) = LedgerFile::open(folder.path(), 10).unwrap();
        let mut totals = read_first.totals;
        let long = "x".repeat(4000);
        let count = 3000;
        for n in 1..=count {
            let record = Record {
                task: Some(long.clone()),
                ..record(n, 7)
            };
            add(&mut file, &mut totals, &record).unwrap();
        }
        drop(file);
        let size: u64 = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size < 3 * FULL, "{size}");
        let seen = read(folder.path(), 10).unwrap();
        assert_eq!((seen.totals.sum().times, seen.damaged), (count, 0));
        assert_eq!(seen.recent.last().unwrap().n, count);
        // A crash between the sums and the lines counts nothing twice.
        fs::rename(folder.path().join(BEFORE), folder.path().join(LINES)).unwrap();
        assert!(read(folder.path(), 10).unwrap().totals.sum().times <= count);
    }

    #[test]
    fn damaged_sums_are_kept_aside_and_the_lines_count() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, read_first) = LedgerFile::open(folder.path(), 10).unwrap();
        let mut totals = read_first.totals;
        add(&mut file, &mut totals, &record(1, 10)).unwrap();
        fs::write(folder.path().join(DAYS), "{\"through\":1,").unwrap();
        let (_, again) = LedgerFile::open(folder.path(), 10).unwrap();
        assert!(again.sums_are_damaged);
        assert_eq!(again.totals.sum().bytes, 10);
        assert!(folder.path().join("days.json.damaged").exists());
        assert!(!LedgerFile::open(folder.path(), 10).unwrap().1.sums_are_damaged);
    }

    #[test]
    fn a_disk_that_takes_nothing_gets_the_lines_later() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("egress");
        let (mut file, read_first) = LedgerFile::open(&place, 10).unwrap();
        let mut totals = read_first.totals;
        add(&mut file, &mut totals, &record(1, 1)).unwrap();
        // Gone, as a mount may be.
        let away = folder.path().join("away");
        fs::rename(&place, &away).unwrap();
        file.lose();
        for n in 2..=5 {
            assert!(add(&mut file, &mut totals, &record(n, 1)).is_err());
        }
        fs::rename(&away, &place).unwrap();
        add(&mut file, &mut totals, &record(6, 1)).unwrap();
        assert_eq!(
            read(&place, 10).unwrap().totals.sum(),
            Count {
                times: 6,
                bytes: 6,
                stayed: 0
            }
        );
        // And where too many wait, their sums come at least.
        fs::rename(&place, &away).unwrap();
        file.lose();
        let last = 7 + u64::try_from(WAITING).unwrap() + 10;
        for n in 7..last {
            assert!(add(&mut file, &mut totals, &record(n, 1)).is_err());
        }
        fs::rename(&away, &place).unwrap();
        add(&mut file, &mut totals, &record(last, 1)).unwrap();
        assert_eq!(read(&place, 10).unwrap().totals.sum().times, last);
    }
}
