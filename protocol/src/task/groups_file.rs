//! From a task's table `evaluation.groups` to checked [`Groups`].

use serde::Deserialize;

use super::evaluation_file::column;
use super::ranges::{integer, real};
use super::schema_file::{OtherFile, check_values};
use super::{Groups, Schema, TaskError};
use crate::model::Target;

const KEY: &str = "evaluation.groups";
/// Each group has two histograms in the sums.
const VALUES: std::ops::RangeInclusive<usize> = 2..=16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupsFile {
    column: Option<String>,
    values: Option<Vec<String>>,
    other: Option<OtherFile>,
    threshold: Option<f64>,
    favourable: Option<i64>,
}

impl GroupsFile {
    /// `schema` and `bins` are the task's.
    pub(super) fn check(self, schema: &Schema, bins: u32) -> Result<Groups, TaskError> {
        let key = |name: &str| format!("{KEY}.{name}");
        let needed = |name, expected| TaskError::invalid(key(name), "nothing", expected);
        if schema.target() != Target::Binary {
            return Err(TaskError::invalid(
                KEY,
                "groups",
                "none: only a model for a label of 0 or 1 is judged by group; leave the table out",
            ));
        }
        if schema.image().is_some() {
            return Err(TaskError::invalid(
                KEY,
                "groups",
                "none: a file of images has no column that could tell a row's group",
            ));
        }
        let column = column(&key("column"), self.column.as_deref(), schema)?;
        let values = self.values.ok_or_else(|| {
            needed(
                "values",
                "the values of the column, each a group, such as [\"f\", \"m\"]",
            )
        })?;
        check_values(&key("values"), &values, VALUES)?;
        let no_value = |value: &&String| value.is_empty() || schema.missing.contains(value);
        if let Some(value) = values.iter().find(no_value) {
            return Err(TaskError::invalid(
                key("values"),
                format!("{value:?}, which stands for no value"),
                "values; other = \"bucket\" counts rows without one as a group",
            ));
        }
        let groups = Groups {
            column,
            values,
            other_bucket: self.other == Some(OtherFile::Bucket),
            threshold: real(&key("threshold"), self.threshold.unwrap_or(0.5), 0.0..=1.0)?,
            favourable: integer(
                &key("favourable"),
                self.favourable.ok_or_else(|| {
                    needed(
                        "favourable",
                        "the label that is the good outcome for the person, 0 or 1: for loans, where 1 is a default, 0",
                    )
                })?,
                0..=1,
            )?,
        };
        if groups.decision(bins).is_none() {
            return Err(TaskError::invalid(
                key("threshold"),
                format!("{:?}", groups.threshold),
                format!(
                    "an edge between two of the {bins} bins, so a whole number from 1 to {} divided by {bins}: the sums hold no scores, only how many fell \
                     into each bin; change it or evaluation.bins",
                    bins - 1
                ),
            ));
        }
        Ok(groups)
    }
}
