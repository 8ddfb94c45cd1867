//! How long the phases of the last rounds took.

use maud::{Markup, html};

use super::now::PHASES;
use crate::engine::status::Status;
use crate::engine::timeline::{PhaseSpan, RoundSpan};
use veilsum_page::words::took;

/// Rounds that are shown.
const SHOWN: usize = 12;

pub(super) fn section(status: &Status) -> Markup {
    let open = status.round.as_ref().map(|round| RoundSpan {
        round: round.round,
        task: round.task.clone(),
        kind: round.kind.clone(),
        step: round.step,
        phases: round.phases.clone(),
        survivors: None,
        failed: None,
    });
    let rows: Vec<RoundSpan> = open
        .into_iter()
        .chain(status.past.iter().rev().cloned())
        .take(SHOWN)
        .collect();
    let longest = rows
        .iter()
        .map(|row| length(row, status.at))
        .max()
        .unwrap_or(0)
        .max(1);
    html! {
        h2 #rounds-title { "Rounds" }
        @if rows.is_empty() {
            p.note { "No round since the coordinator was started." }
        } @else {
            ul.legend aria-hidden="true" { @for (name, _) in PHASES { li { span.{ "key ph-" (name) } {} (name) } } }
            div.scroll tabindex="0" role="region" aria-label="Phases of the last rounds" {
                table {
                    caption { span { "The last rounds since the coordinator was started, and how long their phases took. All bars have one scale." } }
                    thead { tr { th scope="col" { "Round" } th scope="col" { "Step" } th.bar scope="col" { "Phases" } th.number scope="col" { "Took" } th scope="col" { "Outcome" } } }
                    tbody {
                        @for row in &rows {
                            tr {
                                th scope="row" { (row.round) }
                                td { (row.task) " " (row.step + 1) " " span.soft { (row.kind) } }
                                td.bar { (bar(row, status.at, longest)) }
                                td.number { (took(length(row, status.at))) }
                                td { (outcome(row)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn outcome(row: &RoundSpan) -> Markup {
    html! {
        @match (&row.failed, row.survivors) {
            (Some(why), _) => { span.bad { "failed: " (why) } }
            (None, Some(survivors)) => { (survivors) " banks in the sum" }
            (None, None) => { "open" }
        }
    }
}

fn end(phase: &PhaseSpan, now: u64) -> u64 {
    phase.ended.unwrap_or(now).max(phase.begun)
}

fn length(row: &RoundSpan, now: u64) -> u64 {
    let begun = row.phases.first().map_or(now, |phase| phase.begun);
    row.phases
        .last()
        .map_or(0, |phase| end(phase, now).saturating_sub(begun))
}

fn bar(row: &RoundSpan, now: u64, longest: u64) -> Markup {
    let begun = row.phases.first().map_or(now, |phase| phase.begun);
    let spoken: Vec<String> = row
        .phases
        .iter()
        .map(|phase| {
            format!(
                "{} {}",
                phase.phase,
                took(end(phase, now).saturating_sub(phase.begun))
            )
        })
        .collect();
    let spoken = spoken.join(", ");
    // Thousandths of the longest.
    let place = |at: u64| at.saturating_sub(begun).saturating_mul(1000) / longest;
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(spoken) {
            title { (spoken) }
            @for phase in &row.phases {
                @let (from, to) = (place(phase.begun), place(end(phase, now)));
                rect.{ "ph-" (phase.phase) } x=(from) y="0" width=(to.saturating_sub(from).max(3)) height="10" {}
            }
        }
    }
}
