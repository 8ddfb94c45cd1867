//! Who took part: each bank's part in every round as a strip, and in numbers.

use maud::{Markup, html};

use super::facts::{BankFact, Facts};
use super::rounds::axis;
use super::strip::{Column, Columns, Piece, strip};
use super::words::{counted, grouped, percent};
use crate::account::Part;

/// Banks with a strip: those that took part least, where there are more.
const STRIPS: usize = 60;
/// Cells that each say what they are to who points at them; more would make the page heavy.
const TITLES: usize = 4_000;

/// How high a part stands in its column: told by height as well as by colour.
const PARTS: [(Part, &str, f64); 6] = [
    (Part::InSum, "in-sum", 1.0),
    (Part::Aborted, "took-part", 1.0),
    (Part::Running, "running", 1.0),
    (Part::DroppedOut, "dropped", 0.62),
    (Part::NotReady, "not-ready", 0.38),
    (Part::NotPrepared, "not-prepared", 0.16),
];

pub(super) fn section(facts: &Facts<'_>) -> Markup {
    let mut banks: Vec<&BankFact> = facts.banks.iter().collect();
    let drawn_apart = banks.len() > STRIPS;
    if drawn_apart {
        let share = |bank: &BankFact| bank.count(Part::InSum) as f64 / bank.results.max(1) as f64;
        banks.sort_by(|one, other| share(one).total_cmp(&share(other)));
    }
    let columns = Columns::of(facts.rounds.len());
    let (shown, rest) = banks.split_at(banks.len().min(STRIPS));
    let titles = shown.len() * columns.count() <= TITLES;
    html! {
        section aria-labelledby="banks" {
            h2 #banks { "Who took part" }
            @if facts.banks.is_empty() {
                p { "The log names no banks yet." }
            } @else {
                @if facts.rounds.is_empty() { p { "No round was run." } } @else { (legend(columns.width())) }
                (table(facts, shown, &columns, titles))
                @if drawn_apart {
                    p.note { "The strips are of the " (STRIPS) " banks that took part least." }
                    details {
                        summary { "The other " (counted(rest.len(), "bank", "banks")) }
                        div.scroll tabindex="0" role="region" aria-labelledby="banks" { (numbers(rest)) }
                    }
                }
            }
        }
    }
}

fn legend(width: usize) -> Markup {
    html! {
        ul.legend aria-hidden="true" {
            @for (part, class, _) in PARTS { @if part != Part::Running { li { span.swatch.(class) {} (part.words()) } } }
        }
        p.note {
            @if width > 1 { "Each column is " (width) " rounds: the height of a colour is its share of them. " }
            "A gap: the bank was not in the roster, or the round ended before it was opened."
        }
    }
}

fn table(facts: &Facts<'_>, banks: &[&BankFact], columns: &Columns, titles: bool) -> Markup {
    html! {
        table.banks {
            caption { span { "Share of the rounds with a result, while the bank was enrolled, in whose sum its update is." } }
            thead {
                tr {
                    th scope="col" { "Bank" }
                    th.strips scope="col" { (axis(&facts.rounds)) span.spoken { "Round by round" } }
                    th.number.wide scope="col" { "In the sum" }
                    th.number.wide scope="col" { "Dropped out" }
                    th.number.wide scope="col" { "Not ready" }
                    th.number.wide scope="col" { "Not prepared" }
                    th.number scope="col" { "Share" }
                }
            }
            tbody { @for (at, bank) in banks.iter().enumerate() { (row(at, facts, bank, columns, titles)) } }
        }
    }
}

fn row(at: usize, facts: &Facts<'_>, bank: &BankFact, columns: &Columns, titles: bool) -> Markup {
    let cells: Vec<Column> = columns
        .ranges()
        .map(|range| {
            let parts = bank.parts.get(range.clone()).unwrap_or_default();
            let title = titles.then(|| title(facts, range.start, parts));
            column(parts, title)
        })
        .collect();
    let description = described(bank);
    html! {
        tr {
            th scope="row" { (bank.name) @if !bank.enrolled { span.tag { " left" } } }
            td.strips {
                @if !cells.is_empty() {
                    (strip(&format!("bank-{at}"), "short", &format!("{} round by round", bank.name), &description, &cells))
                }
                span.narrow { (description) }
            }
            td.number.wide { (grouped(bank.count(Part::InSum) as u64)) }
            td.number.wide { (grouped(bank.count(Part::DroppedOut) as u64)) }
            td.number.wide { (grouped(bank.count(Part::NotReady) as u64)) }
            td.number.wide { (grouped(bank.count(Part::NotPrepared) as u64)) }
            td.number { (percent(bank.count(Part::InSum), bank.results)) }
        }
    }
}

fn numbers(banks: &[&BankFact]) -> Markup {
    html! {
        table {
            caption { span { "Rounds by what the bank did in them." } }
            thead {
                tr {
                    th scope="col" { "Bank" }
                    th.number scope="col" { "In the sum" }
                    th.number scope="col" { "Dropped out" }
                    th.number scope="col" { "Not ready" }
                    th.number scope="col" { "Not prepared" }
                    th.number scope="col" { "Share" }
                }
            }
            tbody {
                @for bank in banks {
                    tr {
                        th scope="row" { (bank.name) @if !bank.enrolled { span.tag { " left" } } }
                        @for part in [Part::InSum, Part::DroppedOut, Part::NotReady, Part::NotPrepared] {
                            td.number { (grouped(bank.count(part) as u64)) }
                        }
                        td.number { (percent(bank.count(Part::InSum), bank.results)) }
                    }
                }
            }
        }
    }
}

fn described(bank: &BankFact) -> String {
    let said = PARTS.iter().filter_map(|(part, _, _)| {
        let count = bank.count(*part);
        (count > 0 && *part != Part::Running).then(|| format!("{count} {}", part.words()))
    });
    said.collect::<Vec<_>>().join(" · ")
}

fn title(facts: &Facts<'_>, first: usize, parts: &[Part]) -> String {
    let number = |at: usize| facts.rounds.get(at).map_or(0, |round| round.number);
    if let [part] = parts {
        return format!("Round {}: {}", number(first), part.words());
    }
    let in_sum = parts.iter().filter(|part| **part == Part::InSum).count();
    let last = first + parts.len().saturating_sub(1);
    format!(
        "Rounds {} to {}: in the sum of {in_sum}",
        number(first),
        number(last)
    )
}

fn column(parts: &[Part], title: Option<String>) -> Column {
    let pieces = if let [only] = parts {
        let known = PARTS.iter().find(|(part, _, _)| part == only);
        known
            .map(|(_, class, height)| Piece {
                class,
                height: *height,
            })
            .into_iter()
            .collect()
    } else {
        let share = |wanted: Part| {
            parts.iter().filter(|part| **part == wanted).count() as f64 / parts.len().max(1) as f64
        };
        PARTS
            .iter()
            .map(|(part, class, _)| Piece {
                class,
                height: share(*part),
            })
            .collect()
    };
    Column { pieces, title }
}
