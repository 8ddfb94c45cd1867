//! What the numbers of an encoded row are.

use veilsum_protocol::model::InputShape;
use veilsum_protocol::task::{ColumnEncoding, ColumnKind, InputKind, Schema};

/// How a row is laid out, in words and number by number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    /// Of the whole row.
    pub(super) words: String,
    /// What each number of a row stands for, or of a step where rows are sequences; none where all numbers are of one kind.
    pub(super) numbers: Vec<String>,
}

impl Layout {
    /// Of rows of this shape, which the schema and the model make.
    pub(super) fn of(schema: &Schema, shape: &InputShape) -> Self {
        match shape {
            InputShape::Table { numbers, categories } if categories.is_empty() => Self {
                words: format!("{numbers} numbers, as \"inputs\" of model.json names them in their order"),
                numbers: schema.inputs().into_iter().map(|input| input.name).collect(),
            },
            InputShape::Table { numbers, categories } => Self {
                words: format!(
                    "{numbers} numbers, as \"inputs\" of model.json names them in their order without the values of categories; behind them {} \
                     categories, each as the number of its value from 0",
                    categories.len()
                ),
                numbers: embedded(schema),
            },
            InputShape::Sequence { steps, width } => {
                let mark = schema
                    .sequence
                    .as_ref()
                    .map(|_| "1 where there is a step".to_owned());
                let names = schema.inputs().into_iter().map(|input| input.name);
                let short = match mark {
                    Some(_) => "; a sequence with fewer begins with steps of zeros, the last number included",
                    None => "",
                };
                Self {
                    words: format!("{steps} steps of {width} numbers each, the oldest first{short}"),
                    numbers: names.chain(mark).collect(),
                }
            }
            InputShape::Image {
                channels,
                height,
                width,
            } => Self {
                words: format!(
                    "the bytes of an image divided by 255: {channels} channels of {height} rows of {width} pixels, channel by channel, row by row"
                ),
                numbers: Vec::new(),
            },
            InputShape::Text { tokens, vocabulary } => Self {
                words: format!(
                    "{tokens} token numbers below {vocabulary}, as task.toml's tokeniser makes them of a text; 0 is padding, behind the text"
                ),
                numbers: Vec::new(),
            },
        }
    }
}

/// The numbers in front, then each category that the model embeds.
fn embedded(schema: &Schema) -> Vec<String> {
    let inputs = schema.inputs().into_iter();
    let numbers = inputs
        .filter(|input| !matches!(input.kind, InputKind::Category(_) | InputKind::OtherCategory))
        .map(|input| input.name);
    let categories = schema.columns.iter().filter_map(|column| match &column.kind {
        ColumnKind::Category(category) if column.encoding == ColumnEncoding::Plain => {
            let places = category.place_names().into_iter().enumerate();
            let places: Vec<_> = places.map(|(at, name)| format!("{at} {name}")).collect();
            Some(format!("{}: {}", column.name, places.join(", ")))
        }
        _ => None,
    });
    numbers.chain(categories).collect()
}
