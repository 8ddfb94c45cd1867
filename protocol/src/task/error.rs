use thiserror::Error;

/// Why a task or schema file is refused. The text names the key, what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskError {
    /// Not TOML, an unknown or missing key, or a value of the wrong type; with line, column and the line itself.
    #[error("{0}")]
    Toml(String),
    /// A number outside its range.
    #[error("{key}: {found} is out of range, expected {expected}")]
    OutOfRange {
        /// Path of the key, such as `encoding.bits`.
        key: String,
        /// The value in the file.
        found: String,
        /// The allowed range.
        expected: String,
    },
    /// A value of the right type that makes no sense where it stands.
    #[error("{key}: found {found}, expected {expected}")]
    Invalid {
        /// Path of the key, such as `schema.column "income".max`.
        key: String,
        /// What stands there, or that nothing does.
        found: String,
        /// What should stand there.
        expected: String,
    },
}

impl TaskError {
    pub(super) fn invalid(
        key: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            key: key.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }
}

impl From<toml::de::Error> for TaskError {
    fn from(error: toml::de::Error) -> Self {
        Self::Toml(error.to_string().trim_end().to_owned())
    }
}
