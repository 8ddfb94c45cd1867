//! `card.md`: the card for people.

use std::fmt::Write as _;

use veilsum_protocol::model::Figure;

use super::card::{Card, Proof, Tensor};

/// The card as Markdown.
pub(super) fn markdown(card: &Card) -> String {
    let mut text = String::new();
    let mut say = |line: &str| writeln!(text, "{line}").expect("writing to a String cannot fail");
    let model = &card.model;
    say(&format!(
        "# Model {}, version {}\n",
        cell(&model.name),
        model.version
    ));
    proof(&card.proof, &mut say);
    if model.holds_personal {
        say(&format!(
            "**Holds this bank's own parameters** ({}): {} is for the bank alone, and of mode 0600.\n",
            cell(&model.personal.join(", ")),
            model.file
        ));
    }
    say("| | |\n| --- | --- |");
    for (key, value) in [
        (
            "model",
            format!(
                "{}: {}, {} parameters",
                model.family, model.words, model.parameters
            ),
        ),
        ("state", model.state_sha256.clone()),
        (
            "task",
            format!("{}, which is the SHA-256 of task.toml", model.task_sha256),
        ),
        (
            "file",
            format!(
                "{} ({}), SHA-256 {}",
                model.file, model.file_format, model.file_sha256
            ),
        ),
    ] {
        say(&format!("| {key} | {} |", cell(&value)));
    }

    say("\n## Intended use\n");
    card.intended_use
        .iter()
        .for_each(|line| say(&format!("* {}", plain(line))));
    say("\n## Limits\n");
    card.limits
        .iter()
        .for_each(|line| say(&format!("* {}", plain(line))));

    say("\n## What it is given and what it answers\n");
    say("| | name | type | shape | what |\n| --- | --- | --- | --- | --- |");
    say(&tensor("input", &card.interface.input));
    say(&tensor("output", &card.interface.output));
    if !card.interface.numbers.is_empty() {
        say("\nThe numbers, in their order:\n");
        card.interface
            .numbers
            .iter()
            .zip(1..)
            .for_each(|(name, at)| say(&format!("{at}. {}", plain(name))));
    }
    if card.interface.outputs.len() > 1 {
        say("\nThe classes, in their order:\n");
        card.interface
            .outputs
            .iter()
            .zip(1..)
            .for_each(|(name, at)| say(&format!("{at}. {}", plain(name))));
    }

    let data = &card.data;
    say(&format!("\n## Data, schema version {}\n", data.schema_version));
    say("| column | what is read of it |\n| --- | --- |");
    for column in &data.columns {
        say(&format!("| {} | {} |", cell(&column.name), cell(&column.words)));
    }
    say(&format!(
        "| {} | the label: {} |\n",
        cell(&data.label),
        cell(&data.label_words)
    ));
    if let Some(sequence) = &data.sequence {
        say(&format!("* Sequences: {}.", plain(sequence)));
    }
    if !data.left_out.is_empty() {
        say(&format!(
            "* Never given to the model: {}.",
            plain(&data.left_out.join(", "))
        ));
    }
    say(&format!("* Held out: {}.", plain(&data.held_out)));
    say(&format!("* Desensitisation: {}.", plain(&data.desensitisation)));

    let training = &card.training;
    say("\n## Training\n");
    say(&format!(
        "* {} training rounds went into it, of {} that the task allows.",
        training.rounds, training.rounds_planned
    ));
    match (training.least_banks_in_sum, training.most_banks_in_sum) {
        (Some(least), Some(most)) => say(&format!(
            "* Banks in the sum: {} in the {} of these rounds that this bank has a record of.",
            if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            },
            training.rounds_seen
        )),
        _ => say("* How many banks were in the sums of these rounds: this bank has no record of it."),
    }
    if let Some(banks) = training.banks_in_proven_sum {
        say(&format!(
            "* Banks in the sum of the round that the proof is of: {banks}."
        ));
    }
    say(&format!(
        "* Banks of the consortium now: {}.",
        training.banks_of_consortium
    ));

    say("\n## Figures\n");
    match &card.metrics {
        None => say("Not known to this bank."),
        Some(measured) => {
            say(&format!(
                "Of {}, over {} held-out rows of the banks in the sum. Source: {}{}.\n",
                measured.of,
                measured.rows,
                measured.source,
                if measured.proven {
                    ", which the receipt proves"
                } else {
                    ", which nothing proves"
                }
            ));
            say("| figure | value |\n| --- | --- |");
            let of_people = |key: &str| Figure::from_key(key).is_some_and(Figure::compares_groups);
            for (key, value) in measured.figures.iter().filter(|(key, _)| !of_people(key)) {
                say(&figure(key, *value));
            }
        }
    }
    if let Some(importance) = &card.importance {
        say("\n## Importance of columns\n");
        say(&format!(
            "The mean amount of each column's Shapley value over {} held-out rows of all banks in the sum ({}). Source: {}.\n",
            importance.rows,
            plain(&importance.unit),
            importance.source
        ));
        say("| column | mean amount |\n| --- | --- |");
        let mut columns: Vec<_> = importance.columns.iter().collect();
        columns.sort_by(|one, other| other.1.total_cmp(one.1));
        for (name, amount) in columns {
            say(&format!("| {} | {amount:.4} |", cell(name)));
        }
    }
    let fairness = &card.fairness;
    say("\n## Fairness\n");
    if let Some(column) = &fairness.column {
        say(&format!(
            "By {}: {}. A score from {} on is taken for 1; {} is the good outcome.\n",
            plain(column),
            plain(&fairness.groups.join(", ")),
            fairness.threshold.unwrap_or_default(),
            fairness.favourable.unwrap_or_default()
        ));
    }
    say(&format!("{}.", plain(&fairness.words)));
    if !fairness.figures.is_empty() {
        say("\n| figure | value |\n| --- | --- |");
        fairness
            .figures
            .iter()
            .for_each(|(key, value)| say(&figure(key, *value)));
    }

    say("\n## Privacy\n");
    card.privacy
        .words
        .iter()
        .for_each(|line| say(&format!("* {}", plain(line))));
    text
}

fn proof(proof: &Proof, say: &mut impl FnMut(&str)) {
    if !proof.proven {
        say(&format!(
            "**NOT PROVEN**: {}. Exported all the same, for the bank's policy says: {}.\n",
            plain(proof.problem.as_deref().unwrap_or("nothing is known of it")),
            plain(proof.reason.as_deref().unwrap_or("no reason"))
        ));
        return;
    }
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    say(&format!(
        "Proven: the result of round {} ({}) is entry {} of the log, under a head of {} entries with root {}, cosigned by {} banks. The receipt is {}; \
         anybody who has the consortium file can check it. It names the banks that cosigned; this card counts them.\n",
        number(proof.round),
        proof.round_kind.as_deref().unwrap_or("?"),
        number(proof.log_entry),
        number(proof.log_entries),
        proof.log_root.as_deref().unwrap_or("?"),
        number(proof.cosigned_by_banks),
        proof.receipt.as_deref().unwrap_or("?"),
    ));
}

fn figure(key: &str, value: Option<f64>) -> String {
    let title = Figure::from_key(key).map_or_else(|| plain(key), |figure| figure.title().to_owned());
    let value = value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.4}"));
    format!("| {title} | {value} |")
}

fn tensor(what: &str, tensor: &Tensor) -> String {
    format!(
        "| {what} | {} | {} | [{}] | {} |",
        tensor.name,
        tensor.element,
        tensor.shape.join(", "),
        cell(&tensor.words)
    )
}

/// Names come from the task: nothing in them is markup.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                plain.push('\\');
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    plain
}

/// The same between the lines of a table.
fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}
