//! Which group of people a row is of, for the judgement of the last model.

use std::path::Path;

use veilsum_protocol::task::Groups;

use super::DataError;
use super::cell::quoted;
use super::error::At;

/// The place of a cell's group in the order of the sums; `None` if it is of no group.
fn place(groups: &Groups, cell: &str) -> Option<u8> {
    // A value of a group never stands for no value, so that missing cells are among the others.
    let named = groups.values.iter().position(|value| value == cell);
    let other = groups.other_bucket.then_some(groups.values.len());
    u8::try_from(named.or(other)?).ok()
}

/// The group of a row by its cell, trimmed.
///
/// # Errors
/// A missing or unlisted value, where the task has no group for it.
pub(super) fn group(groups: &Groups, cell: &str, file: &Path, at: At) -> Result<u8, DataError> {
    place(groups, cell).ok_or_else(|| DataError::Cell {
        file: file.to_owned(),
        at,
        column: groups.column.as_str().into(),
        found: quoted(cell),
        expected: format!("one of {}", groups.values.join(", ")),
        advice: "the task judges its model by the groups of this column: correct the cell, or agree on a task whose groups \
                 have other = \"bucket\"",
    })
}
