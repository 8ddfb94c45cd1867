//! What a bank's own table looks like, column by column, for its operator alone: a profile, and a draft of a schema.
//! It is read once, in memory that does not grow with its rows. Nothing of it is ever sent.

mod column;
mod distinct;
mod draft;
mod histogram;
mod images;
mod merges;
mod page;
mod profile;
mod range;
mod spread;
mod texts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::data::{DataError, Table, trimmed};
use column::ColumnSurvey;

pub(crate) use draft::draft;
pub(crate) use histogram::blocks;
pub(crate) use images::Images;
pub(crate) use merges::{LearnedMerges, WARNING, learn};
pub(crate) use page::{columns, page};
pub(crate) use profile::{Column, Profile, figure, shown};

/// A table, looked at from its first row to its last.
pub(crate) struct Survey {
    file: PathBuf,
    rows: u64,
    columns: Vec<ColumnSurvey>,
    is_whole: bool,
}

impl Survey {
    /// Reads a table, of any format that training can read.
    ///
    /// # Errors
    /// The first thing that keeps it from being read.
    pub(crate) fn read(file: &Path) -> Result<Self, DataError> {
        Self::read_first(file, u64::MAX)
    }

    /// Reads the first so many rows.
    ///
    /// # Errors
    /// The first thing that keeps them from being read.
    pub(crate) fn read_first(file: &Path, most: u64) -> Result<Self, DataError> {
        let table = Table::open(file)?;
        let mut columns: Vec<_> = table.header().iter().map(ColumnSurvey::new).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = table.header().iter().find(|name| !seen.insert(*name)) {
            return Err(DataError::whole(
                file,
                format!("the column {twice:?} twice in the header"),
                "each column once",
                "rename or remove one of them",
            ));
        }
        let mut rows = 0;
        let is_whole = table.for_the_first(most, |_, record| {
            rows += 1;
            for (column, cell) in columns.iter_mut().zip(record.iter()) {
                column.add(trimmed(cell));
            }
            Ok(())
        })?;
        if rows == 0 {
            return Err(DataError::whole(
                file,
                "a header and no row",
                "at least one row below it",
                "export the data again",
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            rows,
            columns,
            is_whole,
        })
    }
}

#[cfg(test)]
mod tests;
