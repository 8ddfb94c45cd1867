//! Who took part, bank by bank and round by round, as a table that reads aloud.

use maud::{Markup, html};

use super::input::{Report, RoundRow};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Took,
    DroppedOut,
    Aborted,
    Away,
}

impl Part {
    fn of(round: &RoundRow, bank: &str) -> Self {
        let named = |banks: &[String]| banks.iter().any(|name| name == bank);
        if named(&round.dropped) {
            Self::DroppedOut
        } else if !named(&round.cohort) {
            Self::Away
        } else if round.survivors == 0 {
            Self::Aborted
        } else {
            Self::Took
        }
    }

    /// Class, sign and words: the sign tells parts apart without colour, the words without sight.
    fn look(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Took => ("took", "●", "took part"),
            Self::DroppedOut => ("dropped", "✕", "dropped out"),
            Self::Aborted => ("aborted", "○", "round aborted"),
            Self::Away => ("away", "–", "away"),
        }
    }
}

pub(super) fn timeline(report: &Report) -> Markup {
    let used = |part| {
        report
            .rounds
            .iter()
            .any(|round| report.banks.iter().any(|bank| Part::of(round, bank) == part))
    };
    let legend: Vec<Part> = [Part::Took, Part::DroppedOut, Part::Aborted, Part::Away]
        .into_iter()
        .filter(|part| used(*part))
        .collect();
    html! {
        ul.legend aria-hidden="true" {
            @for part in legend {
                @let (class, sign, words) = part.look();
                li { span.part.(class) { (sign) } (words) }
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Participation by bank and round" {
            table.timeline {
                caption { span { "Rounds from left to right; scroll sideways if they do not fit." } }
                thead {
                    tr {
                        th scope="col" { "Bank" }
                        @for round in &report.rounds {
                            th scope="col" title={ (round.kind) ", step " (round.step) } { (round.round) }
                        }
                    }
                }
                tbody {
                    @for bank in &report.banks {
                        tr {
                            th scope="row" { (bank) }
                            @for round in &report.rounds {
                                @let (class, sign, words) = Part::of(round, bank).look();
                                td {
                                    span.part.(class) aria-hidden="true" title={ "round " (round.round) ": " (words) } { (sign) }
                                    span.spoken { (words) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
