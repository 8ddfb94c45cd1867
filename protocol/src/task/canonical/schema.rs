use super::super::{
    ColumnKind, ImageColumn, LabelKind, NumberColumn, Outside, Scale, Schema, TextColumn, Tokeniser,
    WhenMissing,
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
                let when_missing = match number.when_missing {
                    WhenMissing::Refuse => "refuse",
                    WhenMissing::Mean => "mean",
                };
                out.line("when_missing", text(when_missing));
            }
            ColumnKind::Category(category) => {
                out.line("type", text("category"));
                out.line("values", list(category.values.iter().map(|value| text(value))));
                out.line(
                    "other",
                    text(if category.other_bucket { "bucket" } else { "refuse" }),
                );
            }
            ColumnKind::Text(column) => text_column(out, column),
            ColumnKind::Image(column) => image_column(out, column),
        }
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
    let outside = match number.outside {
        Outside::Refuse => "refuse",
        Outside::Clip => "clip",
    };
    out.line("outside", text(outside));
}
