//! Which of a model's inputs are one column of the bank's table.

use veilsum_explain::{Feature, Groups, Invalid};
use veilsum_protocol::model::InputShape;
use veilsum_protocol::task::{ColumnEncoding, ColumnKind, InputKind, Schema};

/// Stands for how many rows a sequence has.
const LENGTH: &str = "rows of the sequence";

/// The columns of a table or sequence, each with its inputs. `None` for a text or an image, whose inputs are no columns.
pub(super) fn groups(schema: &Schema, shape: &InputShape) -> Option<Result<Groups, Invalid>> {
    let mut columns: Vec<(String, Vec<usize>)> = schema
        .columns
        .iter()
        .map(|column| (column.name.clone(), Vec::new()))
        .collect();
    match shape {
        InputShape::Table {
            numbers: _,
            categories,
        } => {
            let embedded = !categories.is_empty();
            let mut next = 0;
            let mut take = |column: usize| {
                if let Some((_, inputs)) = columns.get_mut(column) {
                    inputs.push(next);
                    next += 1;
                }
            };
            let is_category =
                |kind: InputKind| matches!(kind, InputKind::Category(_) | InputKind::OtherCategory);
            for input in schema.inputs() {
                if !(embedded && is_category(input.kind)) {
                    take(input.column);
                }
            }
            // Categories that the model embeds stand behind all numbers, one number each.
            for (at, column) in schema.columns.iter().enumerate() {
                let plain = column.encoding == ColumnEncoding::Plain;
                if embedded && plain && matches!(column.kind, ColumnKind::Category(_)) {
                    take(at);
                }
            }
        }
        InputShape::Sequence { steps, width } => {
            let inputs = schema.inputs();
            for step in 0..*steps {
                for (at, input) in inputs.iter().enumerate() {
                    if let Some((_, of_column)) = columns.get_mut(input.column) {
                        of_column.push(step * width + at);
                    }
                }
            }
            if *width > inputs.len() {
                let flags = (0..*steps).map(|step| step * width + inputs.len()).collect();
                columns.push((LENGTH.to_owned(), flags));
            }
        }
        InputShape::Image { .. } | InputShape::Text { .. } => return None,
    }
    // A column of which the model is given nothing moves nothing.
    columns.retain(|(_, inputs)| !inputs.is_empty());
    Some(Groups::new(shape.width(), columns))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn grouped(schema: &str, embedded: bool) -> Vec<(String, Vec<usize>)> {
        let schema = Schema::parse(schema).unwrap();
        let shape = schema.input_shape(embedded);
        let groups = groups(&schema, &shape).unwrap().unwrap();
        assert_eq!(groups.width(), shape.width());
        let names = groups.names().iter().cloned();
        names.zip(groups.iter().map(<[usize]>::to_vec)).collect()
    }

    const TABLE: &str = r#"
        version = 1
        label = "y"
        column = [
            { name = "a", type = "number", min = 0, max = 1, when_missing = "mean" },
            { name = "b", type = "category", values = ["n", "s"], other = "bucket" },
            { name = "c", type = "number", min = 0, max = 1 },
        ]
    "#;

    #[test]
    fn a_column_is_all_of_its_inputs_wherever_they_stand() {
        let named = |name: &str, inputs: &[usize]| (name.to_owned(), inputs.to_vec());
        assert_eq!(
            grouped(TABLE, false),
            [named("a", &[0, 1]), named("b", &[2, 3, 4]), named("c", &[5])]
        );
        assert_eq!(
            grouped(TABLE, true),
            [named("a", &[0, 1]), named("b", &[3]), named("c", &[2])]
        );
        let rows = r#"
            version = 1
            label = "y"
            [sequence]
            key = "k"
            time = "t"
            steps = 2
            [[column]]
            name = "a"
            type = "number"
            min = 0
            max = 1
        "#;
        assert_eq!(
            grouped(rows, false),
            [named("a", &[0, 2]), named(LENGTH, &[1, 3])]
        );
    }
}
