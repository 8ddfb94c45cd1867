use std::path::Path;
use std::sync::Arc;

use veilsum_protocol::model::MAX_ROWS;
use veilsum_protocol::task::{ColumnKind, Examples, Groups, LabelKind, Schema};

use super::error::At;
use super::kept_rows::KeptRows;
use super::layout::Layout;
use super::moment::Moment;
use super::series::{AllSeries, InSeries};
use super::split::{Side, first_held_out};
use super::windows::Windows;
use super::{DataError, DataFiles, HoldOut, OpenValues, Room, images, parse};
use crate::desensitise::Rules;

/// Of the Gregorian calendar, on the average.
const SECONDS_OF_A_YEAR: f64 = 365.2425 * 86_400.0;

/// A bank's rows, checked against the schema. Their values take 4 bytes for each number, 2 for each category, 2 or 4 for each token of the
/// longest text, 1 for each value of an image, in memory or in a file; what else is told of a row is in memory: 4 bytes for its label, 1 for its
/// side, 1 for its group, 4 for its place in the order of time, 11 for its place among the rows of its key and 4 for the time since the one before.
pub struct Dataset {
    schema: Schema,
    layout: Layout,
    rows: Arc<KeptRows>,
    /// 0 or 1, the number of the class, or the number on `[0, 1]`.
    labels: Arc<Vec<f32>>,
    held_out: Vec<bool>,
    /// Of each row, where the model is judged by group; else empty.
    groups: Vec<u8>,
    /// The rows to train on in the order of time, where the split is by time.
    by_time: Option<Vec<u32>>,
    /// Of categories whose values the banks find out.
    open: OpenValues,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValues {
    /// On the column's own scale, to the precision that is kept; NaN where missing. A date in years, 2024.5 for the middle of 2024.
    Numbers(Vec<f64>),
    /// Index of the value in the schema's list; `None` for one that is missing, or in the bucket of others.
    Categories(Vec<Option<u16>>),
}

/// The cells of rows.
#[derive(Default)]
pub(super) struct Cells {
    /// Row-major, shape `[rows, numbers of the layout]`: on `[0, 1]`, NaN where missing; those of cycles on `[-1, 1]`.
    pub(super) numbers: Vec<f32>,
    /// Row-major, shape `[rows, categories of the layout]`: index of the value, or the number of values for the bucket.
    pub(super) categories: Vec<u16>,
    /// 0 or 1, the number of the class, or the number on `[0, 1]`.
    pub(super) labels: Vec<f32>,
}

/// Rows that follow each other, as the reader hands them over.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) cells: Cells,
    /// Of texts, shape `[rows, tokens]`.
    pub(super) tokens: Vec<u32>,
    /// Of images, shape `[rows, channels, height, width]`.
    pub(super) pixels: Vec<u8>,
    /// Where each row stands in the file, and what it says of its own side.
    pub(super) sides: Vec<(At, Side)>,
    /// Where rows make series, what each says of its own.
    pub(super) series: Vec<InSeries>,
    /// Where the model is judged by group, each row's.
    pub(super) groups: Vec<u8>,
}

impl Dataset {
    /// Reads a table with its columns in any order: CSV with a header, plain or compressed with gzip, or Parquet. The bank's own `rules` are applied to
    /// each row before anything else looks at it. All rows are kept in memory.
    ///
    /// # Errors
    /// The first thing in the file that does not fit the schema, with line, column, what was found, what was
    /// expected and what to do; also a file without rows, with one class only, or that leaves nothing to train on, and a column that looks
    /// like an identifier.
    pub fn read(file: &Path, schema: &Schema, hold_out: &HoldOut, rules: &Rules) -> Result<Self, DataError> {
        let room = Room::in_memory();
        Self::read_files(&file.to_owned().into(), schema, hold_out, None, rules, &room)
    }

    /// The same, or, for a schema of images, two IDX files; and of each row of a table which of `groups` it is of. Rows that have no `room` in
    /// memory are kept in a file.
    ///
    /// # Errors
    /// As [`Dataset::read`]; also a file of labels beside a table, images without one, a row that is of no group, and a disk that does not
    /// take the rows.
    pub fn read_files(
        files: &DataFiles,
        schema: &Schema,
        hold_out: &HoldOut,
        groups: Option<&Groups>,
        rules: &Rules,
        room: &Room,
    ) -> Result<Self, DataError> {
        let file = &files.file;
        let layout = Layout::of(schema);
        let mut kept = KeptRows::new(schema, &layout, room);
        let (mut labels, mut held_out, mut of_groups) = (Vec::new(), Vec::new(), Vec::new());
        let mut moments = Vec::new();
        let mut series = AllSeries::default();
        let mut sink = |rows: Rows| -> Result<(), DataError> {
            kept.push(&rows)?;
            labels.extend_from_slice(&rows.cells.labels);
            rows.series.iter().for_each(|row| series.push(*row));
            of_groups.extend_from_slice(&rows.groups);
            for (_, side) in &rows.sides {
                if let Side::At(moment) = side {
                    moments.push(*moment);
                }
                // The last row tells of rows with a moment; they count as held out until then.
                held_out.push(*side != Side::Training);
            }
            Ok(())
        };
        let open = match (schema.image(), &files.labels) {
            (Some(image), _) => {
                images::read(files, schema, image, hold_out, rules, &mut sink)?;
                OpenValues::default()
            }
            (None, None) => parse::read(file, schema, hold_out, groups, rules, &mut sink)?,
            (None, Some(labels)) => {
                return Err(DataError::whole(
                    labels,
                    "a file of labels beside a table",
                    "the labels in the table's own column",
                    "leave data.labels out of bank.toml: only images have it",
                ));
            }
        };
        kept.finish(schema.sequence.as_ref().map(|sequence| (series, sequence.steps)))?;
        let mut dataset = Self {
            schema: schema.clone(),
            layout,
            rows: Arc::new(kept),
            labels: Arc::new(labels),
            held_out,
            groups: of_groups,
            by_time: None,
            open,
        };
        if let Some(share) = hold_out.latest() {
            dataset.part_by_time(file, &moments, share)?;
        }
        dataset.check_whole(file)?;
        Ok(dataset)
    }

    /// Rows that are asked about: none is trained on.
    pub(super) fn of_asked(schema: Schema, layout: Layout, rows: Arc<KeptRows>, labels: Vec<f32>) -> Self {
        Self {
            held_out: vec![true; labels.len()],
            open: OpenValues::of(&schema),
            schema,
            layout,
            rows,
            labels: Arc::new(labels),
            groups: Vec::new(),
            by_time: None,
        }
    }

    fn part_by_time(&mut self, file: &Path, moments: &[Moment], share: f64) -> Result<(), DataError> {
        // A file without rows is told by the check of the whole.
        if moments.is_empty() {
            return Ok(());
        }
        let of_examples = (0..).zip(moments).filter(|(row, _)| self.is_example(*row));
        let of_examples: Vec<Moment> = of_examples.map(|(_, moment)| *moment).collect();
        let first = first_held_out(of_examples, share).ok_or_else(|| {
            DataError::whole(
                file,
                "rows of one time only",
                "rows of two times or more",
                "the task holds out the latest rows: export rows of a longer time",
            )
        })?;
        self.open.keep_before(first);
        for (held_out, moment) in self.held_out.iter_mut().zip(moments) {
            *held_out = *moment >= first;
        }
        let mut training: Vec<(Moment, u32)> = moments.iter().copied().zip(0..).collect();
        training.retain(|(moment, row)| *moment < first && self.is_example(*row));
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
        let (positives, examples) = (self.positives(), self.examples().count());
        let of_one_class = positives == 0 || positives == examples;
        if self.schema.label_kind == LabelKind::Binary && of_one_class {
            let only = if positives == 0 { 0 } else { 1 };
            return refuse(
                &format!("only the label {only} in all {examples} rows"),
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
        let training = self.own_training_rows().count();
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

    /// How many examples have label 1.
    pub fn positives(&self) -> usize {
        self.examples().filter(|label| *label == 1.0).count()
    }

    /// The labels of the rows that are examples, held out or not.
    fn examples(&self) -> impl Iterator<Item = f32> {
        let labels = (0..).zip(self.labels.iter());
        labels
            .filter(|(row, _)| self.is_example(*row))
            .map(|(_, label)| *label)
    }

    /// Whether the row's label is learned or asked about; else it is but a step before another row.
    fn is_example(&self, row: u32) -> bool {
        match (&self.schema.sequence, self.windows()) {
            (Some(sequence), Some(windows)) if sequence.examples == Examples::Last => {
                windows.is_last(row as usize)
            }
            _ => true,
        }
    }

    /// The labels, for the bank's own operator.
    pub fn labels_in_words(&self) -> String {
        match &self.schema.label_kind {
            LabelKind::Binary => {
                let positives = self.positives();
                format!(
                    "{positives} with label 1 and {} with label 0",
                    self.examples().count() - positives
                )
            }
            LabelKind::Classes(classes) => {
                let mut seen = vec![false; classes.values.len()];
                self.examples().for_each(|label| seen[label as usize] = true);
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
    /// that of the file. Rows that are but steps before another are none of them.
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

    /// The values of a number's column in some rows, on the column's own scale and to the precision that is kept; without those that are missing. None
    /// of a column of another kind, or of several steps.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub fn numbers(&self, column: usize, rows: &[u32]) -> Result<Option<Vec<f64>>, DataError> {
        let column_of = self.schema.columns.get(column);
        let is_number = column_of.is_some_and(|column| matches!(column.kind, ColumnKind::Number(_)));
        let is_one = self
            .layout
            .columns
            .get(column)
            .is_some_and(|place| place.cells == 1);
        match self.values(column, rows)? {
            Some(ColumnValues::Numbers(mut values)) if is_number && is_one => {
                values.retain(|value| !value.is_nan());
                Ok(Some(values))
            }
            _ => Ok(None),
        }
    }

    /// The values of a column in some rows, after the bank's rules and as far as the schema takes them; of several steps, the last. None of a text or an
    /// image.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub fn values(&self, column: usize, rows: &[u32]) -> Result<Option<ColumnValues>, DataError> {
        let kind = self.schema.columns.get(column).map(|column| &column.kind);
        let Some((kind, place)) = kind.zip(self.layout.columns.get(column)) else {
            return Ok(None);
        };
        let at = place.first + (place.cells.max(1) - 1) * place.stride;
        let rows = rows.iter().copied();
        let mut numbers = Vec::with_capacity(rows.len());
        let value: Box<dyn Fn(f64) -> f64> = match kind {
            ColumnKind::Category(category) => {
                let mut indices = Vec::with_capacity(rows.len());
                self.rows.scan(rows, |_, cells| {
                    let index = u16::try_from(cells.category(at)).ok();
                    indices.push(index.filter(|index| usize::from(*index) < category.values.len()));
                })?;
                return Ok(Some(ColumnValues::Categories(indices)));
            }
            ColumnKind::Number(number) => Box::new(|unit| number.scale.value(unit, number.min, number.max)),
            ColumnKind::Date(date) => Box::new(|unit| {
                let seconds = date.min as f64 + unit * (date.max as f64 - date.min as f64);
                1970.0 + seconds / SECONDS_OF_A_YEAR
            }),
            ColumnKind::Text(_) | ColumnKind::Image(_) => return Ok(None),
        };
        self.rows.scan(rows, |_, cells| {
            let unit = f64::from(cells.number(at));
            // Missing stays missing: a scale is clamped to its range.
            numbers.push(if unit.is_nan() { unit } else { value(unit) });
        })?;
        Ok(Some(ColumnValues::Numbers(numbers)))
    }

    /// The group of each row, in the order of the file; empty where the model is not judged by group.
    pub fn groups(&self) -> &[u8] {
        &self.groups
    }

    fn rows_where(&self, held_out: bool) -> impl Iterator<Item = u32> {
        let of_side = self.side(held_out);
        of_side.filter(|row| self.is_example(*row))
    }

    /// The rows on the side of training, each once, whether they are examples or steps before one.
    pub(super) fn own_training_rows(&self) -> impl Iterator<Item = u32> {
        self.side(false)
    }

    fn side(&self, held_out: bool) -> impl Iterator<Item = u32> {
        (0_u32..)
            .zip(&self.held_out)
            .filter(move |(_, held)| **held == held_out)
            .map(|(row, _)| row)
    }

    /// The bank's own values of each of [`Schema::open_columns`] in the rows to train on, the most frequent first.
    pub fn open_values(&self) -> Vec<Vec<String>> {
        self.open.values()
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn rows(&self) -> &Arc<KeptRows> {
        &self.rows
    }

    pub(super) fn labels(&self) -> &Arc<Vec<f32>> {
        &self.labels
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn windows(&self) -> Option<&Windows> {
        self.rows.windows()
    }
}
