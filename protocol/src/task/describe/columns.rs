//! What is read of a bank's file, column by column.

use super::super::{
    ColumnKind, ImageColumn, NumberColumn, Outside, Scale, Schema, TextColumn, Tokeniser, WhenMissing,
};

pub(super) fn kind(kind: &ColumnKind) -> String {
    match kind {
        ColumnKind::Number(column) => number(column),
        ColumnKind::Category(column) => {
            let other = if column.other_bucket {
                "; any other value counts as one more"
            } else {
                ""
            };
            format!("one of {}{other}", column.values.join(", "))
        }
        ColumnKind::Text(column) => text(column),
        ColumnKind::Image(column) => image(column),
    }
}

/// What the model is given of a row.
pub(super) fn inputs(schema: &Schema) -> String {
    if let Some(text) = schema.text() {
        return format!("texts of at most {} tokens", text.tokens);
    }
    if let Some(image) = schema.image() {
        return format!("the {} numbers of each image", image.bytes());
    }
    let steps = schema
        .steps()
        .map_or(String::new(), |steps| format!(" at each of {steps} times"));
    format!("{} inputs{steps}", schema.inputs().len())
}

fn text(column: &TextColumn) -> String {
    let tokens = |words: u32| match words {
        1 => "words".to_owned(),
        words => format!("words, and runs of up to {words} words,"),
    };
    let how = match &column.tokeniser {
        Tokeniser::Hashed { words, buckets } => format!(
            "its {} as {buckets} numbers, by a hash that has no key: several share a number",
            tokens(*words)
        ),
        Tokeniser::Listed { words, vocabulary } => format!(
            "those of its {} that are in the task's list of {}; all other words are alike",
            tokens(*words),
            vocabulary.len()
        ),
    };
    format!("text, the first {} tokens of it: {how}", column.tokens)
}

fn image(column: &ImageColumn) -> String {
    let channels = match column.channels {
        1 => "one channel".to_owned(),
        channels => format!("{channels} channels"),
    };
    format!(
        "image of {} rows of {} pixels, {channels}, from an IDX file; the labels from a second one",
        column.height, column.width
    )
}

fn number(column: &NumberColumn) -> String {
    let kind = if column.integer { "whole number" } else { "number" };
    let mut words = format!("{kind} from {} to {}", column.min, column.max);
    if column.outside == Outside::Clip {
        words.push_str(", cut off at these");
    }
    if column.scale == Scale::Log {
        words.push_str(", on a logarithmic scale");
    }
    if column.when_missing == WhenMissing::Mean {
        words.push_str("; may be missing");
    }
    words
}
