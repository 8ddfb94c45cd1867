//! What is another in one version of a task than in an earlier one, for the person who approved that.
//!
//! Two normal forms are compared by the meaning of their keys, not by their lines: columns by their names wherever they stand, lists by what is in
//! them. Nothing is left out: two tasks have no changes between them if and only if they are equal.

mod areas;
mod flat;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use crate::ids::Digest;
use crate::task::{Column, Task, describe};

pub use areas::Area;
use flat::{Flat, Place, Value};

/// Characters of a value that are shown.
const SHOWN: usize = 160;
/// Items of a list that are named.
const NAMED: usize = 12;

/// One thing that is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about.
    pub area: Area,
    /// The key in the task's normal form; that of a column holds the column's name.
    pub key: String,
    /// Its value before; `None` where it had none.
    pub old: Option<String>,
    /// Its value now; `None` where it has none.
    pub new: Option<String>,
    /// All of it in plain words.
    pub words: String,
}

/// Everything that is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Hash of the earlier task; serialised as hex.
    #[serde(serialize_with = "as_hex")]
    pub earlier: Digest,
    /// By what they are about, in the order in which a task is described.
    pub changes: Vec<Change>,
}

fn as_hex<S: Serializer>(hash: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hash.to_hex())
}

impl Changes {
    pub(super) fn between(earlier: &Task, later: &Task) -> Self {
        let (old, new) = (Flat::of(earlier), Flat::of(later));
        let mut changes = columns(earlier, later);
        let keys: BTreeSet<&Place> = old.values.keys().chain(new.values.keys()).collect();
        let common = |name: &str| column(earlier, name).is_some() && column(later, name).is_some();
        for place in keys {
            // A column that is on one side alone is told as a whole.
            if place.column.as_deref().is_some_and(|name| !common(name)) {
                continue;
            }
            let (old, new) = (old.values.get(place), new.values.get(place));
            if old != new {
                changes.push(change(place, old, new));
            }
        }
        changes.extend(order(&old.columns, &new.columns));
        changes.sort_by(|a, b| (a.area, &a.key).cmp(&(b.area, &b.key)));
        Self {
            earlier: earlier.hash(),
            changes,
        }
    }

    /// True if the two tasks are equal.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// True if the same is read of a bank's file, in the same way.
    pub fn reads_the_same(&self) -> bool {
        self.changes.iter().all(|change| change.area != Area::Reads)
    }

    /// Lines for a terminal.
    pub fn describe(&self) -> String {
        let mut out = String::new();
        let mut say = |line: String| writeln!(out, "{line}").expect("writing to a String cannot fail");
        if self.is_empty() {
            say("Nothing is another: the two are equal.".to_owned());
            return out;
        }
        if self.reads_the_same() {
            say(format!("{}: nothing changes.", Area::Reads.title()));
        }
        let mut area = None;
        for change in &self.changes {
            if area != Some(change.area) {
                area = Some(change.area);
                say(change.area.title().to_owned());
            }
            say(format!("  {}", change.words));
        }
        out
    }
}

fn column<'a>(task: &'a Task, name: &str) -> Option<&'a Column> {
    task.schema.columns.iter().find(|column| column.name == name)
}

/// Columns that one side alone has.
fn columns(earlier: &Task, later: &Task) -> Vec<Change> {
    let told = |column: &Column, new: bool| {
        let kind = shortened(&describe::column(column));
        let verb = if new {
            "is new: it is read as"
        } else {
            "is not read as a column of its own any more; it was"
        };
        let words = format!("column {} {verb} {kind}", column.name);
        let kind = Some(kind);
        let (old, new) = if new { (None, kind) } else { (kind, None) };
        Change {
            area: Area::Reads,
            key: format!("schema.column.{}", column.name),
            old,
            new,
            words,
        }
    };
    let here = later.schema.columns.iter();
    let there = earlier.schema.columns.iter();
    let joins = here.filter(|new| column(earlier, &new.name).is_none());
    let leaves = there.filter(|old| column(later, &old.name).is_none());
    joins
        .map(|new| told(new, true))
        .chain(leaves.map(|old| told(old, false)))
        .collect()
}

/// The columns that both have stand in another order, which gives the model's inputs other places.
fn order(old: &[String], new: &[String]) -> Option<Change> {
    let both = |of: &[String], with: &[String]| -> Vec<String> {
        of.iter().filter(|name| with.contains(name)).cloned().collect()
    };
    let (old, new) = (both(old, new), both(new, old));
    if old == new {
        return None;
    }
    let shown = |names: Vec<String>| Some(shortened(&names.join(", ")));
    Some(Change {
        area: Area::Trained,
        key: "schema.column".to_owned(),
        old: shown(old),
        new: shown(new),
        words: "the columns stand in another order, so the model's inputs have other places".to_owned(),
    })
}

fn change(place: &Place, old: Option<&Value>, new: Option<&Value>) -> Change {
    let name = areas::words(place);
    let shown = |value: &Value| shortened(&value.text());
    let words = match (old, new) {
        (Some(Value::List(old)), Some(Value::List(new))) => format!("{name}: {}", lists(old, new)),
        (Some(old), Some(new)) => format!("{name}: {} -> {}", shown(old), shown(new)),
        (None, Some(new)) => format!("{name}: not set -> {}", shown(new)),
        (Some(old), None) => format!("{name}: {} -> not set", shown(old)),
        (None, None) => name,
    };
    Change {
        area: areas::of(place),
        key: place.to_string(),
        old: old.map(shown),
        new: new.map(shown),
        words,
    }
}

/// Two lists by what is in them, short ones as they are.
fn lists(old: &[String], new: &[String]) -> String {
    let whole = |list: &[String]| format!("[{}]", list.join(", "));
    let (before, now) = (whole(old), whole(new));
    if before.chars().count() + now.chars().count() <= SHOWN {
        return format!("{before} -> {now}");
    }
    let (of_old, of_new): (BTreeSet<&String>, BTreeSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let named = |verb: &str, items: Vec<&&String>| {
        let first = items.iter().take(NAMED).map(|item| shortened(item));
        let first = first.collect::<Vec<_>>().join(", ");
        match items.len() {
            0 => None,
            count if count > NAMED => Some(format!("{verb} {first} and {} more", count - NAMED)),
            _ => Some(format!("{verb} {first}")),
        }
    };
    let parts: Vec<String> = [
        named("new are", of_new.difference(&of_old).collect()),
        named("gone are", of_old.difference(&of_new).collect()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let how = if parts.is_empty() {
        "the same in another order or number".to_owned()
    } else {
        parts.join("; ")
    };
    format!("{} values -> {}; {how}", old.len(), new.len())
}

fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}... ({length} characters)")
}

#[cfg(test)]
mod tests;
