//! How much each column moves the last model's answers: what a task asks of its banks.

use serde::Deserialize;

use super::ranges::integer;
use super::{Schema, TaskError};
use crate::model::Target;

const KEY: &str = "evaluation.importance";
/// Columns: what it takes to weigh them against each other grows by their cube.
const COLUMNS: usize = 256;
/// Columns times coalitions: who is in each set is held for one row at a time.
const MEMBERS: u32 = 1 << 22;
/// Answers of the model for one row, which a bank holds meanwhile.
const ANSWERS: u32 = 1 << 20;
/// The same by classes, each of which is a number of every answer.
const NUMBERS: u32 = 1 << 24;

/// By how many rows, and how closely, the importance of columns is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportanceSpec {
    /// Held-out rows that a bank explains at most.
    pub rows: u32,
    /// Sets of columns that the model is asked about for a row, at least two for each column.
    pub coalitions: u32,
    /// The bank's own training rows that a row is compared with at most.
    pub background: u32,
}

impl ImportanceSpec {
    /// How many answers of the model it takes at most to explain one row.
    pub fn answers(&self) -> u32 {
        self.coalitions.saturating_mul(self.background)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportanceFile {
    rows: Option<i64>,
    coalitions: Option<i64>,
    background: Option<i64>,
}

impl ImportanceFile {
    /// `schema` is the task's.
    pub(super) fn check(self, schema: &Schema) -> Result<ImportanceSpec, TaskError> {
        // The columns are the same ones whether categories are embedded or not.
        let Some(columns) = schema.explained_columns(false) else {
            return Err(TaskError::invalid(
                KEY,
                "a table",
                "none: the importance is of columns, and texts and images have none; leave the table out",
            ));
        };
        if columns.len() > COLUMNS {
            return Err(TaskError::invalid(
                KEY,
                format!("a table, and {} columns", columns.len()),
                format!("at most {COLUMNS} columns with it; leave the table out"),
            ));
        }
        let key = |name: &str| format!("{KEY}.{name}");
        let most_coalitions = MEMBERS / u32::try_from(columns.len().max(64)).unwrap_or(u32::MAX);
        let least = i64::try_from(2 * columns.len()).unwrap_or(i64::MAX).max(2);
        let coalitions = self.coalitions.unwrap_or_else(|| least.max(512));
        let spec = ImportanceSpec {
            rows: integer(&key("rows"), self.rows.unwrap_or(100), 1..=10_000)?,
            coalitions: integer(&key("coalitions"), coalitions, least..=i64::from(most_coalitions))?
                .try_into()
                .unwrap_or(u32::MAX),
            background: integer(&key("background"), self.background.unwrap_or(10), 1..=1_000)?,
        };
        let classes = match schema.target() {
            Target::Classes(classes) => u32::from(classes),
            Target::Binary | Target::Number => 1,
        };
        let most = ANSWERS.min(NUMBERS / classes.max(1));
        if spec.answers() > most {
            return Err(TaskError::invalid(
                KEY,
                format!(
                    "{} coalitions times {} rows of background",
                    spec.coalitions, spec.background
                ),
                format!("at most {most} together: so many answers of the model it takes to explain one row"),
            ));
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
