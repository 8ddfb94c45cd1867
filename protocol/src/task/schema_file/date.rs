//! What a column of dates has in a schema file.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::TaskError;
use super::super::date::{self, DateColumn};
use super::super::ranges::length;
use super::end::End;
use super::{ColumnFile, refuse};

const EXPECTED: &str =
    "a date in quotes such as \"2020-01-31\", or one with a time of day such as \"2020-01-31T12:30:00\"";

/// What only a column of dates has.
#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SinceFile {
    Previous,
}

impl ColumnFile {
    /// Keys of dates in another column would mislead whoever reads the file.
    pub(super) fn refuse_dates(&self, path: &str) -> Result<(), TaskError> {
        refuse(path, "cycles", self.cycles.is_some(), "only a date has it")?;
        refuse(path, "since", self.since.is_some(), "only a date has it")
    }

    pub(super) fn date(&self, path: &str) -> Result<DateColumn, TaskError> {
        refuse(path, "values", self.values.is_some(), "only a category has it")?;
        refuse(path, "other", self.other.is_some(), "only a category has it")?;
        self.refuse_keys_of_texts(path)?;
        self.refuse_keys_of_images(path)?;
        refuse(
            path,
            "scale",
            self.scale.is_some(),
            "only a number or an integer has it",
        )?;
        let end = |key: &str, found: &Option<End>| {
            let key = format!("{path}.{key}");
            match found {
                None => Err(TaskError::invalid(key, "nothing", EXPECTED)),
                Some(End::Text(text)) => {
                    date::parse(text).ok_or_else(|| TaskError::invalid(key, format!("{text:?}"), EXPECTED))
                }
                Some(number) => Err(TaskError::invalid(key, number.to_string(), EXPECTED)),
            }
        };
        let (min, max) = (end("min", &self.min)?, end("max", &self.max)?);
        if min >= max {
            return Err(TaskError::invalid(
                format!("{path}.max"),
                format!("{:?}", date::text(max)),
                format!("a later date than min, {:?}", date::text(min)),
            ));
        }
        let cycles = self.cycles.clone().unwrap_or_default();
        let key = format!("{path}.cycles");
        length(&key, &cycles, 0..=4)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = cycles.iter().find(|cycle| !seen.insert(**cycle)) {
            return Err(TaskError::invalid(
                key,
                format!("{:?} a second time", twice.name()),
                "each once",
            ));
        }
        Ok(DateColumn {
            min,
            max,
            outside: self.outside.unwrap_or_default(),
            when_missing: self.when_missing.unwrap_or_default(),
            cycles,
            since_previous: self.since == Some(SinceFile::Previous),
        })
    }
}
