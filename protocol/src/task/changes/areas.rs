//! What the keys of a normal form are about, and what they are called for people.

use serde::{Deserialize, Serialize};

use super::flat::Place;

/// What a change is about, in the order in which a task is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// What is read of a bank's file.
    Reads,
    /// What is trained.
    Trained,
    /// How long it goes on.
    Length,
    /// How it is trained and added up.
    Training,
    /// What leaves the bank, and how long it is kept.
    Leaves,
    /// How the model is judged.
    Judged,
    /// The name alone.
    Name,
}

impl Area {
    /// A heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Reads => "What is read of your file",
            Self::Trained => "What is trained",
            Self::Length => "How long",
            Self::Training => "How it is trained",
            Self::Leaves => "What leaves the bank, and how long it is kept",
            Self::Judged => "How the model is judged",
            Self::Name => "What it is called",
        }
    }
}

/// Keys of a column that decide what the model is given of it, not which cells are read.
const GIVEN: &[&str] = &[
    "scale", "encoding", "bins", "tokens", "words", "buckets", "merges", "cycles", "since",
];

/// Keys of other places, or beginnings of keys where they end in a dot; the first that fits counts.
const KEYS: &[(&str, Area, &str)] = &[
    ("name", Area::Name, "name"),
    ("rounds", Area::Length, "training rounds"),
    ("seed", Area::Trained, "seed of the first model"),
    (
        "archive_rounds",
        Area::Leaves,
        "last rounds whose masked updates are kept",
    ),
    ("schema.version", Area::Reads, "version of the schema"),
    ("schema.label", Area::Reads, "column that is predicted"),
    ("schema.label_classes", Area::Reads, "values of the label"),
    (
        "schema.leave_out",
        Area::Reads,
        "columns that are not given to the model",
    ),
    ("schema.missing", Area::Reads, "cells that hold no value"),
    ("schema.sequence.key", Area::Reads, "column that groups rows"),
    ("schema.sequence.time", Area::Reads, "column that orders rows"),
    (
        "schema.sequence.steps",
        Area::Reads,
        "rows before it by which a row is predicted, itself included",
    ),
    ("schema.", Area::Reads, ""),
    (
        "preparation.histogram_bins",
        Area::Leaves,
        "steps in which values are counted once",
    ),
    ("preparation.", Area::Leaves, ""),
    ("model.family", Area::Trained, "family of the model"),
    ("model.", Area::Trained, ""),
    (
        "training.personal",
        Area::Leaves,
        "parameters that stay in the bank",
    ),
    (
        "training.local_epochs",
        Area::Length,
        "passes over your training rows in a round",
    ),
    ("training.learning_rate", Area::Training, "learning rate"),
    ("training.batch_size", Area::Training, "rows at a time"),
    (
        "training.clip_gradient_norm",
        Area::Training,
        "length to which gradients are cut",
    ),
    (
        "training.control_variates",
        Area::Leaves,
        "change of your rows' mean gradient is sent, too",
    ),
    ("training.", Area::Training, ""),
    (
        "aggregation.max_weight",
        Area::Training,
        "most that a bank weighs",
    ),
    ("aggregation.", Area::Training, ""),
    (
        "encoding.range",
        Area::Leaves,
        "each number of the update is cut to +-",
    ),
    (
        "encoding.clip_norm",
        Area::Leaves,
        "length to which the update is cut",
    ),
    ("encoding.bits", Area::Leaves, "bits of each number of the update"),
    (
        "encoding.control_range",
        Area::Leaves,
        "each number of the mean gradient's change is cut to +-",
    ),
    ("encoding.", Area::Leaves, ""),
    ("evaluation.split", Area::Reads, "how held-out rows are chosen"),
    (
        "evaluation.column",
        Area::Reads,
        "column that tells which rows are held out",
    ),
    ("evaluation.held_out", Area::Reads, "its values in held-out rows"),
    (
        "evaluation.time_column",
        Area::Reads,
        "column with the time by which rows are held out",
    ),
    (
        "evaluation.hold_out",
        Area::Judged,
        "share of your rows that is held out",
    ),
    (
        "evaluation.bins",
        Area::Leaves,
        "steps of scores in which held-out rows are counted",
    ),
    (
        "evaluation.groups.column",
        Area::Reads,
        "column by whose groups the last model is judged",
    ),
    (
        "evaluation.groups.values",
        Area::Reads,
        "groups by which the last model is judged",
    ),
    ("evaluation.groups.other", Area::Reads, "rows of no such group"),
    (
        "evaluation.importance.",
        Area::Leaves,
        "how much each column moves the last model's answers",
    ),
    ("evaluation.", Area::Judged, ""),
    ("early_stopping.", Area::Length, ""),
    ("deadlines.attempts", Area::Length, "tries of a failed step"),
    ("deadlines.", Area::Length, ""),
];

pub(super) fn of(place: &Place) -> Area {
    let given = place.column.is_some() && GIVEN.contains(&place.key.as_str());
    match &place.column {
        Some(_) if place.key == "vocabulary.support" => Area::Leaves,
        Some(_) if given => Area::Trained,
        Some(_) => Area::Reads,
        // A key that is newer than this list is taken for one about what is read, which nobody passes over.
        None => row(&place.key).map_or(Area::Reads, |(_, area, _)| *area),
    }
}

/// What the place is called for people.
pub(super) fn words(place: &Place) -> String {
    let Some(column) = &place.column else {
        return match row(&place.key) {
            Some((_, _, words)) if !words.is_empty() => (*words).to_owned(),
            _ => place.key.clone(),
        };
    };
    let key = match place.key.as_str() {
        "min" => "least value",
        "max" => "greatest value",
        "outside" => "values outside the range",
        "when_missing" => "missing values",
        "values" => "values that are told apart",
        "other" => "any other value",
        "vocabulary.support" => "banks that must have a value before it is found out",
        "vocabulary.most" => "most values that are found out",
        other => other,
    };
    format!("column {column}, {key}")
}

fn row(key: &str) -> Option<&'static (&'static str, Area, &'static str)> {
    KEYS.iter().find(|(known, ..)| match known.strip_suffix('.') {
        Some(table) => key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')),
        None => key == *known,
    })
}
