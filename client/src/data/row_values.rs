use std::sync::Arc;

use super::windows::Windows;

/// The values of many rows, kept in the fewest bytes that hold them; a model is given `f32`.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValues {
    /// Row-major, shape `[rows, width]`.
    Numbers(Vec<f32>),
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

    /// How many rows of `width` values there are; `None` if the values are no whole rows.
    pub fn rows(&self, width: usize) -> Option<usize> {
        let (values, width) = match self {
            Self::Numbers(values) => (values.len(), width),
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
