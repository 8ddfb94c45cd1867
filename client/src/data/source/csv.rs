use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{Position, StringRecord};

use super::super::DataError;
use super::super::error::At;
use super::LONGEST_ROW;

/// The rows of a CSV file.
pub(super) struct CsvRows {
    file: PathBuf,
    header: StringRecord,
    reader: csv::Reader<RowLimit<Box<dyn Read + Send>>>,
}

impl CsvRows {
    /// Reads the header.
    pub(super) fn open(file: &Path, bytes: Box<dyn Read + Send>) -> Result<(StringRecord, Self), DataError> {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .buffer_capacity(1 << 16)
            .from_reader(RowLimit::new(bytes));
        let mut rows = Self {
            file: file.to_owned(),
            header: StringRecord::new(),
            reader,
        };
        let mut header = StringRecord::new();
        rows.read(&mut header)?;
        header.trim();
        rows.header = header.clone();
        Ok((header, rows))
    }

    /// See [`super::Table::read`].
    pub(super) fn read(&mut self, record: &mut StringRecord) -> Result<Option<At>, DataError> {
        self.reader.get_mut().begin_row();
        let begins = self.reader.position().line();
        match self.reader.read_record(record) {
            Ok(true) => {
                let at = line(record.position());
                // A text has none; a file in UTF-16 has one in every other place.
                if record.as_slice().as_bytes().contains(&0) {
                    return Err(self.nul(at, record));
                }
                Ok(Some(at))
            }
            Ok(false) => Ok(None),
            Err(error) => Err(self.broken(error, begins)),
        }
    }

    fn nul(&self, at: At, record: &StringRecord) -> DataError {
        let cell = record.iter().position(|cell| cell.contains('\0'));
        self.cell(
            at,
            cell.unwrap_or(0),
            "a NUL byte",
            "text",
            "export the file with UTF-8 encoding; it may be UTF-16, or damaged",
        )
    }

    fn broken(&self, error: csv::Error, begins: u64) -> DataError {
        let at = line(error.position());
        let row = |found: String, expected: &str, advice: &'static str| DataError::Row {
            file: self.file.clone(),
            at,
            found,
            expected: expected.to_owned(),
            advice,
        };
        match error.into_kind() {
            csv::ErrorKind::Io(source) if RowLimit::<&[u8]>::is_its(&source) => DataError::Row {
                file: self.file.clone(),
                at: At::Line(begins),
                found: format!("a row of more than {} MiB", LONGEST_ROW >> 20),
                expected: "rows that end with a line end".to_owned(),
                advice: "look for a double quote that is not closed, or export the file with one line a row",
            },
            csv::ErrorKind::Io(source) => DataError::Unreadable {
                file: self.file.clone(),
                source,
                advice: "it may be damaged or cut short: copy or export it again",
            },
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => row(
                format!("{len} cells"),
                &format!("{expected_len}, as in the header"),
                "look for a comma too many or too few; a text with commas stands in double quotes",
            ),
            csv::ErrorKind::Utf8 { err, .. } => self.cell(
                at,
                err.field(),
                "a text that is not UTF-8",
                "UTF-8",
                "export the file with UTF-8 encoding",
            ),
            other => row(
                format!("a row that cannot be read ({other:?})"),
                "comma-separated values",
                "export it again",
            ),
        }
    }

    /// A fault of one cell; of the row where no column of the header stands over it.
    fn cell(&self, at: At, cell: usize, found: &str, expected: &str, advice: &'static str) -> DataError {
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

fn line(position: Option<&Position>) -> At {
    At::Line(position.map_or(1, Position::line))
}

/// Ends the reading of a row that is longer than memory may hold. The parser takes bytes ahead of the row, so that the
/// limit holds to within its buffer.
struct RowLimit<R> {
    bytes: R,
    since_row: u64,
}

impl<R: Read> RowLimit<R> {
    fn new(bytes: R) -> Self {
        Self { bytes, since_row: 0 }
    }

    fn begin_row(&mut self) {
        self.since_row = 0;
    }

    fn is_its(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::FileTooLarge
    }
}

impl<R: Read> Read for RowLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row > LONGEST_ROW {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.bytes.read(buffer)?;
        self.since_row += read as u64;
        Ok(read)
    }
}
