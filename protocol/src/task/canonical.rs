//! The normal forms of a task and of a schema. They are laid by hand, not by a serialiser, because their bytes
//! are hashed and signed: no release of a library may change them.

use std::fmt::Write;

use crate::model::{Activation, ModelSpec, Norm, Target};

use super::{
    ColumnKind, LabelKind, LocalOptimiser, Loss, NumberColumn, Outside, Scale, Schedule, Schema,
    ServerOptimiser, Split, Task, TrainingSpec, Weighting, WhenMissing,
};

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
    schema_body(&mut out, &task.schema, "schema.column");
    out.table("model");
    model_body(&mut out, &task.model);
    out.table("training");
    training_body(&mut out, &task.training, task.target());

    let aggregation = &task.aggregation;
    out.table("aggregation");
    let (name, beta1, beta2, tau) = match aggregation.optimiser {
        ServerOptimiser::FedAvg => ("fedavg", None, None, None),
        ServerOptimiser::FedAvgM { beta1 } => ("fedavgm", Some(beta1), None, None),
        ServerOptimiser::FedAdam { beta1, beta2, tau } => ("fedadam", Some(beta1), Some(beta2), Some(tau)),
        ServerOptimiser::FedYogi { beta1, beta2, tau } => ("fedyogi", Some(beta1), Some(beta2), Some(tau)),
        ServerOptimiser::FedAdagrad { beta1, tau } => ("fedadagrad", Some(beta1), None, Some(tau)),
    };
    out.line("optimiser", text(name));
    out.line("learning_rate", real(aggregation.learning_rate));
    for (key, value) in [("beta1", beta1), ("beta2", beta2), ("tau", tau)] {
        if let Some(value) = value {
            out.line(key, real(value));
        }
    }
    let weighting = match aggregation.weighting {
        Weighting::Examples => "examples",
        Weighting::Equal => "equal",
    };
    out.line("weighting", text(weighting));
    out.line("max_weight", aggregation.max_weight);

    out.table("encoding");
    out.line("bits", task.encoding.bits);
    out.line("range", real(task.encoding.range));
    out.line("clip_norm", real(task.encoding.clip_norm));
    out.table("evaluation");
    // A task that splits by hash has the form, and so the hash, that it had before there was another way.
    match &task.evaluation.split {
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
    out.line("bins", task.evaluation.bins);

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

fn model_body(out: &mut Form, model: &ModelSpec) {
    let sizes = |sizes: &[u32]| list(sizes.iter().map(u32::to_string));
    out.line("family", text(model.family()));
    match model {
        ModelSpec::Logistic => {}
        ModelSpec::Mlp(mlp) => {
            out.line("hidden", sizes(&mlp.hidden));
            let name = match mlp.activation {
                Activation::Relu => "relu",
                Activation::Tanh => "tanh",
            };
            out.line("activation", text(name));
            // A model without these has the form that it had before there were such keys.
            if mlp.dropout > 0.0 {
                out.line("dropout", real(mlp.dropout));
            }
            if let Some(most) = mlp.embedding {
                out.line("embedding", most);
            }
        }
        ModelSpec::Cnn(cnn) => {
            out.line("filters", sizes(&cnn.filters));
            out.line("kernel", cnn.kernel);
            out.line("pool", cnn.pool);
            out.line("dense", sizes(&cnn.dense));
            let name = match cnn.norm {
                Norm::None => "none",
                Norm::Group => "group",
            };
            out.line("norm", text(name));
        }
        ModelSpec::Recurrent(recurrent) => {
            out.line("units", recurrent.units);
            out.line("layers", recurrent.layers);
            out.line("dropout", real(recurrent.dropout));
        }
        ModelSpec::EmbeddingBag(bag) => {
            out.line("dimension", bag.dimension);
            out.line("hidden", sizes(&bag.hidden));
        }
        ModelSpec::TextCnn(text_cnn) => {
            out.line("dimension", text_cnn.dimension);
            out.line("filters", sizes(&text_cnn.filters));
            out.line("widths", sizes(&text_cnn.widths));
        }
        ModelSpec::Transformer(transformer) => {
            out.line("dimension", transformer.dimension);
            out.line("heads", transformer.heads);
            out.line("layers", transformer.layers);
            out.line("feed_forward", transformer.feed_forward);
            out.line("dropout", real(transformer.dropout));
        }
    }
}

/// Keys that are newer than the form stand in it only where they are not at their default.
fn training_body(out: &mut Form, training: &TrainingSpec, target: Target) {
    let name = match training.optimiser {
        LocalOptimiser::Sgd => "sgd",
        LocalOptimiser::Momentum { .. } => "momentum",
        LocalOptimiser::Adam => "adam",
        LocalOptimiser::AdamW => "adamw",
        LocalOptimiser::Adagrad => "adagrad",
        LocalOptimiser::RmsProp => "rmsprop",
    };
    out.line("optimiser", text(name));
    if let LocalOptimiser::Momentum { momentum, nesterov } = training.optimiser {
        out.line("momentum", real(momentum));
        if nesterov {
            out.line("nesterov", true);
        }
    }
    out.line("learning_rate", real(training.learning_rate));
    match training.schedule {
        Schedule::Constant => {}
        Schedule::Cosine => out.line("schedule", text("cosine")),
        Schedule::Step { rounds, factor } => {
            out.line("schedule", text("step"));
            out.line("step_rounds", rounds);
            out.line("step_factor", real(factor));
        }
    }
    out.line("weight_decay", real(training.weight_decay));
    out.line("batch_size", training.batch_size);
    out.line("local_epochs", training.local_epochs);
    out.line("fedprox_mu", real(training.fedprox_mu));
    if training.loss != Loss::default_for(target) {
        out.line("loss", text(training.loss.name()));
    }
    match training.loss {
        Loss::CrossEntropy | Loss::MeanSquared => {}
        Loss::Focal { gamma } => out.line("gamma", real(gamma)),
        Loss::Huber { delta } => out.line("delta", real(delta)),
        Loss::Quantile { quantile } => out.line("quantile", real(quantile)),
    }
    if !training.class_weights.is_empty() {
        let weights = training.class_weights.iter();
        out.line("class_weights", list(weights.map(|weight| real(*weight))));
    }
    if let Some(norm) = training.clip_gradient_norm {
        out.line("clip_gradient_norm", real(norm));
    }
}

/// The lines of a task's table `model`.
#[cfg(test)]
pub(super) fn model(model: &ModelSpec) -> String {
    let mut out = Form(String::new());
    model_body(&mut out, model);
    out.0
}

/// The lines of a task's table `training`.
#[cfg(test)]
pub(super) fn training(training: &TrainingSpec, target: Target) -> String {
    let mut out = Form(String::new());
    training_body(&mut out, training, target);
    out.0
}

pub(super) fn schema(schema: &Schema) -> String {
    let mut out = Form(SCHEMA_HEAD.to_owned());
    schema_body(&mut out, schema, "column");
    out.0
}

fn schema_body(out: &mut Form, schema: &Schema, column_table: &str) {
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
        }
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::InputShape;

    const WRITTEN: &str = r#"
        seed = 7
        rounds = 20
        name = "credit-default"     # keys in any order, with comments
        [training]
        optimiser = "momentum"
        learning_rate = 1e-2
        batch_size = 64
        local_epochs = 2
        [model]
        family = "mlp"
        hidden = [64, 32]
        [aggregation]
        optimiser = "fedadam"
        learning_rate = 0.1
        [schema]
        version = 1
        label = "in \\ \"default\""
        leave_out = ['ID']
        missing = ["", "NA"]
        column = [
          { name = "income", type = "number", min = 0, max = 1e7, scale = "log", when_missing = "mean" },
          { name = "région", type = "category", values = ["north", "south"], other = "bucket" },
        ]
    "#;

    const NORMAL: &str = r#"# veilsum/v1/task
name = "credit-default"
rounds = 20
seed = 7

[schema]
version = 1
label = "in \\ \"default\""
leave_out = ["ID"]
missing = ["", "NA"]

[[schema.column]]
name = "income"
type = "number"
min = 0.0
max = 10000000.0
scale = "log"
outside = "refuse"
when_missing = "mean"

[[schema.column]]
name = "région"
type = "category"
values = ["north", "south"]
other = "bucket"

[model]
family = "mlp"
hidden = [64, 32]
activation = "relu"

[training]
optimiser = "momentum"
momentum = 0.9
learning_rate = 0.01
weight_decay = 0.0
batch_size = 64
local_epochs = 2
fedprox_mu = 0.0
class_weights = [1.0, 1.0]

[aggregation]
optimiser = "fedadam"
learning_rate = 0.1
beta1 = 0.9
beta2 = 0.99
tau = 0.001
weighting = "examples"
max_weight = 8192

[encoding]
bits = 16
range = 1.0
clip_norm = 10.0

[evaluation]
hold_out = 0.2
bins = 256

[deadlines]
prepare_s = 30
ready_s = 600
collect_s = 120
confirm_s = 30
unmask_s = 30
ack_s = 30
attempts = 3
"#;

    /// Frozen: approvals and logs name tasks by the hash of these bytes. The digest is sha256sum's of them.
    #[test]
    fn the_normal_form_is_frozen() {
        let written = Task::parse(WRITTEN).unwrap();
        assert_eq!(written.canonical_text(), NORMAL);
        assert_eq!(
            written.hash().to_hex(),
            "59f96184ef4aeb8480661804e60d668ff8a5f25545c214aebd1cef61149140f5"
        );
    }

    #[test]
    fn the_normal_form_parses_to_an_equal_task() {
        let written = Task::parse(WRITTEN).unwrap();
        assert_eq!(Task::parse(NORMAL).unwrap(), written);
        let server = |lines: &str| NORMAL.replace("beta1 = 0.9\nbeta2 = 0.99\ntau = 0.001\n", lines);
        for text in [
            server("beta2 = 0.5\n"),
            server("")
                .replace("fedadam", "fedavg")
                .replace("momentum = 0.9\n", "")
                .replace("\"momentum\"", "\"adam\""),
            server("").replace("fedadam", "fedavgm"),
            server("beta1 = 0.25\n").replace("fedadam", "fedadagrad"),
            server("tau = 1e-9\n")
                .replace("fedadam", "fedyogi")
                .replace("\"examples\"", "\"equal\""),
            NORMAL.replace(
                "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
                "family = \"logistic\"",
            ),
            NORMAL
                .replace("\"relu\"", "\"tanh\"")
                .replace("min = 0.0", "min = -1e-5"),
            NORMAL
                .replace("\"number\"", "\"integer\"")
                .replace("outside = \"refuse\"", "outside = \"clip\""),
        ] {
            let task = Task::parse(&text).unwrap();
            assert_ne!(task.hash(), written.hash(), "{text}");
            assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
        }
    }

    #[test]
    fn labels_of_classes_and_numbers_have_a_form_of_their_own() {
        let label = "label = \"in \\\\ \\\"default\\\"\"\n";
        let classes = format!("{label}label_classes = [\"a\", \"b\", \"c\"]\n");
        let classes = NORMAL.replace(label, &classes);
        let number =
            "[schema.label_number]\nmin = -1.0\nmax = 1.0\nscale = \"linear\"\noutside = \"clip\"\n\n";
        let number = NORMAL.replacen("[[schema.column]]", &format!("{number}[[schema.column]]"), 1);
        for (text, target) in [(classes, Target::Classes(3)), (number, Target::Number)] {
            let mut task = text;
            if target == Target::Number {
                task = task.replace("class_weights = [1.0, 1.0]\n", "");
            } else {
                task = task.replace(
                    "class_weights = [1.0, 1.0]\n",
                    "class_weights = [1.0, 1.0, 1.0]\n",
                );
            }
            let task = Task::parse(&task).unwrap();
            assert_eq!(task.target(), target);
            let normal = task.canonical_text();
            assert_eq!(Task::parse(&normal).unwrap(), task);
            let schema = task.schema.canonical_text();
            assert_eq!(Schema::parse(&schema).unwrap(), task.schema);
            assert_ne!(normal, NORMAL);
        }
    }

    #[test]
    fn steps_of_a_column_have_a_form_of_their_own() {
        let steps = NORMAL.replace(
            "name = \"income\"\n",
            "name = \"income\"\nsteps = [\"may\", \"june\"]\n",
        );
        let sequence = |text: &str| {
            text.replace(
                "family = \"mlp\"\nhidden = [64, 32]\nactivation = \"relu\"",
                "family = \"gru\"\nunits = 8",
            )
        };
        let task = Task::parse(&sequence(&steps)).unwrap();
        // The number, its flag, and two values with a bucket, at two times.
        assert_eq!(task.input_shape(), InputShape::Sequence { steps: 2, width: 5 });
        assert_eq!(Task::parse(&task.canonical_text()).unwrap(), task);
        assert!(task.schema.reads("june") && !task.schema.reads("income"));
        // A table is no sequence, and a sequence no table that an embedding takes.
        let error = Task::parse(&sequence(NORMAL)).unwrap_err().to_string();
        assert!(error.contains("model.family"), "{error}");
    }

    #[test]
    fn a_schema_alone_is_the_same_schema() {
        let schema = Task::parse(WRITTEN).unwrap().schema;
        assert_eq!(Schema::parse(&schema.canonical_text()).unwrap(), schema);
    }
}
