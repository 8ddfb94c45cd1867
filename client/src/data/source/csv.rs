//! Splits CSV into rows of texts, as the csv crate does (RFC 4180, and what exports make of it).
//!
//! Most rows of a bank's table hold no quotes: those are split where the commas are. Every other one goes through the
//! csv crate's own automaton. So the meaning is that crate's, and the tests compare both.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use csv_core::ReadRecordResult;
use memchr::{memchr, memchr_iter, memchr3};

use super::super::DataError;
use super::super::error::At;
use super::LONGEST_ROW;

/// Bytes that are read at a time; the buffer grows to hold a longer row.
const BLOCK: usize = 1 << 18;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a CSV file.
pub(super) struct CsvRows {
    file: PathBuf,
    header: StringRecord,
    bytes: Box<dyn Read + Send>,
    /// What was read and not given out: `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// Line of `start`, from 1.
    line: u64,
    automaton: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvRows {
    /// Reads the header.
    pub(super) fn open(file: &Path, bytes: Box<dyn Read + Send>) -> Result<(StringRecord, Self), DataError> {
        let mut rows = Self {
            file: file.to_owned(),
            header: StringRecord::new(),
            bytes,
            buffer: vec![0; BLOCK],
            start: 0,
            end: 0,
            at_end: false,
            line: 1,
            automaton: csv_core::Reader::new(),
            fields: vec![0; 1 << 10],
            ends: vec![0; 1 << 6],
        };
        while rows.end < BYTE_ORDER_MARK.len() && rows.fill()? {}
        if rows.buffer[..rows.end].starts_with(BYTE_ORDER_MARK) {
            rows.start = BYTE_ORDER_MARK.len();
        }
        let mut header = StringRecord::new();
        rows.read(&mut header)?;
        header.trim();
        rows.header = header.clone();
        Ok((header, rows))
    }

    /// See [`super::Table::read`].
    pub(super) fn read(&mut self, record: &mut StringRecord) -> Result<Option<At>, DataError> {
        record.clear();
        let mut searched = 0;
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let (length, next) = match memchr(b'\n', &waiting[searched..]) {
                Some(place) => (searched + place, searched + place + 1),
                None if self.at_end => (waiting.len(), waiting.len()),
                None => {
                    searched = waiting.len();
                    if searched as u64 > LONGEST_ROW {
                        return Err(self.too_long(self.line));
                    }
                    self.fill()?;
                    continue;
                }
            };
            let row = &waiting[..length];
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            let at = At::Line(self.line);
            if row.is_empty() {
                if next == 0 {
                    return Ok(None);
                }
                self.consume(next);
                searched = 0;
                continue;
            }
            match memchr3(b'"', b'\r', 0, row).and_then(|place| row.get(place)) {
                None => {}
                Some(0) => return Err(self.nul(at, row)),
                Some(_) => return self.read_quoted(record),
            }
            match std::str::from_utf8(row) {
                Ok(text) => {
                    // Cells are so short that looking for the next comma with vectors costs more.
                    let mut from = 0;
                    for (place, byte) in row.iter().enumerate() {
                        if *byte == b',' {
                            record.push_field(&text[from..place]);
                            from = place + 1;
                        }
                    }
                    record.push_field(&text[from..]);
                }
                Err(error) => {
                    let before = memchr_iter(b',', &row[..error.valid_up_to()]).count();
                    return Err(self.not_utf8(at, before));
                }
            }
            self.line += 1;
            self.start += next;
            self.check_length(at, record)?;
            return Ok(Some(at));
        }
    }

    /// A row with quotes or a lone carriage return.
    fn read_quoted(&mut self, record: &mut StringRecord) -> Result<Option<At>, DataError> {
        let begins = self.line;
        let at = At::Line(begins);
        self.automaton.reset();
        let (mut written, mut ended, mut consumed) = (0, 0, 0);
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let (result, taken, wrote, fields) =
                self.automaton
                    .read_record(waiting, &mut self.fields[written..], &mut self.ends[ended..]);
            self.consume(taken);
            consumed += taken as u64;
            if consumed > LONGEST_ROW {
                return Err(self.too_long(begins));
            }
            written += wrote;
            ended += fields;
            match result {
                ReadRecordResult::InputEmpty => {
                    self.fill()?;
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let mut from = 0;
        for (place, &end) in self.ends[..ended].iter().enumerate() {
            let bytes = &self.fields[from..end];
            if memchr(0, bytes).is_some() {
                return Err(self.cell(at, place, NUL));
            }
            let text = std::str::from_utf8(bytes).map_err(|_| self.not_utf8(at, place))?;
            record.push_field(text);
            from = end;
        }
        self.check_length(at, record)?;
        Ok(Some(at))
    }

    /// Passes over bytes that were given out.
    fn consume(&mut self, count: usize) {
        let passed = &self.buffer[self.start..self.start + count];
        self.line += memchr_iter(b'\n', passed).count() as u64;
        self.start += count;
    }

    /// Reads more; false at the end of the file.
    fn fill(&mut self) -> Result<bool, DataError> {
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
        let read = read.map_err(|source| DataError::Unreadable {
            file: self.file.clone(),
            source,
            advice: "it may be damaged or cut short: copy or export it again",
        })?;
        self.end += read;
        self.at_end = read == 0;
        Ok(read > 0)
    }

    fn check_length(&self, at: At, record: &StringRecord) -> Result<(), DataError> {
        let expected = self.header.len();
        if record.len() == expected || expected == 0 {
            return Ok(());
        }
        Err(DataError::Row {
            file: self.file.clone(),
            at,
            found: format!("{} cells", record.len()),
            expected: format!("{expected}, as in the header"),
            advice: "look for a comma too many or too few; a text with commas stands in double quotes",
        })
    }

    fn too_long(&self, line: u64) -> DataError {
        DataError::Row {
            file: self.file.clone(),
            at: At::Line(line),
            found: format!("a row of more than {} MiB", LONGEST_ROW >> 20),
            expected: "rows that end with a line end".to_owned(),
            advice: "look for a double quote that is not closed, or export the file with one line a row",
        }
    }

    fn nul(&self, at: At, row: &[u8]) -> DataError {
        let before = memchr(0, row).map_or(0, |place| memchr_iter(b',', &row[..place]).count());
        self.cell(at, before, NUL)
    }

    fn not_utf8(&self, at: At, cell: usize) -> DataError {
        self.cell(
            at,
            cell,
            (
                "a text that is not UTF-8",
                "UTF-8",
                "export the file with UTF-8 encoding",
            ),
        )
    }

    /// A fault of one cell; of the row where no column of the header stands over it.
    fn cell(&self, at: At, cell: usize, (found, expected, advice): (&str, &str, &'static str)) -> DataError {
        let (file, found, expected) = (self.file.clone(), found.to_owned(), expected.to_owned());
        match self.header.get(cell) {
            Some(column) => DataError::Cell {
                file,
                at,
                column: column.into(),
                found,
                expected,
                advice,
            },
            None => DataError::Row {
                file,
                at,
                found,
                expected,
                advice,
            },
        }
    }
}

/// A text has none; a file in UTF-16 has one in every other place.
const NUL: (&str, &str, &str) = (
    "a NUL byte",
    "text",
    "export the file with UTF-8 encoding; it may be UTF-16, or damaged",
);
