use csv::StringRecord;
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescPtr;

use super::text::{Format, Unwritable};

/// One column of a row group, some values of which are decoded.
pub(super) struct Chunk {
    reader: ColumnReader,
    /// Whether a value of the column may be missing; then `levels` has a 1 for each that is there.
    optional: bool,
    levels: Vec<i16>,
    /// For each row its place among the values, or `None` where it has none.
    places: Vec<Option<usize>>,
    values: Values,
}

/// Those that are there, of the column's physical type.
enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl Chunk {
    pub(super) fn new(descriptor: ColumnDescPtr, pages: Box<dyn PageReader>) -> Self {
        let optional = descriptor.max_def_level() > 0;
        let reader = get_column_reader(descriptor, pages);
        let values = match &reader {
            ColumnReader::BoolColumnReader(_) => Values::Bool(Vec::new()),
            ColumnReader::Int32ColumnReader(_) => Values::Int32(Vec::new()),
            ColumnReader::Int64ColumnReader(_) => Values::Int64(Vec::new()),
            ColumnReader::Int96ColumnReader(_) => Values::Int96(Vec::new()),
            ColumnReader::FloatColumnReader(_) => Values::Float(Vec::new()),
            ColumnReader::DoubleColumnReader(_) => Values::Double(Vec::new()),
            ColumnReader::ByteArrayColumnReader(_) => Values::Bytes(Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(_) => Values::Fixed(Vec::new()),
        };
        Self {
            reader,
            optional,
            levels: Vec::new(),
            places: Vec::new(),
            values,
        }
    }

    /// Decodes the next `rows` rows in place of those before.
    pub(super) fn decode(&mut self, rows: usize) -> Result<()> {
        let levels = &mut self.levels;
        levels.clear();
        match (&mut self.reader, &mut self.values) {
            (ColumnReader::BoolColumnReader(from), Values::Bool(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::Int32ColumnReader(from), Values::Int32(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::Int64ColumnReader(from), Values::Int64(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::Int96ColumnReader(from), Values::Int96(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::FloatColumnReader(from), Values::Float(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::DoubleColumnReader(from), Values::Double(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::ByteArrayColumnReader(from), Values::Bytes(to)) => fill(from, rows, levels, to)?,
            (ColumnReader::FixedLenByteArrayColumnReader(from), Values::Fixed(to)) => {
                fill(from, rows, levels, to)?;
            }
            _ => {
                return Err(ParquetError::General(
                    "a column of one type with values of another".to_owned(),
                ));
            }
        }
        self.places.clear();
        let mut next = 0..;
        if self.optional {
            // Only a value that is there takes a place.
            let place = |&level: &i16| if level > 0 { next.next() } else { None };
            self.places.extend(levels.iter().map(place));
        } else {
            self.places.extend(next.take(rows).map(Some));
        }
        Ok(())
    }

    /// Appends the cell of a decoded row to the record.
    pub(super) fn write(
        &self,
        row: usize,
        format: &Format,
        record: &mut StringRecord,
    ) -> std::result::Result<(), Unwritable> {
        let Some(place) = self.places.get(row).copied().flatten() else {
            record.push_field("");
            return Ok(());
        };
        match &self.values {
            Values::Bool(values) => format.boolean(values[place], record),
            Values::Int32(values) => format.integer(values[place].into(), record),
            Values::Int64(values) => format.integer(values[place], record),
            Values::Int96(values) => format.int96(&values[place], record),
            Values::Float(values) => format.float(values[place], record),
            Values::Double(values) => format.double(values[place], record),
            Values::Bytes(values) => format.bytes(values[place].data(), record),
            Values::Fixed(values) => format.bytes(values[place].data(), record),
        }
    }
}

fn fill<T: DataType>(
    from: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Vec<i16>,
    to: &mut Vec<T::T>,
) -> Result<()> {
    to.clear();
    let (read, values, _) = from.read_records(rows, Some(levels), None, to)?;
    let there = levels.iter().filter(|level| **level > 0).count();
    let fits = if levels.is_empty() {
        values == rows
    } else {
        levels.len() == rows && there == values
    };
    if read == rows && fits && to.len() == values {
        return Ok(());
    }
    Err(ParquetError::EOF(format!("{rows} values expected, {read} found")))
}
