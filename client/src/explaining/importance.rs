//! How much each column moves a model's answers over many rows of the bank, to be added up with other banks' under masks.

use std::cell::{Cell, RefCell};

use veilsum_explain::{Background, Kernel, Rows, Scorer as Ask};
use veilsum_protocol::model::{ImportanceSums, Target};
use veilsum_protocol::task::ImportanceSpec;

use super::ExplainError;
use super::grounds::{Columns, Grounds, Kind, spread};
use super::output::Output;
use crate::data::Dataset;
use crate::scoring::{Scorer, ScorerError};

/// The same coalitions in every bank.
const SEED: u64 = 0;

/// Numbers that the model is given at once, so that wide rows take no more memory than narrow ones.
const NUMBERS_AT_ONCE: usize = 1 << 20;

/// Explains rows out of `held_out` by kernel SHAP against rows out of `training`, both evenly from the first to the last, and sums up the amounts. The
/// amount of a column for a row is that of its Shapley value: of the probability of label 1, or of the number on the label's scale from 0 to 1; of
/// classes half the sum over their probabilities, which is how much probability the column moves from some classes to others and is the former for two.
/// `table` was read under the scorer's task. Without rows on either side the sums are 0.
///
/// # Errors
/// A model of texts or images, rows that cannot be read back, or scores that are no numbers.
pub fn importance(
    scorer: &Scorer,
    table: &Dataset,
    training: &[u32],
    held_out: &[u32],
    spec: &ImportanceSpec,
) -> Result<ImportanceSums, ExplainError> {
    let background = spread(training, spec.background as usize);
    let grounds = Grounds::of_table(scorer, table, &background)?;
    let Kind::Columns(columns) = &grounds.0 else {
        return Err(ExplainError::Images);
    };
    let mut sums = ImportanceSums::new(columns.groups.len());
    if background.is_empty() {
        return Ok(sums);
    }
    let rows = spread(held_out, spec.rows as usize);
    let inputs = scorer.table_inputs(table, &rows)?;
    for row in inputs.chunks_exact(scorer.width().max(1)) {
        sums.add(amounts(scorer, row, columns, spec)?);
    }
    Ok(sums)
}

/// One row's, of each column.
fn amounts(
    scorer: &Scorer,
    row: &[f32],
    columns: &Columns,
    spec: &ImportanceSpec,
) -> Result<Vec<f64>, ExplainError> {
    let kernel = Kernel {
        coalitions: spec.coalitions as usize,
        seed: SEED,
    };
    let share = match scorer.target() {
        Target::Classes(_) => 0.5,
        Target::Binary | Target::Number => 1.0,
    };
    let answers = RefCell::default();
    let mut amounts = vec![0.0; columns.groups.len()];
    for output in Output::all(scorer) {
        let output = Replayed {
            output,
            answers: &answers,
            asked: Cell::new(0),
        };
        let game = Background::new(output, row, &columns.background, &columns.groups)?
            .batch(NUMBERS_AT_ONCE / row.len().max(1));
        let values = kernel.explain(&game)?.attribution.values;
        for (amount, value) in amounts.iter_mut().zip(values) {
            *amount += share * value.abs();
        }
    }
    Ok(amounts)
}

/// An output of a model that gives all outputs at once. Each output of a row is asked the same questions in the same order, since rows and seed alone
/// choose the coalitions: what was answered to the first is not asked of the model again.
struct Replayed<'a> {
    output: Output<'a>,
    answers: &'a RefCell<Vec<Vec<f32>>>,
    /// Questions so far.
    asked: Cell<usize>,
}

impl Ask for Replayed<'_> {
    type Error = ScorerError;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, ScorerError> {
        let at = self.asked.get();
        self.asked.set(at + 1);
        let mut answers = self.answers.borrow_mut();
        if answers.len() == at {
            answers.push(self.output.scorer.score_inputs(rows.values())?);
        }
        Ok(self
            .output
            .pick(answers.get(at).map(Vec::as_slice).unwrap_or_default()))
    }
}
