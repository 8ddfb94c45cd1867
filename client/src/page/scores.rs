//! How each model did on this bank's own held-out rows, beside all banks'.

use maud::{Markup, html};
use veilsum_pictures::{Beside, Picture, beside, gallery, importance};

use super::office::View;
use crate::participant::RoundSeen;

/// Tasks that are shown; the latest.
const SHOWN: usize = 3;

pub(super) fn section(view: &View) -> Markup {
    let mut tasks: Vec<&str> = Vec::new();
    for round in view.rounds.iter().rev().filter(|round| is_judged(round)) {
        if !tasks.contains(&round.task.as_str()) {
            tasks.push(&round.task);
        }
    }
    html! {
        h2 #scores-title { "This bank's score beside the consortium's" }
        @if tasks.is_empty() {
            p.note { "No model was judged yet." }
        } @else {
            p.note {
                "The same model of each step, on the rows that this bank holds out and on those of all banks in the sum. This bank's own figures stay on this machine."
            }
        }
        @for task in tasks.iter().take(SHOWN) {
            @let rounds: Vec<&RoundSeen> = view.rounds.iter().filter(|round| round.task == *task && is_judged(round)).collect();
            h3 { (rounds.last().map_or("", |round| round.name.as_str())) }
            (last(&rounds))
            (gallery(&beside("this bank", "all banks", &drawn(&rounds))))
            (gallery(&important(view, &rounds)))
        }
    }
}

fn is_judged(round: &RoundSeen) -> bool {
    round.own.is_some() || round.all.is_some()
}

fn drawn(rounds: &[&RoundSeen]) -> Vec<Beside> {
    let points = rounds.iter().filter_map(|round| {
        let of = |judged: &Option<crate::participant::Judged>| {
            judged
                .iter()
                .flat_map(|judged| judged.known().collect::<Vec<_>>())
                .collect()
        };
        Some(Beside {
            step: round.step?,
            ours: of(&round.own),
            theirs: of(&round.all),
        })
    });
    points.collect()
}

/// What moves the last model's answers, of all banks.
fn important(view: &View, rounds: &[&RoundSeen]) -> Vec<Picture> {
    let picture = || {
        let last = rounds.iter().rev().find(|round| round.importance.is_some())?;
        let (task, found) = (view.offered.get(&last.task)?, last.importance.as_ref()?);
        let columns: Vec<(String, f64)> = found.columns.clone().into_iter().collect();
        importance(task.target(), &columns, found.rows)
    };
    picture().into_iter().collect()
}

/// The last step that both sides are known of, in figures.
fn last(rounds: &[&RoundSeen]) -> Markup {
    let both = rounds
        .iter()
        .rev()
        .find_map(|round| Some((round, round.own.as_ref()?, round.all.as_ref()?)));
    html! {
        @if let Some((round, own, all)) = both {
            div.scroll tabindex="0" role="region" aria-label="Figures of the last step" {
                table.short {
                    caption { span {
                        "Round " (round.round) @if let Some(step) = round.step { ", step " (step) }
                        ": " (own.rows) " held-out rows of this bank, " (all.rows) " of all banks."
                    } }
                    thead { tr { th scope="col" { "Figure" } th.number scope="col" { "This bank" } th.number scope="col" { "All banks" } } }
                    tbody {
                        @for (figure, value) in all.known().filter(|(figure, _)| !figure.compares_groups()) {
                            tr {
                                th scope="row" { (figure.title()) }
                                td.number { @match own.figures.get(figure.key()) { Some(own) => (format!("{own:.4}")), None => "-" } }
                                td.number { (format!("{value:.4}")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
