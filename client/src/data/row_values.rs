/// The values of many rows, kept in the fewest bytes that hold them; a model is given `f32`.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValues {
    /// Row-major, shape `[rows, width]`.
    Numbers(Vec<f32>),
}

impl RowValues {
    /// How many rows of `width` values there are; `None` if the values are no whole rows.
    pub fn rows(&self, width: usize) -> Option<usize> {
        let values = match self {
            Self::Numbers(values) => values.len(),
        };
        (width > 0 && values.is_multiple_of(width)).then(|| values / width)
    }

    /// Puts more rows behind these. Rows of one task are of one kind.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
        }
    }

    /// Appends the `width` values of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn append(&self, row: usize, width: usize, values: &mut Vec<f32>) {
        let range = row * width..(row + 1) * width;
        match self {
            Self::Numbers(numbers) => values.extend_from_slice(&numbers[range]),
        }
    }
}

impl From<Vec<f32>> for RowValues {
    fn from(values: Vec<f32>) -> Self {
        Self::Numbers(values)
    }
}
