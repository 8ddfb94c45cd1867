//! A normal form as places with values: one place for every key, that of a column under the column's name.

use std::collections::BTreeMap;
use std::fmt;

use crate::task::Task;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The column that it belongs to.
    pub(super) column: Option<String>,
    /// The key, with the tables around it; of a column the key alone.
    pub(super) key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "schema.column.{column}.{}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    List(Vec<String>),
}

impl Value {
    pub(super) fn text(&self) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.join(", ")),
        }
    }
}

/// All of a task.
pub(super) struct Flat {
    pub(super) values: BTreeMap<Place, Value>,
    /// Names of the columns in their order.
    pub(super) columns: Vec<String>,
}

impl Flat {
    pub(super) fn of(task: &Task) -> Self {
        let table: toml::Table = task
            .canonical_text()
            .parse()
            .expect("a normal form is TOML, as the tests of the normal form show");
        let mut flat = Self {
            values: BTreeMap::new(),
            columns: task
                .schema
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect(),
        };
        flat.table(None, "", &table);
        flat
    }

    fn table(&mut self, column: Option<&str>, before: &str, table: &toml::Table) {
        for (key, value) in table {
            let key = if before.is_empty() {
                key.clone()
            } else {
                format!("{before}.{key}")
            };
            match value {
                toml::Value::Table(inner) => self.table(column, &key, inner),
                toml::Value::Array(items) if key == "schema.column" => {
                    for (item, name) in items.iter().zip(self.columns.clone()) {
                        if let toml::Value::Table(inner) = item {
                            self.table(Some(&name), "", inner);
                        }
                    }
                }
                value => {
                    let place = Place {
                        column: column.map(str::to_owned),
                        key,
                    };
                    self.values.insert(place, read(value));
                }
            }
        }
    }
}

fn read(value: &toml::Value) -> Value {
    match value {
        toml::Value::Array(items) => Value::List(items.iter().map(one).collect()),
        value => Value::One(one(value)),
    }
}

/// A text without its quotation marks, anything else as the normal form writes it.
fn one(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}
