use thiserror::Error;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Target};
use veilsum_protocol::task::{ColumnKind, WhenMissing};

use super::Dataset;

/// The model's inputs for every row of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedData {
    /// Row-major, shape `[rows, width]`, in the order of [`veilsum_protocol::task::Schema::inputs`].
    pub inputs: Vec<f32>,
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
        let expected = self.number_count();
        if moments.mean.len() != expected || moments.std.len() != expected {
            return Err(EncodeError {
                found: moments.mean.len(),
                expected,
            });
        }
        let shape = self.schema().input_shape(embedded);
        let width = shape.width();
        let mut inputs = Vec::with_capacity(self.len() * width);
        let mut indices = Vec::new();
        for row in self.all_rows() {
            let mut numbers = (0..).zip(self.numbers(row));
            indices.clear();
            let mut categories = self.categories(row).iter();
            for column in &self.schema().columns {
                match &column.kind {
                    ColumnKind::Number(number) => {
                        let (index, &u) = numbers
                            .next()
                            .expect("the reader stores a number for each number column");
                        let standardised = moments.standardise(index, u);
                        inputs.push(
                            standardised.expect("as many moments as number columns, by the check above"),
                        );
                        if number.when_missing == WhenMissing::Mean {
                            inputs.push(if u.is_nan() { 1.0 } else { 0.0 });
                        }
                    }
                    ColumnKind::Category(category) => {
                        let hot = categories
                            .next()
                            .expect("the reader stores a value for each category column");
                        if embedded {
                            indices.push(f32::from(*hot));
                            continue;
                        }
                        let places = category.values.len() + usize::from(category.other_bucket);
                        inputs.extend(
                            (0..places).map(|place| if place == usize::from(*hot) { 1.0 } else { 0.0 }),
                        );
                    }
                }
            }
            inputs.extend_from_slice(&indices);
        }
        Ok(EncodedData {
            inputs,
            shape,
            labels: self.labels().to_vec(),
            target: self.schema().target(),
        })
    }

    fn all_rows(&self) -> impl Iterator<Item = u32> {
        (0_u32..).take(self.len())
    }
}
