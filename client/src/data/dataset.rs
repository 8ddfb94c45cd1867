use std::path::Path;

use veilsum_protocol::task::{ColumnKind, Schema};

use super::{DataError, HoldOut, parse};

/// A bank's rows, checked against the schema and held in memory: 4 bytes for each number, 2 for each category.
pub struct Dataset {
    schema: Schema,
    /// Row-major, shape `[rows, number columns]`: on `[0, 1]`, NaN where missing.
    numbers: Vec<f32>,
    number_count: usize,
    /// Row-major, shape `[rows, category columns]`: index of the value, or the number of values for the bucket.
    categories: Vec<u16>,
    category_count: usize,
    labels: Vec<u8>,
    held_out: Vec<bool>,
}

/// One row as the reader hands it over.
pub(super) struct Row<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) categories: &'a [u16],
    pub(super) label: u8,
    pub(super) held_out: bool,
}

impl Dataset {
    /// Reads a table with its columns in any order: CSV with a header, plain or compressed with gzip, or Parquet.
    ///
    /// # Errors
    /// The first thing in the file that does not fit the schema, with line, column, what was found, what was
    /// expected and what to do; also a file without rows, with one class only, or that leaves nothing to train on.
    pub fn read(file: &Path, schema: &Schema, hold_out: &HoldOut) -> Result<Self, DataError> {
        let numbers = |column: &&veilsum_protocol::task::Column| matches!(column.kind, ColumnKind::Number(_));
        let number_count = schema.columns.iter().filter(numbers).count();
        let mut dataset = Self {
            schema: schema.clone(),
            numbers: Vec::new(),
            number_count,
            categories: Vec::new(),
            category_count: schema.columns.len() - number_count,
            labels: Vec::new(),
            held_out: Vec::new(),
        };
        parse::read(file, schema, hold_out, &mut |row| dataset.push(row))?;
        dataset.check_whole(file)?;
        Ok(dataset)
    }

    fn push(&mut self, row: Row<'_>) {
        self.numbers.extend_from_slice(row.numbers);
        self.categories.extend_from_slice(row.categories);
        self.labels.push(row.label);
        self.held_out.push(row.held_out);
    }

    fn check_whole(&self, file: &Path) -> Result<(), DataError> {
        let refuse = |found: &str, expected: String, advice: &'static str| {
            Err(DataError::whole(file, found, expected, advice))
        };
        let label = &self.schema.label;
        if self.labels.is_empty() {
            return refuse(
                "a header and no row",
                "at least one row below it".to_owned(),
                "export the data again",
            );
        }
        let positives = self.positives();
        if positives == 0 || positives == self.labels.len() {
            let only = if positives == 0 { 0 } else { 1 };
            return refuse(
                &format!("only the label {only} in all {} rows", self.labels.len()),
                format!("rows of both classes in column {label:?}"),
                "check how the label was exported; a bank with one class only cannot take part",
            );
        }
        if self.training_rows().next().is_none() {
            return refuse(
                &format!("{} rows, all of which fall to the hold-out", self.labels.len()),
                "rows to train on".to_owned(),
                "a bank needs more rows to take part",
            );
        }
        Ok(())
    }

    /// How many rows, held out or not.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// How many rows have label 1.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label == 1).count()
    }

    /// Whether there is no row; a dataset that was read has at least two.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The rows to train on, by position in the file from 0.
    pub fn training_rows(&self) -> impl Iterator<Item = u32> {
        self.rows_where(false)
    }

    /// The rows that are held out, by position in the file from 0. There may be none.
    pub fn held_out_rows(&self) -> impl Iterator<Item = u32> {
        self.rows_where(true)
    }

    fn rows_where(&self, held_out: bool) -> impl Iterator<Item = u32> {
        (0_u32..)
            .zip(&self.held_out)
            .filter(move |(_, held)| **held == held_out)
            .map(|(row, _)| row)
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn labels(&self) -> &[u8] {
        &self.labels
    }

    pub(super) fn number_count(&self) -> usize {
        self.number_count
    }

    /// The row's numbers in the schema's order, on `[0, 1]`, NaN where missing.
    pub(super) fn numbers(&self, row: u32) -> &[f32] {
        let start = row as usize * self.number_count;
        &self.numbers[start..start + self.number_count]
    }

    /// The row's categories in the schema's order.
    pub(super) fn categories(&self, row: u32) -> &[u16] {
        let start = row as usize * self.category_count;
        &self.categories[start..start + self.category_count]
    }
}
