//! A bank's file as rows of texts, whatever its format: the same for the parser of cells, for a profile and for a
//! draft of a schema. What the cells mean is decided elsewhere.

mod batch;
mod csv;
mod idx;
mod parquet;
mod shared;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::csv::StringRecord;
use flate2::bufread::MultiGzDecoder;

use super::DataError;
use csv::CsvRows;
use parquet::ParquetRows;

pub(crate) use batch::{Batch, Records, Row, Short};
pub(crate) use shared::Worker;

pub(crate) use idx::{Idx, times};

/// Bytes of the longest row. A row is held in memory, so that a file without line ends must not be one.
const LONGEST_ROW: u64 = 16 << 20;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const PARQUET_MAGIC: &[u8] = b"PAR1";
/// A table that is encrypted even to its footer.
const ENCRYPTED_MAGIC: &[u8] = b"PARE";
/// A text in UTF-16, as some spreadsheets write it, of either byte order.
const UTF16_MAGIC: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// An open file: its header, and its rows one after the other.
pub(crate) struct Table {
    file: PathBuf,
    header: StringRecord,
    rows: Rows,
}

enum Rows {
    Csv(Box<CsvRows>),
    Parquet(Box<ParquetRows>),
}

impl Table {
    /// Opens a file and reads its header. The first bytes tell the format, not the name.
    ///
    /// # Errors
    /// When it cannot be read, or its first bytes are of no table.
    pub(crate) fn open(file: &Path) -> Result<Self, DataError> {
        let unreadable = |source, advice| DataError::Unreadable {
            file: file.to_owned(),
            source,
            advice,
        };
        let mut opened = File::open(file).map_err(|e| {
            unreadable(
                e,
                "put the table there, or set data.file in bank.toml and start the daemon again",
            )
        })?;
        let damaged = |e| unreadable(e, "check that it is a file and may be read");
        let start = first_bytes(&mut opened).map_err(damaged)?;
        if start.is_empty() {
            return Err(DataError::whole(
                file,
                "an empty file",
                "a CSV file with a header",
                "export the data again",
            ));
        }
        if start.starts_with(PARQUET_MAGIC) {
            let (header, rows) = ParquetRows::open(file, opened)?;
            return Ok(Self {
                file: file.to_owned(),
                header,
                rows: Rows::Parquet(Box::new(rows)),
            });
        }
        for (magic, found, advice) in [
            (
                ENCRYPTED_MAGIC,
                "an encrypted Parquet file",
                "export it without encryption",
            ),
            (
                UTF16_MAGIC[0],
                "a text in UTF-16",
                "export the file with UTF-8 encoding",
            ),
            (
                UTF16_MAGIC[1],
                "a text in UTF-16",
                "export the file with UTF-8 encoding",
            ),
        ] {
            if start.starts_with(magic) {
                return Err(DataError::whole(file, found, "a CSV or Parquet file", advice));
            }
        }
        let (start, bytes): (_, Box<dyn Read + Send>) = if start.starts_with(GZIP_MAGIC) {
            let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 17, opened));
            idx::peeked(unpacked).map_err(|error| {
                unreadable(error, "it may be damaged or cut short: copy or export it again")
            })?
        } else {
            (start, Box::new(opened))
        };
        if idx::is_idx(&start) {
            return Err(DataError::whole(
                file,
                "an IDX file, of images or their labels",
                "a table in CSV or Parquet",
                "only a schema with a column of type = \"image\" reads it, and `veilsum-client data profile` counts what it holds",
            ));
        }
        let (header, rows) = CsvRows::open(file, bytes)?;
        Ok(Self {
            file: file.to_owned(),
            header,
            rows: Rows::Csv(Box::new(rows)),
        })
    }

    /// Names of the columns, trimmed, in the file's order. They may be any texts, and may repeat.
    pub(crate) fn header(&self) -> &StringRecord {
        &self.header
    }
}

/// Whether a file, plain or gzip, is an IDX file. What cannot be read is none: whoever reads it next tells why.
pub(crate) fn is_of_images(file: &Path) -> bool {
    let begins = || {
        let mut opened = File::open(file)?;
        let start = first_bytes(&mut opened)?;
        if start.starts_with(GZIP_MAGIC) {
            return Ok(idx::peeked(MultiGzDecoder::new(BufReader::new(opened)))?.0);
        }
        Ok::<_, io::Error>(start)
    };
    begins().is_ok_and(|start| idx::is_idx(&start))
}

/// Up to four bytes of the beginning; the file is at its beginning again.
fn first_bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(start)
}

#[cfg(test)]
mod tests;
