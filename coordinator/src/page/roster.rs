//! The roster, and a change of it that is proposed: who joins and leaves, who has approved, refused or not answered.

use maud::{Markup, html};
use veilsum_page::words::{coded, counted};

use super::now::{capital, names};
use crate::engine::roster::ProposalLine;
use crate::engine::status::Status;

/// Banks that are named in a line.
const NAMED: usize = 12;

pub(super) fn section(status: &Status) -> Markup {
    html! {
        h2 #roster-title { "Roster" }
        @match &status.proposal {
            None => {
                p.note {
                    (counted(status.banks.len(), "bank", "banks")) ", and no change is proposed. "
                    code { "veilsum-coordinator roster propose" } " proposes one to the banks."
                }
            }
            Some(proposal) => (change(proposal, status.banks.len()))
        }
    }
}

fn change(proposal: &ProposalLine, banks: usize) -> Markup {
    let waits = capital(&proposal.waits_for);
    html! {
        article.card aria-labelledby="change-title" {
            div.headed {
                h3 #change-title { "From " (counted(banks, "bank", "banks")) " to " (proposal.banks) }
                @if proposal.proposal.is_some() { span.tag.waits { "proposed" } } @else { span.tag.running { "comes into force" } }
            }
            p.lead { (coded(&waits)) "." }
            @if !proposal.joins.is_empty() {
                h4 { "Joins" }
                ul.names.wide {
                    @for bank in &proposal.joins {
                        li { span.sign.good aria-hidden="true" { "+" } (bank.name) " " code { (bank.fingerprint) } }
                    }
                }
            }
            @if !proposal.leaves.is_empty() { h4 { "Leaves" } p { (names(&proposal.leaves, NAMED)) } }
            @if proposal.proposal.is_some() {
                h4 { "What the present banks say" }
                ul.names {
                    (said(&proposal.approved, "✓", "good", "approved"))
                    (said(&proposal.refused, "✗", "bad", "refused"))
                    (said(&proposal.silent, "·", "soft", "not answered yet"))
                }
                p.note {
                    "Every bank that stays has to approve, and of those that leave as many as the threshold asks for. "
                    code { "veilsum-coordinator roster withdraw" } " takes the proposal back."
                }
            }
        }
    }
}

fn said(banks: &[String], sign: &str, class: &str, word: &str) -> Markup {
    html! {
        @for bank in banks { li { span.sign.(class) aria-hidden="true" { (sign) } (bank) span.soft { ": " (word) } } }
    }
}
