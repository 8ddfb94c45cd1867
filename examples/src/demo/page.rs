//! The outcome as the report's plain values.

use veilsum_protocol::model::ModelSpec;
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
        auc: score.auc,
        ks: score.ks,
        log_loss: score.log_loss,
        rows,
    }
}

/// The mean of some scores, all on the same fold.
pub(super) fn mean(scores: &[Score]) -> Option<Score> {
    let first = scores.first()?;
    let of = |value: fn(&Score) -> f64| scores.iter().map(value).sum::<f64>() / scores.len() as f64;
    Some(Score {
        auc: of(|score| score.auc),
        ks: of(|score| score.ks),
        log_loss: of(|score| score.log_loss),
        rows: first.rows,
    })
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
        auc: score.map(|score| score.auc),
        ks: score.map(|score| score.ks),
        log_loss: score.map(|score| score.log_loss),
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
    let inputs = task.schema.inputs().len();
    let model = match &task.model {
        ModelSpec::Logistic => format!("logistic regression on {inputs} inputs"),
        ModelSpec::Mlp(mlp) => {
            let hidden: Vec<String> = mlp.hidden.iter().map(u32::to_string).collect();
            // Hyphens at which no line breaks.
            format!("network {inputs}\u{2011}{}\u{2011}1", hidden.join("\u{2011}"))
        }
        other => format!("{} on {inputs} inputs", other.family()),
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
    let (round, auc) = trial.best()?;
    Some(format!("{name} {auc:.4} (round {round})"))
}
