//! The banks' tables, the common test fold and the task: made up, or dealt out from one table.

use std::path::Path;

use toml::{Table, Value};
use veilsum_protocol::task::Task;

use super::DemoError;
use super::consortium::Member;
use crate::example::{Example, Rival};
use crate::files::TableFiles;

/// Everything that a consortium trains with.
#[derive(Clone, Debug)]
pub struct Supply {
    /// The banks with their tables.
    pub banks: Vec<Member>,
    /// The common test fold.
    pub test: TableFiles,
    /// The task's text, TOML.
    pub text: String,
    /// The same, read.
    pub task: Task,
    /// The schema alone, TOML.
    pub schema: String,
    /// What the models are compared with beside each other.
    pub rivals: Vec<Rival>,
    /// What a reader of the figures has to know, a paragraph each.
    pub notes: Vec<String>,
    /// Whether there is anything to learn: false for data that were made without.
    pub learnable: bool,
}

/// What is changed in a task for a demo on one machine.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Another number of training rounds.
    pub rounds: Option<u32>,
    /// Another schema, TOML.
    pub schema: Option<&'a str>,
}

/// Phases of a demo are short: all processes are on one machine, and a killed bank must not hold up the others.
const DEADLINES: [(&str, i64); 7] = [
    ("prepare_s", 15),
    ("ready_s", 120),
    ("collect_s", 4),
    ("confirm_s", 15),
    ("unmask_s", 15),
    ("ack_s", 15),
    ("attempts", 5),
];

/// The made-up data of an example, written to `folder`. `other`: a task in place of the example's own, with where its text stands; its models
/// are compared with none but their like.
///
/// # Errors
/// If a file cannot be written, or the other task's text is none.
pub fn made_up(
    folder: &Path,
    example: Example,
    other: Option<(&str, &Path)>,
    seed: u64,
    change: Change<'_>,
) -> Result<Supply, DemoError> {
    let files = example.write(folder, seed).map_err(DemoError::trial)?;
    let banks = example.banks().into_iter().zip(files.banks);
    let banks = banks
        .map(|(bank, table)| Member {
            name: bank.name.to_owned(),
            table: table.rows,
            labels: table.labels,
        })
        .collect();
    let (text, origin) = other.unwrap_or(example.task());
    let rivals = match other {
        None => example.rivals(seed),
        Some(_) => Vec::new(),
    };
    let supply = assemble(banks, files.test, text, origin, change)?;
    Ok(Supply {
        rivals,
        notes: example.notes().iter().copied().map(str::to_owned).collect(),
        learnable: example.learnable(),
        ..supply
    })
}

/// With the task's changes, and deadlines for one machine.
pub(super) fn assemble(
    banks: Vec<Member>,
    test: TableFiles,
    text: &str,
    origin: &Path,
    change: Change<'_>,
) -> Result<Supply, DemoError> {
    let wrong = |error: toml::de::Error| DemoError::content(origin, error);
    let mut table: Table = toml::from_str(text).map_err(wrong)?;
    if let Some(rounds) = change.rounds {
        table.insert("rounds".to_owned(), Value::Integer(i64::from(rounds)));
    }
    if let Some(schema) = change.schema {
        table.insert(
            "schema".to_owned(),
            Value::Table(toml::from_str(schema).map_err(wrong)?),
        );
    }
    let deadlines = DEADLINES
        .iter()
        .map(|(key, seconds)| ((*key).to_owned(), Value::Integer(*seconds)));
    table.insert("deadlines".to_owned(), Value::Table(deadlines.collect()));
    let text = toml::to_string(&table).map_err(|error| DemoError::content(origin, error))?;
    let task = Task::parse(&text).map_err(|error| DemoError::content(origin, error))?;
    let schema = table
        .get("schema")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    let schema = toml::to_string(&schema).map_err(|error| DemoError::content(origin, error))?;
    Ok(Supply {
        banks,
        test,
        text,
        task,
        schema,
        rivals: Vec::new(),
        notes: Vec::new(),
        learnable: true,
    })
}
