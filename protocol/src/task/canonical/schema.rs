use super::super::{
    ColumnEncoding, ColumnKind, LabelKind, NumberColumn, Outside, Scale, Schema, VocabularySpec, WhenMissing,
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
