//! The columns by which a model's answers are explained, each with its inputs.

use crate::model::InputShape;

use super::{ColumnEncoding, ColumnKind, InputKind, Schema};

/// Stands for how many rows a sequence has.
const LENGTH: &str = "rows of the sequence";

/// A column, and which of a row's numbers are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedColumn {
    /// The column's name, or words for how many rows a sequence has.
    pub name: String,
    /// Places in what the model is given of a row; never none.
    pub inputs: Vec<usize>,
}

impl Schema {
    /// The columns of which a model is given something, in the schema's order, and behind them a sequence's length where its rows are counted: each
    /// input is of one of them. `embedded`: as for [`Schema::input_shape`]. `None` for texts and images, whose inputs are no columns. The names are
    /// the same before and after the values of categories are found.
    pub fn explained_columns(&self, embedded: bool) -> Option<Vec<ExplainedColumn>> {
        let mut columns: Vec<ExplainedColumn> = self
            .columns
            .iter()
            .map(|column| ExplainedColumn {
                name: column.name.clone(),
                inputs: Vec::new(),
            })
            .collect();
        match self.input_shape(embedded) {
            InputShape::Table { categories, .. } => {
                let embedded = !categories.is_empty();
                let mut next = 0;
                let mut take = |column: usize| {
                    if let Some(column) = columns.get_mut(column) {
                        column.inputs.push(next);
                        next += 1;
                    }
                };
                let is_category =
                    |kind: InputKind| matches!(kind, InputKind::Category(_) | InputKind::OtherCategory);
                for input in self.inputs() {
                    if !(embedded && is_category(input.kind)) {
                        take(input.column);
                    }
                }
                // Categories that the model embeds stand behind all numbers, one number each.
                for (at, column) in self.columns.iter().enumerate() {
                    let plain = column.encoding == ColumnEncoding::Plain;
                    if embedded && plain && matches!(column.kind, ColumnKind::Category(_)) {
                        take(at);
                    }
                }
            }
            InputShape::Sequence { steps, width } => {
                let inputs = self.inputs();
                let mut length = LENGTH.to_owned();
                while columns.iter().any(|column| column.name == length) {
                    length.insert_str(0, "number of ");
                }
                for step in 0..steps {
                    for (at, input) in inputs.iter().enumerate() {
                        if let Some(column) = columns.get_mut(input.column) {
                            column.inputs.push(step * width + at);
                        }
                    }
                }
                if width > inputs.len() {
                    columns.push(ExplainedColumn {
                        name: length,
                        inputs: (0..steps).map(|step| step * width + inputs.len()).collect(),
                    });
                }
            }
            InputShape::Image { .. } | InputShape::Text { .. } => return None,
        }
        // A column of which the model is given nothing moves nothing.
        columns.retain(|column| !column.inputs.is_empty());
        Some(columns)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn explained(schema: &str, embedded: bool) -> Vec<(String, Vec<usize>)> {
        let schema = Schema::parse(schema).unwrap();
        let columns = schema.explained_columns(embedded).unwrap();
        let mut all: Vec<usize> = columns.iter().flat_map(|column| column.inputs.clone()).collect();
        all.sort_unstable();
        let width = schema.input_shape(embedded).width();
        assert_eq!(all, (0..width).collect::<Vec<usize>>());
        columns
            .into_iter()
            .map(|column| (column.name, column.inputs))
            .collect()
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
            explained(TABLE, false),
            [named("a", &[0, 1]), named("b", &[2, 3, 4]), named("c", &[5])]
        );
        assert_eq!(
            explained(TABLE, true),
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
            explained(rows, false),
            [named("a", &[0, 2]), named(LENGTH, &[1, 3])]
        );
        let taken = rows.replace("\"a\"", &format!("{LENGTH:?}"));
        let other = format!("number of {LENGTH}");
        assert_eq!(
            explained(&taken, false),
            [named(LENGTH, &[0, 2]), named(&other, &[1, 3])]
        );
    }

    #[test]
    fn a_text_has_no_columns() {
        let text = r#"
            version = 1
            label = "y"
            column = [{ name = "a", type = "text", tokens = 8, buckets = 16 }]
        "#;
        assert_eq!(Schema::parse(text).unwrap().explained_columns(false), None);
    }
}
