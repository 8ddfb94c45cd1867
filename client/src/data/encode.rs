use std::sync::Arc;

use thiserror::Error;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Preparation, Target};
use veilsum_protocol::task::ColumnEncoding;

use super::kept_rows::RowCells;
use super::layout::{Layout, Place, PlaceKind};
use super::preparation::Learned;
use super::{DataError, Dataset, RowValues};

/// The model's inputs for every row of a dataset.
#[derive(Clone, Debug)]
pub struct EncodedData {
    /// The rows' values, in the order of [`veilsum_protocol::task::Schema::inputs`].
    pub inputs: RowValues,
    /// What a row of them is.
    pub shape: InputShape,
    /// What is to be predicted, shape `[rows]`: 0 or 1, the number of the class, or the number.
    pub labels: Arc<Vec<f32>>,
    /// What the labels are.
    pub target: Target,
}

impl EncodedData {
    /// The inputs of all rows at once, shape `[rows, width]`.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub fn all_inputs(&self) -> Result<Vec<f32>, DataError> {
        let width = self.shape.width();
        let rows: Vec<u32> = (0..).take(self.labels.len()).collect();
        let mut inputs = Vec::with_capacity(rows.len() * width);
        let mut reader = self.inputs.reader(width);
        for rows in rows.chunks(4096) {
            reader.append(rows, &[], &mut inputs)?;
        }
        Ok(inputs)
    }
}

/// What the consortium knows of its columns belongs to another schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The moments do.
    #[error(
        "found moments of {found} columns, expected {expected}, one for each number or date of the schema"
    )]
    Moments {
        /// Columns that the moments have.
        found: usize,
        /// What the schema standardises.
        expected: usize,
    },
    /// There are no counts, or of other columns.
    #[error(
        "found no histograms of the schema's columns, expected those of the statistics round: a column's encoding needs them"
    )]
    Preparation,
}

impl Dataset {
    /// Standardises the numbers by the consortium's moments and lays out the categories one-hot.
    ///
    /// # Errors
    /// When the moments have another number of columns than the schema, or an encoding needs more than moments.
    pub fn encode(&self, moments: &Moments) -> Result<EncodedData, EncodeError> {
        self.encode_as(moments, None, false)
    }

    /// As the model takes the rows: categories as the numbers of their values, behind the row's other numbers, if it embeds
    /// them, else one-hot.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_for(&self, model: &ModelSpec, moments: &Moments) -> Result<EncodedData, EncodeError> {
        self.encode_prepared(model, moments, None)
    }

    /// The same for a task that prepares: columns by their encodings, from the consortium's counts.
    ///
    /// # Errors
    /// When moments or counts are not of the schema's columns, or there are no counts and an encoding needs them.
    pub fn encode_prepared(
        &self,
        model: &ModelSpec,
        moments: &Moments,
        preparation: Option<&Preparation>,
    ) -> Result<EncodedData, EncodeError> {
        self.encode_as(moments, preparation, model.embeds_categories())
    }

    fn encode_as(
        &self,
        moments: &Moments,
        preparation: Option<&Preparation>,
        embedded: bool,
    ) -> Result<EncodedData, EncodeError> {
        let expected = self.schema().standardised().len();
        if moments.mean.len() != expected || moments.std.len() != expected {
            return Err(EncodeError::Moments {
                found: moments.mean.len(),
                expected,
            });
        }
        let shape = self.schema().input_shape(embedded);
        let steps = self.schema().steps();
        let encoder = Encoder {
            layout: self.layout().clone(),
            learned: self.learned(preparation)?,
            moments: moments.clone(),
            steps: steps.unwrap_or(1),
            embedded: embedded && steps.is_none() && self.windows().is_none(),
            width: shape.width(),
        };
        Ok(EncodedData {
            inputs: RowValues::of(Arc::clone(self.rows()), encoder),
            shape,
            labels: Arc::clone(self.labels()),
            target: self.schema().target(),
        })
    }

    /// For each column what its encoding takes from the consortium's counts.
    fn learned(&self, preparation: Option<&Preparation>) -> Result<Vec<Option<Learned>>, EncodeError> {
        let columns = &self.schema().columns;
        let learned = columns.iter().enumerate().map(|(at, column)| {
            if column.encoding == ColumnEncoding::Plain {
                return Ok(None);
            }
            let counts = preparation.and_then(|preparation| preparation.columns.get(at));
            let learned = counts.and_then(|counts| Learned::of(column, counts));
            learned.map(Some).ok_or(EncodeError::Preparation)
        });
        learned.collect()
    }
}

/// From a row as the bank keeps it to what the model is given of it.
#[derive(Debug)]
pub(super) struct Encoder {
    layout: Layout,
    /// Of each column what the consortium's counts make of it, if its encoding says so.
    learned: Vec<Option<Learned>>,
    moments: Moments,
    /// Of a row; 1 if it has none.
    steps: usize,
    /// Whether categories stand as the numbers of their values behind all numbers.
    embedded: bool,
    /// What the model is given for a row, with the rows before it that it is judged by.
    width: usize,
}

impl Encoder {
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The columns in their order; where rows are made of cells, each has a place.
    fn columns(&self) -> impl Iterator<Item = (&Place, Option<&Learned>)> {
        let columns = self.layout.columns.iter().zip(&self.learned);
        columns.map(|(place, learned)| (place, learned.as_ref()))
    }

    /// Appends the inputs of a row of cells by itself.
    ///
    /// # Panics
    /// If it is a row of another layout.
    pub(super) fn append(&self, row: &RowCells<'_>, inputs: &mut Vec<f32>) {
        for step in 0..self.steps {
            for (place, learned) in self.columns() {
                // A column that is one says the same at each step.
                let cell = place.first + if place.cells > 1 { step * place.stride } else { 0 };
                match (place.kind, learned) {
                    (PlaceKind::Category { .. }, Some(learned)) => {
                        learned.category(row.category(cell), inputs);
                    }
                    (PlaceKind::Category { .. }, None) if self.embedded => {}
                    (PlaceKind::Category { places }, None) => {
                        let hot = row.category(cell);
                        inputs.extend((0..places).map(|place| if place == hot { 1.0 } else { 0.0 }));
                    }
                    (PlaceKind::Number { flagged, .. }, Some(learned)) => {
                        let u = row.number(cell);
                        learned.number(u, inputs);
                        if flagged {
                            inputs.push(if u.is_nan() { 1.0 } else { 0.0 });
                        }
                    }
                    (PlaceKind::Number { flagged, .. } | PlaceKind::Date { flagged, .. }, _) => {
                        self.append_numbers(place, flagged, row, cell, inputs);
                    }
                }
            }
        }
        if self.embedded {
            let embedded = self.columns().filter(|(place, learned)| {
                learned.is_none() && matches!(place.kind, PlaceKind::Category { .. })
            });
            // Exact: there are fewer than 2^16 of them.
            inputs.extend(embedded.map(|(place, _)| row.category(place.first) as f32));
        }
    }

    /// The numbers of the cell that begins at `cell`; those of a flagged one have behind the first whether it is missing.
    fn append_numbers(
        &self,
        place: &Place,
        flagged: bool,
        row: &RowCells<'_>,
        cell: usize,
        inputs: &mut Vec<f32>,
    ) {
        let mut standardised = place.standardised().peekable();
        for behind in 0..place.stride {
            let number = row.number(cell + behind);
            match standardised.next_if(|(at, _)| *at == behind) {
                Some((_, moments_at)) => {
                    let standardised = self.moments.standardise(moments_at, number);
                    inputs
                        .push(standardised.expect("as many moments as inputs, by the check of `encode_as`"));
                }
                None => inputs.push(number),
            }
            if flagged && behind == 0 {
                inputs.push(if number.is_nan() { 1.0 } else { 0.0 });
            }
        }
    }
}
