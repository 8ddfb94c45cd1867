//! The outcome as the report's plain values.

use veilsum_protocol::model::{InputShape, ModelSpec};
use veilsum_protocol::task::Task;

use super::history::{RoundEnd, RoundStory};
use super::trial::Trial;
use crate::report::{Fact, Role, RoundRow, TableRow};
use crate::score::Score;
use crate::table::grouped;

/// A model's line.
pub(super) fn row(name: &str, role: Role, score: &Score, rows: usize) -> TableRow {
    TableRow {
        name: name.to_owned(),
        role,
        score: *score,
        rows,
    }
}

/// One round for the page, with the score of the model that it made.
pub(super) fn round(story: &RoundStory, score: Option<&Score>) -> RoundRow {
    RoundRow {
        round: story.round,
        step: u64::from(story.step),
        kind: story.kind.name().to_owned(),
        cohort: story.cohort.clone(),
        survivors: match (&story.end, &story.survivors) {
            (Some(RoundEnd::Published { .. }), Some(survivors)) => survivors.len(),
            _ => 0,
        },
        dropped: story.lost(),
        score: score.copied(),
        seconds: story.seconds,
    }
}

/// What a reader wants to know before the figures.
pub(super) fn facts(
    task: &Task,
    banks: usize,
    training_rows: usize,
    test_rows: usize,
    seconds: f64,
) -> Vec<Fact> {
    let fact = |label: &str, value: String| Fact {
        label: label.to_owned(),
        value,
    };
    // Hyphens at which no line breaks.
    let hyphen = "\u{2011}";
    let row = match task.input_shape() {
        InputShape::Table { .. } => format!("{} inputs", task.input_shape().width()),
        InputShape::Sequence { steps, width } => format!("{steps} steps of {width} inputs"),
        InputShape::Image { height, width, .. } => format!("{height} by {width} pixels"),
        InputShape::Text { tokens, .. } => format!("{tokens} tokens"),
    };
    let model = match &task.model {
        ModelSpec::Logistic => format!("logistic regression on {row}"),
        ModelSpec::Mlp(mlp) if mlp.embedding.is_none() => {
            let sizes = [task.input_shape().width()]
                .into_iter()
                .chain(mlp.hidden.iter().map(|size| *size as usize))
                .chain([task.target().outputs()]);
            let sizes: Vec<String> = sizes.map(|size| size.to_string()).collect();
            format!("network {}", sizes.join(hyphen))
        }
        other => format!("{} on {row}", other.family().replace('-', hyphen)),
    };
    vec![
        fact("Banks", banks.to_string()),
        fact("Model", model),
        fact("Parameters", grouped(task.manifest().total())),
        fact("Rows trained on", grouped(training_rows)),
        fact("Rows judged on", grouped(test_rows)),
        fact("Rounds of training", task.rounds.to_string()),
        fact("Passes in a round", task.training.local_epochs.to_string()),
        fact("Duration of the rounds", format!("{seconds:.0} s")),
    ]
}

/// Which round would have been the best to stop at, for somebody who knows the test rows.
pub(super) fn best_moment(name: &str, trial: &Trial) -> Option<String> {
    let (round, value) = trial.best()?;
    Some(format!("{name} {value:.4} (round {round})"))
}
