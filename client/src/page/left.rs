//! What left the bank and when, to the byte.

use maud::{Markup, html};
use veilsum_page::words::{counted, moment};
use veilsum_protocol::wire::outbound::OutboundKind;

use super::document::sheet as sheet_of;
use super::office::View;
use crate::egress::Count;

/// Days that are shown.
const DAYS: usize = 14;

/// Kinds that are drawn together, with their class and what they are.
const GROUPS: [(&str, &str); 4] = [
    ("left-vector", "updates under masks"),
    ("left-round", "messages of rounds"),
    ("left-keys", "keys and approvals"),
    ("left-link", "connection, log and questions"),
];

fn group(kind: &str) -> usize {
    use OutboundKind as Kind;
    match OutboundKind::from_name(kind) {
        Some(Kind::MaskedVector | Kind::Trailer) => 0,
        Some(
            Kind::Bundle
            | Kind::Ready
            | Kind::SitsOut
            | Kind::Confirm
            | Kind::Release
            | Kind::Derived
            | Kind::Objection,
        ) => 1,
        Some(
            Kind::Approval
            | Kind::Refusal
            | Kind::EpochKeys
            | Kind::PairCiphertexts
            | Kind::PairConfirmations
            | Kind::Armed
            | Kind::RosterApproval
            | Kind::RosterRefusal
            | Kind::RosterPinned,
        ) => 2,
        _ => 3,
    }
}

pub(super) fn section(view: &View) -> Markup {
    let totals = &view.account.totals;
    let sum = totals.sum();
    html! {
        h2 #left-title { "What left the bank" }
        @if sum.times == 0 {
            p.note { "Nothing yet." }
        } @else {
            p {
                b { (bytes(sum.bytes)) } " in " (counted(usize::try_from(sum.times).unwrap_or(usize::MAX), "message", "messages"))
                " since this account began. Every byte that was handed to a connection to the coordinator is here; of the bank's rows nothing leaves but updates under masks."
            }
            (by_day(view))
            (by_kind(view))
            p.note {
                "Bytes are those inside TLS. "
                @if totals.framed() > 0 {
                    "With what TLS, QUIC and the records around them add, " (bytes(totals.framed()))
                    " had gone out when that was last looked at, once a minute and at the end of each connection. "
                }
                a href="/left" { "The last lines, with round, task and time" }
            }
        }
    }
}

fn by_day(view: &View) -> Markup {
    let days: Vec<(&String, Vec<(&str, Count)>)> = view
        .account
        .totals
        .days()
        .rev()
        .take(DAYS)
        .map(|(day, kinds)| (day, kinds.collect()))
        .collect();
    let sum = |kinds: &[(&str, Count)]| kinds.iter().map(|(_, count)| count.bytes).sum::<u64>();
    let longest = days.iter().map(|(_, kinds)| sum(kinds)).max().unwrap_or(0).max(1);
    html! {
        ul.legend aria-hidden="true" { @for (class, name) in GROUPS { li { span.{ "key " (class) } {} (name) } } }
        div.scroll tabindex="0" role="region" aria-label="What left the bank, by day" {
            table {
                caption { span { "By day (UTC), the latest first. All bars have one scale." } }
                thead { tr { th scope="col" { "Day" } th.bar scope="col" { "By kind" } th.number scope="col" { "Bytes" } th.number scope="col" { "Messages" } } }
                tbody {
                    @for (day, kinds) in &days {
                        tr {
                            th scope="row" { (day) }
                            td.bar { (bar(kinds, longest)) }
                            td.number { (grouped(sum(kinds))) }
                            td.number { (grouped(kinds.iter().map(|(_, count)| count.times).sum())) }
                        }
                    }
                }
            }
        }
    }
}

fn bar(kinds: &[(&str, Count)], longest: u64) -> Markup {
    let mut parts = [0_u64; GROUPS.len()];
    for (kind, count) in kinds {
        if let Some(part) = parts.get_mut(group(kind)) {
            *part = part.saturating_add(count.bytes);
        }
    }
    let spoken: Vec<String> = GROUPS
        .iter()
        .zip(parts)
        .map(|((_, name), bytes)| format!("{name} {bytes} bytes"))
        .collect();
    let spoken = spoken.join(", ");
    let mut from = 0;
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(spoken) {
            title { (spoken) }
            @for ((class, _), part) in GROUPS.iter().zip(parts).filter(|(_, part)| *part > 0) {
                // What is there is seen; thousandths of the longest day.
                @let width = (part.saturating_mul(1000) / longest).max(3);
                @let at = { let at = from; from += width; at };
                rect.(*class) x=(at) y="0" width=(width) height="10" {}
            }
        }
    }
}

fn by_kind(view: &View) -> Markup {
    let kinds = view.account.totals.kinds();
    html! {
        details open {
            summary { "By kind, since this account began" }
            div.scroll tabindex="0" role="region" aria-label="What left the bank, by kind" {
                table {
                    caption { span { "Since this account began." } }
                    thead { tr { th scope="col" { "Kind" } th.number scope="col" { "Bytes" } th.number scope="col" { "Messages" } th scope="col" { "What it holds" } } }
                    tbody {
                        @for kind in OutboundKind::ALL {
                            @if let Some(count) = kinds.get(kind.name()) {
                                tr {
                                    th scope="row" { (kind.name()) }
                                    td.number { (grouped(count.bytes)) }
                                    td.number { (grouped(count.times)) }
                                    td.long { (kind.words()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The last lines.
pub(super) fn sheet(view: &View) -> Markup {
    let name = |hash: &str| {
        let task = view.offered.get(hash);
        task.map_or_else(|| hash.chars().take(8).collect(), |task| task.name.clone())
    };
    let inside = html! {
        p.note {
            "A line for each message, before it is sent. A masked vector is one line; where a connection breaks before all of it went, the rest is taken back in a line of its own."
        }
        div.scroll tabindex="0" role="region" aria-label="The last lines of the account" {
            table {
                caption { span { "The last " (view.account.recent.len()) " lines, the latest first." } }
                thead { tr { th scope="col" { "Time" } th scope="col" { "Kind" } th scope="col" { "Round" } th scope="col" { "Task" } th.number scope="col" { "Bytes" } } }
                tbody {
                    @for record in view.account.recent.iter().rev() {
                        tr {
                            td { (moment(record.at)) }
                            th scope="row" { (record.kind) @if record.stayed { " (not sent)" } }
                            td { @match record.round { Some(round) => (round), None => "-" } }
                            td { @match &record.task { Some(task) => (name(task)), None => "-" } }
                            td.number { @if record.stayed { "-" } (grouped(record.bytes)) }
                        }
                    }
                }
            }
        }
        p.note { "All lines are in " code { "egress/egress.jsonl" } " of the state folder, sums of every day in " code { "egress/days.json" } " beside it." }
    };
    sheet_of(view, "What left the bank", &inside)
}

/// Digits in groups of three, with a unit.
fn bytes(count: u64) -> String {
    format!("{} bytes", grouped(count))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}
