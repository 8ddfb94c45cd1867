use std::iter;
use std::sync::Arc;

use super::DataError;
use super::encode::Encoder;
use super::kept_rows::{KeptRows, Row};
use super::row_store::ReadBack;

/// The values of many rows, of which a model is given `f32`. Copies share those of a bank's table.
#[derive(Clone, Debug)]
pub enum RowValues {
    /// As the model takes them: row-major, shape `[rows, width]`.
    Numbers(Vec<f32>),
    /// As the bank keeps them, in memory or in a file. They become what the model takes when they are asked for.
    Kept(EncodedRows),
}

/// Rows of one file or several, and how they become inputs.
#[derive(Clone, Debug)]
pub struct EncodedRows {
    files: Vec<FileRows>,
}

#[derive(Clone, Debug)]
struct FileRows {
    /// The number of its first row among all.
    first: u32,
    rows: Arc<KeptRows>,
    encoder: Arc<Encoder>,
}

impl RowValues {
    pub(super) fn of(rows: Arc<KeptRows>, encoder: Encoder) -> Self {
        let file = FileRows {
            first: 0,
            rows,
            encoder: Arc::new(encoder),
        };
        Self::Kept(EncodedRows { files: vec![file] })
    }

    /// How many rows of `width` values there are; `None` if the values are no whole rows, or rows of another width.
    pub fn rows(&self, width: usize) -> Option<usize> {
        match self {
            Self::Numbers(values) => {
                (width > 0 && values.len().is_multiple_of(width)).then(|| values.len() / width)
            }
            Self::Kept(rows) => {
                let is_of_width = rows.files.iter().all(|file| file.encoder.width() == width);
                is_of_width.then(|| rows.len())
            }
        }
    }

    /// Puts the rows of another file behind these, which are none or of the same kind, as rows of one task are.
    ///
    /// # Panics
    /// If they are of another kind.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::Kept(rows), Self::Kept(more)) => {
                let before = rows.len() as u32;
                rows.files.extend(more.files.into_iter().map(|file| FileRows {
                    first: before + file.first,
                    ..file
                }));
            }
            (rows, more) => {
                let is_empty = matches!(rows, Self::Numbers(values) if values.is_empty());
                assert!(is_empty, "rows of one task are of one kind");
                *rows = more;
            }
        }
    }

    /// Gives rows of `width` values.
    pub(crate) fn reader(&self, width: usize) -> RowReader<'_> {
        let files: &[FileRows] = match self {
            Self::Numbers(_) => &[],
            Self::Kept(rows) => &rows.files,
        };
        RowReader {
            values: self,
            width,
            at_once: files.iter().filter_map(|file| file.rows.at_once()).min(),
            files: files
                .iter()
                .map(|file| FileReader {
                    of: file,
                    read: ReadBack::default(),
                })
                .collect(),
            ahead: Vec::new(),
            done: 0,
        }
    }
}

impl EncodedRows {
    fn len(&self) -> usize {
        self.files.iter().map(|file| file.rows.len()).sum()
    }
}

/// Gives the values of rows as a model takes them. Rows that lie in a file are read back many at a time, in the order in which they lie there: as
/// many of those that will be asked for as the room has memory for.
pub(crate) struct RowReader<'a> {
    values: &'a RowValues,
    width: usize,
    /// How many rows may be read back at once; `None` if none lies in a file.
    at_once: Option<usize>,
    files: Vec<FileReader<'a>>,
    /// Rows that were read back, of which the first `done` were given.
    ahead: Vec<u32>,
    done: usize,
}

struct FileReader<'a> {
    of: &'a FileRows,
    read: ReadBack,
}

impl RowReader<'_> {
    /// Appends the values of `rows`, shape `[rows, width]`. `next` are those that will be asked for after them, as many at a time; if
    /// others are, that costs time alone.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    ///
    /// # Panics
    /// If there is no such row.
    pub(crate) fn append(
        &mut self,
        rows: &[u32],
        next: &[u32],
        values: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        if let RowValues::Numbers(numbers) = self.values {
            for &row in rows {
                let start = row as usize * self.width;
                values.extend_from_slice(&numbers[start..start + self.width]);
            }
            return Ok(());
        }
        if let Some(at_once) = self.at_once {
            if !self.ahead[self.done..].starts_with(rows) {
                self.read(rows, next, at_once)?;
            }
            self.done += rows.len();
        }
        for &row in rows {
            let behind = self.files.partition_point(|file| file.of.first <= row);
            self.files[behind - 1].append(row, values);
        }
        Ok(())
    }

    /// Reads back `rows`, and of `next` as many as are asked for with whole calls.
    fn read(&mut self, rows: &[u32], next: &[u32], at_once: usize) -> Result<(), DataError> {
        let calls = (at_once / rows.len().max(1)).max(1);
        let more = next.len().min((calls - 1).saturating_mul(rows.len()));
        // Not before all of them are there.
        let mut ahead = std::mem::take(&mut self.ahead);
        self.done = 0;
        ahead.clear();
        ahead.extend_from_slice(rows);
        ahead.extend_from_slice(&next[..more]);
        for file in &mut self.files {
            let FileRows { first, rows, .. } = file.of;
            let own = ahead.iter().filter_map(|row| row.checked_sub(*first));
            rows.read(own.filter(|row| (*row as usize) < rows.len()), &mut file.read)?;
        }
        self.ahead = ahead;
        Ok(())
    }
}

impl FileReader<'_> {
    /// Appends the values of a row: for a sequence those of all its steps, oldest first, and before them zeros for steps that are missing. Behind
    /// the inputs of a step stands a 1.
    fn append(&mut self, row: u32, values: &mut Vec<f32>) {
        let FileRows { first, rows, encoder } = self.of;
        let row = row - first;
        let mut one = |row, values: &mut Vec<f32>| match rows.row(row, &mut self.read) {
            Row::Cells(cells) => encoder.append(&cells, values),
            whole => whole.append(values),
        };
        let Some(windows) = rows.windows() else {
            return one(row, values);
        };
        let window = windows.of(row as usize);
        let missing = windows.steps() - window.len();
        let step = encoder.width() / windows.steps();
        values.extend(iter::repeat_n(0.0, missing * step));
        for &row in window {
            one(row, values);
            values.push(1.0);
        }
    }
}

impl From<Vec<f32>> for RowValues {
    fn from(values: Vec<f32>) -> Self {
        Self::Numbers(values)
    }
}
