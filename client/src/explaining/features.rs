//! Which of a model's inputs are one column of the bank's table.

use veilsum_explain::{Feature, Groups, Invalid};
use veilsum_protocol::task::{ColumnKind, Schema};

/// The columns of a table or sequence, each with its inputs. `None` for a text or an image, whose inputs are no columns.
pub(super) fn groups(schema: &Schema, embedded: bool) -> Option<Result<Groups, Invalid>> {
    let columns = schema.explained_columns(embedded)?;
    let columns = columns.into_iter().map(|column| (column.name, column.inputs));
    Some(Groups::new(
        schema.input_shape(embedded).width(),
        columns.collect(),
    ))
}

/// How a column is told to people.
pub(super) fn feature(schema: &Schema, name: &str) -> Feature {
    let column = schema.columns.iter().find(|column| column.name == name);
    match column.map(|column| &column.kind) {
        Some(ColumnKind::Number(number)) => Feature::number(name, "", if number.integer { 0 } else { 2 }),
        Some(ColumnKind::Date(_)) => Feature {
            name: name.to_owned(),
            kind: veilsum_explain::Kind::Date,
        },
        _ => Feature::category(name),
    }
}
