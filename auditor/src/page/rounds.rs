//! The rounds in time: what each was for, what came of it.

use std::collections::BTreeMap;
use std::ops::Range;

use maud::{Markup, html};
use veilsum_protocol::round::params::RoundKind;

use super::facts::{Facts, Outcome, RoundFact};
use super::strip::{Column, Columns, Piece, strip};
use super::words::{counted, duration, grouped, moment};

/// Aborted rounds that are listed, and rounds in the table: the last ones.
const ABORTS: usize = 50;
const ROWS: usize = 200;
/// A bar that stands for something is never too low to be seen.
const LEAST: f64 = 0.06;

pub(super) fn section(facts: &Facts<'_>) -> Markup {
    let rounds = &facts.rounds;
    let aborted: Vec<&RoundFact<'_>> = rounds.iter().filter(|round| round.aborted().is_some()).collect();
    html! {
        section aria-labelledby="rounds" {
            h2 #rounds { "Rounds" }
            @if rounds.is_empty() {
                p { "The log holds no round yet." }
            } @else {
                (timeline(rounds))
                (aborts(&aborted))
                (table(rounds))
            }
        }
    }
}

fn timeline(rounds: &[RoundFact<'_>]) -> Markup {
    let columns = Columns::of(rounds.len());
    let together = columns.width() > 1;
    let drawn: Vec<Column> = columns.ranges().map(|range| column(rounds, range)).collect();
    let results = rounds
        .iter()
        .filter(|round| matches!(round.outcome, Outcome::Result { .. }))
        .count();
    let aborted = rounds.iter().filter(|round| round.aborted().is_some()).count();
    let description = format!(
        "{} in order: {results} with a result, {aborted} aborted. The tables below hold the same.",
        counted(rounds.len(), "round", "rounds")
    );
    html! {
        ul.legend aria-hidden="true" {
            @for kind in [RoundKind::Statistics, RoundKind::Train, RoundKind::Evaluate] {
                li { span.swatch.(class(kind)) {} (kind.name()) }
            }
            li { span.swatch.aborted {} "aborted" }
        }
        figure.timeline {
            figcaption {
                @if together {
                    "Each column is " (columns.width()) " rounds, by the share of each kind and of aborted ones"
                } @else {
                    "Each column is a round; its height is the number of banks in the sum"
                }
            }
            (strip("timeline", "tall", "Rounds in order", &description, &drawn))
            (axis(rounds))
        }
    }
}

/// First and last number below a strip.
pub(super) fn axis(rounds: &[RoundFact<'_>]) -> Markup {
    let (first, last) = (rounds.first(), rounds.last());
    html! {
        div.axis aria-hidden="true" {
            @if let (Some(first), Some(last)) = (first, last) {
                span { "round " (first.number) }
                @if last.number != first.number { span { (last.number) } }
            }
        }
    }
}

fn column(rounds: &[RoundFact<'_>], range: Range<usize>) -> Column {
    let these = rounds.get(range).unwrap_or_default();
    if let [round] = these {
        return Column {
            pieces: vec![single(round)],
            title: Some(sentence(round)),
        };
    }
    let share = |wanted: &dyn Fn(&RoundFact<'_>) -> bool| {
        these.iter().filter(|round| wanted(round)).count() as f64 / these.len().max(1) as f64
    };
    let of_kind = |kind| {
        move |round: &RoundFact<'_>| {
            round.kind.map(class) == Some(class(kind)) && matches!(round.outcome, Outcome::Result { .. })
        }
    };
    let mut pieces: Vec<Piece> = [RoundKind::Statistics, RoundKind::Train, RoundKind::Evaluate]
        .into_iter()
        .map(|kind| Piece {
            class: class(kind),
            height: share(&of_kind(kind)),
        })
        .collect();
    pieces.push(Piece {
        class: "aborted",
        height: share(&|round| round.aborted().is_some()),
    });
    let aborted = these.iter().filter(|round| round.aborted().is_some()).count();
    let (first, last) = (these.first(), these.last());
    let number = |round: Option<&RoundFact<'_>>| round.map_or(0, |round| round.number);
    Column {
        pieces,
        title: Some(format!(
            "Rounds {} to {}: {aborted} of {} aborted",
            number(first),
            number(last),
            these.len()
        )),
    }
}

fn single(round: &RoundFact<'_>) -> Piece {
    match (round.outcome, round.kind) {
        (Outcome::Result { survivors }, Some(kind)) => Piece {
            class: class(kind),
            height: (f64::from(survivors) / round.banks.max(1) as f64).max(LEAST),
        },
        (Outcome::Running, _) => Piece {
            class: "running",
            height: 1.0,
        },
        _ => Piece {
            class: "aborted",
            height: 1.0,
        },
    }
}

fn class(kind: RoundKind) -> &'static str {
    match kind {
        // What comes before training, drawn as one kind.
        RoundKind::Statistics | RoundKind::Support | RoundKind::Vocabulary => "statistics",
        RoundKind::Train => "train",
        RoundKind::Evaluate => "evaluate",
    }
}

fn sentence(round: &RoundFact<'_>) -> String {
    let what = match (round.kind, round.step) {
        (Some(kind), Some(step)) => format!("{}, step {step}", kind.name()),
        _ => "ended before it was opened".to_owned(),
    };
    format!("Round {}: {what}, {}", round.number, ending(round))
}

fn ending(round: &RoundFact<'_>) -> String {
    match round.outcome {
        Outcome::Result { survivors } => format!("{survivors} of {} banks in the sum", round.banks),
        Outcome::Aborted { reason, .. } => format!("aborted: {}", reason.words()),
        Outcome::Running => "not over".to_owned(),
    }
}

fn aborts(aborted: &[&RoundFact<'_>]) -> Markup {
    let mut reasons: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
    for (reason, _) in aborted.iter().filter_map(|round| round.aborted()) {
        reasons.entry(reason.number()).or_insert((reason.words(), 0)).1 += 1;
    }
    let left_out = aborted.len().saturating_sub(ABORTS);
    html! {
        @if aborted.is_empty() {
            p { "No round was aborted." }
        } @else {
            h3 #aborts { (counted(aborted.len(), "aborted round", "aborted rounds")) }
            ul.reasons { @for (words, count) in reasons.values() { li { b { (grouped(*count as u64)) } " " (words) } } }
            div.scroll tabindex="0" role="region" aria-labelledby="aborts" {
                table {
                    caption {
                        span {
                            "Aborted rounds"
                            @if left_out > 0 { ", the last " (ABORTS) ". The earlier " (grouped(left_out as u64)) " are left out" }
                            "."
                        }
                    }
                    thead {
                        tr {
                            th.number scope="col" { "Round" }
                            th scope="col" { "What" }
                            th scope="col" { "Reason" }
                            th scope="col" { "Shares" }
                        }
                    }
                    tbody {
                        @for (round, (reason, after_release)) in aborted.iter().skip(left_out).filter_map(|round| Some((round, round.aborted()?))) {
                            tr {
                                th.number scope="row" { (round.number) }
                                td.wrap { (what(round)) }
                                td.wrap { (reason.words()) }
                                td { @if after_release { "may be out" } @else { "none out" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn what(round: &RoundFact<'_>) -> Markup {
    html! {
        @match (round.kind, round.step) {
            (Some(kind), Some(step)) => {
                (kind.name()) ", step " (step)
                @if round.attempt > 0 { ", try " (u64::from(round.attempt) + 1) }
            },
            _ => "not opened",
        }
    }
}

fn table(rounds: &[RoundFact<'_>]) -> Markup {
    let left_out = rounds.len().saturating_sub(ROWS);
    html! {
        details {
            summary { "Table of rounds" }
            div.scroll tabindex="0" role="region" aria-labelledby="rounds" {
                table {
                    caption {
                        span {
                            @if left_out > 0 { "The last " (ROWS) " rounds; the earlier " (grouped(left_out as u64)) " are left out. " }
                            "The log tells when a round was opened, not when it ended: the time is until the next opening."
                        }
                    }
                    thead {
                        tr {
                            th.number scope="col" { "Round" }
                            th scope="col" { "Task" }
                            th scope="col" { "What" }
                            th scope="col" { "Outcome" }
                            th scope="col" { "Opened" }
                            th.number scope="col" { "To next" }
                        }
                    }
                    tbody {
                        @for round in rounds.iter().skip(left_out) {
                            tr {
                                th.number scope="row" { (round.number) }
                                td { (round.task.unwrap_or("–")) }
                                td { (what(round)) }
                                td { (ending(round)) }
                                td { (round.opened_at.map_or("–".to_owned(), moment)) }
                                td.number { (round.until_next.map_or("–".to_owned(), duration)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
