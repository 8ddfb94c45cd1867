//! The rounds that this bank saw, and its part in each.

use maud::{Markup, html};
use veilsum_page::words::{moment, took};

use super::office::View;
use crate::participant::{Part, RoundSeen};

/// Rounds that are shown.
const SHOWN: usize = 15;

pub(super) fn section(view: &View) -> Markup {
    let all: Vec<&RoundSeen> = view.rounds.iter().collect();
    html! {
        h2 #rounds-title { "Rounds" }
        (table(&all, "The last rounds that this bank saw, and its part in each."))
    }
}

/// The latest first.
pub(super) fn table(rounds: &[&RoundSeen], caption: &str) -> Markup {
    html! {
        @if rounds.is_empty() {
            p.note { "No round yet." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { span { (caption) } }
                    thead { tr { th scope="col" { "Round" } th scope="col" { "Step" } th scope="col" { "Opened" } th.number scope="col" { "Took" }
                        th.number scope="col" { "Banks in the sum" } th scope="col" { "This bank" } } }
                    tbody { @for round in rounds.iter().rev().take(SHOWN) { (row(round)) } }
                }
            }
        }
    }
}

fn row(round: &RoundSeen) -> Markup {
    let took_ms = round
        .opened
        .zip(round.ended)
        .map(|(opened, ended)| ended.saturating_sub(opened));
    html! {
        tr {
            th scope="row" { (round.round) }
            td { (round.name) @if let Some(step) = round.step { " " (step) } " " span.soft { (round.kind) } }
            td { @match round.opened { Some(opened) => (moment(opened)), None => "-" } }
            td.number { @match took_ms { Some(ms) => (took(ms)), None => "-" } }
            td.number { @match round.survivors { Some(survivors) => (survivors), None => "-" } }
            td { (part(round)) }
        }
    }
}

fn part(round: &RoundSeen) -> Markup {
    html! {
        @match round.part {
            None => "open",
            Some(Part::InSum) => { span.sign.good aria-hidden="true" { "✓" } (Part::InSum.words()) },
            Some(part) => {
                span.bad { (part.words()) }
                @if let Some(why) = &round.why { span.soft { ": " (why) } }
            }
        }
    }
}
