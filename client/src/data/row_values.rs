use std::sync::Arc;

use veilsum_protocol::task::Schema;

use super::dataset::Whole;

/// The values of many rows, kept in the fewest bytes that hold them; a model is given `f32`. Copies share the values of texts and images.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValues {
    /// Row-major, shape `[rows, width]`.
    Numbers(Vec<f32>),
    /// Token numbers below 2^16, shape `[rows, tokens]`.
    ShortTokens(Arc<Vec<u16>>),
    /// Token numbers, shape `[rows, tokens]`.
    Tokens(Arc<Vec<u32>>),
    /// Images, shape `[rows, channels, height, width]`: 255 for 1.
    Pixels(Arc<Vec<u8>>),
}

impl RowValues {
    /// No rows yet, where a row is a text or an image as a whole.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let short = 1 << u16::BITS;
        if let Some(text) = schema.text() {
            return Some(if text.vocabulary() <= short {
                Self::ShortTokens(Arc::default())
            } else {
                Self::Tokens(Arc::default())
            });
        }
        schema.image().map(|_| Self::Pixels(Arc::default()))
    }

    /// Appends a row of the schema that these values are [of](Self::of).
    pub(super) fn push(&mut self, row: Whole<'_>) {
        match (self, row) {
            (Self::ShortTokens(values), Whole::Tokens(tokens)) => {
                let short = tokens.iter().filter_map(|token| u16::try_from(*token).ok());
                Arc::make_mut(values).extend(short);
            }
            (Self::Tokens(values), Whole::Tokens(tokens)) => Arc::make_mut(values).extend_from_slice(tokens),
            (Self::Pixels(values), Whole::Pixels(pixels)) => Arc::make_mut(values).extend_from_slice(pixels),
            _ => unreachable!("the reader gives rows of the schema's kind"),
        }
    }

    /// How many rows of `width` values there are; `None` if the values are no whole rows.
    pub fn rows(&self, width: usize) -> Option<usize> {
        let values = match self {
            Self::Numbers(values) => values.len(),
            Self::ShortTokens(values) => values.len(),
            Self::Tokens(values) => values.len(),
            Self::Pixels(values) => values.len(),
        };
        (width > 0 && values.is_multiple_of(width)).then(|| values / width)
    }

    /// Puts more rows behind these.
    ///
    /// # Panics
    /// If they are of another kind. Rows of one task are of one.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::ShortTokens(values), Self::ShortTokens(more)) => Arc::make_mut(values).extend(more.iter()),
            (Self::Tokens(values), Self::Tokens(more)) => Arc::make_mut(values).extend(more.iter()),
            (Self::Pixels(values), Self::Pixels(more)) => Arc::make_mut(values).extend(more.iter()),
            _ => panic!("rows of two kinds"),
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
            Self::ShortTokens(tokens) => values.extend(tokens[range].iter().map(|token| f32::from(*token))),
            // Exact: there are at most 2^20 of them.
            Self::Tokens(tokens) => values.extend(tokens[range].iter().map(|token| *token as f32)),
            Self::Pixels(pixels) => {
                values.extend(pixels[range].iter().map(|pixel| f32::from(*pixel) / 255.0))
            }
        }
    }
}

impl From<Vec<f32>> for RowValues {
    fn from(values: Vec<f32>) -> Self {
        Self::Numbers(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_expanded_row_by_row() {
        for (mut rows, expected) in [
            (
                RowValues::ShortTokens(vec![1, 2, 65_535, 0].into()),
                [65_535.0, 0.0],
            ),
            (
                RowValues::Tokens(vec![1, 2, 1 << 20, 0].into()),
                [1_048_576.0, 0.0],
            ),
            (RowValues::Pixels(vec![1, 2, 255, 51].into()), [1.0, 0.2]),
            (vec![1.0, 2.0, -1.5, 0.0].into(), [-1.5, 0.0]),
        ] {
            assert_eq!(rows.rows(2), Some(2));
            assert_eq!(rows.rows(3), None);
            let copy = rows.clone();
            rows.extend(copy);
            let mut values = Vec::new();
            rows.append(1, 2, &mut values);
            rows.append(3, 2, &mut values);
            assert_eq!(values, [expected, expected].concat());
        }
    }
}
