//! Scores as columns of a table, under the names by which the server answers them.

use std::io::{self, Write};

use csv::Writer;
use veilsum_protocol::model::Target;

use super::answer::{Answer, PREDICTION, PROBABILITY};
use super::column::text_of;
use crate::scoring::Scorer;

/// What a table of scores has.
pub(crate) struct AnswerTable {
    answer: Answer,
    names: Vec<String>,
}

impl AnswerTable {
    /// One column for a probability or a number; for classes the likeliest, and the probability of each.
    pub(crate) fn of(scorer: &Scorer) -> Self {
        let names = match scorer.target() {
            Target::Binary => vec![PROBABILITY.to_owned()],
            Target::Number => vec![PREDICTION.to_owned()],
            Target::Classes(_) => {
                let of_each = scorer.output_names().into_iter();
                let of_each = of_each.map(|name| format!("{PROBABILITY}_{name}"));
                [super::answer::CLASS.to_owned()]
                    .into_iter()
                    .chain(of_each)
                    .collect()
            }
        };
        Self {
            answer: Answer::of(scorer),
            names,
        }
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Writes a line for each row: its `kept` cells, then the columns. `scores` have the shape `[rows, outputs]`.
    ///
    /// # Errors
    /// What the writer gives.
    pub(crate) fn write<'c>(
        &self,
        scores: Vec<f32>,
        kept: impl Iterator<Item = impl Iterator<Item = &'c str>>,
        to: &mut Writer<impl Write>,
    ) -> io::Result<()> {
        let tensors = self.answer.tensors(scores);
        let (chosen, values) = match tensors.as_slice() {
            [values] => (None, values),
            [values, chosen] => (Some(chosen), values),
            // A target has one tensor or two.
            _ => return Ok(()),
        };
        let width = values.data.len().checked_div(values.rows()).unwrap_or(1);
        for (row, cells) in kept.enumerate() {
            for cell in cells {
                to.write_field(cell)?;
            }
            if let Some(chosen) = chosen {
                to.write_field(text_of(chosen, row))?;
            }
            for at in row * width..(row + 1) * width {
                to.write_field(text_of(values, at))?;
            }
            to.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}
