//! Streams a Parquet file: row group by row group, some rows at a time.

mod bytes;
mod column;
mod text;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::StringRecord;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::Type;

use super::super::DataError;
use super::super::error::At;
use super::LONGEST_ROW;
use bytes::FileBytes;
use column::Chunk;
use text::Format;

/// Rows that are decoded at a time, of each column.
const BATCH: usize = 1024;

/// Bytes of the footer, which is held in memory whole. That of a thousand columns in a thousand row groups fits.
const LONGEST_FOOTER: u64 = 256 << 20;

const DAMAGED: &str = "it may be damaged or cut short: copy or export it again";

/// The rows of a Parquet file. Memory holds one page and [`BATCH`] values of each column.
pub(super) struct ParquetRows {
    file: PathBuf,
    bytes: Arc<FileBytes>,
    metadata: Arc<ParquetMetaData>,
    names: Vec<String>,
    formats: Vec<Format>,
    /// Row group that is read next.
    next_group: usize,
    /// Rows of the present row group that are not decoded yet.
    undecoded: u64,
    chunks: Vec<Chunk>,
    /// Row within the decoded ones that is given next, and how many there are.
    within: usize,
    decoded: usize,
    /// Rows that were given.
    given: u64,
}

impl ParquetRows {
    /// Reads the footer, and refuses columns of which no cell of a table can be made.
    pub(super) fn open(file: &Path, opened: File) -> Result<(StringRecord, Self), DataError> {
        let bytes = FileBytes::new(opened).map_err(|source| DataError::Unreadable {
            file: file.to_owned(),
            source,
            advice: DAMAGED,
        })?;
        let broken = |error: ParquetError| damaged(file, &error);
        bytes.check_footer(LONGEST_FOOTER).map_err(broken)?;
        let metadata = fenced(|| ParquetMetaDataReader::new().parse_and_finish(&bytes)).map_err(broken)?;
        let schema = metadata.file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        if fields.is_empty() {
            return Err(DataError::whole(
                file,
                "a table without columns",
                "the columns of the schema",
                "export the data again",
            ));
        }
        let mut names = Vec::new();
        let mut formats = Vec::new();
        for (field, leaf) in fields.iter().zip(0..) {
            names.push(field.name().trim().to_owned());
            let format = match field.as_ref() {
                Type::PrimitiveType { .. } if schema.num_columns() > leaf => Format::of(&schema.column(leaf)),
                _ => Err("a nested type (a list, map or struct)".to_owned()),
            };
            formats.push(format.map_err(|found| {
                DataError::whole(
                    file,
                    format!("the column {:?} of {found}", field.name()),
                    "numbers, texts, booleans, dates and times",
                    "leave the column out of the export, or write it as plain columns of such types",
                )
            })?);
        }
        let header = StringRecord::from(names.clone());
        let rows = Self {
            file: file.to_owned(),
            bytes: Arc::new(bytes),
            metadata: Arc::new(metadata),
            names,
            formats,
            next_group: 0,
            undecoded: 0,
            chunks: Vec::new(),
            within: 0,
            decoded: 0,
            given: 0,
        };
        Ok((header, rows))
    }

    /// See [`super::Table::read`].
    pub(super) fn read(&mut self, record: &mut StringRecord) -> Result<Option<At>, DataError> {
        while self.within == self.decoded {
            if !self.decode()? {
                return Ok(None);
            }
        }
        self.given += 1;
        let at = At::Row(self.given);
        record.clear();
        for ((chunk, format), name) in self.chunks.iter().zip(&self.formats).zip(&self.names) {
            let written = chunk.write(self.within, format, record);
            written.map_err(|(found, expected, advice)| DataError::Cell {
                file: self.file.clone(),
                at,
                column: name.as_str().into(),
                found: found.to_owned(),
                expected: expected.to_owned(),
                advice,
            })?;
            if record.as_slice().len() as u64 > LONGEST_ROW {
                return Err(DataError::Row {
                    file: self.file.clone(),
                    at,
                    found: format!("a row of more than {} MiB", LONGEST_ROW >> 20),
                    expected: "shorter texts".to_owned(),
                    advice: "leave the column of long texts out of the export",
                });
            }
        }
        self.within += 1;
        Ok(Some(at))
    }

    /// Decodes the next rows; false after the last one.
    fn decode(&mut self) -> Result<bool, DataError> {
        if self.undecoded == 0 {
            if self.next_group == self.metadata.num_row_groups() {
                return Ok(false);
            }
            self.open_group().map_err(|error| damaged(&self.file, &error))?;
        }
        let wanted = usize::try_from(self.undecoded).unwrap_or(BATCH).min(BATCH);
        (self.within, self.decoded) = (0, 0);
        for (chunk, name) in self.chunks.iter_mut().zip(&self.names) {
            fenced(|| chunk.decode(wanted)).map_err(|error| {
                DataError::whole(
                    &self.file,
                    format!(
                        "something broken in column {name:?} within 1024 rows of row {} ({error})",
                        self.given + 1
                    ),
                    "Parquet",
                    DAMAGED,
                )
            })?;
        }
        self.decoded = wanted;
        self.undecoded -= wanted as u64;
        Ok(true)
    }

    fn open_group(&mut self) -> Result<(), ParquetError> {
        let group = self.metadata.row_group(self.next_group);
        self.next_group += 1;
        self.undecoded = u64::try_from(group.num_rows())
            .map_err(|_| ParquetError::General("a negative number of rows".to_owned()))?;
        self.chunks.clear();
        for leaf in 0..self.formats.len() {
            self.chunks.push(fenced(|| self.chunk(group, leaf))?);
        }
        Ok(())
    }

    fn chunk(&self, group: &RowGroupMetaData, leaf: usize) -> Result<Chunk, ParquetError> {
        let column = group
            .columns()
            .get(leaf)
            .ok_or_else(|| ParquetError::General("a row group without all columns".to_owned()))?;
        self.bytes.check_chunk(column)?;
        let rows = usize::try_from(group.num_rows())
            .map_err(|_| ParquetError::General("an absurd number of rows".to_owned()))?;
        let pages = SerializedPageReader::new(Arc::clone(&self.bytes), column, rows, None)?;
        // The footer's type, not the chunk's, says what the values are.
        let descriptor = self.metadata.file_metadata().schema_descr().column(leaf);
        Ok(Chunk::new(descriptor, Box::new(pages)))
    }
}

/// Makes an error of a panic inside the library. It has some on files that a flipped bit made inconsistent (a page that
/// points into a dictionary which the file lacks, for one; the tests find it), and a damaged file must not end a daemon.
/// What was being decoded is never used after one.
fn fenced<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    outcome.unwrap_or_else(|_| {
        Err(ParquetError::General(
            "values that contradict each other".to_owned(),
        ))
    })
}

fn damaged(file: &Path, error: &ParquetError) -> DataError {
    DataError::whole(
        file,
        format!("a file that begins as Parquet and cannot be read as it ({error})"),
        "Parquet, uncompressed or with snappy, gzip or zstd",
        DAMAGED,
    )
}
