//! Layers of a configuration: the file, and over it the environment.
//!
//! `VEILSUM__SECTION__KEY` sets `key` in `[section]`, `VEILSUM__KEY` a key at the top. The value is read as TOML, and as a plain
//! text where it is not TOML, so that numbers, lists and paths need no quotes.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{ConfigError, Program, Settings};

const PREFIX: &str = "VEILSUM__";

/// Largest configuration file that is read, in bytes.
const FILE_LIMIT: usize = 1 << 20;

/// Reads a file and lays `VEILSUM__` variables over it. What else is in the environment is not looked at.
pub(crate) fn read<T: Settings>(
    path: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<T, ConfigError> {
    let text = read_text(T::PROGRAM, path)?;
    let mut table: Table = parse(path, &text)?;
    let (variables, unreadable) = variables(T::PROGRAM, environment);
    if let Some(error) = unreadable.into_iter().next() {
        return Err(error);
    }
    if variables.is_empty() {
        // Straight from the text, so that an error tells line and column.
        return parse(path, &text);
    }
    let names = variables
        .iter()
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let wrong = |problem: String| ConfigError::Environment {
        path: path.to_owned(),
        variables: names.clone(),
        problem,
    };
    for (name, value) in &variables {
        set(&mut table, name, value).map_err(wrong)?;
    }
    T::deserialize(Value::Table(table)).map_err(|error| wrong(error.to_string()))
}

/// A program's variables by name, and those of them that are no text. Variables of the other programs are none of its business.
pub(crate) fn variables(
    program: Program,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<(String, String)>, Vec<ConfigError>) {
    let (mut variables, mut unreadable) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        let Some(key) = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes()) else {
            continue;
        };
        if std::str::from_utf8(key).is_ok_and(|key| program.passes_over(key)) {
            continue;
        }
        match text_of(&name, &value) {
            Ok(variable) => variables.push(variable),
            Err(error) => unreadable.push(error),
        }
    }
    variables.sort();
    (variables, unreadable)
}

/// What the file alone says.
pub(crate) fn read_file(program: Program, path: &Path) -> Result<Table, ConfigError> {
    parse(path, &read_text(program, path)?)
}

/// The text of a file of a program's folder, of at most 1 MiB.
///
/// # Errors
/// [`ConfigError::File`] with what the system says, [`ConfigError::Content`] for a longer one.
pub fn read_text(program: Program, path: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
        program,
        path: path.to_owned(),
        error,
    })?;
    if text.len() > FILE_LIMIT {
        return Err(ConfigError::Content {
            path: path.to_owned(),
            problem: format!("{} bytes, expected at most {FILE_LIMIT}", text.len()),
        });
    }
    Ok(text)
}

/// What stands in the text of a file.
///
/// # Errors
/// [`ConfigError::Content`] with line and column of a mistake, and what is known there.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Content {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn text_of(name: &OsStr, value: &OsStr) -> Result<(String, String), ConfigError> {
    let refuse = |what| ConfigError::NotText {
        variable: name.to_string_lossy().into_owned(),
        what,
    };
    let name = name.to_str().ok_or_else(|| refuse("name"))?;
    let value = value.to_str().ok_or_else(|| refuse("value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Lays one variable over a table.
pub(crate) fn set(table: &mut Table, name: &str, value: &str) -> Result<(), String> {
    let lower = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
    let mut path = lower.split("__").collect::<Vec<_>>();
    let key = path.pop().unwrap_or_default();
    if key.is_empty() || path.iter().any(|section| section.is_empty()) {
        return Err(format!("{name}: expected {PREFIX}SECTION__KEY"));
    }
    let mut section = table;
    for step in path {
        let entry = section.entry(step).or_insert_with(|| Value::Table(Table::new()));
        section = entry
            .as_table_mut()
            .ok_or_else(|| format!("{name}: {step} is a value, not a section"))?;
    }
    let as_toml = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut it| it.remove("value"));
    section.insert(
        key.to_owned(),
        as_toml.unwrap_or_else(|| Value::String(value.to_owned())),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sample::{Link, Sample};

    fn sample(text: &str, environment: &[(&str, &str)]) -> Result<Sample, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        read(&path, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_go_over_the_file() {
        let text = "name = \"a\"\n[link]\nidle_s = 1\n";
        let taken = sample(
            text,
            &[
                ("VEILSUM__LINK__IDLE_S", "7"),
                ("VEILSUM__NAME", "C:/b c"),
                ("VEILSUM__LINK__HOSTS", "[\"x\"]"),
                ("OTHER__NAME", "z"),
                // The coordinator's.
                ("VEILSUM__OPERATOR__LISTEN", "127.0.0.1:7480"),
            ],
        );
        let link = Link {
            idle_s: 7,
            hosts: vec!["x".to_owned()],
            ..Link::default()
        };
        assert_eq!(
            taken.unwrap(),
            Sample {
                name: "C:/b c".to_owned(),
                link
            }
        );
    }

    #[test]
    fn only_variables_of_this_program_must_be_text() {
        use std::os::unix::ffi::OsStringExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.toml");
        std::fs::write(&path, "name = \"a\"").unwrap();
        let broken = || OsString::from_vec(vec![b'x', 0xff]);
        let load =
            |name: OsString| read::<Sample>(&path, [(name, broken())]).map_err(|error| error.to_string());
        assert_eq!(load("LS_COLORS".into()).unwrap().name, "a");
        assert_eq!(load(broken()).unwrap().name, "a");
        let value = load("VEILSUM__NAME".into()).unwrap_err();
        assert!(
            value.starts_with("VEILSUM__NAME: found a value that is not UTF-8"),
            "{value}"
        );
        let name = load(OsString::from_vec(b"VEILSUM__\xff".to_vec())).unwrap_err();
        assert!(name.contains("found a name that is not UTF-8"), "{name}");
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_key() {
        let unknown = sample("name = \"a\"\n[link]\nidel_s = 1\n", &[]).unwrap_err();
        for part in ["sample.toml", "line 3", "idel_s", "idle_s"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        let variable = sample("name = \"a\"", &[("VEILSUM__LINK__IDEL_S", "1")]).unwrap_err();
        for part in ["VEILSUM__LINK__IDEL_S", "idel_s", "idle_s"] {
            assert!(variable.contains(part), "{variable}");
        }
        assert!(
            sample("name = \"a\"", &[("VEILSUM__NAME__X", "1")])
                .unwrap_err()
                .contains("not a section")
        );
        assert!(
            sample("name = \"a\"", &[("VEILSUM____X", "1")])
                .unwrap_err()
                .contains("expected VEILSUM__")
        );
        assert!(sample("name = ", &[]).unwrap_err().contains("line 1"));
    }
}
