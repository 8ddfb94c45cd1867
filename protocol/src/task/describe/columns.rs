//! What is read of a bank's file, column by column.

use super::super::{
    CategoryColumn, ColumnEncoding, ColumnKind, DateColumn, ImageColumn, NumberColumn, Outside, Scale,
    Schema, TextColumn, Tokeniser, WhenMissing,
};

pub(super) fn kind(kind: &ColumnKind) -> String {
    match kind {
        ColumnKind::Number(column) => number(column),
        ColumnKind::Category(CategoryColumn {
            vocabulary: Some(vocabulary),
            ..
        }) => format!(
            "one of at most {} values, which the banks find out first: those that at least {} banks have; any other value \
             counts as one more",
            vocabulary.most, vocabulary.support
        ),
        ColumnKind::Category(column) => {
            let other = if column.other_bucket {
                "; any other value counts as one more"
            } else {
                ""
            };
            format!("one of {}{other}", column.values.join(", "))
        }
        ColumnKind::Date(column) => date(column),
        ColumnKind::Text(column) => text(column),
        ColumnKind::Image(column) => image(column),
    }
}

/// What the model is given of a column in place of its cells.
pub(super) fn encoding(encoding: ColumnEncoding) -> String {
    match encoding {
        ColumnEncoding::Plain => String::new(),
        ColumnEncoding::Quantiles { bins } => {
            format!(", given as one of {bins} bins with about as many rows each")
        }
        ColumnEncoding::BinEvidence { bins } => {
            format!(", given as the weight of evidence of one of {bins} bins with about as many rows each")
        }
        ColumnEncoding::ValueEvidence => ", given as the weight of evidence of its value".to_owned(),
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
    let steps = match (&schema.sequence, schema.steps()) {
        (Some(sequence), _) => format!(" and a mark of each of up to {} rows", sequence.steps),
        (None, Some(steps)) => format!(" at each of {steps} times"),
        (None, None) => String::new(),
    };
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
        Tokeniser::BytePairs(merges) => format!(
            "its bytes, joined to longer pieces by the {} merges that the task lists",
            merges.lines().len()
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

fn date(column: &DateColumn) -> String {
    let (min, max) = column.range();
    let mut words = format!("date from {min} to {max}");
    if column.outside == Outside::Clip {
        words.push_str(", cut off at these");
    }
    if !column.cycles.is_empty() {
        let cycles: Vec<_> = column.cycles.iter().map(|cycle| cycle.name()).collect();
        words.push_str(&format!(", with its place in the {}", cycles.join(", the ")));
    }
    if column.since_previous {
        words.push_str(", and the time since the row before");
    }
    if column.when_missing == WhenMissing::Mean {
        words.push_str("; may be missing");
    }
    words
}
