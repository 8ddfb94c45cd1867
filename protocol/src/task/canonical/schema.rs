use super::super::{
    ColumnEncoding, ColumnKind, Examples, ImageColumn, LabelKind, NumberColumn, Outside, Scale, Schema,
    TextColumn, Tokeniser, VocabularySpec, WhenMissing,
};
use super::{Form, list, real, text};

/// The lines of a schema; `column_table` is the name of its columns' tables.
pub(super) fn body(out: &mut Form, schema: &Schema, column_table: &str) {
    out.line("version", schema.version);
    out.line("label", text(&schema.label));
    // A label of 0 or 1 has no key beside its name, so such a schema has the form that it had before there were others.
    if let LabelKind::Classes(classes) = &schema.label_kind {
        out.line(
            "label_classes",
            list(classes.values.iter().map(|value| text(value))),
        );
    }
    out.line("leave_out", list(schema.leave_out.iter().map(|name| text(name))));
    out.line("missing", list(schema.missing.iter().map(|cell| text(cell))));
    if let LabelKind::Number(number) = &schema.label_kind {
        let table = column_table.strip_suffix("column").unwrap_or(column_table);
        out.push(format_args!("\n[{table}label_number]\n"));
        number_range(out, number);
    }
    if let Some(sequence) = &schema.sequence {
        let table = column_table.strip_suffix("column").unwrap_or(column_table);
        out.push(format_args!("\n[{table}sequence]\n"));
        out.line("key", text(&sequence.key));
        out.line("time", text(&sequence.time));
        out.line("steps", sequence.steps);
        out.line(
            "examples",
            text(match sequence.examples {
                Examples::Every => "every",
                Examples::Last => "last",
            }),
        );
    }
    for column in &schema.columns {
        out.push(format_args!("\n[[{column_table}]]\n"));
        out.line("name", text(&column.name));
        if !column.steps.is_empty() {
            out.line("steps", list(column.steps.iter().map(|name| text(name))));
        }
        match &column.kind {
            ColumnKind::Number(number) => {
                out.line("type", text(if number.integer { "integer" } else { "number" }));
                number_range(out, number);
                when_missing(out, number.when_missing);
            }
            ColumnKind::Date(date) => {
                out.line("type", text("date"));
                let (min, max) = date.range();
                out.line("min", text(&min));
                out.line("max", text(&max));
                outside(out, date.outside);
                when_missing(out, date.when_missing);
                out.line("cycles", list(date.cycles.iter().map(|cycle| text(cycle.name()))));
                // Of two columns of dates only the one that orders the rows may have it.
                if date.since_previous {
                    out.line("since", text("previous"));
                }
            }
            ColumnKind::Category(category) => {
                out.line("type", text("category"));
                match category.vocabulary {
                    None => out.line("values", list(category.values.iter().map(|value| text(value)))),
                    Some(VocabularySpec { support, most }) => {
                        out.line(
                            "vocabulary",
                            format_args!("{{ support = {support}, most = {most} }}"),
                        );
                    }
                }
                out.line(
                    "other",
                    text(if category.other_bucket { "bucket" } else { "refuse" }),
                );
            }
            ColumnKind::Text(column) => text_column(out, column),
            ColumnKind::Image(column) => image_column(out, column),
        }
        encoding(out, column.encoding);
    }
}

/// A column that is given to the model as it is has the form that it had before there was another way.
fn encoding(out: &mut Form, encoding: ColumnEncoding) {
    match encoding {
        ColumnEncoding::Plain => {}
        ColumnEncoding::Quantiles { bins } => {
            out.line("encoding", text("quantiles"));
            out.line("bins", bins);
        }
        ColumnEncoding::BinEvidence { bins } => {
            out.line("encoding", text("woe"));
            out.line("bins", bins);
        }
        ColumnEncoding::ValueEvidence => out.line("encoding", text("woe")),
    }
}

fn text_column(out: &mut Form, column: &TextColumn) {
    out.line("type", text("text"));
    out.line("tokens", column.tokens);
    match &column.tokeniser {
        Tokeniser::Hashed { words, buckets } => {
            out.line("words", words);
            out.line("buckets", buckets);
        }
        Tokeniser::Listed { words, vocabulary } => {
            out.line("words", words);
            out.line("vocabulary", list(vocabulary.iter().map(|entry| text(entry))));
        }
        Tokeniser::BytePairs(merges) => {
            // One a line, so that where two schemas differ the merge is told and not the whole list.
            out.push(format_args!("merges = [\n"));
            for merge in merges.lines() {
                out.push(format_args!("{},\n", text(merge)));
            }
            out.push(format_args!("]\n"));
        }
    }
}

fn image_column(out: &mut Form, column: &ImageColumn) {
    out.line("type", text("image"));
    out.line("height", column.height);
    out.line("width", column.width);
    out.line("channels", column.channels);
}

fn number_range(out: &mut Form, number: &NumberColumn) {
    out.line("min", real(number.min));
    out.line("max", real(number.max));
    let scale = match number.scale {
        Scale::Linear => "linear",
        Scale::Log => "log",
    };
    out.line("scale", text(scale));
    outside(out, number.outside);
}

fn outside(out: &mut Form, outside: Outside) {
    let outside = match outside {
        Outside::Refuse => "refuse",
        Outside::Clip => "clip",
    };
    out.line("outside", text(outside));
}

fn when_missing(out: &mut Form, when_missing: WhenMissing) {
    let when_missing = match when_missing {
        WhenMissing::Refuse => "refuse",
        WhenMissing::Mean => "mean",
    };
    out.line("when_missing", text(when_missing));
}
