//! What goes on now, and what is waited for.

use maud::{Markup, html};

use crate::engine::status::{RoundStatus, Status};
use veilsum_page::words::{coded, counted};

/// The phases of a round in their order, with what happens in each.
pub(super) const PHASES: [(&str, &str); 7] = [
    ("prepare", "banks leave shares of their masks with each other"),
    ("ready", "banks compute"),
    ("collect", "banks upload masked updates"),
    ("confirm", "banks sign who is in the sum"),
    ("unmask", "banks release the shares of the sum's mask"),
    ("sum", "the coordinator adds up"),
    ("publish", "banks derive the next state"),
];

pub(super) fn section(status: &Status) -> Markup {
    html! {
        @match &status.round {
            Some(round) => (open(status, round)),
            None => {
                h2 #now-title data-said={ "No round is open. Last result: " (last_result(status)) } { "No round is open" }
                p.lead data-until=[status.waits_until] { (coded(&capital(&status.waiting_for))) "." }
            }
        }
        (facts(status))
    }
}

fn open(status: &Status, round: &RoundStatus) -> Markup {
    let steps = status
        .tasks
        .iter()
        .rev()
        .find(|task| task.name == round.task)
        .map_or(0, |task| task.steps);
    let all = round.heard_from + round.waiting_for.len();
    let meaning = PHASES
        .iter()
        .find(|(name, _)| *name == round.phase)
        .map_or("", |(_, meaning)| meaning);
    html! {
        h2 #now-title data-said={ "Round " (round.round) ", phase " (round.phase) } { "Round " (round.round) }
        p.lead {
            "Step " (round.step + 1) " of " (steps) " of task " b { (round.task) } " (" (round.kind) ")."
        }
        ol.phases aria-label="Phases of the round" {
            @for (name, _) in PHASES {
                li aria-current=[(name == round.phase).then_some("step")] .done[is_before(name, &round.phase)] { (name) }
            }
        }
        p {
            b { "Phase " (round.phase) } ": " (meaning) "."
        }
        @if !round.waiting_for.is_empty() {
            p {
                label for="heard" { (round.heard_from) " of " (all) " have answered" }
                progress #heard max=(all) value=(round.heard_from) { (round.heard_from) " of " (all) }
            }
            p data-until=[round.until] {
                "Waiting for " (names(&round.waiting_for, 12))
                @if let Some(left) = round.seconds_left { ", " (left) " s left; then the round goes on without them, or fails if too few are left" }
                "."
            }
        }
    }
}

fn is_before(name: &str, phase: &str) -> bool {
    let place = |name: &str| PHASES.iter().position(|(known, _)| *known == name);
    place(name) < place(phase)
}

/// The first `most` of them, and how many more.
pub(super) fn names(banks: &[String], most: usize) -> String {
    let more = banks.len().saturating_sub(most);
    let first: Vec<&str> = banks.iter().take(most).map(String::as_str).collect();
    let first = first.join(", ");
    if more == 0 {
        first
    } else {
        format!("{first} and {more} more")
    }
}

/// A round may be over between two looks: then its result is what is told.
fn last_result(status: &Status) -> String {
    let result = status.last_result.as_ref();
    result.map_or_else(|| "none".to_owned(), |result| format!("round {}", result.round))
}

fn facts(status: &Status) -> Markup {
    let connected = status.banks.iter().filter(|bank| bank.connected).count();
    let running = status.tasks.iter().filter(|task| !task.status.is_over()).count();
    html! {
        dl.facts {
            div { dt { "Banks connected" } dd { (connected) " of " (status.banks.len()) } }
            div { dt { "Needed in a round" } dd { (status.least_banks) } }
            div { dt { "Key epoch" } dd { @match status.epoch { Some(epoch) => (epoch), None => "none" } } }
            div { dt { "Tasks not over" } dd { (running) } }
            div { dt { "Last result" } dd { (last_result(status)) } }
            div { dt { "Log" } dd { (counted(usize::try_from(status.log_size).unwrap_or(usize::MAX), "entry", "entries")) } }
        }
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
