//! Splits blocks of CSV into rows of texts, as the csv crate does (RFC 4180, and what exports make of it).
//!
//! Most blocks of a bank's table hold no quotes: those are split where the commas are. In every other one each row that has some goes through the
//! csv crate's own automaton. So the meaning is that crate's, and the tests compare both.

use std::sync::Arc;

use csv::StringRecord;
use csv_core::ReadRecordResult;
use memchr::{memchr, memchr_iter, memchr2_iter, memchr3};

use super::super::super::DataError;
use super::super::super::error::At;
use super::super::LONGEST_ROW;
use super::super::batch::{Batch, Records, Span};
use super::faults::Faults;
use super::separators::{GROUP, separators};

/// Rows that are handed on at a time: their cells' places stay near the processor.
const ROWS: usize = 256;

/// Whole rows that are not split yet, and the line of the first of them.
#[derive(Debug, Default)]
pub(super) struct Unsplit<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) line: u64,
}

/// Splits the blocks that one thread is dealt.
pub(in super::super) struct Splitter {
    faults: Arc<Faults>,
    automaton: csv_core::Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    cells: Vec<Span>,
    rows: Vec<At>,
    record: StringRecord,
    records: Records,
}

impl Splitter {
    pub(super) fn new(faults: Arc<Faults>) -> Self {
        Self {
            faults,
            automaton: csv_core::Reader::new(),
            fields: vec![0; 1 << 10],
            ends: vec![0; 1 << 6],
            cells: Vec::new(),
            rows: Vec::new(),
            record: StringRecord::new(),
            records: Records::default(),
        }
    }

    /// Hands all rows to `each`, some at a time.
    ///
    /// # Errors
    /// The first that a row or `each` gives, in the order of the file.
    pub(super) fn split(
        &mut self,
        block: Unsplit<'_>,
        each: &mut dyn FnMut(Batch<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        match tidy(block.bytes) {
            Some(text) => self.split_tidy(text, block.line, each),
            None => self.split_any(block, each),
        }
    }

    /// See [`tidy`].
    fn split_tidy(
        &mut self,
        text: &str,
        mut line: u64,
        each: &mut dyn FnMut(Batch<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let width = self.faults.width();
        let Self {
            faults, cells, rows, ..
        } = self;
        cells.clear();
        rows.clear();
        let bytes = text.as_bytes();
        // Where the cell at hand begins, and which of all cells the row at hand begins with.
        let (mut start, mut first) = (0, 0);
        let (groups, rest) = bytes.as_chunks::<GROUP>();
        let mut last = [0; GROUP];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            // The last row ends with the block.
            last[rest.len()] = b'\n';
        }
        for (base, group) in (0..).step_by(GROUP).zip(groups.iter().chain([&last])) {
            let mut found = separators(group);
            while found != 0 {
                let within = found.trailing_zeros() as usize;
                found &= found - 1;
                let place = base + within;
                cells.push(Span::new(start, place));
                start = place + 1;
                if group[within] == b',' {
                    continue;
                }
                if let Some(cell) = cells.last_mut()
                    && !cell.is_empty()
                    && bytes.get(place - 1) == Some(&b'\r')
                {
                    *cell = cell.shorter();
                }
                let at = At::Line(line);
                line += 1;
                match cells.len() - first {
                    1 if cells.last().is_some_and(|cell| cell.is_empty()) => {
                        cells.pop();
                        continue;
                    }
                    found if found == width => {}
                    found => {
                        cells.truncate(first);
                        each(Batch::new(text, cells, rows))?;
                        return faults.check_length(at, found);
                    }
                }
                rows.push(at);
                first = cells.len();
                if rows.len() == ROWS {
                    each(Batch::new(text, cells, rows))?;
                    cells.clear();
                    rows.clear();
                    first = 0;
                }
            }
        }
        each(Batch::new(text, cells, rows))
    }

    pub(super) fn split_any(
        &mut self,
        mut block: Unsplit<'_>,
        each: &mut dyn FnMut(Batch<'_>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut records = std::mem::take(&mut self.records);
        let mut record = std::mem::take(&mut self.record);
        let mut more = true;
        while more {
            records.clear();
            let read = loop {
                match self.read(&mut block, &mut record) {
                    Ok(Some(at)) => records.push(at, &record),
                    Ok(None) => break Ok(false),
                    Err(error) => break Err(error),
                }
                if records.is_full(ROWS) {
                    break Ok(true);
                }
            };
            each(records.batch())?;
            more = read?;
        }
        (self.records, self.record) = (records, record);
        Ok(())
    }

    /// Takes one row off the block; `None` after the last.
    ///
    /// # Errors
    /// The first thing in the row that keeps it from being read.
    pub(super) fn read(
        &mut self,
        block: &mut Unsplit<'_>,
        record: &mut StringRecord,
    ) -> Result<Option<At>, DataError> {
        record.clear();
        // Lines without anything are no rows.
        while let [b'\n' | b'\r', ..] = block.bytes {
            block.pass(1);
        }
        if block.bytes.is_empty() {
            return Ok(None);
        }
        let (length, next) = match memchr(b'\n', block.bytes) {
            Some(place) => (place, place + 1),
            None => (block.bytes.len(), block.bytes.len()),
        };
        let row = &block.bytes[..length];
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let at = At::Line(block.line);
        match memchr3(b'"', b'\r', 0, row).and_then(|place| row.get(place)) {
            None => {}
            Some(0) => return Err(self.faults.nul(at, row)),
            Some(_) => return self.read_quoted(block, record),
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
                return Err(self.faults.not_utf8(at, before));
            }
        }
        block.pass(next);
        self.faults.check_length(at, record.len())?;
        Ok(Some(at))
    }

    /// A row with quotes or a lone carriage return.
    fn read_quoted(
        &mut self,
        block: &mut Unsplit<'_>,
        record: &mut StringRecord,
    ) -> Result<Option<At>, DataError> {
        let at = At::Line(block.line);
        self.automaton.reset();
        let (mut written, mut ended, mut consumed) = (0, 0, 0);
        loop {
            let (result, taken, wrote, fields) =
                self.automaton
                    .read_record(block.bytes, &mut self.fields[written..], &mut self.ends[ended..]);
            block.pass(taken);
            consumed += taken as u64;
            if consumed > LONGEST_ROW {
                return Err(self.faults.too_long(at));
            }
            written += wrote;
            ended += fields;
            match result {
                // It is told so again, and ends the row.
                ReadRecordResult::InputEmpty => {}
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
                return Err(self.faults.nul_in(at, place));
            }
            let text = std::str::from_utf8(bytes).map_err(|_| self.faults.not_utf8(at, place))?;
            record.push_field(text);
            from = end;
        }
        self.faults.check_length(at, record.len())?;
        Ok(Some(at))
    }
}

impl Unsplit<'_> {
    /// Passes over bytes that were given out.
    fn pass(&mut self, count: usize) {
        let (passed, rest) = self.bytes.split_at(count);
        self.line += memchr_iter(b'\n', passed).count() as u64;
        self.bytes = rest;
    }
}

/// The bytes as a text, if each comma parts two cells and each line feed two rows, with or without a carriage return before it.
fn tidy(bytes: &[u8]) -> Option<&str> {
    if memchr2_iter(b'"', 0, bytes).next().is_some() {
        return None;
    }
    let ends_line = |place: usize| bytes.get(place + 1) == Some(&b'\n');
    let text = memchr_iter(b'\r', bytes).all(ends_line);
    text.then(|| std::str::from_utf8(bytes).ok())?
}
