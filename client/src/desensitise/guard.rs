//! What stands between the bank's table and everything that reads it: the rules, and the refusal of columns that still look like identifiers.

use std::path::Path;

use csv::StringRecord;
use veilsum_protocol::task::Schema;

use super::column::{Column, Looks};
use super::policy::{Policy, Rule};
use super::rules::{Applied, Rules, Unfit};
use crate::data::decimal::Plain;
use crate::data::{At, DataError, Row, Short, trimmed};

/// For the rows of one table.
pub struct Guard<'a> {
    rules: Applied<'a>,
    table: &'a Path,
    policy_file: &'a Path,
    schema: &'a Schema,
    watched: Vec<Watched>,
}

/// A column that is looked at.
pub(crate) struct Watched {
    name: String,
    position: usize,
    column: Column,
    /// The cells are pseudonyms, which are keys, and are meant to be.
    pseudonyms: bool,
}

impl<'a> Guard<'a> {
    /// For the rows under `header`, of which `schema` names those that are read; `also` is one that the task reads beside them.
    ///
    /// # Errors
    /// A policy that does not fit the table, or that drops a column which the schema reads.
    pub fn new(
        rules: &'a Rules,
        table: &'a Path,
        header: &StringRecord,
        schema: &'a Schema,
        also: Option<&str>,
    ) -> Result<Self, DataError> {
        let mut guard = Self::unwatched(rules, table, header, schema, also)?;
        let rule = |name: &str| rules.policy().columns.get(name);
        guard.watched = guard
            .header()
            .iter()
            .enumerate()
            .filter(|(_, name)| schema.trains_on(name) || also == Some(*name))
            .filter(|(_, name)| !matches!(rule(name), Some(Rule::Allow(_))))
            .map(|(position, name)| Watched {
                name: name.to_owned(),
                position,
                column: Column::new(name),
                pseudonyms: rule(name) == Some(&Rule::Hash),
            })
            .collect();
        Ok(guard)
    }

    /// The same without a look at the columns, for rows whose columns were looked at before.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn unwatched(
        rules: &'a Rules,
        table: &'a Path,
        header: &StringRecord,
        schema: &'a Schema,
        also: Option<&str>,
    ) -> Result<Self, DataError> {
        let reads = |name: &str| schema.reads(name) || also == Some(name);
        let drops = |name: &str| rules.policy().columns.get(name) == Some(&Rule::Drop);
        if let Some(name) = header.iter().find(|name| reads(name) && drops(name)) {
            return Err(DataError::File {
                file: rules.file().to_owned(),
                found: format!("rule \"drop\" for column {name:?}"),
                expected: format!(
                    "it to be read, as the {} says",
                    if schema.reads(name) { "schema" } else { "task" }
                ),
                advice: "take part only in tasks that do not read it, or choose another rule",
            });
        }
        Ok(Self {
            rules: rules.for_header(header)?,
            table,
            policy_file: rules.file(),
            schema,
            watched: Vec::new(),
        })
    }

    /// The columns that are left.
    pub fn header(&self) -> &StringRecord {
        self.rules.header()
    }

    /// Whether the policy changes rows.
    pub(crate) fn changes(&self) -> bool {
        self.rules.changes_rows()
    }

    /// Puts the row in the form that the policy wants.
    ///
    /// # Errors
    /// A cell that its rule cannot work on.
    pub(crate) fn apply(&mut self, record: &mut StringRecord) -> Result<(), Unfit> {
        self.rules.apply(record)
    }

    /// Looks at a row, in the form that the policy wants.
    pub(crate) fn look(&mut self, row: Row<'_>) {
        for watched in &mut self.watched {
            let cell = trimmed(row.get(watched.position).unwrap_or_default());
            if !self.schema.missing.iter().any(|missing| missing == cell) {
                watched.see(cell, 1);
            }
        }
    }

    /// Which of the columns that are looked at stands at this place under the [header](Self::header).
    pub(crate) fn place_of(&self, position: usize) -> Option<usize> {
        self.watched
            .iter()
            .position(|watched| watched.position == position)
    }

    /// The columns that are looked at, for those who look at cells column by column.
    pub(crate) fn watched(&mut self) -> &mut [Watched] {
        &mut self.watched
    }

    /// Takes what the guard of other rows of the same table saw.
    pub fn merge(mut self, other: Self) -> Self {
        for (watched, more) in self.watched.iter_mut().zip(other.watched) {
            watched.column.merge(more.column);
        }
        self
    }

    /// After the last row: nothing of the table may be used if a column that is read looks like an identifier.
    ///
    /// # Errors
    /// [`DataError::Identifier`] of the first such column.
    pub fn finish(self) -> Result<(), DataError> {
        for watched in &self.watched {
            if let Some(looks) = refused(&watched.column, watched.pseudonyms) {
                return Err(DataError::Identifier {
                    file: self.table.to_owned(),
                    column: watched.name.clone(),
                    found: in_words(&watched.column, &looks),
                    policy: self.policy_file.to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Watched {
    /// Its place under the guard's header.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Looks at a cell that stands for a value, trimmed, and at so many that are equal to it; nothing if it is empty.
    pub(crate) fn see(&mut self, cell: &str, times: u64) {
        if !cell.is_empty() {
            self.column.see_times(cell, times);
        }
    }

    /// The same of a cell that was read as a number already.
    #[inline]
    pub(crate) fn see_plain(&mut self, cell: Short, plain: Plain) {
        self.column.see_plain(cell, plain);
    }
}

impl Unfit {
    /// The cell in its table.
    pub(crate) fn at(self, table: &Path, at: At) -> DataError {
        DataError::Cell {
            file: table.to_owned(),
            at,
            column: self.column.into(),
            found: self.found,
            expected: self.expected,
            advice: self.advice,
        }
    }
}

/// Why a column that is read may not be; `pseudonyms` if its cells are the bank's.
pub(super) fn refused(column: &Column, pseudonyms: bool) -> Option<Looks> {
    column
        .looks()
        .filter(|looks| !(pseudonyms && matches!(looks, Looks::Key(_))))
}

/// Whether the policy lets the column be read whatever it looks like.
pub(super) fn reason<'a>(policy: &'a Policy, name: &str) -> Option<&'a str> {
    match policy.columns.get(name) {
        Some(Rule::Allow(reason)) => Some(reason),
        _ => None,
    }
}

/// What a column looks like, with an example that says nothing of its cell.
pub(super) fn in_words(column: &Column, looks: &Looks) -> String {
    let cells = column.cells();
    match looks {
        Looks::Like(kind, share) => {
            let example = column
                .example(*kind)
                .map_or(String::new(), |shape| format!(", of the shape {shape:?}"));
            format!(
                "{} in {} of {cells} cells{example}",
                kind.plural(),
                percent(*share)
            )
        }
        Looks::Key(share) => format!(
            "a key: {} of {cells} cells differ, and they measure nothing",
            percent(*share)
        ),
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
