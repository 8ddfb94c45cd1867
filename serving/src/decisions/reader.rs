//! Reading decisions back.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use time::{Date, Month};

use super::record::Record;
use super::sealing::{CLOSING, HEADER_BYTES, Key, MAGIC, MOST_BYTES, Place};

/// What is found of a record that was changed, moved, or encrypted under another key: which of these it is, nobody can tell.
pub const NOT_OURS: &str = "a record that was not written here under this key";

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With its closing record: nothing is missing.
    Closed,
    /// After a whole record, but without a closing one: it is being written, or its writer was killed, or records after it were cut off.
    Open,
    /// In the middle of a record, or with one that is not what was written here.
    Torn {
        /// Offset of the first byte that is not read.
        at: u64,
        /// What was found there.
        found: String,
    },
}

/// The records of a file in their order. The iterator ends where the file does, or at the first record that is not what was written;
/// [`Self::tail`] tells which.
pub struct Reader<'k> {
    from: BufReader<File>,
    key: &'k Key,
    header: [u8; HEADER_BYTES],
    index: u32,
    offset: u64,
    tail: Option<Tail>,
}

impl<'k> Reader<'k> {
    /// Opens a file.
    ///
    /// # Errors
    /// What the system says, or that it is no file of decisions.
    pub fn open(path: &Path, key: &'k Key) -> io::Result<Self> {
        let mut from = BufReader::new(File::open(path)?);
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header)?;
        if !header.starts_with(MAGIC) {
            let words = format!(
                "{}: expected a file of decisions, which begins with {:?}",
                path.display(),
                MAGIC.escape_ascii().to_string()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        Ok(Self {
            from,
            key,
            header,
            index: 0,
            offset: HEADER_BYTES as u64,
            tail: None,
        })
    }

    /// The file's number in its folder: a number that is missing between others is a file that is missing.
    pub fn number(&self) -> u64 {
        u64::from_be_bytes(*self.header[16..].first_chunk().unwrap_or(&[0; 8]))
    }

    /// How the file ends, once the iterator has ended.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    fn torn(&mut self, found: impl Into<String>) {
        self.tail = Some(Tail::Torn {
            at: self.offset,
            found: found.into(),
        });
    }

    /// The next record's text; nothing after the last, whose tail is known then.
    fn text(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut length = Vec::with_capacity(4);
        self.from.by_ref().take(4).read_to_end(&mut length)?;
        if length.is_empty() {
            self.tail = Some(Tail::Open);
            return Ok(None);
        }
        let Some(length) = length.first_chunk().copied().map(u32::from_be_bytes) else {
            self.torn("the file ends in a record's length");
            return Ok(None);
        };
        let bytes = length & !CLOSING;
        if !(16..=MOST_BYTES).contains(&bytes) {
            self.torn(format!("a record's length of {bytes} bytes"));
            return Ok(None);
        }
        let mut sealed = Vec::new();
        self.from.by_ref().take(bytes.into()).read_to_end(&mut sealed)?;
        if u32::try_from(sealed.len()).ok() != Some(bytes) {
            self.torn(format!("{} bytes of a record of {bytes}", sealed.len()));
            return Ok(None);
        }
        let place = Place {
            header: &self.header,
            index: self.index,
            offset: self.offset,
            length,
        };
        let Some(text) = place.open(self.key, &mut sealed).map(<[u8]>::to_vec) else {
            self.torn(NOT_OURS);
            return Ok(None);
        };
        if length & CLOSING != 0 {
            self.offset += 4 + u64::from(bytes);
            if text != self.index.to_be_bytes() {
                self.torn("a closing record of another number of records");
            } else if self.from.by_ref().take(1).read_to_end(&mut Vec::new())? > 0 {
                self.torn("bytes after the closing record");
            } else {
                self.tail = Some(Tail::Closed);
            }
            return Ok(None);
        }
        self.index = self.index.saturating_add(1);
        self.offset += 4 + u64::from(bytes);
        Ok(Some(text))
    }
}

impl Iterator for Reader<'_> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<io::Result<Record>> {
        if self.tail.is_some() {
            return None;
        }
        match self.text() {
            Ok(Some(text)) => Some(serde_json::from_slice(&text).map_err(io::Error::from)),
            Ok(None) => None,
            Err(error) => {
                self.torn(error.to_string());
                Some(Err(error))
            }
        }
    }
}

/// The files of a folder with their numbers, in the order in which they were begun.
///
/// # Errors
/// What the system says.
pub fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some((number, _)) = parts(&path) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The day on which a file was begun, in UTC, by its name; records of other days are not in it.
pub fn date_of(path: &Path) -> Option<Date> {
    parts(path).map(|(_, day)| day)
}

fn parts(path: &Path) -> Option<(u64, Date)> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix("decisions-")?.strip_suffix(".log")?;
    let (number, day) = name.split_once('-')?;
    let mut day = day.splitn(3, '-');
    let year = day.next()?.parse().ok()?;
    let month: u8 = day.next()?.parse().ok()?;
    let date =
        Date::from_calendar_date(year, Month::try_from(month).ok()?, day.next()?.parse().ok()?).ok()?;
    Some((number.parse().ok()?, date))
}
