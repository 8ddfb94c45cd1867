//! What a model is for and what it is not for, in sentences that follow from its card's facts and the task.

use veilsum_protocol::task::{LabelKind, Loss, Outside, Task};

use super::card::Card;

/// What it is for.
pub(super) fn intended_use(task: &Task, card: &Card) -> Vec<String> {
    let label = &card.data.label;
    let what = match (&task.schema.label_kind, task.training.loss) {
        (LabelKind::Number(_), Loss::Quantile { quantile }) => {
            format!("a value of {label} below which a share of {quantile} of the labels is expected to lie")
        }
        _ => card.interface.output.words.clone(),
    };
    let mut sentences = vec![
        format!("It gives {what}, for a row with the columns below."),
        "Rows must come to it as \"interface\" of card.json and model.json say: read, put on their ranges and standardised as in training. veilsum-client serve \
         does that from raw columns; who uses this file elsewhere does it there."
            .to_owned(),
    ];
    if task.evaluation.groups.is_none() && matches!(task.schema.label_kind, LabelKind::Binary) {
        sentences.push(
            "No threshold is part of it: from which score on something is decided is up to who uses it."
                .to_owned(),
        );
    }
    sentences
}

/// What it is not for, and what is not known.
pub(super) fn limits(task: &Task, card: &Card) -> Vec<String> {
    let mut sentences = Vec::new();
    if !card.proof.proven {
        sentences
            .push("NOT PROVEN: nothing shows that the consortium's rounds led to this model.".to_owned());
    }
    if !card.model.personal.is_empty() {
        let of = card.model.personal.join(", ");
        sentences.push(match card.model.holds_personal {
            true => format!(
                "The parameters of {of} are this bank's own: they never left it before, other banks have other values, and they say as much about this \
                 bank's rows as an update. The figures are over all banks, each with its own."
            ),
            false => format!(
                "The parameters of {of} are each bank's own, and this bank has trained none: they have the values of the beginning. The figures are over \
                 all banks, each with its own."
            ),
        });
    }
    if card.training.rounds == 0 {
        sentences.push("It is not trained yet: its parameters are those of the beginning.".to_owned());
    }
    let refused = task
        .schema
        .columns
        .iter()
        .filter_map(|column| match &column.kind {
            veilsum_protocol::task::ColumnKind::Number(number) if number.outside == Outside::Refuse => {
                Some(column.name.as_str())
            }
            _ => None,
        });
    let refused: Vec<_> = refused.collect();
    if !refused.is_empty() {
        sentences.push(format!(
            "It never saw values outside the agreed ranges of {}: training and serving refuse them, and this file does not.",
            refused.join(", ")
        ));
    }
    sentences.push(match &card.metrics {
        Some(measured) if measured.of == "this model" => format!(
            "The figures are of the {} rows that the banks held out; of rows of other kinds, times or places nothing is known.",
            measured.rows
        ),
        Some(_) => "The figures are not of this model, but of the one that the last round began with; this one has not been judged.".to_owned(),
        None => "How good it is is not known to this bank.".to_owned(),
    });
    if !card.fairness.measured {
        sentences.push("How it treats groups of people has not been measured.".to_owned());
    }
    sentences.push(
        "What other banks' rows hold, and whether they are right, is not known to this bank.".to_owned(),
    );
    sentences
}
