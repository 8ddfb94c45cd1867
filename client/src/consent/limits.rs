//! The table `limits` of the bank's policy: what a task must keep within for the bank to take part.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use veilsum_protocol::model::ModelSpec;
use veilsum_protocol::round::params::MIN_BANKS;
use veilsum_protocol::secagg::ring::MAX_BANKS;

use super::hours::Hours;

/// What the bank has laid down; what is not set limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Least banks in every sum.
    pub min_banks: Option<u16>,
    /// Columns that no task may read.
    pub never_read: BTreeSet<String>,
    /// Families of models that may be trained.
    pub models: Option<BTreeSet<String>>,
    /// Most parameters of a model.
    pub max_parameters: Option<u64>,
    /// Most training rounds of a task.
    pub max_rounds: Option<u64>,
    /// Most passes over the bank's rows in a round.
    pub max_local_epochs: Option<u64>,
    /// Most bytes of the masked update of one round.
    pub max_upload_bytes: Option<u64>,
    /// Most rounds whose masked updates the coordinator keeps.
    pub max_archive_rounds: Option<u64>,
    /// When the bank takes part.
    pub hours: Hours,
}

/// The table as it stands in the file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    min_banks: Option<i64>,
    never_read: Option<Vec<String>>,
    models: Option<Vec<String>>,
    max_parameters: Option<i64>,
    max_rounds: Option<i64>,
    max_local_epochs: Option<i64>,
    max_upload_bytes: Option<i64>,
    max_archive_rounds: Option<i64>,
    hours: Option<Vec<String>>,
}

impl LimitsFile {
    /// The limits, each in its range.
    ///
    /// # Errors
    /// The first key that is not, with what was found and what is expected.
    pub(crate) fn check(self) -> Result<Limits, String> {
        let count = |key, found| number(key, found, 1..=1_000_000_000_000);
        let min_banks = number("min_banks", self.min_banks, MIN_BANKS.into()..=MAX_BANKS.into())?;
        Ok(Limits {
            min_banks: min_banks.and_then(|banks| u16::try_from(banks).ok()),
            never_read: match self.never_read {
                None => BTreeSet::new(),
                Some(columns) => names("never_read", "column", columns)?,
            },
            models: self.models.map(models).transpose()?,
            max_parameters: count("max_parameters", self.max_parameters)?,
            max_rounds: count("max_rounds", self.max_rounds)?,
            max_local_epochs: count("max_local_epochs", self.max_local_epochs)?,
            max_upload_bytes: count("max_upload_bytes", self.max_upload_bytes)?,
            max_archive_rounds: count("max_archive_rounds", self.max_archive_rounds)?,
            hours: match self.hours {
                None => Hours::default(),
                Some(windows) => Hours::parse(&windows)?,
            },
        })
    }
}

fn number(key: &str, found: Option<i64>, range: RangeInclusive<u64>) -> Result<Option<u64>, String> {
    let Some(found) = found else {
        return Ok(None);
    };
    match u64::try_from(found) {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(format!(
            "{key} = {found}, expected {} to {}",
            range.start(),
            range.end()
        )),
    }
}

/// An empty list is a mistake: what it asks for could be everything or nothing.
fn names(key: &str, what: &str, list: Vec<String>) -> Result<BTreeSet<String>, String> {
    if list.is_empty() {
        return Err(format!(
            "{key} = [], expected one {what} or more; leave the key out for no limit"
        ));
    }
    let mut names = BTreeSet::new();
    for name in list {
        if name.trim().is_empty() {
            return Err(format!("{key}: found {name:?}, expected the name of a {what}"));
        }
        if let Some(twice) = names.replace(name) {
            return Err(format!("{key}: {twice:?} stands there twice"));
        }
    }
    Ok(names)
}

fn models(list: Vec<String>) -> Result<BTreeSet<String>, String> {
    let names = names("models", "family", list)?;
    match names
        .iter()
        .find(|name| !ModelSpec::FAMILIES.contains(&name.as_str()))
    {
        None => Ok(names),
        Some(unknown) => Err(format!(
            "models: found {unknown:?}, expected families out of {}",
            ModelSpec::FAMILIES.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use crate::desensitise::Policy;

    fn read(lines: &str) -> Result<super::Limits, String> {
        let text = format!("[limits]\n{lines}\n");
        let policy = Policy::parse(Path::new("policy.toml"), &text);
        policy
            .map(|policy| policy.limits)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_read() {
        let limits = read(
            "min_banks = 5\nnever_read = [\"salary\", \"postcode\"]\nmodels = [\"mlp\"]\nmax_parameters = 1_000\nmax_rounds = 20\n\
             max_local_epochs = 2\nmax_upload_bytes = 4_000\nmax_archive_rounds = 9\nhours = [\"22:00-06:00\"]",
        )
        .unwrap();
        assert_eq!(limits.min_banks, Some(5));
        assert!(limits.never_read.contains("postcode") && limits.models.unwrap().contains("mlp"));
        let numbers = [
            limits.max_parameters,
            limits.max_rounds,
            limits.max_local_epochs,
            limits.max_upload_bytes,
            limits.max_archive_rounds,
        ];
        assert_eq!(numbers, [1_000, 20, 2, 4_000, 9].map(Some));
        assert!(!limits.hours.is_any());
        assert_eq!(read("").unwrap(), super::Limits::default());
    }

    #[test]
    fn mistakes_are_named() {
        for (lines, parts) in [
            ("min_bank = 5", ["line 2", "min_bank", "never_read"]),
            ("min_banks = 2", ["[limits]", "min_banks = 2", "3 to 500"]),
            ("min_banks = 501", ["policy.toml", "min_banks = 501", "3 to 500"]),
            ("min_banks = \"five\"", ["line 2", "string", "i64"]),
            ("max_rounds = 0", ["[limits]", "max_rounds = 0", "expected 1 to"]),
            (
                "max_parameters = -1",
                ["[limits]", "max_parameters = -1", "expected 1 to"],
            ),
            (
                "never_read = []",
                ["never_read = []", "one column or more", "leave the key out"],
            ),
            (
                "never_read = [\" \"]",
                ["never_read", "\" \"", "name of a column"],
            ),
            ("never_read = [\"a\", \"a\"]", ["never_read", "\"a\"", "twice"]),
            ("models = []", ["models = []", "one family or more", "no limit"]),
            ("models = [\"resnet\"]", ["models", "\"resnet\"", "transformer"]),
            ("hours = [\"late\"]", ["[limits]", "\"late\"", "22:00-06:00"]),
            ("hours = []", ["[limits]", "hours = []", "at any time"]),
        ] {
            let error = read(lines).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part:?} is not in: {error}");
            }
        }
    }
}
