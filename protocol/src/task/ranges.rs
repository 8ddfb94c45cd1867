//! The checks that every key of a task or schema file passes through.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::TaskError;

/// `found` as `T` when it lies in `range`. Files are read with `i64`, so that a negative number meets this
/// message and not the parser's.
pub(super) fn integer<T>(key: &str, found: i64, range: RangeInclusive<T>) -> Result<T, TaskError>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    match T::try_from(found) {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(out_of_range(
            key,
            found,
            format!("{}..={}", range.start(), range.end()),
        )),
    }
}

/// `found` when it lies in `range`; NaN lies in none.
pub(super) fn real(key: &str, found: f64, range: RangeInclusive<f64>) -> Result<f64, TaskError> {
    if range.contains(&found) {
        Ok(found)
    } else {
        Err(out_of_range(
            key,
            format!("{found:?}"),
            format!("{:?}..={:?}", range.start(), range.end()),
        ))
    }
}

/// A number from 0; minus zero would be a second spelling of zero in the canonical form.
pub(super) fn zero_or(key: &str, found: f64, max: f64) -> Result<f64, TaskError> {
    real(key, found, 0.0..=max).map(f64::abs)
}

/// A key that the chosen kind does not use would mislead whoever approves the task.
pub(super) fn unused<T>(key: &str, found: &Option<T>, why: &str) -> Result<(), TaskError> {
    match found {
        Some(_) => Err(TaskError::invalid(
            key,
            "a value",
            format!("none: {why}; leave the key out"),
        )),
        None => Ok(()),
    }
}

/// The number of things in a list.
pub(super) fn length<T>(key: &str, found: &[T], range: RangeInclusive<usize>) -> Result<(), TaskError> {
    if range.contains(&found.len()) {
        return Ok(());
    }
    Err(TaskError::invalid(
        key,
        format!("{} entries", found.len()),
        format!("{} to {}", range.start(), range.end()),
    ))
}

/// Text that people see in a terminal and that stands on one line of the canonical form.
pub(super) fn words(key: &str, found: &str, lengths: RangeInclusive<usize>) -> Result<(), TaskError> {
    let count = found.chars().count();
    if !lengths.contains(&count) {
        return Err(TaskError::invalid(
            key,
            format!("a text of {count} characters"),
            format!("{} to {} characters", lengths.start(), lengths.end()),
        ));
    }
    if let Some(control) = found.chars().find(|c| c.is_control()) {
        return Err(TaskError::invalid(
            key,
            format!("the control character {control:?}"),
            "printable characters",
        ));
    }
    Ok(())
}

/// Cells are compared after trimming, so a text with blanks around it could never be met.
pub(super) fn trimmed(key: &str, found: &str) -> Result<(), TaskError> {
    if found.trim() == found {
        return Ok(());
    }
    Err(TaskError::invalid(
        key,
        format!("{found:?}"),
        "no blanks at either end",
    ))
}

pub(super) fn unique(key: &str, list: &[String]) -> Result<(), TaskError> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|entry| !seen.insert(*entry)) {
        Some(twice) => Err(TaskError::invalid(
            key,
            format!("{twice:?} a second time"),
            "each once",
        )),
        None => Ok(()),
    }
}

fn out_of_range(key: &str, found: impl Display, expected: String) -> TaskError {
    TaskError::OutOfRange {
        key: key.to_owned(),
        found: found.to_string(),
        expected,
    }
}
