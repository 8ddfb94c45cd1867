//! Why a configuration is not taken.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::{Program, remedy};

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {error}{}", path.display(), remedy::of_folder(*program, error))]
    File {
        /// Whose file it is.
        program: Program,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that is not known here.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found and expected, with line and column.
        problem: String,
    },
    /// A variable sets a key or value that is not known here.
    #[error("{path} with the environment ({variables}): {problem}")]
    Environment {
        /// The file under the variables.
        path: PathBuf,
        /// The variables that were applied.
        variables: String,
        /// What was found and expected.
        problem: String,
    },
    /// A variable of this program whose name or value is no text.
    #[error("{variable}: found a {what} that is not UTF-8, expected UTF-8; set it again, or unset it")]
    NotText {
        /// The variable, as far as it can be shown.
        variable: String,
        /// Its name or its value.
        what: &'static str,
    },
    /// A value reads and cannot hold.
    #[error("{path}: {}: {}", problem.key, problem.text)]
    Value {
        /// The file.
        path: PathBuf,
        /// The key and what is wrong.
        problem: Problem,
    },
}

/// A value that reads and cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Section and key.
    pub key: &'static str,
    /// What was found and expected, and what to do where that does not say it.
    pub text: String,
}

impl Problem {
    /// `found` is not within what is `expected`.
    pub fn range(key: &'static str, found: impl Display, expected: impl Display) -> Self {
        Self {
            key,
            text: format!("{found} is out of range, expected {expected}"),
        }
    }

    /// As the error of a file.
    pub(crate) fn of(self, path: &Path) -> ConfigError {
        ConfigError::Value {
            path: path.to_owned(),
            problem: self,
        }
    }
}

/// Which of the numbers are out of range: key, value, least and most.
pub fn ranges(
    values: impl IntoIterator<Item = (&'static str, u64, u64, u64)>,
) -> impl Iterator<Item = Problem> {
    let outside = |(key, found, least, most): (_, u64, u64, u64)| {
        (!(least..=most).contains(&found)).then(|| Problem::range(key, found, format!("{least} to {most}")))
    };
    values.into_iter().filter_map(outside)
}
