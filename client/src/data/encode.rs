use thiserror::Error;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Target};
use veilsum_protocol::task::{Column, ColumnKind, WhenMissing};

use super::{Dataset, RowValues};

/// The model's inputs for every row of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedData {
    /// The rows' values, in the order of [`veilsum_protocol::task::Schema::inputs`].
    pub inputs: RowValues,
    /// What a row of them is.
    pub shape: InputShape,
    /// What is to be predicted, shape `[rows]`: 0 or 1, the number of the class, or the number.
    pub labels: Vec<f32>,
    /// What the labels are.
    pub target: Target,
}

/// Moments that belong to another schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("found moments of {found} columns, expected {expected}, one for each number column of the schema")]
pub struct EncodeError {
    /// Columns that the moments have.
    pub found: usize,
    /// Number columns of the schema.
    pub expected: usize,
}

/// A column in the rows as they are stored.
struct Source {
    /// Its first cell, among the row's numbers or categories.
    first: usize,
    /// Whether it has a cell for each step.
    steps: bool,
    kind: SourceKind,
}

#[derive(Clone, Copy)]
enum SourceKind {
    Number {
        /// Which of the moments are its.
        moments_at: usize,
        /// Whether an input says that it is missing.
        flagged: bool,
    },
    Category {
        /// Its inputs.
        places: usize,
    },
}

impl Dataset {
    /// Standardises the numbers by the consortium's moments and lays out the categories one-hot.
    ///
    /// # Errors
    /// When the moments have another number of columns than the schema.
    pub fn encode(&self, moments: &Moments) -> Result<EncodedData, EncodeError> {
        self.encode_as(moments, false)
    }

    /// As the model takes the rows: categories as the numbers of their values, behind the row's other numbers, if it embeds
    /// them, else one-hot.
    ///
    /// # Errors
    /// When the moments have another number of columns than the schema.
    pub fn encode_for(&self, model: &ModelSpec, moments: &Moments) -> Result<EncodedData, EncodeError> {
        self.encode_as(moments, model.embeds_categories())
    }

    fn encode_as(&self, moments: &Moments, embedded: bool) -> Result<EncodedData, EncodeError> {
        let expected = self.schema().standardised().len();
        if moments.mean.len() != expected || moments.std.len() != expected {
            return Err(EncodeError {
                found: moments.mean.len(),
                expected,
            });
        }
        let shape = self.schema().input_shape(embedded);
        if let Some(whole) = self.whole() {
            return Ok(EncodedData {
                inputs: whole.clone(),
                shape,
                labels: self.labels().to_vec(),
                target: self.schema().target(),
            });
        }
        let steps = self.schema().steps();
        let embedded = embedded && steps.is_none();
        let sources = self.sources();
        let mut inputs = Vec::with_capacity(self.len() * shape.width());
        let mut indices = Vec::new();
        for row in self.all_rows() {
            let (numbers, categories) = (self.numbers(row), self.categories(row));
            indices.clear();
            for step in 0..steps.unwrap_or(1) {
                for source in &sources {
                    let cell = source.first + if source.steps { step } else { 0 };
                    match source.kind {
                        SourceKind::Number { moments_at, flagged } => {
                            let u = numbers[cell];
                            let standardised = moments.standardise(moments_at, u);
                            inputs.push(
                                standardised.expect("as many moments as number columns, by the check above"),
                            );
                            if flagged {
                                inputs.push(if u.is_nan() { 1.0 } else { 0.0 });
                            }
                        }
                        SourceKind::Category { .. } if embedded => indices.push(f32::from(categories[cell])),
                        SourceKind::Category { places } => {
                            let hot = usize::from(categories[cell]);
                            inputs.extend((0..places).map(|place| if place == hot { 1.0 } else { 0.0 }));
                        }
                    }
                }
            }
            inputs.extend_from_slice(&indices);
        }
        Ok(EncodedData {
            inputs: inputs.into(),
            shape,
            labels: self.labels().to_vec(),
            target: self.schema().target(),
        })
    }

    /// Where each column's cells lie in a row that the reader stored.
    fn sources(&self) -> Vec<Source> {
        let (mut number, mut category, mut moments_at) = (0, 0, 0);
        let columns = self.schema().columns.iter();
        let source = |column: &Column| {
            let cells = column.cells().len();
            let (first, kind) = match &column.kind {
                // The row as a whole.
                ColumnKind::Text(_) | ColumnKind::Image(_) => return None,
                ColumnKind::Number(kind) => {
                    let flagged = kind.when_missing == WhenMissing::Mean;
                    number += cells;
                    moments_at += 1;
                    (
                        number - cells,
                        SourceKind::Number {
                            moments_at: moments_at - 1,
                            flagged,
                        },
                    )
                }
                ColumnKind::Category(kind) => {
                    category += cells;
                    let places = kind.values.len() + usize::from(kind.other_bucket);
                    (category - cells, SourceKind::Category { places })
                }
            };
            Some(Source {
                first,
                steps: cells > 1,
                kind,
            })
        };
        columns.filter_map(source).collect()
    }

    fn all_rows(&self) -> impl Iterator<Item = u32> {
        (0_u32..).take(self.len())
    }
}
