//! The normal forms of a task and of a schema. They are laid by hand, not by a serialiser, because their bytes
//! are hashed and signed: no release of a library may change them.

mod model;
mod schema;
mod training;

use std::fmt::Write;

#[cfg(test)]
use crate::model::{ModelSpec, Target};

#[cfg(test)]
use super::TrainingSpec;
use super::{Evaluation, Schema, Split, Task};

/// A comment to TOML, and the domain separation of the hash.
const TASK_HEAD: &str = "# veilsum/v1/task\n";
const SCHEMA_HEAD: &str = "# veilsum/v1/schema\n";

pub(super) fn task(task: &Task) -> String {
    let mut out = Form(TASK_HEAD.to_owned());
    out.line("name", text(&task.name));
    out.line("rounds", task.rounds);
    out.line("seed", task.seed);
    // A task without it has the form, and so the hash, that it had before there was such a key.
    if let Some(rounds) = task.archive_rounds {
        out.line("archive_rounds", rounds);
    }
    out.table("schema");
    schema::body(&mut out, &task.schema, "schema.column");
    // A task without it has the form that it had before there was such a table.
    if let Some(preparation) = &task.preparation {
        out.table("preparation");
        out.line("histogram_bins", preparation.histogram_bins);
    }
    out.table("model");
    model::body(&mut out, &task.model);
    out.table("training");
    training::body(&mut out, &task.training, task.target());

    out.table("aggregation");
    training::aggregation(&mut out, &task.aggregation);
    out.table("encoding");
    out.line("bits", task.encoding.bits);
    out.line("range", real(task.encoding.range));
    out.line("clip_norm", real(task.encoding.clip_norm));
    if let Some(range) = task.encoding.control_range {
        out.line("control_range", real(range));
    }
    out.table("evaluation");
    evaluation_body(&mut out, &task.evaluation);
    if let Some(stopping) = &task.early_stopping {
        out.table("early_stopping");
        training::early_stopping(&mut out, stopping);
    }

    let deadlines = &task.deadlines;
    out.table("deadlines");
    out.line("prepare_s", deadlines.prepare_s);
    out.line("ready_s", deadlines.ready_s);
    out.line("collect_s", deadlines.collect_s);
    out.line("confirm_s", deadlines.confirm_s);
    out.line("unmask_s", deadlines.unmask_s);
    out.line("ack_s", deadlines.ack_s);
    out.line("attempts", deadlines.attempts);
    out.0
}

fn evaluation_body(out: &mut Form, evaluation: &Evaluation) {
    // A task that splits by hash has the form, and so the hash, that it had before there was another way.
    match &evaluation.split {
        Split::Hash { share } => out.line("hold_out", real(*share)),
        Split::Column { column, held_out } => {
            out.line("split", text("column"));
            out.line("column", text(column));
            out.line("held_out", list(held_out.iter().map(|value| text(value))));
        }
        Split::Time { column, share } => {
            out.line("split", text("time"));
            out.line("time_column", text(column));
            out.line("hold_out", real(*share));
        }
    }
    out.line("bins", evaluation.bins);
    if let Some(groups) = &evaluation.groups {
        out.table("evaluation.groups");
        out.line("column", text(&groups.column));
        out.line("values", list(groups.values.iter().map(|value| text(value))));
        let other = if groups.other_bucket { "bucket" } else { "refuse" };
        out.line("other", text(other));
        out.line("threshold", real(groups.threshold));
        out.line("favourable", groups.favourable);
    }
    if let Some(importance) = &evaluation.importance {
        out.table("evaluation.importance");
        out.line("rows", importance.rows);
        out.line("coalitions", importance.coalitions);
        out.line("background", importance.background);
    }
}

/// The lines of a task's table `model`.
#[cfg(test)]
pub(super) fn model(model: &ModelSpec) -> String {
    let mut out = Form(String::new());
    model::body(&mut out, model);
    out.0
}

/// The lines of a task's table `training`.
#[cfg(test)]
pub(super) fn training(training: &TrainingSpec, target: Target) -> String {
    let mut out = Form(String::new());
    training::body(&mut out, training, target);
    out.0
}

pub(super) fn schema(schema: &Schema) -> String {
    let mut out = Form(SCHEMA_HEAD.to_owned());
    schema::body(&mut out, schema, "column");
    out.0
}

struct Form(String);

impl Form {
    fn push(&mut self, args: std::fmt::Arguments<'_>) {
        self.0.write_fmt(args).expect("writing to a String cannot fail");
    }

    fn table(&mut self, name: &str) {
        self.push(format_args!("\n[{name}]\n"));
    }

    fn line(&mut self, key: &str, value: impl std::fmt::Display) {
        self.push(format_args!("{key} = {value}\n"));
    }
}

/// A TOML basic string. Control characters, which would need more escapes, are refused when a file is read.
fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The shortest decimal that reads back to the same f64, always with a point or an exponent.
fn real(value: f64) -> String {
    format!("{value:?}")
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
