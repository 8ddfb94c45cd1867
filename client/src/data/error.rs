use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use veilsum_settings::ConfigError;

use crate::enrol::EnrolError;

/// Where a row begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Line of a text file, from 1.
    Line(u64),
    /// Row of a file that has no lines, from 1.
    Row(u64),
    /// Image, or label of an image, from 1.
    Image(u64),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::Image(image) => write!(f, "image {image}"),
        }
    }
}

/// What is wrong with a bank's file. Quotes the file, so it is for the bank's own operator and never sent.
#[derive(Debug, Error)]
pub enum DataError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read: {source}; {advice}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// Rows that do not fit the memory they may take cannot be kept in a file.
    #[error("{}: the rows beyond data.memory_bytes cannot be {doing}: {source}; {advice}", folder.display())]
    Unkept {
        /// The daemon's folder.
        folder: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The file as a whole does not fit.
    #[error("{}: found {found}, expected {expected}; {advice}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// A row is broken.
    #[error("{}: {at}: found {found}, expected {expected}; {advice}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// Where the row begins.
        at: At,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// A cell does not fit its column.
    #[error("{}: {at}, column {column:?}: found {found}, expected {expected}; {advice}", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// Where the row begins.
        at: At,
        /// The column's name.
        column: Box<str>,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// A column that would be read looks like an identifier, and the bank's policy does not say why it may be read.
    #[error("{}: column {column:?}: found {found}, expected no column that points to a person; write a rule for it into {}: [[column]] with name = {column:?} and rule = \"mask\", \"generalise\", \"bin\" or \"hash\", or rule = \"allow\" with the reason why it may be read as it is. `veilsum-client data check` shows every column", file.display(), policy.display())]
    Identifier {
        /// The table.
        file: PathBuf,
        /// The column's name.
        column: String,
        /// What it looks like, in which share, with the shape of a cell and nothing of what it says.
        found: String,
        /// The bank's policy, which may not be there yet.
        policy: PathBuf,
    },
    /// The bank's policy has a mistake, or does not fit the table.
    #[error(transparent)]
    Policy(#[from] ConfigError),
    /// The key that a rule of the policy needs.
    #[error(transparent)]
    Key(EnrolError),
    /// The bank's schema file does not parse.
    #[error("{}: {source}", file.display())]
    Schema {
        /// The file.
        file: PathBuf,
        /// The first mistake in it.
        source: veilsum_protocol::task::TaskError,
    },
}

impl DataError {
    /// The file as a whole does not fit.
    pub(crate) fn whole(
        file: &Path,
        found: impl Into<String>,
        expected: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self::File {
            file: file.to_owned(),
            found: found.into(),
            expected: expected.into(),
            advice,
        }
    }
}
