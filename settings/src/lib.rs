//! How the programs of coordinator and bank are set up, before they do anything: a configuration of one TOML file, every key of which can
//! also come from the environment; the words for a file that the system does not give; and a process that leaves no core dump.
//!
//! A program says by [`Settings`] what its keys are, and what their values may be. [`load`] reads them, and [`effective`] tells every key
//! with where its value comes from, and all that is wrong. What else a program is set up with is its own.

pub mod core_dump;
mod effective;
mod error;
mod layers;
mod program;
pub mod remedy;
#[cfg(test)]
mod sample;

use std::ffi::OsString;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use effective::{Effective, Source, effective, in_one_text, listing};
pub use error::{ConfigError, Problem, ranges};
pub use layers::{parse, read_text};
pub use program::Program;

/// A program's configuration. Keys that it does not know must be refused when it is read, by `deny_unknown_fields` in every section.
pub trait Settings: DeserializeOwned {
    /// Whose it is.
    const PROGRAM: Program;

    /// The one key that has no default.
    const REQUIRED: &'static str;

    /// What to set [`Settings::REQUIRED`] to, for who left it out.
    const REQUIRED_HINT: &'static str;

    /// Every key that there is with its default, and [`Settings::REQUIRED`] with some value that is taken.
    fn defaults() -> Table;

    /// Every value that reads and cannot hold, the one to be told first before the others.
    fn problems(&self) -> Vec<Problem>;

    /// Whether this value of `key` may be shown to nobody.
    fn is_secret(_key: &str, _value: &Value) -> bool {
        false
    }
}

/// Reads a configuration file, lays this program's variables of the environment over it and checks every value. Paths are as they stand
/// there.
///
/// # Errors
/// [`ConfigError`] with the first thing that is wrong: file and key, or variable, what was found and what is known.
pub fn load<T: Settings>(
    path: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<T, ConfigError> {
    let settings: T = layers::read(path, environment)?;
    match settings.problems().into_iter().next() {
        None => Ok(settings),
        Some(problem) => Err(problem.of(path)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sample::Sample;

    #[test]
    fn what_reads_and_cannot_hold_is_not_taken_from_file_or_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.toml");
        let read = |text: &str, environment: Vec<(OsString, OsString)>| {
            std::fs::write(&path, text).unwrap();
            load::<Sample>(&path, environment).map_err(|error| error.to_string())
        };
        let file = path.display();
        assert_eq!(
            read("name = \"a\"\n[link]\nidle_s = 601\nstall_s = 0", vec![]).unwrap_err(),
            format!("{file}: link.idle_s: 601 is out of range, expected 5 to 600")
        );
        let variable = vec![("VEILSUM__LINK__STALL_S".into(), "0".into())];
        assert_eq!(
            read("name = \"a\"", variable).unwrap_err(),
            format!("{file}: link.stall_s: 0 is out of range, expected 1 to 600")
        );
        assert_eq!(
            read("name = \"\"", vec![]).unwrap_err(),
            format!("{file}: name: found an empty text, expected a name")
        );
        assert_eq!(read("name = \"a\"", vec![]).unwrap().link.idle_s, 30);
    }
}
