use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes at the end of a file: the footer's length and the magic.
const TAIL: u64 = 8;

/// A file whose parts are read by their place. Nothing that the file says makes it read, or make room for, more than is
/// there.
pub(super) struct FileBytes {
    file: Arc<File>,
    length: u64,
}

impl FileBytes {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            length,
        })
    }

    /// Looks at the length that the footer claims, before room is made for it.
    pub(super) fn check_footer(&self, longest: u64) -> Result<()> {
        let mut tail = [0; TAIL as usize];
        let from = self
            .length
            .checked_sub(TAIL)
            .ok_or_else(|| ParquetError::EOF("a footer is missing".to_owned()))?;
        self.file.read_exact_at(&mut tail, from)?;
        let [a, b, c, d, ..] = tail;
        let claimed = u64::from(u32::from_le_bytes([a, b, c, d]));
        if claimed > from || claimed > longest {
            return Err(ParquetError::General(format!("a footer of {claimed} bytes")));
        }
        Ok(())
    }

    /// Looks at the place of a column's values, of which the library takes for granted that it is one.
    pub(super) fn check_chunk(&self, column: &ColumnChunkMetaData) -> Result<()> {
        let first = column
            .dictionary_page_offset()
            .unwrap_or_else(|| column.data_page_offset());
        let end = first.checked_add(column.compressed_size());
        match (u64::try_from(first), end.map(u64::try_from)) {
            (Ok(first), Some(Ok(end))) if first <= end && end <= self.length => Ok(()),
            _ => Err(ParquetError::EOF(
                "the values of a column lie outside the file".to_owned(),
            )),
        }
    }
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileBytes {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(From {
            file: Arc::clone(&self.file),
            place: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} of a file of {}",
                self.length
            )));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place of its own: several do so in one file at once.
pub(super) struct From {
    file: Arc<File>,
    place: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.place)?;
        self.place = self.place.saturating_add(read as u64);
        Ok(read)
    }
}
