//! From a task's table `evaluation` to a checked [`Evaluation`].

use serde::Deserialize;

use super::groups_file::GroupsFile;
use super::importance::ImportanceFile;
use super::ranges::{integer, length, real, trimmed, unique, unused, words};
use super::schema_file::NAME;
use super::{Evaluation, Schema, Split, TaskError};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluationFile {
    hold_out: Option<f64>,
    bins: Option<i64>,
    split: Option<SplitFile>,
    column: Option<String>,
    held_out: Option<Vec<String>>,
    time_column: Option<String>,
    groups: Option<GroupsFile>,
    importance: Option<ImportanceFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SplitFile {
    Hash,
    Column,
    Time,
}

impl EvaluationFile {
    /// `schema` is the task's: the column of a split is one that its file may have.
    pub(super) fn check(self, schema: &Schema) -> Result<Evaluation, TaskError> {
        let share = || real("evaluation.hold_out", self.hold_out.unwrap_or(0.2), 0.01..=0.5);
        let by_column = "only split = \"column\" uses it";
        let split = self.split.unwrap_or(SplitFile::Hash);
        if schema.image().is_some() && !matches!(split, SplitFile::Hash) {
            return Err(TaskError::invalid(
                "evaluation.split",
                "a split by a column",
                "\"hash\": a file of images has no columns",
            ));
        }
        if !matches!(split, SplitFile::Column) {
            unused("evaluation.column", &self.column, by_column)?;
            unused("evaluation.held_out", &self.held_out, by_column)?;
        }
        if !matches!(split, SplitFile::Time) {
            let by_time = "only split = \"time\" uses it";
            unused("evaluation.time_column", &self.time_column, by_time)?;
        }
        let split = match split {
            SplitFile::Hash => Split::Hash { share: share()? },
            SplitFile::Column => {
                unused(
                    "evaluation.hold_out",
                    &self.hold_out,
                    "the column tells which rows are held out",
                )?;
                let column = column("evaluation.column", self.column.as_deref(), schema)?;
                let key = "evaluation.held_out";
                let held_out = self.held_out.ok_or_else(|| {
                    TaskError::invalid(
                        key,
                        "nothing",
                        "the values in the rows that are held out, such as [\"test\"]",
                    )
                })?;
                length(key, &held_out, 1..=100)?;
                for value in &held_out {
                    words(key, value, 1..=128)?;
                    trimmed(key, value)?;
                }
                unique(key, &held_out)?;
                Split::Column { column, held_out }
            }
            SplitFile::Time => Split::Time {
                column: column("evaluation.time_column", self.time_column.as_deref(), schema)?,
                share: share()?,
            },
        };
        let bins = integer("evaluation.bins", self.bins.unwrap_or(256), 2..=4096)?;
        let groups = self.groups.map(|groups| groups.check(schema, bins)).transpose()?;
        let importance = self.importance.map(|importance| importance.check(schema));
        Ok(Evaluation {
            split,
            bins,
            groups,
            importance: importance.transpose()?,
        })
    }
}

pub(super) fn column(key: &str, found: Option<&str>, schema: &Schema) -> Result<String, TaskError> {
    let expected = "a column of the schema, or one of its leave_out";
    let found = found.ok_or_else(|| TaskError::invalid(key, "nothing", expected))?;
    words(key, found, NAME)?;
    if schema
        .sequence
        .as_ref()
        .is_some_and(|sequence| sequence.key == found)
    {
        // Its values would stand in a task that everybody reads.
        return Err(TaskError::invalid(key, "the key of the sequences", expected));
    }
    let left_out = schema.leave_out.iter().any(|name| name == found);
    if left_out || (found != schema.label && schema.reads(found)) {
        return Ok(found.to_owned());
    }
    // Rows that were parted by their label would judge a model by one class.
    let found = if found == schema.label {
        "the label".to_owned()
    } else {
        format!("{found:?}, which the schema does not name")
    };
    Err(TaskError::invalid(key, found, expected))
}
