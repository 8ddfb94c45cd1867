//! A bank's rows as they are kept: each in the fewest bytes that hold it.

use std::fmt;

use veilsum_protocol::task::Schema;

use super::dataset::Rows;
use super::date::SECOND;
use super::layout::{Layout, SincePlace};
use super::moment::Moment;
use super::row_store::{ReadBack, RowStore};
use super::series::AllSeries;
use super::windows::Windows;
use super::{DataError, Room};

/// Rows that are read back at once where they are gone through in their order.
const SCANNED: usize = 4096;

/// What the bytes of a row are, in the machine's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Numbers of 4 bytes, then categories of 2.
    Cells { numbers: usize, categories: usize },
    /// Token numbers below 2^16, 2 bytes each.
    ShortTokens { tokens: usize },
    /// Token numbers, 4 bytes each.
    Tokens { tokens: usize },
    /// The values of an image, 1 byte each: 255 for 1.
    Pixels { pixels: usize },
}

/// The values of a bank's rows, without labels.
pub(super) struct KeptRows {
    form: Form,
    store: RowStore,
    /// The place of the number that tells how long before a row the one before it was, and that number of each row, NaN for the first.
    since: Option<(SincePlace, Vec<f32>)>,
    /// Where rows are grouped, those that each of them is judged by.
    windows: Option<Windows>,
    count: usize,
    packed: Vec<u8>,
}

/// The cells of a row, by their place in the [`Layout`].
pub(super) struct RowCells<'a> {
    numbers: &'a [[u8; 4]],
    categories: &'a [[u8; 2]],
    /// A number that stands elsewhere.
    since: Option<(usize, f32)>,
}

/// The values of a row.
pub(super) enum Row<'a> {
    Cells(RowCells<'a>),
    ShortTokens(&'a [[u8; 2]]),
    Tokens(&'a [[u8; 4]]),
    Pixels(&'a [u8]),
}

impl Form {
    fn of(schema: &Schema, layout: &Layout) -> Self {
        if let Some(text) = schema.text() {
            let tokens = schema.input_shape(false).width();
            return if text.vocabulary() <= 1 << u16::BITS {
                Self::ShortTokens { tokens }
            } else {
                Self::Tokens { tokens }
            };
        }
        match schema.image() {
            Some(_) => Self::Pixels {
                pixels: schema.input_shape(false).width(),
            },
            None => Self::Cells {
                numbers: layout.numbers,
                categories: layout.categories,
            },
        }
    }

    /// Bytes of a row.
    fn width(self) -> usize {
        match self {
            Self::Cells { numbers, categories } => numbers * size_of::<f32>() + categories * size_of::<u16>(),
            Self::ShortTokens { tokens } => tokens * size_of::<u16>(),
            Self::Tokens { tokens } => tokens * size_of::<u32>(),
            Self::Pixels { pixels } => pixels,
        }
    }

    /// Appends the bytes of `rows`.
    fn pack(self, rows: &Rows, bytes: &mut Vec<u8>) {
        match self {
            Self::Cells { numbers, categories } => {
                let count = rows.sides.len();
                let start = bytes.len();
                bytes.resize(start + count * self.width(), 0);
                for (row, bytes) in bytes[start..].chunks_exact_mut(self.width().max(1)).enumerate() {
                    let (first, second) = bytes.split_at_mut(numbers * size_of::<f32>());
                    let cells = &rows.cells.numbers[row * numbers..(row + 1) * numbers];
                    for (place, number) in first.as_chunks_mut().0.iter_mut().zip(cells) {
                        *place = number.to_ne_bytes();
                    }
                    let cells = &rows.cells.categories[row * categories..(row + 1) * categories];
                    for (place, category) in second.as_chunks_mut().0.iter_mut().zip(cells) {
                        *place = category.to_ne_bytes();
                    }
                }
            }
            Self::ShortTokens { .. } => {
                let short = rows.tokens.iter().filter_map(|token| u16::try_from(*token).ok());
                bytes.extend(short.flat_map(u16::to_ne_bytes));
            }
            Self::Tokens { .. } => bytes.extend(rows.tokens.iter().flat_map(|token| token.to_ne_bytes())),
            Self::Pixels { .. } => bytes.extend_from_slice(&rows.pixels),
        }
    }
}

impl KeptRows {
    pub(super) fn new(schema: &Schema, layout: &Layout, room: &Room) -> Self {
        let form = Form::of(schema, layout);
        Self {
            form,
            store: RowStore::new(room, form.width()),
            since: layout.since.map(|place| (place, Vec::new())),
            windows: None,
            count: 0,
            packed: Vec::new(),
        }
    }

    /// Puts rows behind the last.
    ///
    /// # Errors
    /// If they have no room in memory and none on the disk.
    pub(super) fn push(&mut self, rows: &Rows) -> Result<(), DataError> {
        self.packed.clear();
        self.form.pack(rows, &mut self.packed);
        self.count += rows.sides.len();
        if let Some((_, since)) = &mut self.since {
            since.resize(self.count, f32::NAN);
        }
        self.store.push(&self.packed)
    }

    /// Lets all rows be read. Where they are parts of series, joins them to sequences of at most so many steps, and tells each how long before it
    /// the row before it was, if it has a place for that.
    ///
    /// # Errors
    /// If the disk does not take the last of them.
    pub(super) fn finish(&mut self, series: Option<(AllSeries, usize)>) -> Result<(), DataError> {
        self.packed = Vec::new();
        self.store.finish()?;
        let Some((series, steps)) = series else {
            return Ok(());
        };
        let mut since = self.since.as_mut();
        self.windows = Some(series.finish(steps, |row, before, this| {
            if let (Some((place, since)), Moment::Date(before), Moment::Date(this)) =
                (&mut since, before, this)
            {
                let seconds = (this - before) as f64 / SECOND as f64;
                since[row as usize] = (seconds.ln_1p() / place.most).min(1.0) as f32;
            }
        }));
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// Bytes of a row in the store.
    #[cfg(test)]
    pub(super) fn width(&self) -> usize {
        self.form.width()
    }

    /// How many of the rows that a model judges may be read back at once within the room, each with the rows before it that it
    /// is judged by; `None` if all are in memory.
    pub(super) fn at_once(&self) -> Option<usize> {
        let steps = self.windows.as_ref().map_or(1, Windows::steps);
        Some(self.store.at_once()? / steps)
    }

    /// Reads back those of `rows` that lie in the file, each with the rows before it that it is judged by. All of them are then
    /// to be [taken](Self::row), in this order.
    ///
    /// # Errors
    /// If the disk does not give them back.
    pub(super) fn read(&self, rows: impl Iterator<Item = u32>, into: &mut ReadBack) -> Result<(), DataError> {
        match &self.windows {
            None => self.store.read(rows, into),
            Some(windows) => {
                let steps = rows.flat_map(|row| windows.of(row as usize).iter().copied());
                self.store.read(steps, into)
            }
        }
    }

    /// A row by itself: one in memory, or the next of those that were [read](Self::read) back.
    ///
    /// # Panics
    /// If there is no such row, or it was not read.
    pub(super) fn row<'a>(&'a self, row: u32, read: &'a mut ReadBack) -> Row<'a> {
        let bytes = self.store.take(row, read);
        match self.form {
            Form::Cells { numbers, .. } => Row::Cells(self.cells(row, bytes, numbers)),
            Form::ShortTokens { .. } => Row::ShortTokens(bytes.as_chunks().0),
            Form::Tokens { .. } => Row::Tokens(bytes.as_chunks().0),
            Form::Pixels { .. } => Row::Pixels(bytes),
        }
    }

    fn cells<'a>(&self, row: u32, bytes: &'a [u8], numbers: usize) -> RowCells<'a> {
        let (numbers, categories) = bytes.split_at(numbers * size_of::<f32>());
        RowCells {
            numbers: numbers.as_chunks().0,
            categories: categories.as_chunks().0,
            since: self
                .since
                .as_ref()
                .map(|(place, since)| (place.at, since[row as usize])),
        }
    }

    /// Goes through the cells of rows, which a text or an image has none of.
    ///
    /// # Errors
    /// If the disk does not give them back.
    pub(super) fn scan(
        &self,
        mut rows: impl Iterator<Item = u32>,
        mut each: impl FnMut(u32, &RowCells<'_>),
    ) -> Result<(), DataError> {
        let Form::Cells { numbers, .. } = self.form else {
            let none = RowCells {
                numbers: &[],
                categories: &[],
                since: None,
            };
            rows.for_each(|row| each(row, &none));
            return Ok(());
        };
        let (mut together, mut read) = (Vec::with_capacity(SCANNED), ReadBack::default());
        loop {
            together.clear();
            together.extend(rows.by_ref().take(SCANNED));
            if together.is_empty() {
                return Ok(());
            }
            self.store.read(together.iter().copied(), &mut read)?;
            for &row in &together {
                let bytes = self.store.take(row, &mut read);
                each(row, &self.cells(row, bytes, numbers));
            }
        }
    }
}

impl RowCells<'_> {
    /// On `[0, 1]`, NaN where missing; those of cycles on `[-1, 1]`.
    ///
    /// # Panics
    /// If the row has no such number.
    pub(super) fn number(&self, at: usize) -> f32 {
        match self.since {
            Some((place, since)) if place == at => since,
            _ => f32::from_ne_bytes(self.numbers[at]),
        }
    }

    /// Index of the value, or the number of values for the bucket.
    ///
    /// # Panics
    /// If the row has no such category.
    pub(super) fn category(&self, at: usize) -> usize {
        usize::from(u16::from_ne_bytes(self.categories[at]))
    }
}

impl Row<'_> {
    /// Appends the values of a text or an image as a model takes them; none of cells, which need to be encoded.
    pub(super) fn append(&self, values: &mut Vec<f32>) {
        match self {
            Self::Cells(_) => {}
            Self::ShortTokens(tokens) => {
                values.extend(tokens.iter().map(|token| f32::from(u16::from_ne_bytes(*token))));
            }
            // Exact: there are at most 2^20 of them.
            Self::Tokens(tokens) => {
                values.extend(tokens.iter().map(|token| u32::from_ne_bytes(*token) as f32))
            }
            Self::Pixels(pixels) => values.extend(pixels.iter().map(|pixel| f32::from(*pixel) / 255.0)),
        }
    }
}

impl fmt::Debug for KeptRows {
    /// No row's values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRows")
            .field("form", &self.form)
            .field("count", &self.count)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
