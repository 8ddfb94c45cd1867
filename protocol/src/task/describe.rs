//! A task in plain words, for the person who answers for a bank's data.

use std::fmt::Write;

use crate::model::{Activation, ModelSpec};

use super::{
    Aggregation, ColumnKind, LocalOptimiser, NumberColumn, Outside, Scale, ServerOptimiser, Split, Task,
    TrainingSpec, Weighting, WhenMissing,
};

pub(super) fn task(task: &Task) -> String {
    let mut out = String::new();
    let mut say = |line: String| writeln!(out, "{line}").expect("writing to a String cannot fail");
    let schema = &task.schema;
    say(format!("Task {}", task.name));
    say(format!("SHA-256 {}", task.hash()));

    say("\nWhat is trained".to_owned());
    say(format!(
        "  {} that predicts {:?} (0 or 1)",
        model(&task.model),
        schema.label
    ));
    let manifest = task.manifest();
    say(format!(
        "  {} parameters from {} inputs",
        manifest.total(),
        schema.inputs().len()
    ));

    say(format!(
        "\nWhat is read of your file (schema version {})",
        schema.version
    ));
    let width = schema
        .columns
        .iter()
        .map(|column| column.name.chars().count())
        .max()
        .unwrap_or(0);
    for column in &schema.columns {
        let kind = match &column.kind {
            ColumnKind::Number(kind) => number(kind),
            ColumnKind::Category(kind) => {
                let other = if kind.other_bucket {
                    "; any other value counts as one more"
                } else {
                    ""
                };
                format!("one of {}{other}", kind.values.join(", "))
            }
        };
        say(format!("  {:width$}  {kind}", column.name));
    }
    let split = &task.evaluation.split;
    let read = split
        .column()
        .filter(|column| schema.leave_out.iter().any(|left| left == column));
    if let Some(column) = read {
        say(format!(
            "  read to tell which rows are held out, and never given to the model: {column}"
        ));
    }
    let left_out = schema.leave_out.iter().map(String::as_str);
    let left_out: Vec<_> = left_out.filter(|left| Some(*left) != read).collect();
    if !left_out.is_empty() {
        say(format!("  never read: {}", left_out.join(", ")));
    }

    say("\nHow it is trained".to_owned());
    say(format!(
        "  {} rounds, each with {}",
        task.rounds,
        training(&task.training)
    ));
    say(match split {
        Split::Hash { share } => {
            let share = percent(*share);
            format!("  about {share} of your rows are held out: the model never learns from them")
        }
        Split::Column { column, held_out } => format!(
            "  your rows with {} in {column} are held out: the model never learns from them",
            held_out.join(" or ")
        ),
        Split::Time { column, share } => format!(
            "  about the latest {} of your rows by {column} are held out: the model never learns from them; it goes \
             through the others in the order of time",
            percent(*share)
        ),
    });
    say(format!("  {}", aggregation(&task.aggregation)));

    say(
        "\nWhat leaves the bank, always under masks, so that only the sum over the banks can be seen"
            .to_owned(),
    );
    let numbers = schema.standardised().len();
    say(format!(
        "  once: how many training rows there are; for each of the {numbers} number columns the count, the sum and \
         the sum of squares of its values"
    ));
    say(format!(
        "  each round: the change of the {} parameters, cut to length {} and to +-{} each, in {} bits",
        manifest.total(),
        task.encoding.clip_norm,
        task.encoding.range,
        task.encoding.bits
    ));
    say(format!(
        "  for judging the model: how many held-out rows got a score in each of {} steps, by label, and their summed \
         loss",
        task.evaluation.bins
    ));
    say("  no row, no cell and no figure of your bank alone leaves it".to_owned());

    say("\nWhat everybody in the consortium can read".to_owned());
    say("  this task, with the names, ranges and categories of the columns; the sums; the model".to_owned());
    if let Some(rounds) = task.archive_rounds {
        let last = match rounds {
            1 => "last round with a result".to_owned(),
            rounds => format!("last {rounds} rounds with a result"),
        };
        say(format!(
            "  the masked updates, which auditors add up again, are kept for the {last}; older ones are deleted, and their sums, which stay, \
             cannot be replayed any more"
        ));
    }
    out
}

fn model(spec: &ModelSpec) -> String {
    match spec {
        ModelSpec::Logistic => "a logistic regression".to_owned(),
        ModelSpec::Mlp { hidden, activation } => {
            let sizes: Vec<_> = hidden.iter().map(u32::to_string).collect();
            let activation = match activation {
                Activation::Relu => "ReLU",
                Activation::Tanh => "tanh",
            };
            format!(
                "a neural network (hidden layers of {} units, {activation})",
                sizes.join(", ")
            )
        }
    }
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

fn training(spec: &TrainingSpec) -> String {
    let optimiser = match spec.optimiser {
        LocalOptimiser::Sgd => "SGD".to_owned(),
        LocalOptimiser::Momentum { momentum } => format!("SGD with momentum {momentum}"),
        LocalOptimiser::Adam => "Adam".to_owned(),
    };
    let passes = if spec.local_epochs == 1 {
        "one pass".to_owned()
    } else {
        format!("{} passes", spec.local_epochs)
    };
    let mut words = format!(
        "{passes} over your training rows with {optimiser}, learning rate {}, {} rows at a time",
        spec.learning_rate, spec.batch_size
    );
    if spec.weight_decay > 0.0 {
        words.push_str(&format!(", weight decay {}", spec.weight_decay));
    }
    if spec.fedprox_mu > 0.0 {
        words.push_str(&format!(
            ", held near the common model (FedProx {})",
            spec.fedprox_mu
        ));
    }
    let [negative, positive] = spec.class_weights;
    if negative != positive {
        words.push_str(&format!(
            ", a row labelled 0 counting {negative} and one labelled 1 {positive}"
        ));
    }
    words
}

fn aggregation(spec: &Aggregation) -> String {
    let weighting = match spec.weighting {
        Weighting::Examples => {
            format!(
                "a bank weighs as much as it has training rows, at most {}",
                spec.max_weight
            )
        }
        Weighting::Equal => "every bank weighs the same".to_owned(),
    };
    let optimiser = match spec.optimiser {
        ServerOptimiser::FedAvg => "FedAvg",
        ServerOptimiser::FedAvgM { .. } => "FedAvgM",
        ServerOptimiser::FedAdam { .. } => "FedAdam",
        ServerOptimiser::FedYogi { .. } => "FedYogi",
        ServerOptimiser::FedAdagrad { .. } => "FedAdagrad",
    };
    format!("the banks' changes become the next model by {optimiser}; {weighting}")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
