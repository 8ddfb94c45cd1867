//! Reads CSV block by block. One thread reads and finds out where rows end, which only quotes make hard; others split the blocks.

mod faults;
mod separators;
mod split;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;
use memchr::{memchr, memchr_iter, memrchr};

use super::super::DataError;
use super::super::error::At;
use super::LONGEST_ROW;
use super::batch::Batch;
use faults::Faults;
use split::Unsplit;

pub(super) use split::Splitter;

/// Bytes that are read at a time; the buffer grows to hold a longer row.
const BLOCK: usize = 1 << 18;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a CSV file.
pub(super) struct CsvRows {
    faults: Arc<Faults>,
    /// Bytes that are read at a time.
    block: usize,
    bytes: Box<dyn Read + Send>,
    /// What was read and not given out: `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// Why no more can be read. What was read before comes first.
    failed: Option<io::Error>,
    /// Line of `start`, from 1.
    line: u64,
}

/// Whole rows: `bytes[start..end]`. What stands around them is of no meaning.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    line: u64,
}

impl Block {
    fn unsplit(&self) -> Unsplit<'_> {
        Unsplit {
            bytes: &self.bytes[self.start..self.end],
            line: self.line,
        }
    }
}

impl CsvRows {
    /// Reads the header.
    pub(super) fn open(file: &Path, bytes: Box<dyn Read + Send>) -> Result<(StringRecord, Self), DataError> {
        Self::open_by(BLOCK, file, bytes)
    }

    fn open_by(
        block: usize,
        file: &Path,
        bytes: Box<dyn Read + Send>,
    ) -> Result<(StringRecord, Self), DataError> {
        let mut rows = Self {
            faults: Arc::new(Faults::new(file.to_owned(), StringRecord::new())),
            block,
            bytes,
            buffer: vec![0; block],
            start: 0,
            end: 0,
            at_end: false,
            failed: None,
            line: 1,
        };
        while rows.end < BYTE_ORDER_MARK.len() && rows.fill() {}
        if rows.buffer[..rows.end].starts_with(BYTE_ORDER_MARK) {
            rows.start = BYTE_ORDER_MARK.len();
        }
        let header = rows.read_header()?;
        rows.faults = Arc::new(Faults::new(file.to_owned(), header.clone()));
        Ok((header, rows))
    }

    fn read_header(&mut self) -> Result<StringRecord, DataError> {
        let mut splitter = self.splitter();
        let mut header = StringRecord::new();
        let mut more = true;
        while more && header.is_empty() {
            let length = self.whole_rows()?;
            more = length > 0;
            let mut block = Unsplit {
                bytes: &self.buffer[self.start..self.start + length],
                line: self.line,
            };
            splitter.read(&mut block, &mut header)?;
            self.line = block.line;
            self.start += length - block.bytes.len();
        }
        header.trim();
        Ok(header)
    }

    /// For a thread that splits blocks.
    pub(super) fn splitter(&self) -> Splitter {
        Splitter::new(Arc::clone(&self.faults))
    }

    /// The next rows, many at a time; `None` after the last. What `used` was read into before is read into again.
    ///
    /// # Errors
    /// When the file cannot be read on, or has a row that is too long.
    pub(super) fn next(&mut self, used: Block) -> Result<Option<Block>, DataError> {
        let length = self.whole_rows()?;
        if length == 0 {
            return Ok(None);
        }
        let (start, end, line) = (self.start, self.start + length, self.line);
        self.line += memchr_iter(b'\n', &self.buffer[start..end]).count() as u64;
        let mut next = used.bytes;
        // One that a long row made longer goes.
        if next.len() != self.block {
            next = vec![0; self.block];
        }
        let rest = &self.buffer[end..self.end];
        if next.len() < rest.len() {
            next.resize(rest.len(), 0);
        }
        next[..rest.len()].copy_from_slice(rest);
        (self.start, self.end) = (0, rest.len());
        let bytes = std::mem::replace(&mut self.buffer, next);
        Ok(Some(Block {
            bytes,
            start,
            end,
            line,
        }))
    }

    /// Fills the buffer, and more until it holds a whole row. Gives the length of the whole rows in it; 0 at the end of the file.
    fn whole_rows(&mut self) -> Result<usize, DataError> {
        let mut least = self.block;
        loop {
            while self.end - self.start < least && self.fill() {}
            let waiting = &self.buffer[self.start..self.end];
            let length = if self.at_end {
                waiting.len()
            } else {
                whole_rows(waiting)
            };
            if length > 0 || self.at_end {
                return Ok(length);
            }
            if waiting.len() as u64 > LONGEST_ROW {
                return Err(self.faults.too_long(At::Line(self.line)));
            }
            least = 2 * waiting.len();
            if let Some(error) = self.failed.take() {
                return Err(self.faults.unreadable(error));
            }
        }
    }

    /// Reads more; false where there is none.
    fn fill(&mut self) -> bool {
        if self.at_end || self.failed.is_some() {
            return false;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.bytes.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(read) => {
                self.end += read;
                self.at_end = read == 0;
                read > 0
            }
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }
}

impl Splitter {
    /// Hands all rows of a block to `each`, some at a time.
    ///
    /// # Errors
    /// The first that a row or `each` gives, in the order of the file.
    pub(super) fn split_block(
        &mut self,
        block: &Block,
        each: &mut dyn FnMut(Batch<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        self.split(block.unsplit(), each)
    }
}

/// How many bytes of `waiting`, which begins with a row, are of rows that end with a line feed in it. A line feed ends no row where it stands in quotes.
fn whole_rows(waiting: &[u8]) -> usize {
    let last_row_end = |from: usize, to: usize| {
        let place = memrchr(b'\n', &waiting[from..to]);
        place.map(|place| from + place + 1)
    };
    // Where the bytes outside quotes begin, and from where on the next quote is looked for.
    let (mut outside, mut from, mut whole) = (0, 0, 0);
    while let Some(place) = memchr(b'"', &waiting[from..]) {
        let quote = from + place;
        from = quote + 1;
        if !begins_cell(&waiting[..quote]) {
            continue;
        }
        whole = last_row_end(outside, quote).unwrap_or(whole);
        loop {
            let Some(place) = memchr(b'"', &waiting[from..]) else {
                return whole;
            };
            from += place + 1;
            match waiting.get(from) {
                // What comes next tells whether the quote is doubled.
                None => return whole,
                Some(b'"') => from += 1,
                Some(_) => break,
            }
        }
        outside = from;
    }
    last_row_end(outside, waiting.len()).unwrap_or(whole)
}

/// Whether a cell begins behind these bytes, the last of which stand outside quotes. Only there a quote opens quotes.
fn begins_cell(before: &[u8]) -> bool {
    let begins_row = |before: &[u8]| matches!(before.last(), None | Some(b'\n' | b'\r'));
    match before.strip_suffix(BYTE_ORDER_MARK) {
        // The automaton takes it for none of the row's.
        Some(before) => begins_row(before),
        None => before.last() == Some(&b',') || begins_row(before),
    }
}

#[cfg(test)]
mod tests;
