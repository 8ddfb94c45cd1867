use std::path::Path;

use veilsum_protocol::model::MAX_ROWS;
use veilsum_protocol::task::{ColumnKind, Groups, LabelKind, Schema};

use super::moment::Moment;
use super::split::{Side, first_held_out};
use super::{DataError, DataFiles, HoldOut, RowValues, images, parse};
use crate::desensitise::Rules;

/// A bank's rows, checked against the schema and held in memory: 4 bytes for each number, 2 for each category, 2 or 4 for each token of the
/// longest text, 1 for each value of an image.
pub struct Dataset {
    schema: Schema,
    /// Row-major, shape `[rows, cells of number columns]`: on `[0, 1]`, NaN where missing.
    numbers: Vec<f32>,
    number_count: usize,
    /// Row-major, shape `[rows, cells of category columns]`: index of the value, or the number of values for the bucket.
    categories: Vec<u16>,
    category_count: usize,
    /// Where a row is a text or an image, all of it.
    whole: Option<RowValues>,
    /// 0 or 1, the number of the class, or the number on `[0, 1]`.
    labels: Vec<f32>,
    held_out: Vec<bool>,
    /// Of each row, where the model is judged by group; else empty.
    groups: Vec<u8>,
    /// The rows to train on in the order of time, where the split is by time.
    by_time: Option<Vec<u32>>,
}

/// One row as the reader hands it over.
pub(super) struct Row<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) categories: &'a [u16],
    pub(super) whole: Whole<'a>,
    pub(super) label: f32,
    pub(super) side: Side,
    pub(super) group: Option<u8>,
}

/// A row that is one text or image.
#[derive(Clone, Copy)]
pub(super) enum Whole<'a> {
    /// It is a row of a table.
    None,
    Tokens(&'a [u32]),
    Pixels(&'a [u8]),
}

impl Dataset {
    /// Reads a table with its columns in any order: CSV with a header, plain or compressed with gzip, or Parquet. The bank's own `rules` are applied to
    /// each row before anything else looks at it.
    ///
    /// # Errors
    /// The first thing in the file that does not fit the schema, with line, column, what was found, what was
    /// expected and what to do; also a file without rows, with one class only, or that leaves nothing to train on, and a column that looks
    /// like an identifier.
    pub fn read(file: &Path, schema: &Schema, hold_out: &HoldOut, rules: &Rules) -> Result<Self, DataError> {
        Self::read_files(&file.to_owned().into(), schema, hold_out, rules)
    }

    /// The same, or, for a schema of images, two IDX files.
    ///
    /// # Errors
    /// As [`Dataset::read`]; also a file of labels beside a table, and images without one.
    pub fn read_files(
        files: &DataFiles,
        schema: &Schema,
        hold_out: &HoldOut,
        rules: &Rules,
    ) -> Result<Self, DataError> {
        Self::read_by_group(files, schema, hold_out, None, rules)
    }

    /// Reads files like [`Dataset::read_files`], and of each row of a table which of `groups` it is of.
    ///
    /// # Errors
    /// As [`Dataset::read_files`], and for a row that is of no group.
    pub fn read_by_group(
        files: &DataFiles,
        schema: &Schema,
        hold_out: &HoldOut,
        groups: Option<&Groups>,
        rules: &Rules,
    ) -> Result<Self, DataError> {
        let file = &files.file;
        let of = |wanted: fn(&ColumnKind) -> bool| {
            let columns = schema.columns.iter().filter(move |column| wanted(&column.kind));
            columns.map(|column| column.cells().len()).sum()
        };
        let mut dataset = Self {
            schema: schema.clone(),
            numbers: Vec::new(),
            number_count: of(|kind| matches!(kind, ColumnKind::Number(_))),
            categories: Vec::new(),
            category_count: of(|kind| matches!(kind, ColumnKind::Category(_))),
            whole: RowValues::of(schema),
            labels: Vec::new(),
            held_out: Vec::new(),
            groups: Vec::new(),
            by_time: None,
        };
        let mut moments = Vec::new();
        let mut sink = |row: Row<'_>| {
            if let Side::At(moment) = row.side {
                moments.push(moment);
            }
            dataset.push(row);
        };
        match (schema.image(), &files.labels) {
            (Some(image), _) => images::read(files, schema, image, hold_out, rules, &mut sink)?,
            (None, None) => parse::read(file, schema, hold_out, groups, rules, &mut sink)?,
            (None, Some(labels)) => {
                return Err(DataError::whole(
                    labels,
                    "a file of labels beside a table",
                    "the labels in the table's own column",
                    "leave data.labels out of bank.toml: only images have it",
                ));
            }
        }
        if let Some(share) = hold_out.latest() {
            dataset.part_by_time(file, &moments, share)?;
        }
        dataset.check_whole(file)?;
        Ok(dataset)
    }

    fn push(&mut self, row: Row<'_>) {
        self.numbers.extend_from_slice(row.numbers);
        self.categories.extend_from_slice(row.categories);
        if let Some(whole) = &mut self.whole {
            whole.push(row.whole);
        }
        self.labels.push(row.label);
        // The last row tells of rows with a moment; they count as held out until then.
        self.held_out.push(row.side != Side::Training);
        self.groups.extend(row.group);
    }

    fn part_by_time(&mut self, file: &Path, moments: &[Moment], share: f64) -> Result<(), DataError> {
        // A file without rows is told by the check of the whole.
        if moments.is_empty() {
            return Ok(());
        }
        let first = first_held_out(moments, share).ok_or_else(|| {
            DataError::whole(
                file,
                "rows of one time only",
                "rows of two times or more",
                "the task holds out the latest rows: export rows of a longer time",
            )
        })?;
        for (held_out, moment) in self.held_out.iter_mut().zip(moments) {
            *held_out = *moment >= first;
        }
        let mut training: Vec<(Moment, u32)> = moments.iter().copied().zip(0..).collect();
        training.retain(|(moment, _)| *moment < first);
        // Rows of one moment stay in the order of the file.
        training.sort_unstable();
        self.by_time = Some(training.into_iter().map(|(_, row)| row).collect());
        Ok(())
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
        let of_one_class = positives == 0 || positives == self.labels.len();
        if self.schema.label_kind == LabelKind::Binary && of_one_class {
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
        let training = self.training_rows().count();
        if training > MAX_ROWS as usize {
            return refuse(
                &format!("{training} rows to train on"),
                format!("at most {MAX_ROWS}, which the consortium's sums have room for"),
                "draw a sample of the rows",
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
        self.labels.iter().filter(|label| **label == 1.0).count()
    }

    /// The labels, for the bank's own operator.
    pub fn labels_in_words(&self) -> String {
        match &self.schema.label_kind {
            LabelKind::Binary => {
                let positives = self.positives();
                format!(
                    "{positives} with label 1 and {} with label 0",
                    self.len() - positives
                )
            }
            LabelKind::Classes(classes) => {
                let mut seen = vec![false; classes.values.len()];
                self.labels.iter().for_each(|label| seen[*label as usize] = true);
                let seen = seen.iter().filter(|seen| **seen).count();
                format!("{seen} of the {} classes", classes.values.len())
            }
            LabelKind::Number(number) => format!("labels from {} to {}", number.min, number.max),
        }
    }

    /// Whether there is no row; a dataset that was read has at least two.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The rows to train on, by position in the file from 0; in the order of time where the split is by time, else in
    /// that of the file.
    pub fn training_rows(&self) -> impl Iterator<Item = u32> {
        let by_time = self.by_time.as_deref().unwrap_or_default().iter().copied();
        let as_in_file = self.by_time.is_none();
        by_time.chain(self.rows_where(false).filter(move |_| as_in_file))
    }

    /// Whether training may go through the rows in another order. After a split by time it may not: a model that is
    /// judged by later rows is to learn from earlier ones first.
    pub fn may_be_shuffled(&self) -> bool {
        self.by_time.is_none()
    }

    /// The rows that are held out, by position in the file from 0. There may be none.
    pub fn held_out_rows(&self) -> impl Iterator<Item = u32> {
        self.rows_where(true)
    }

    /// The group of each row, in the order of the file; empty where the model is not judged by group.
    pub fn groups(&self) -> &[u8] {
        &self.groups
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

    /// All that the model is given of the rows, where a row is a text or an image.
    pub(super) fn whole(&self) -> Option<&RowValues> {
        self.whole.as_ref()
    }

    pub(super) fn labels(&self) -> &[f32] {
        &self.labels
    }

    /// How many numbers of a row each number column gives: one, or one a step.
    pub(super) fn number_cells(&self) -> impl Iterator<Item = usize> {
        number_cells(&self.schema)
    }

    /// The row's numbers in the schema's order, those of a column's steps one after another, on `[0, 1]`, NaN where missing.
    pub(super) fn numbers(&self, row: u32) -> &[f32] {
        let start = row as usize * self.number_count;
        &self.numbers[start..start + self.number_count]
    }

    /// The row's categories, likewise.
    pub(super) fn categories(&self, row: u32) -> &[u16] {
        let start = row as usize * self.category_count;
        &self.categories[start..start + self.category_count]
    }
}

fn number_cells(schema: &Schema) -> impl Iterator<Item = usize> {
    let numbers = schema.columns.iter();
    let numbers = numbers.filter(|column| matches!(column.kind, ColumnKind::Number(_)));
    numbers.map(|column| column.cells().len())
}
