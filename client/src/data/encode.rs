use std::sync::Arc;

use super::layout::{Layout, Place, PlaceKind};
use super::{Dataset, RowValues};
use thiserror::Error;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Preparation, Target};
use veilsum_protocol::task::ColumnEncoding;

use super::preparation::Learned;

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
        if let Some(whole) = self.whole() {
            return Ok(EncodedData {
                inputs: whole.clone(),
                shape: self.schema().input_shape(embedded),
                labels: self.labels().to_vec(),
                target: self.schema().target(),
            });
        }
        let steps = self.schema().steps();
        let learned = self.learned(preparation)?;
        let encoder = Encoder {
            layout: self.layout(),
            learned: &learned,
            moments,
            steps: steps.unwrap_or(1),
            embedded: embedded && steps.is_none() && self.windows().is_none(),
        };
        let mut inputs = Vec::with_capacity(self.len() * self.schema().inputs().len() * encoder.steps);
        for row in (0_u32..).take(self.len()) {
            encoder.append(self.numbers(row), self.categories(row), &mut inputs);
        }
        Ok(EncodedData {
            inputs: match self.windows() {
                Some(windows) => RowValues::of_windows(inputs, Arc::clone(windows)),
                None => inputs.into(),
            },
            shape: self.schema().input_shape(embedded),
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
}

/// From a row as the bank keeps it to what the model is given of it.
struct Encoder<'a> {
    layout: &'a Layout,
    /// Of each column what the consortium's counts make of it, if its encoding says so.
    learned: &'a [Option<Learned>],
    moments: &'a Moments,
    /// Of a row; 1 if it has none.
    steps: usize,
    /// Whether categories stand as the numbers of their values behind all numbers.
    embedded: bool,
}

impl Encoder<'_> {
    /// The columns in their order; where rows are made of cells, each has a place.
    fn columns(&self) -> impl Iterator<Item = (&Place, Option<&Learned>)> {
        let columns = self.layout.columns.iter().zip(self.learned);
        columns.map(|(place, learned)| (place, learned.as_ref()))
    }

    fn append(&self, numbers: &[f32], categories: &[u16], inputs: &mut Vec<f32>) {
        for step in 0..self.steps {
            for (place, learned) in self.columns() {
                // A column that is one says the same at each step.
                let cell = place.first + if place.cells > 1 { step * place.stride } else { 0 };
                match (place.kind, learned) {
                    (PlaceKind::Category { .. }, Some(learned)) => {
                        learned.category(usize::from(categories[cell]), inputs);
                    }
                    (PlaceKind::Category { .. }, None) if self.embedded => {}
                    (PlaceKind::Category { places }, None) => {
                        let hot = usize::from(categories[cell]);
                        inputs.extend((0..places).map(|place| if place == hot { 1.0 } else { 0.0 }));
                    }
                    (PlaceKind::Number { flagged, .. }, Some(learned)) => {
                        let u = numbers[cell];
                        learned.number(u, inputs);
                        if flagged {
                            inputs.push(if u.is_nan() { 1.0 } else { 0.0 });
                        }
                    }
                    (PlaceKind::Number { flagged, .. } | PlaceKind::Date { flagged, .. }, _) => {
                        self.append_numbers(place, flagged, &numbers[cell..cell + place.stride], inputs);
                    }
                }
            }
        }
        if self.embedded {
            let embedded = self.columns().filter(|(place, learned)| {
                learned.is_none() && matches!(place.kind, PlaceKind::Category { .. })
            });
            inputs.extend(embedded.map(|(place, _)| f32::from(categories[place.first])));
        }
    }

    /// The numbers of a cell; those of a flagged one have behind the first whether it is missing.
    fn append_numbers(&self, place: &Place, flagged: bool, cell: &[f32], inputs: &mut Vec<f32>) {
        let mut standardised = place.standardised().peekable();
        for (behind, &number) in cell.iter().enumerate() {
            match standardised.next_if(|(at, _)| *at == behind) {
                Some((_, moments_at)) => {
                    let standardised = self.moments.standardise(moments_at, number);
                    inputs.push(standardised.expect("as many moments as inputs, by the check above"));
                }
                None => inputs.push(number),
            }
            if flagged && behind == 0 {
                inputs.push(if number.is_nan() { 1.0 } else { 0.0 });
            }
        }
    }
}
