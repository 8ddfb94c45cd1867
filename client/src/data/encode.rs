use thiserror::Error;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Preparation, Target};
use veilsum_protocol::task::{Column, ColumnEncoding, ColumnKind, WhenMissing};

use super::preparation::Learned;
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

/// What the consortium knows of its columns belongs to another schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The moments do.
    #[error(
        "found moments of {found} columns, expected {expected}, one for each number column of the schema"
    )]
    Moments {
        /// Columns that the moments have.
        found: usize,
        /// Number columns of the schema.
        expected: usize,
    },
    /// There are no counts, or of other columns.
    #[error(
        "found no histograms of the schema's columns, expected those of the statistics round: a column's encoding needs them"
    )]
    Preparation,
}

/// A column in the rows as they are stored.
struct Source<'a> {
    /// Its first cell, among the row's numbers or categories.
    first: usize,
    /// Whether it has a cell for each step.
    steps: bool,
    kind: SourceKind,
    /// What the consortium's counts make of it, if its encoding says so.
    learned: Option<&'a Learned>,
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
        let embedded = embedded && steps.is_none();
        let learned = self.learned(preparation)?;
        let sources = self.sources(&learned);
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
                            if let Some(learned) = source.learned {
                                learned.number(u, &mut inputs);
                            } else {
                                let standardised = moments.standardise(moments_at, u);
                                inputs.push(
                                    standardised
                                        .expect("as many moments as number columns, by the check above"),
                                );
                            }
                            if flagged {
                                inputs.push(if u.is_nan() { 1.0 } else { 0.0 });
                            }
                        }
                        SourceKind::Category { places } => {
                            let value = categories[cell];
                            match source.learned {
                                Some(learned) => learned.category(usize::from(value), &mut inputs),
                                None if embedded => indices.push(f32::from(value)),
                                None => {
                                    let hot = usize::from(value);
                                    inputs.extend(
                                        (0..places).map(|place| if place == hot { 1.0 } else { 0.0 }),
                                    );
                                }
                            }
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

    /// Where each column's cells lie in a row that the reader stored; `learned` in the order of the columns.
    fn sources<'a>(&self, learned: &'a [Option<Learned>]) -> Vec<Source<'a>> {
        let (mut number, mut category, mut moments_at) = (0, 0, 0);
        let columns = self.schema().columns.iter();
        let source = |(column, learned): (&Column, &'a Option<Learned>)| {
            let cells = column.cells().len();
            let (first, kind) = match &column.kind {
                ColumnKind::Number(kind) => {
                    // Missing cells have a weight of evidence of their own.
                    let weighed = matches!(column.encoding, ColumnEncoding::BinEvidence { .. });
                    let flagged = kind.when_missing == WhenMissing::Mean && !weighed;
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
                    let places = kind.places();
                    (category - cells, SourceKind::Category { places })
                }
            };
            Source {
                first,
                steps: cells > 1,
                kind,
                learned: learned.as_ref(),
            }
        };
        columns.zip(learned).map(source).collect()
    }

    fn all_rows(&self) -> impl Iterator<Item = u32> {
        (0_u32..).take(self.len())
    }
}
