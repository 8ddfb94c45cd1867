//! The banks: connections, versions, keys, and who took part in the last rounds.

use maud::{Markup, html};

use super::office::Told;
use crate::engine::status::{BankStatus, Status};
use crate::history::{Outcome, RoundHistory};
use veilsum_page::words::counted;
use veilsum_page::words::span;

/// Rounds of participation that are shown.
const ROUNDS: usize = 20;
/// Banks that are shown, whatever they do.
const BANKS: usize = 100;

/// What a bank did in a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    InSum,
    Dropped,
    Absent,
    /// The round failed, or is not over.
    None,
}

impl Part {
    fn of(bank: &str, round: &RoundHistory) -> Self {
        let among = |names: &[String]| names.iter().any(|name| name == bank);
        match round.outcome {
            Outcome::Published if among(&round.survivors) => Self::InSum,
            Outcome::Published if among(&round.cohort) => Self::Dropped,
            Outcome::Published => Self::Absent,
            Outcome::Open | Outcome::Failed(_) => Self::None,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::InSum => "in-sum",
            Self::Dropped => "dropped",
            Self::Absent => "absent",
            Self::None => "failed",
        }
    }
}

pub(super) fn section(status: &Status, told: &Told) -> Markup {
    let last = told.rounds.len().saturating_sub(ROUNDS);
    let rounds = told.rounds.get(last..).unwrap_or_default();
    let missed = |bank: &BankStatus| {
        let parts = rounds.iter().map(|round| Part::of(&bank.name, round));
        parts
            .filter(|part| matches!(part, Part::Dropped | Part::Absent))
            .count()
    };
    let crowded = status.banks.len() > BANKS;
    let shown: Vec<&BankStatus> = status
        .banks
        .iter()
        .filter(|bank| !crowded || !bank.connected || missed(bank) > 0)
        .take(BANKS)
        .collect();
    let hidden = status.banks.len() - shown.len();
    html! {
        h2 #banks-title { "Banks" }
        @if !rounds.is_empty() {
            ul.legend {
                li { span.key.in-sum aria-hidden="true" {} "in the sum" }
                li { span.key.dropped aria-hidden="true" {} "ready, then gone" }
                li { span.key.absent aria-hidden="true" {} "not in the round" }
                li { span.key.failed aria-hidden="true" {} "no result" }
            }
        }
        div.scroll tabindex="0" role="region" aria-label="Banks, their connections and their part in the last rounds" {
            table {
                caption { span {
                    "Connections, software and key epoch now"
                    @if let (Some(first), Some(last)) = (rounds.first(), rounds.last()) {
                        ", and the part of each bank in rounds " (first.round) " to " (last.round) " by the published log"
                    }
                    "."
                } }
                thead { tr { th scope="col" { "Bank" } th scope="col" { "Connection" } th scope="col" { "Keys" } th scope="col" { "Software" }
                    @if !rounds.is_empty() { th.strip scope="col" { "Last rounds" } } } }
                tbody {
                    @for bank in &shown { (row(bank, status, rounds)) }
                }
            }
        }
        @if hidden > 0 {
            p.note { (counted(hidden, "bank", "banks")) " left out: connected and in every round shown, or beyond the first " (BANKS) "." }
        }
    }
}

fn row(bank: &BankStatus, status: &Status, rounds: &[RoundHistory]) -> Markup {
    let away = bank
        .away_since
        .map(|since| span(status.at.saturating_sub(since) / 1000));
    html! {
        tr {
            th scope="row" { (bank.name) }
            td {
                @if bank.connected { span.sign.good aria-hidden="true" { "●" } "connected" }
                @else { span.sign.bad aria-hidden="true" { "○" } "away" @if let Some(away) = away { " for " (away) } }
                @if let Some([before, now]) = &bank.two_places {
                    br; span.bad { "from two places, " (before) " and " (now) ": two daemons run with one identity" }
                }
            }
            td { @if bank.has_keys { "yes" } @else if bank.connected && status.epoch.is_some() { span.bad { "none" } } @else { "-" } }
            td.soft { (bank.software.as_deref().unwrap_or("-")) }
            @if !rounds.is_empty() { td.strip { (strip(&bank.name, rounds)) } }
        }
    }
}

fn strip(bank: &str, rounds: &[RoundHistory]) -> Markup {
    let parts: Vec<Part> = rounds.iter().map(|round| Part::of(bank, round)).collect();
    let count = |wanted: Part| parts.iter().filter(|part| **part == wanted).count();
    let spoken = format!(
        "in the sum of {}, dropped out of {}, not in {}",
        counted(count(Part::InSum), "round", "rounds"),
        count(Part::Dropped),
        count(Part::Absent)
    );
    html! {
        svg.strip viewBox={ "0 0 " (parts.len() * 10) " 14" } width=(parts.len() * 10) height="14" role="img" aria-label=(spoken) {
            title { (spoken) }
            @for (at, part) in parts.iter().enumerate() {
                rect.(part.class()) x=(at * 10 + 1) y="1" width="8" height="12" rx="1.5" {}
            }
        }
    }
}
