//! What is wrong with a row of CSV, in words.

use std::path::PathBuf;

use csv::StringRecord;
use memchr::{memchr, memchr_iter};

use super::super::super::DataError;
use super::super::super::error::At;
use super::super::LONGEST_ROW;

/// Tells what is wrong with rows under a header.
pub(super) struct Faults {
    file: PathBuf,
    /// Empty until it is read.
    header: StringRecord,
}

/// A text has none; a file in UTF-16 has one in every other place.
const NUL: (&str, &str, &str) = (
    "a NUL byte",
    "text",
    "export the file with UTF-8 encoding; it may be UTF-16, or damaged",
);

impl Faults {
    pub(super) fn new(file: PathBuf, header: StringRecord) -> Self {
        Self { file, header }
    }

    /// How many cells a row has.
    pub(super) fn width(&self) -> usize {
        self.header.len()
    }

    /// # Errors
    /// If a row has another number of cells than the header, which has some once it was read.
    pub(super) fn check_length(&self, at: At, found: usize) -> Result<(), DataError> {
        let expected = self.header.len();
        if found == expected || expected == 0 {
            return Ok(());
        }
        Err(DataError::Row {
            file: self.file.clone(),
            at,
            found: format!("{found} cells"),
            expected: format!("{expected}, as in the header"),
            advice: "look for a comma too many or too few; a text with commas stands in double quotes",
        })
    }

    pub(super) fn too_long(&self, at: At) -> DataError {
        DataError::Row {
            file: self.file.clone(),
            at,
            found: format!("a row of more than {} MiB", LONGEST_ROW >> 20),
            expected: "rows that end with a line end".to_owned(),
            advice: "look for a double quote that is not closed, or export the file with one line a row",
        }
    }

    pub(super) fn unreadable(&self, source: std::io::Error) -> DataError {
        DataError::Unreadable {
            file: self.file.clone(),
            source,
            advice: "it may be damaged or cut short: copy or export it again",
        }
    }

    /// Of a row without quotes before the byte.
    pub(super) fn nul(&self, at: At, row: &[u8]) -> DataError {
        let before = memchr(0, row).map_or(0, |place| memchr_iter(b',', &row[..place]).count());
        self.nul_in(at, before)
    }

    pub(super) fn nul_in(&self, at: At, cell: usize) -> DataError {
        self.cell(at, cell, NUL)
    }

    pub(super) fn not_utf8(&self, at: At, cell: usize) -> DataError {
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
