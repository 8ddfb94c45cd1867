use std::sync::Arc;

use veilsum_protocol::task::Schema;

use super::dataset::Rows;
use super::windows::Windows;

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
    /// Rows that are steps of sequences, each of which is kept once.
    Sequences(SequenceValues),
}

/// The steps of sequences: the values of each row, and which rows before it a row is judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceValues {
    /// Row-major, shape `[rows, inputs]`.
    rows: Vec<f32>,
    windows: Arc<Windows>,
}

impl RowValues {
    pub(super) fn of_windows(rows: Vec<f32>, windows: Arc<Windows>) -> Self {
        Self::Sequences(SequenceValues { rows, windows })
    }

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

    /// Puts rows of the schema that these values are [of](Self::of) behind them.
    pub(super) fn push(&mut self, rows: &Rows) {
        match self {
            Self::Numbers(_) | Self::Sequences(_) => {}
            Self::ShortTokens(values) => {
                let short = rows.tokens.iter().filter_map(|token| u16::try_from(*token).ok());
                Arc::make_mut(values).extend(short);
            }
            Self::Tokens(values) => Arc::make_mut(values).extend_from_slice(&rows.tokens),
            Self::Pixels(values) => Arc::make_mut(values).extend_from_slice(&rows.pixels),
        }
    }

    /// How many rows of `width` values there are; `None` if the values are no whole rows.
    pub fn rows(&self, width: usize) -> Option<usize> {
        let (values, width) = match self {
            Self::Numbers(values) => (values.len(), width),
            Self::ShortTokens(values) => (values.len(), width),
            Self::Tokens(values) => (values.len(), width),
            Self::Pixels(values) => (values.len(), width),
            Self::Sequences(sequences) => (sequences.rows.len(), sequences.inputs(width)?),
        };
        (width > 0 && values.is_multiple_of(width)).then(|| values / width)
    }

    /// Puts more rows behind these, which are none or of the same kind, as rows of one task are.
    ///
    /// # Panics
    /// If they are of another kind.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::ShortTokens(values), Self::ShortTokens(more)) => Arc::make_mut(values).extend(more.iter()),
            (Self::Tokens(values), Self::Tokens(more)) => Arc::make_mut(values).extend(more.iter()),
            (Self::Pixels(values), Self::Pixels(more)) => Arc::make_mut(values).extend(more.iter()),
            (Self::Sequences(sequences), Self::Sequences(more)) => {
                sequences.rows.extend(more.rows);
                Arc::make_mut(&mut sequences.windows).extend(&more.windows);
            }
            (rows, more) => {
                assert!(rows.is_empty(), "rows of one task are of one kind");
                *rows = more;
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Numbers(values) => values.is_empty(),
            Self::ShortTokens(values) => values.is_empty(),
            Self::Tokens(values) => values.is_empty(),
            Self::Pixels(values) => values.is_empty(),
            Self::Sequences(sequences) => sequences.rows.is_empty(),
        }
    }

    /// Appends the `width` values of a row: for a sequence those of all its steps, oldest first, and before them zeros for steps that
    /// are missing. Behind the inputs of a step stands a 1.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn append(&self, row: usize, width: usize, values: &mut Vec<f32>) {
        match self {
            Self::Numbers(numbers) => values.extend_from_slice(&numbers[row * width..(row + 1) * width]),
            Self::ShortTokens(tokens) => {
                let row = &tokens[row * width..(row + 1) * width];
                values.extend(row.iter().map(|token| f32::from(*token)));
            }
            Self::Tokens(tokens) => {
                let row = &tokens[row * width..(row + 1) * width];
                // Exact: there are at most 2^20 of them.
                values.extend(row.iter().map(|token| *token as f32));
            }
            Self::Pixels(pixels) => {
                let row = &pixels[row * width..(row + 1) * width];
                values.extend(row.iter().map(|pixel| f32::from(*pixel) / 255.0));
            }
            Self::Sequences(sequences) => sequences.append(row, width, values),
        }
    }
}

impl SequenceValues {
    /// Inputs of a row, of which a sequence of `width` values has one more for each step.
    fn inputs(&self, width: usize) -> Option<usize> {
        let steps = self.windows.steps();
        let step = width.checked_div(steps).filter(|_| width.is_multiple_of(steps))?;
        step.checked_sub(1)
    }

    fn append(&self, row: usize, width: usize, values: &mut Vec<f32>) {
        let window = self.windows.of(row);
        let step = width / self.windows.steps();
        let missing = self.windows.steps() - window.len();
        values.extend(std::iter::repeat_n(0.0, missing * step));
        for &row in window {
            let first = row as usize * (step - 1);
            values.extend_from_slice(&self.rows[first..first + step - 1]);
            values.push(1.0);
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
