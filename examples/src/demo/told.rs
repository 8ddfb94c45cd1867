//! What the report tells beside figures: how to read them, and what is known of the columns.

use veilsum_protocol::model::{ColumnFigures, Vocabularies};
use veilsum_protocol::task::ColumnEncoding;

use super::verdict::Played;

/// Values of a category that are named.
const SHOWN_VALUES: usize = 12;

/// What a reader of the figures has to know.
pub(super) fn notes(played: &Played<'_>) -> Vec<String> {
    let task = &played.supply.task;
    let mut notes = played.supply.notes.clone();
    let columns = task.schema.columns.iter();
    if columns
        .clone()
        .any(|column| column.encoding != ColumnEncoding::Plain)
    {
        notes.push(
            "Columns are encoded by counts of the rows that a model may train on: the consortium's come from one sum under masks, those of the \
             pooled model from all rows together, and those of a bank alone from its own rows."
                .to_owned(),
        );
    }
    let found = played.state.vocabularies.as_ref().and_then(Vocabularies::agreed);
    for ((at, spec), values) in task.schema.open_columns().zip(found.unwrap_or_default()) {
        let name = task
            .schema
            .columns
            .get(at)
            .map_or("", |column| column.name.as_str());
        notes.push(format!(
            "Nobody listed the values of {name:?}: in two rounds under masks the banks found {}, those that at least {} of them have; no value that \
             fewer have came out. The pooled model and the banks alone are given the same list, for one bank cannot know which values others \
             have; alone, a bank would have taken its own.",
            counted(values),
            spec.support
        ));
    }
    if !task.shared().is_all() {
        notes.push(format!(
            "Each bank keeps {} to itself, so the federated model is another at each: its figures are the mean of all banks' models over the same test fold.",
            task.training.personal.join(", ")
        ));
    }
    notes
}

/// `3 values ("car", "home", "debt")`.
fn counted(values: &[String]) -> String {
    match values {
        [] => "none".to_owned(),
        [value] => format!("one value ({value:?})"),
        values => {
            let quoted: Vec<String> = values
                .iter()
                .take(SHOWN_VALUES)
                .map(|value| format!("{value:?}"))
                .collect();
            let more = if values.len() > SHOWN_VALUES { ", ..." } else { "" };
            format!("{} values ({}{more})", values.len(), quoted.join(", "))
        }
    }
}

/// What the consortium knows of its columns, for the report.
pub(super) fn columns(played: &Played<'_>) -> Vec<ColumnFigures> {
    let schema = played
        .supply
        .task
        .schema
        .with_found(played.state.vocabularies.as_ref());
    played
        .known
        .preparation
        .as_ref()
        .map_or_else(Vec::new, |preparation| preparation.figures(&schema))
}
