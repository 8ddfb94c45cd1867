//! What the log and its last sum show of the federated model, on the banks' own held-out rows.

use veilsum_auditor::verify::published_judgement;
use veilsum_pictures as pictures;
use veilsum_protocol::model::Metrics;
use veilsum_protocol::round::params::RoundKind;

use super::DemoError;
use super::history::RoundEnd;
use super::verdict::Played;
use crate::report::Published;

/// Pictures from the figures of the log, and from the sum of the round that judged the last model.
pub(super) fn pictures(played: &Played<'_>) -> Result<Published, DemoError> {
    let task = &played.supply.task;
    let mut measured: Vec<(u32, Metrics)> = Vec::new();
    let mut last = Vec::new();
    for story in played.history.rounds() {
        let Some(RoundEnd::Published { sum, metrics, .. }) = &story.end else {
            continue;
        };
        measured.extend(metrics.clone().map(|metrics| (story.step, metrics)));
        if story.kind == RoundKind::Evaluate {
            let archive = played.consortium.archive();
            let judgement = published_judgement(&archive, task, story.kind, story.banks, sum);
            last = pictures::of(task, &judgement.map_err(DemoError::trial)?);
        }
    }
    Ok(Published {
        curves: pictures::by_step(&measured),
        last,
    })
}
