//! Which rows belong together, and in which order: from the keys and times of a file to the window of each row.

use std::collections::HashMap;
use std::path::Path;

use ring::digest::{Context, SHA256};
use veilsum_protocol::task::Sequence;

use super::DataError;
use super::cell::{quoted, trimmed};
use super::error::At;
use super::moment::{EXPECTED, Moment};
use super::source::Row;
use super::windows::Windows;

const KEY_HEAD: &[u8] = b"veilsum/v1/group\0";

/// What a row says of its place among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InSeries {
    /// 128 bits of the key's hash under the bank's salt: no two keys of a file share them.
    key: u128,
    pub(super) moment: Moment,
}

/// Reads keys and times. A key is in memory for as long as its row; what stays is its hash.
pub(super) struct SeriesReader<'a> {
    file: &'a Path,
    sequence: &'a Sequence,
    missing: &'a [String],
    /// Where key and time stand in a row.
    positions: (usize, usize),
    /// Has taken what comes before each key.
    head: Context,
}

impl<'a> SeriesReader<'a> {
    pub(super) fn new(
        file: &'a Path,
        sequence: &'a Sequence,
        missing: &'a [String],
        positions: (usize, usize),
        salt: &[u8; 32],
    ) -> Self {
        let mut head = Context::new(&SHA256);
        head.update(KEY_HEAD);
        head.update(salt);
        Self {
            file,
            sequence,
            missing,
            positions,
            head,
        }
    }

    /// The row's key as it stands.
    pub(super) fn key<'r>(&self, row: Row<'r>) -> &'r str {
        trimmed(row.get(self.positions.0).unwrap_or_default())
    }

    /// # Errors
    /// A row without a key or a time.
    pub(super) fn read(&self, at: At, row: Row<'_>) -> Result<InSeries, DataError> {
        let key = self.key(row);
        let none = |cell: &str| cell.is_empty() || self.missing.iter().any(|missing| missing == cell);
        if none(key) {
            // Not the cell itself: whatever stands in a column of keys is not shown.
            return Err(DataError::Cell {
                file: self.file.to_owned(),
                at,
                column: self.sequence.key.as_str().into(),
                found: "no value".to_owned(),
                expected: "the key of the row's group".to_owned(),
                advice: "the schema groups the rows by this column: fill it in every row, or leave out rows without a key",
            });
        }
        let time = trimmed(row.get(self.positions.1).unwrap_or_default());
        let moment = Some(time).filter(|time| !none(time)).and_then(Moment::parse);
        let moment = moment.ok_or_else(|| no_time(self.file, self.sequence, at, quoted(time), EXPECTED))?;
        let mut hash = self.head.clone();
        hash.update(key.as_bytes());
        let bytes = hash.finish();
        let key = bytes.as_ref().iter().take(16);
        Ok(InSeries {
            key: key.fold(0, |key, byte| key << 8 | u128::from(*byte)),
            moment,
        })
    }
}

/// A cell that does not order its row.
pub(super) fn no_time(file: &Path, sequence: &Sequence, at: At, found: String, expected: &str) -> DataError {
    DataError::Cell {
        file: file.to_owned(),
        at,
        column: sequence.time.as_str().into(),
        found,
        expected: expected.to_owned(),
        advice: "the schema orders a group's rows by this column: fill it in every row, in one way",
    }
}

/// The rows of a file by group and time.
#[derive(Default)]
pub(super) struct AllSeries {
    numbers: HashMap<u128, u32>,
    /// Group, time and row.
    rows: Vec<(u32, Moment, u32)>,
}

impl AllSeries {
    /// Takes the next row of the file.
    pub(super) fn push(&mut self, row: InSeries) {
        // No more groups than rows, which are numbered with 32 bits.
        let next = self.numbers.len() as u32;
        let group = *self.numbers.entry(row.key).or_insert(next);
        self.rows.push((group, row.moment, self.rows.len() as u32));
    }

    /// The windows of at most `steps` rows. `follows` is told of each row that has one before it in its group, with both their
    /// times. Rows of one key and one time keep the file's order.
    pub(super) fn finish(mut self, steps: usize, mut follows: impl FnMut(u32, Moment, Moment)) -> Windows {
        self.rows.sort_unstable();
        let mut windows = Windows::new(steps, self.rows.len());
        for group in self.rows.chunk_by(|a, b| a.0 == b.0) {
            windows.push_group(group.iter().map(|(_, _, row)| *row));
            for (before, this) in group.iter().zip(group.iter().skip(1)) {
                follows(this.2, before.1, this.1);
            }
        }
        windows
    }
}
