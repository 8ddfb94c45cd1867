//! The configuration as it holds: every key with its value and where that comes from, and everything that is wrong with it at once.
//!
//! Each value is tried alone in the place of its default, so that one that cannot be read hides no other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use toml::{Table, Value};

use crate::{Settings, layers};

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
pub fn effective<T: Settings>(
    path: &Path,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<Effective>, Vec<String>) {
    let file = match layers::read_file(T::PROGRAM, path) {
        Ok(table) => table,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let mut gathered = Gathered::new(T::defaults());
    let from = path.display().to_string();
    for (key, value) in flat(&file) {
        gathered.take::<T>(key, value, Source::File, &from);
    }
    let (variables, unreadable) = layers::variables(T::PROGRAM, environment);
    gathered
        .problems
        .extend(unreadable.iter().map(ToString::to_string));
    for (name, value) in variables {
        let mut one = Table::new();
        match layers::set(&mut one, &name, &value) {
            Err(problem) => gathered.problems.push(problem),
            Ok(()) => {
                for (key, value) in flat(&one) {
                    gathered.take::<T>(key, value, Source::Environment(name.clone()), &name);
                }
            }
        }
    }
    let Gathered {
        values,
        mut problems,
        has_required,
        ..
    } = gathered;
    if !has_required {
        problems.push(format!(
            "{from}: {} is missing; {}",
            T::REQUIRED,
            T::REQUIRED_HINT
        ));
    }
    if problems.is_empty() {
        problems = together::<T>(path, &values);
    }
    let effective = values.into_iter().map(|(key, (value, source))| Effective {
        value: if T::is_secret(&key, &value) {
            "(hidden)".to_owned()
        } else {
            value.to_string()
        },
        key,
        source,
    });
    (effective.collect(), problems)
}

/// A line for each value, as TOML has it, and behind it where it comes from: the file by its path, a variable by its name. `more` lines, text
/// and where from, come last.
pub fn listing(path: &Path, values: &[Effective], more: &[(&str, &str)]) -> String {
    let line = |one: &Effective| {
        let source = match &one.source {
            Source::Default => "default".to_owned(),
            Source::File => path.display().to_string(),
            Source::Environment(name) => name.clone(),
        };
        (format!("{} = {}", one.key, one.value), source)
    };
    let more = more
        .iter()
        .map(|(text, source)| ((*text).to_owned(), (*source).to_owned()));
    let lines: Vec<(String, String)> = values.iter().map(line).chain(more).collect();
    let width = lines.iter().map(|(text, _)| text.chars().count()).max();
    let width = width.unwrap_or(0);
    let lines: Vec<String> = lines
        .iter()
        .map(|(text, source)| format!("{text:width$}  # {source}"))
        .collect();
    lines.join("\n")
}

/// All problems in one text, with their number if there are several; `None` if there is none.
pub fn in_one_text(problems: &[String]) -> Option<String> {
    match problems {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("{} problems:\n- {}", several.len(), several.join("\n- "))),
    }
}

type Values = BTreeMap<String, (Value, Source)>;

/// What the layers say, one value after the other.
struct Gathered {
    defaults: Table,
    values: Values,
    problems: Vec<String>,
    has_required: bool,
}

impl Gathered {
    fn new(defaults: Table) -> Self {
        let values = flat(&defaults).into_iter();
        Self {
            values: values
                .map(|(key, value)| (key, (value, Source::Default)))
                .collect(),
            defaults,
            problems: Vec::new(),
            has_required: false,
        }
    }

    /// Takes a value over what stood before, or notes what is wrong with it.
    fn take<T: Settings>(&mut self, key: String, value: Value, source: Source, from: &str) {
        self.has_required |= key == T::REQUIRED;
        if !self.values.contains_key(&key) {
            let expected = self.beside(&key);
            self.problems.push(format!("{from}: {key} is no key{expected}"));
        } else if let Err(problem) = self.alone::<T>(&key, &value) {
            self.problems.push(format!("{from}: {key}: {problem}"));
        } else {
            self.values.insert(key, (value, source));
        }
    }

    /// The keys of the same section, as the end of a message.
    fn beside(&self, key: &str) -> String {
        let section = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
        let known = self.values.keys().filter(|known| section(known) == section(key));
        let known: Vec<&str> = known.map(String::as_str).collect();
        if known.is_empty() {
            String::new()
        } else {
            format!(", expected one of {}", known.join(", "))
        }
    }

    /// Whether the value can be read where the others are the defaults.
    fn alone<T: Settings>(&self, key: &str, value: &Value) -> Result<(), String> {
        let mut table = self.defaults.clone();
        put(&mut table, key, value.clone());
        let read: Result<T, _> = Value::Table(table).try_into();
        read.map(|_| ()).map_err(|error| error.message().to_owned())
    }
}

/// What is wrong with values that can be read, each and together.
fn together<T: Settings>(path: &Path, values: &Values) -> Vec<String> {
    let mut table = Table::new();
    for (key, (value, _)) in values {
        put(&mut table, key, value.clone());
    }
    let read: Result<T, _> = Value::Table(table).try_into();
    match read {
        Ok(settings) => {
            let problems = settings.problems().into_iter();
            problems.map(|problem| problem.of(path).to_string()).collect()
        }
        Err(error) => vec![format!("{}: {}", path.display(), error.message())],
    }
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
    use crate::sample::Sample;

    fn of(text: &str, environment: &[(&str, &str)]) -> (Vec<Effective>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        effective::<Sample>(&path, environment)
    }

    #[test]
    fn every_value_says_where_it_comes_from() {
        let text = "name = \"bank-a\"\n[link]\nidle_s = 40\nstall_s = 9\n";
        let variables = [
            ("VEILSUM__LINK__IDLE_S", "50"),
            // The coordinator's.
            ("VEILSUM__OPERATOR__LISTEN", "x"),
            ("OTHER", "x"),
        ];
        let (values, problems) = of(text, &variables);
        assert_eq!(problems, Vec::<String>::new());
        let one = |key: &str, value: &str, source| Effective {
            key: key.to_owned(),
            value: value.to_owned(),
            source,
        };
        let variable = Source::Environment("VEILSUM__LINK__IDLE_S".to_owned());
        assert_eq!(
            values,
            [
                one("link.hosts", "[]", Source::Default),
                one("link.idle_s", "50", variable),
                one("link.proxy", "\"\"", Source::Default),
                one("link.stall_s", "9", Source::File),
                one("name", "\"bank-a\"", Source::File),
            ]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = "[link]\nidel_s = 40\nstall_s = \"two\"\n[nobody]\nx = 1\n";
        let (_, problems) = of(text, &[("VEILSUM__LINK__IDLE_S", "soon"), ("VEILSUM____X", "1")]);
        let all = problems.join("\n");
        for part in [
            "link.idel_s is no key, expected one of link.hosts, link.idle_s, link.proxy, link.stall_s",
            "link.stall_s: ",
            "nobody.x is no key",
            "VEILSUM__LINK__IDLE_S: link.idle_s: ",
            "VEILSUM____X: expected VEILSUM__SECTION__KEY",
            "bank.toml: name is missing; set it to a name, such as \"bank-a\"",
        ] {
            assert!(all.contains(part), "{part} is not in {all}");
        }
        assert_eq!(problems.len(), 6, "{all}");
        let (_, problems) = of("name = \"\"\n[link]\nidle_s = 1\nstall_s = 601\n", &[]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn a_variable_can_give_what_the_file_leaves_out() {
        let (_, problems) = of("", &[("VEILSUM__NAME", "bank-a")]);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn the_listing_has_values_and_sources_in_two_columns() {
        let one = |key: &str, value: &str, source| Effective {
            key: key.to_owned(),
            value: value.to_owned(),
            source,
        };
        let values = [
            one("a", "1", Source::Default),
            one("link.idle_s", "2", Source::Environment("VEILSUM__X".to_owned())),
            one("name", "\"b\"", Source::File),
        ];
        let expected = "a = 1            # default
link.idle_s = 2  # VEILSUM__X
name = \"b\"       # bank.toml
(hidden)         # PASSWORD";
        let listed = listing(Path::new("bank.toml"), &values, &[("(hidden)", "PASSWORD")]);
        assert_eq!(listed, expected);
        let one = "x: is wrong".to_owned();
        assert_eq!(in_one_text(&[]), None);
        assert_eq!(in_one_text(std::slice::from_ref(&one)).unwrap(), "x: is wrong");
        assert_eq!(
            in_one_text(&[one, "y: too".to_owned()]).unwrap(),
            "2 problems:\n- x: is wrong\n- y: too"
        );
    }

    #[test]
    fn a_secret_is_hidden_and_its_source_is_not() {
        let text = "name = \"a\"\n[link]\nproxy = \"http://u:geheim@proxy:1\"\n";
        let (values, problems) = of(text, &[]);
        let proxy = values.iter().find(|one| one.key == "link.proxy").unwrap();
        assert_eq!((proxy.value.as_str(), &proxy.source), ("(hidden)", &Source::File));
        assert!(!format!("{values:?}{problems:?}").contains("geheim"));
    }
}
