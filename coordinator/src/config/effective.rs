//! The configuration as it holds: every key with its value and where that comes from, and everything that is wrong with it at once.
//!
//! The keys are those of the template, which states every one of them. Each value is tried alone in the place of its default, so that one
//! that cannot be read hides no other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::layers::{self, ConfigError};
use super::schema::{Config, template};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "from", content = "variable")]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The file.
    File,
    /// This variable of the environment.
    Environment(String),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Section and key.
    pub key: String,
    /// The value, as TOML has it.
    pub value: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
}

/// Every key that there is, sorted, and every problem in words. Without a problem the configuration loads.
pub fn effective(
    path: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<Effective>, Vec<String>) {
    let mut problems = Vec::new();
    let file = match layers::read_file(path) {
        Ok(table) => table,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let defaults = defaults();
    let mut values: BTreeMap<String, (Value, Source)> = BTreeMap::new();
    for (key, value) in flat(&defaults) {
        values.insert(key, (value, Source::Default));
    }
    let required = "listen";
    let mut found_required = false;
    for (key, value) in flat(&file) {
        found_required |= key == required;
        let known = values.contains_key(&key);
        take(
            &mut values,
            &mut problems,
            key,
            value,
            Source::File,
            known,
            &path.display().to_string(),
        );
    }
    let (variables, unreadable) = layers::variables(environment);
    problems.extend(unreadable.iter().map(ToString::to_string));
    for (name, value) in variables {
        let mut one = Table::new();
        match layers::set(&mut one, &name, &value) {
            Err(problem) => problems.push(problem),
            Ok(()) => {
                for (key, value) in flat(&one) {
                    found_required |= key == required;
                    let known = values.contains_key(&key);
                    let source = Source::Environment(name.clone());
                    take(&mut values, &mut problems, key, value, source, known, &name);
                }
            }
        }
    }
    if !found_required {
        problems.push(format!(
            "{}: {required} is missing; set it to the address on which banks are served, such as \"0.0.0.0:7443\"",
            path.display()
        ));
    }
    if problems.is_empty() {
        problems.extend(ranges(path, &values));
    }
    let effective = values.into_iter().map(|(key, (value, source))| Effective {
        key,
        value: value.to_string(),
        source,
    });
    (effective.collect(), problems)
}

fn take(
    values: &mut BTreeMap<String, (Value, Source)>,
    problems: &mut Vec<String>,
    key: String,
    value: Value,
    source: Source,
    known: bool,
    from: &str,
) {
    if !known {
        let section = key.rsplit_once('.').map(|(section, _)| section);
        let beside = values
            .keys()
            .filter(|other| other.rsplit_once('.').map(|(section, _)| section) == section);
        let beside: Vec<&str> = beside.map(String::as_str).collect();
        let expected = if beside.is_empty() {
            String::new()
        } else {
            format!(", expected one of {}", beside.join(", "))
        };
        problems.push(format!("{from}: {key} is no key{expected}"));
        return;
    }
    if let Err(problem) = alone(&key, &value) {
        problems.push(format!("{from}: {key}: {problem}"));
        return;
    }
    values.insert(key, (value, source));
}

/// Whether the value can be read where the others are the defaults.
fn alone(key: &str, value: &Value) -> Result<(), String> {
    let mut table = defaults();
    put(&mut table, key, value.clone());
    let read: Result<Config, _> = Value::Table(table).try_into();
    read.map(|_| ()).map_err(|error| error.message().to_owned())
}

fn ranges(path: &Path, values: &BTreeMap<String, (Value, Source)>) -> Vec<String> {
    let mut table = Table::new();
    for (key, (value, _)) in values {
        put(&mut table, key, value.clone());
    }
    let read: Result<Config, _> = Value::Table(table).try_into();
    match read {
        Ok(config) => config.problems(path).iter().map(ConfigError::to_string).collect(),
        Err(error) => vec![format!("{}: {}", path.display(), error.message())],
    }
}

/// The template's table: every key with its default.
fn defaults() -> Table {
    let listen = std::net::SocketAddr::from(([0, 0, 0, 0], 7443));
    toml::from_str(&template(listen)).expect("the template is TOML, as its test proves")
}

fn flat(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                let inside = flat(section).into_iter();
                all.extend(inside.map(|(inner, value)| (format!("{key}.{inner}"), value)));
            }
            value => all.push((key.clone(), value.clone())),
        }
    }
    all
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Some(inner) = inner.as_table_mut() {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(text: &str, environment: &[(&str, &str)]) -> (Vec<Effective>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        effective(&path, environment)
    }

    #[test]
    fn every_value_says_where_it_comes_from() {
        let text = "listen = \"127.0.0.1:1\"\n[limits]\nidle_s = 40\nstreams = 2\n";
        let (values, problems) = of(text, &[("VEILSUM__LIMITS__IDLE_S", "50"), ("OTHER", "x")]);
        assert_eq!(problems, Vec::<String>::new());
        let value = |key: &str| {
            let found = values.iter().find(|one| one.key == key).unwrap();
            (found.value.clone(), found.source.clone())
        };
        assert_eq!(value("listen"), ("\"127.0.0.1:1\"".to_owned(), Source::File));
        assert_eq!(value("limits.streams"), ("2".to_owned(), Source::File));
        let variable = Source::Environment("VEILSUM__LIMITS__IDLE_S".to_owned());
        assert_eq!(value("limits.idle_s"), ("50".to_owned(), variable));
        assert_eq!(value("limits.stall_s"), ("30".to_owned(), Source::Default));
        assert_eq!(value("operator.listen"), ("\"\"".to_owned(), Source::Default));
        assert_eq!(value("identity.log_key").0, "\"identity/log.key.pem\"");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = "[limits]\nidel_s = 40\nstreams = \"two\"\n[nobody]\nx = 1\n";
        let (_, problems) = of(
            text,
            &[("VEILSUM__LIMITS__STALL_S", "soon"), ("VEILSUM____X", "1")],
        );
        let all = problems.join("\n");
        for part in [
            "limits.idel_s is no key, expected one of limits.connection_window_bytes",
            "limits.streams: ",
            "nobody.x is no key",
            "VEILSUM__LIMITS__STALL_S: limits.stall_s: ",
            "VEILSUM____X: expected VEILSUM__SECTION__KEY",
            "listen is missing",
        ] {
            assert!(all.contains(part), "{part} is not in {all}");
        }
        assert_eq!(problems.len(), 6, "{all}");
        let text = "listen = \"127.0.0.1:1\"\nreconnect_grace_s = 9999\n[limits]\nidle_s = 1\n[operator]\nlisten = \"10.0.0.1:80\"\n";
        let (_, problems) = of(text, &[]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
