//! A task in plain words, for the person who answers for a bank's data.

mod columns;

use std::fmt::Write;

use crate::model::{Activation, Cell, ModelSpec, Norm, Target};

use super::{
    Aggregation, Column, ColumnKind, EarlyStopping, Examples, Groups, Keep, LabelKind, LocalOptimiser, Loss,
    Schedule, Schema, Sequence, ServerOptimiser, Split, Task, TrainingSpec, Weighting,
};

fn label(kind: &LabelKind) -> String {
    match kind {
        LabelKind::Binary => "0 or 1".to_owned(),
        LabelKind::Classes(classes) => format!("one of {}", classes.values.join(", ")),
        LabelKind::Number(number) => format!("a number from {} to {}", number.min, number.max),
    }
}

/// What is read of a column, in one line.
pub(super) fn column(column: &Column) -> String {
    let steps = if column.steps.is_empty() {
        String::new()
    } else {
        format!(", at {} times: {}", column.steps.len(), column.steps.join(", "))
    };
    format!(
        "{}{steps}{}",
        columns::kind(&column.kind),
        columns::encoding(column.encoding)
    )
}

pub(super) fn task(task: &Task) -> String {
    let mut out = String::new();
    let mut say = |line: String| writeln!(out, "{line}").expect("writing to a String cannot fail");
    let schema = &task.schema;
    say(format!("Task {}", task.name));
    say(format!("SHA-256 {}", task.hash()));

    say("\nWhat is trained".to_owned());
    say(format!(
        "  {} that predicts {:?} ({})",
        model(&task.model),
        schema.label,
        label(&schema.label_kind)
    ));
    let manifest = task.manifest();
    say(format!(
        "  {} parameters from {}",
        manifest.total(),
        columns::inputs(schema)
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
        say(format!("  {:width$}  {}", column.name, self::column(column)));
    }
    if let Some(sequence) = &schema.sequence {
        self::sequence(sequence, schema).into_iter().for_each(&mut say);
    }
    let split = &task.evaluation.split;
    let groups = task.evaluation.groups.as_ref();
    let only_left_out = |column: &&str| schema.leave_out.iter().any(|left| left == column);
    let read = split.column().filter(only_left_out);
    if let Some(column) = read {
        say(format!(
            "  read to tell which rows are held out, and never given to the model: {column}"
        ));
    }
    let grouped = groups.map(|groups| groups.column.as_str()).filter(only_left_out);
    if let Some(column) = grouped {
        say(format!(
            "  read to judge the last model by group, and never given to the model: {column}"
        ));
    }
    let left_out = schema.leave_out.iter().map(String::as_str);
    let left_out: Vec<_> = left_out
        .filter(|left| Some(*left) != read && Some(*left) != grouped)
        .collect();
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
            match &schema.sequence {
                None => {
                    format!("  about {share} of your rows are held out: the model never learns from them")
                }
                Some(sequence) => format!(
                    "  the rows of about {share} of the values of {} are held out: the model never learns from them",
                    sequence.key
                ),
            }
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
    if schema.sequence.is_some() && !matches!(split, Split::Hash { .. }) {
        say("  a held-out row is judged by the rows before it too, among them ones that the model learned from".to_owned());
    }
    say(format!("  {}", aggregation(&task.aggregation)));
    if let Some(groups) = groups {
        say(format!("  {}", judged_by(groups)));
    }
    let shared = task.shared();
    if !shared.is_all() {
        say(format!(
            "  {} of the {} parameters are your bank's own ({}): they are trained and kept in your bank, judged with your rows, and never leave \
             it; in the model that everybody can read they have the values of the beginning",
            manifest.total() - shared.len(),
            manifest.total(),
            task.training.personal.join(", ")
        ));
    }
    if let Some(stopping) = &task.early_stopping {
        say(format!("  {}", early_stopping(stopping)));
    }

    say(
        "\nWhat leaves the bank, always under masks, so that only the sum over the banks can be seen"
            .to_owned(),
    );
    if schema.open_columns().next().is_some() {
        let names = schema.open_columns().filter_map(|(at, _)| schema.columns.get(at));
        let names: Vec<_> = names.map(|column| column.name.as_str()).collect();
        say(format!(
            "  once: which cells of a table your values of {} fall into; then those of the values whose cells enough banks have. \
             Who guesses a value that few banks have can test the guess",
            names.join(", ")
        ));
    }
    let numbers = schema.standardised().len();
    let dates = |column: &Column| matches!(column.kind, ColumnKind::Date(_));
    let of = if schema.columns.iter().any(dates) {
        "inputs that are numbers, dates or times between rows"
    } else {
        "number columns"
    };
    // Without such columns there is no statistics round.
    if numbers > 0 || task.preparation.is_some() {
        say(format!(
            "  once: how many training rows there are; for each of the {numbers} {of} the count, the sum and \
             the sum of squares of its values"
        ));
    }
    if let Some(preparation) = &task.preparation {
        let by_label = match task.target() {
            Target::Binary => ", by label",
            Target::Classes(_) | Target::Number => "",
        };
        say(format!(
            "  once: how many cells of each number column lie in each of {} steps of its range or are missing, and how many of each category \
             column have which value{by_label}",
            preparation.histogram_bins
        ));
    }
    say(format!(
        "  each round: the change of {}, cut to length {} and to +-{} each, in {} bits",
        if shared.is_all() {
            format!("the {} parameters", shared.len())
        } else {
            format!("the {} parameters that the banks share", shared.len())
        },
        task.encoding.clip_norm,
        task.encoding.range,
        task.encoding.bits
    ));
    if let Some(range) = task.encoding.control_range {
        say(format!(
            "  each round: the change of your rows' mean gradient, {} numbers, cut to length {} and to +-{range} each, in {} bits",
            shared.len(),
            task.encoding.clip_norm * range / task.encoding.range,
            task.encoding.bits
        ));
    }
    say(format!(
        "  for judging the model: {}",
        match task.target() {
            Target::Binary => format!(
                "how many held-out rows got a score in each of {} steps, by label, and their summed loss",
                task.evaluation.bins
            ),
            Target::Classes(_) =>
                "how many held-out rows of each class were taken for which class, and their summed loss".to_owned(),
            Target::Number =>
                "the count of held-out rows, the sums of their labels and of the labels' squares, and those of the distances of \
                 predictions from labels"
                    .to_owned(),
        }
    ));
    if let Some(groups) = groups {
        say(format!(
            "  once, for judging the last model: the same steps of scores by label again for each of the {} groups of {}. A group with few rows in all \
             banks together shows the scores of these few",
            groups.count(),
            groups.column
        ));
    }
    if let Some(importance) = &task.evaluation.importance {
        say(format!(
            "  once, of the last model: by how much each column moves its answers, summed over at most {} held-out rows, each compared with at most {} \
             training rows; it takes your machine up to {} answers of the model",
            importance.rows,
            importance.background,
            u64::from(importance.rows) * u64::from(importance.answers())
        ));
    }
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

fn judged_by(groups: &Groups) -> String {
    let other = if groups.other_bucket {
        "any other value or none is a group of its own"
    } else {
        "a row with any other value, or none, is refused"
    };
    let (side, favourable) = match groups.favourable {
        1 => ("from", 1),
        other => ("below", other),
    };
    format!(
        "the last model's scores of your held-out rows are compared between the groups of {} ({}; {other}): a score {side} {} is taken for {favourable}, \
         the good outcome",
        groups.column,
        groups.values.join(", "),
        groups.threshold
    )
}

pub(super) fn model(spec: &ModelSpec) -> String {
    match spec {
        ModelSpec::Logistic => "a logistic regression".to_owned(),
        ModelSpec::Mlp(mlp) => {
            let activation = match mlp.activation {
                Activation::Relu => "ReLU",
                Activation::Tanh => "tanh",
            };
            let embedding = match mlp.embedding {
                Some(most) => format!(", categories as vectors of at most {most} numbers"),
                None => String::new(),
            };
            format!(
                "a neural network (hidden layers of {} units, {activation}{embedding}{})",
                sizes(&mlp.hidden),
                dropout(mlp.dropout)
            )
        }
        ModelSpec::Cnn(cnn) => {
            let norm = match cnn.norm {
                Norm::None => "",
                Norm::Group => ", group norm",
            };
            let dense = match &cnn.dense[..] {
                [] => String::new(),
                dense => format!(", then hidden layers of {} units", sizes(dense)),
            };
            format!(
                "a convolutional network (blocks of {} filters of {kernel}x{kernel} pixels{norm}, the greatest of {pool}x{pool} \
                 values{dense})",
                sizes(&cnn.filters),
                kernel = cnn.kernel,
                pool = cnn.pool
            )
        }
        ModelSpec::Recurrent(recurrent) => {
            let cell = match recurrent.cell {
                Cell::Lstm => "an LSTM",
                Cell::Gru => "a GRU",
            };
            format!(
                "{cell} ({} of {} cells{})",
                layers(recurrent.layers),
                recurrent.units,
                dropout(recurrent.dropout)
            )
        }
        ModelSpec::EmbeddingBag(bag) => {
            let hidden = match &bag.hidden[..] {
                [] => String::new(),
                hidden => format!(", then hidden layers of {} units", sizes(hidden)),
            };
            format!("a bag of words as vectors of {} numbers{hidden}", bag.dimension)
        }
        ModelSpec::TextCnn(text_cnn) => format!(
            "a convolutional network for texts (words as vectors of {} numbers, {} filters over {} words in a row)",
            text_cnn.dimension,
            sizes(&text_cnn.filters),
            sizes(&text_cnn.widths)
        ),
        ModelSpec::Transformer(transformer) => format!(
            "a transformer ({} of {} heads, vectors of {} numbers, hidden layers of {} units{})",
            layers(transformer.layers),
            transformer.heads,
            transformer.dimension,
            transformer.feed_forward,
            dropout(transformer.dropout)
        ),
    }
}

/// How rows become sequences.
fn sequence(sequence: &Sequence, schema: &Schema) -> Vec<String> {
    let Sequence { key, time, steps, .. } = sequence;
    let examples = match sequence.examples {
        Examples::Every => "every row is predicted by itself",
        Examples::Last => "the last row of each group is predicted by itself",
    };
    let before = match steps - 1 {
        1 => "the one row".to_owned(),
        before => format!("up to {before} rows"),
    };
    let mut lines = vec![format!(
        "  read to group your rows, kept as a hash under a secret of yours while reading, and never given to the model: {key}"
    )];
    if !schema.trains_on(time) {
        lines.push(format!(
            "  read to order your rows, and never given to the model: {time}"
        ));
    }
    lines.push(format!(
        "  {examples} and by {before} of the same {key} before it, in the order of {time}"
    ));
    lines
}

fn sizes(sizes: &[u32]) -> String {
    let sizes: Vec<_> = sizes.iter().map(u32::to_string).collect();
    sizes.join(", ")
}

fn layers(layers: u32) -> String {
    match layers {
        1 => "one layer".to_owned(),
        layers => format!("{layers} layers"),
    }
}

fn dropout(share: f64) -> String {
    match share {
        0.0 => String::new(),
        share => format!(
            ", {} of the values left out at random in training",
            percent(share)
        ),
    }
}

fn training(spec: &TrainingSpec) -> String {
    let optimiser = match spec.optimiser {
        LocalOptimiser::Sgd => "SGD".to_owned(),
        LocalOptimiser::Momentum { momentum, nesterov } => {
            let whose = if nesterov {
                "Nesterov's momentum"
            } else {
                "momentum"
            };
            format!("SGD with {whose} {momentum}")
        }
        LocalOptimiser::Adam => "Adam".to_owned(),
        LocalOptimiser::AdamW => "AdamW".to_owned(),
        LocalOptimiser::Adagrad => "Adagrad".to_owned(),
        LocalOptimiser::RmsProp => "RMSprop".to_owned(),
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
    match spec.schedule {
        Schedule::Constant => {}
        Schedule::Cosine => words.push_str("; the learning rate falls to 0 over the rounds along a cosine"),
        Schedule::Step { rounds, factor } => {
            words.push_str(&format!(
                "; the learning rate is multiplied by {factor} every {rounds} rounds"
            ));
        }
    }
    match spec.loss {
        Loss::CrossEntropy => {}
        Loss::Focal { gamma } => words.push_str(&format!(
            "; rows that are predicted well already count less (focal loss, gamma {gamma})"
        )),
        Loss::MeanSquared => words.push_str("; the loss is the squared error"),
        Loss::Huber { delta } => words.push_str(&format!(
            "; the loss is the squared error up to {delta} and grows linearly beyond (Huber)"
        )),
        Loss::Quantile { quantile } => words.push_str(&format!(
            "; it learns the value below which a share of {quantile} of the labels lies (quantile loss)"
        )),
    }
    match &spec.class_weights[..] {
        [] => {}
        [negative, positive] if negative == positive => {}
        [negative, positive] => words.push_str(&format!(
            ", a row labelled 0 counting {negative} and one labelled 1 {positive}"
        )),
        weights => {
            let weights: Vec<_> = weights.iter().map(f64::to_string).collect();
            words.push_str(&format!(", rows counting by their class {}", weights.join(", ")));
        }
    }
    if let Some(norm) = spec.clip_gradient_norm {
        words.push_str(&format!(", gradients cut to length {norm}"));
    }
    if spec.control_variates {
        words.push_str(
            ", each step corrected by how your rows' mean gradient differs from the banks' (SCAFFOLD); what it was is kept in your bank",
        );
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

fn early_stopping(stopping: &EarlyStopping) -> String {
    let by = match stopping.least_gain {
        0.0 => String::new(),
        gain => format!(" by more than {gain}"),
    };
    let at_the_end = match stopping.keep {
        Keep::Best => "",
        Keep::Last => " (the last one, if all rounds are used)",
    };
    format!(
        "training ends early when {} over the banks' held-out rows has not become better{by} for {} in a row; the best model is kept{at_the_end}",
        stopping.figure.title(),
        match stopping.patience {
            1 => "one round".to_owned(),
            rounds => format!("{rounds} rounds"),
        }
    )
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
