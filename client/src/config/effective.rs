//! The configuration as it holds: every key with its value and where that comes from, and everything that is wrong with it at once.
//!
//! The keys are those of the template and the few that it leaves out. Each value is tried alone in the place of its default, so that one
//! that cannot be read hides no other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use super::layers::{self, ConfigError};
use super::schema::{Config, Link, template};

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
    let required = "name";
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
            "{}: {required} is missing; set it to the bank's name in the roster, such as \"bank-a\"",
            path.display()
        ));
    }
    if problems.is_empty() {
        problems.extend(ranges(path, &values));
    }
    let effective = values.into_iter().map(|(key, (value, source))| Effective {
        value: shown(&key, &value),
        key,
        source,
    });
    (effective.collect(), problems)
}

/// The value, unless it may hold a password: an address of a proxy that is none is refused, and is shown to nobody.
fn shown(key: &str, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let link = Link {
        proxy: text.to_owned(),
        ..Link::default()
    };
    if key == "link.proxy" && !text.is_empty() && link.proxy_address().is_none() {
        return "(hidden)".to_owned();
    }
    value.to_string()
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
        Ok(config) => config
            .check(path)
            .err()
            .iter()
            .map(ConfigError::to_string)
            .collect(),
        Err(error) => vec![format!("{}: {}", path.display(), error.message())],
    }
}

/// The template's table, with the keys that stand in no template: every key with its default.
fn defaults() -> Table {
    let mut table: Table =
        toml::from_str(&template("bank-a")).expect("the template is TOML, as its test proves");
    for key in ["data.labels", "data.policy"] {
        put(&mut table, key, Value::String(String::new()));
    }
    table
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
        let path = folder.path().join("bank.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        effective(&path, environment)
    }

    #[test]
    fn the_defaults_are_those_of_a_file_with_a_name_alone() {
        let ours: Config = Value::Table(defaults()).try_into().unwrap();
        let shortest: Config = toml::from_str("name = \"bank-a\"").unwrap();
        assert_eq!(ours, shortest);
    }

    #[test]
    fn every_value_says_where_it_comes_from() {
        let text = "name = \"bank-a\"\n[link]\nidle_s = 40\nstall_s = 9\n";
        let variables = [
            ("VEILSUM__LINK__IDLE_S", "50"),
            ("VEILSUM__OPERATOR__LISTEN", "x"),
            ("OTHER", "x"),
        ];
        let (values, problems) = of(text, &variables);
        assert_eq!(problems, Vec::<String>::new());
        let value = |key: &str| {
            let found = values.iter().find(|one| one.key == key).unwrap();
            (found.value.clone(), found.source.clone())
        };
        assert_eq!(value("name"), ("\"bank-a\"".to_owned(), Source::File));
        assert_eq!(value("link.stall_s"), ("9".to_owned(), Source::File));
        let variable = Source::Environment("VEILSUM__LINK__IDLE_S".to_owned());
        assert_eq!(value("link.idle_s"), ("50".to_owned(), variable));
        assert_eq!(value("link.connect_s"), ("10".to_owned(), Source::Default));
        assert_eq!(value("data.labels").0, "\"\"");
        assert!(!values.iter().any(|one| one.key.starts_with("operator")));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_no_password() {
        let text = "[link]\nidel_s = 40\nstall_s = \"two\"\n[nobody]\nx = 1\n";
        let (_, problems) = of(
            text,
            &[("VEILSUM__COMPUTE__THREADS", "many"), ("VEILSUM____X", "1")],
        );
        let all = problems.join("\n");
        for part in [
            "link.idel_s is no key, expected one of link.connect_s",
            "link.stall_s: ",
            "nobody.x is no key",
            "VEILSUM__COMPUTE__THREADS: compute.threads: ",
            "VEILSUM____X: expected VEILSUM__SECTION__KEY",
            "name is missing",
        ] {
            assert!(all.contains(part), "{part} is not in {all}");
        }
        assert_eq!(problems.len(), 6, "{all}");
        let (values, problems) = of("name = \"a\"\n[link]\nproxy = \"http://u:geheim@proxy:1\"\n", &[]);
        assert!(
            problems[0].contains("link.proxy: the address is out of range"),
            "{problems:?}"
        );
        assert!(!format!("{values:?}{problems:?}").contains("geheim"));
    }
}
