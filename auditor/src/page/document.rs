//! The page from top to bottom, and the verdict at its head.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use veilsum_pictures as pictures;

use super::facts::Facts;
use super::words::{counted, grouped, utc};
use super::{Page, banks, checks, columns, members, models, rounds};
use crate::verify::report::{Check, CheckReport, Report};

const STYLE: &str = include_str!("style.css");
/// Nothing is fetched and nothing runs, whatever a name in the log may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Notes that are listed.
const NOTES: usize = 50;

pub(super) fn render(page: &Page<'_>, facts: &Facts<'_>) -> String {
    let report = &page.audited.report;
    let told = page.is_true_copy();
    let origin = page.audit.key.name();
    let columns = columns::section(&page.audited.prepared);
    let models = models::section(page, facts);
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "Audit of " (origin) ": " (short(report)) }
                style { (PreEscaped(STYLE)) (PreEscaped(pictures::STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                header {
                    p.kicker { (origin) }
                    h1 { "Audit of the round log" }
                }
                main #main {
                    (verdict(page, report))
                    @if told { (contents(columns.is_some(), models.is_some())) }
                    @if report.findings() > 0 { (checks::section(report)) }
                    @if told {
                        (rounds::section(facts))
                        (banks::section(facts))
                        @if let Some(columns) = &columns { (columns) }
                        @if let Some(models) = &models { (models) }
                    }
                    @if report.findings() == 0 { (checks::section(report)) }
                    @if let Some(head) = page.audited.head.as_ref().filter(|_| told) {
                        (members::section(facts))
                        section aria-labelledby="checkpoint" {
                            h2 #checkpoint { "Checkpoint" }
                            p.note { "The signed head under which all this stands. A bank that holds another one of the same size was shown another log." }
                            pre tabindex="0" { (head.note().as_str()) }
                        }
                    }
                }
                footer {
                    p {
                        "Made by veilsum-auditor " (env!("CARGO_PKG_VERSION")) " at " (utc(page.now)) ". Pinned key of the log: "
                        code { (page.audit.key.to_string()) }
                    }
                }
            }
        }
    };
    document.into_string()
}

fn short(report: &Report) -> &'static str {
    if report.holds() {
        "verifies"
    } else {
        "does NOT verify"
    }
}

fn contents(columns: bool, models: bool) -> Markup {
    html! {
        nav aria-label="On this page" {
            ul {
                li { a href="#rounds" { "Rounds" } }
                li { a href="#banks" { "Banks" } }
                @if columns { li { a href="#columns" { "Columns" } } }
                @if models { li { a href="#models" { "Models" } } }
                li { a href="#checks" { "Checks" } }
                li { a href="#members" { "Rosters, tasks, keys" } }
                li { a href="#checkpoint" { "Checkpoint" } }
            }
        }
    }
}

fn verdict(page: &Page<'_>, report: &Report) -> Markup {
    let (class, sign, head) = if report.holds() {
        ("good", "✓", "The log verifies")
    } else {
        ("bad", "✕", "The log does not verify")
    };
    html! {
        section.verdict.(class) aria-labelledby="verdict" {
            h2 #verdict { span.sign aria-hidden="true" { (sign) } (head) }
            p.lead { (capital(&report.verdict())) "." }
            div.halves {
                div { h3 { "What was checked" } ul { @for line in checked(page, report) { li { (line) } } } }
                div { h3 { "What was not" } ul { @for line in not_checked(page, report) { li { (line) } } } }
            }
        }
        dl.facts {
            div { dt { "Rounds with a result" } dd { (grouped(report.rounds as u64)) } }
            div { dt { "Rounds aborted" } dd { (grouped(report.aborted as u64)) } }
            div { dt { "Sums replayed" } dd { (report.replayed.map_or("none".to_owned(), |replayed| grouped(replayed as u64))) } }
            @if let gone @ 1.. = report.sums_let_go() { div { dt { "Sums no longer replayable" } dd { (grouped(gone as u64)) } } }
            div { dt { "Banks" } dd { (grouped(report.banks as u64)) } }
            div { dt { "Entries" } dd { (grouped(report.entries)) } }
            div { dt { "Findings" } dd { (grouped(report.findings() as u64)) } }
        }
        @if !report.notes.is_empty() {
            div.notes {
                h3 { "To know beside the checks" }
                ul {
                    @for note in report.notes.iter().take(NOTES) { li { (capital(note)) "." } }
                    @if let Some(more @ 1..) = report.notes.len().checked_sub(NOTES) { li { "And " (more) " more; the JSON report has all." } }
                }
            }
        }
    }
}

fn checked(page: &Page<'_>, report: &Report) -> Vec<String> {
    let Some(head) = page.audited.head.as_ref().filter(|_| page.is_true_copy()) else {
        return vec!["That this is a true copy of a log of the pinned key: it is not, so nothing else in it was looked at.".to_owned()];
    };
    let size = head.checkpoint().size;
    let things: u64 = report.checks.iter().map(|check| check.checked).sum();
    let made = report.checks.iter().filter(|check| check.checked > 0).count();
    let mut lines = vec![
        format!(
            "The signed head and {} entries under it, by the pinned key of the log.",
            grouped(size)
        ),
        format!(
            "{} on {} things: signatures, thresholds, order, and the chain of states.",
            counted(made, "check", "checks"),
            grouped(things)
        ),
    ];
    if let Some(replayed) = report.replayed {
        lines.push(format!(
            "{} of {} again from the masked updates in the archive, and the states that follow from them.",
            grouped(replayed as u64),
            counted(report.rounds, "sum", "sums")
        ));
    }
    if is_witnessed(report) {
        lines.push(
            "That as many banks have cosigned this head as it takes: they were shown this same log."
                .to_owned(),
        );
    }
    if !page.known.receipts.is_empty() {
        lines.push(format!(
            "That {} of banks are of entries of this log.",
            counted(page.known.receipts.len(), "receipt", "receipts")
        ));
    }
    if page.known.last.is_some() {
        lines.push("That the log only grew since it was verified last.".to_owned());
    }
    if !page.known.held.is_empty() {
        lines.push(format!(
            "That it agrees with {} that others hold.",
            counted(page.known.held.len(), "checkpoint", "checkpoints")
        ));
    }
    if !page.audit.rosters.is_empty() {
        lines.push("That the rosters are the pinned ones.".to_owned());
    }
    lines
}

fn is_witnessed(report: &Report) -> bool {
    let seen = |check: &CheckReport| {
        check.check == Check::Witnesses && check.checked > 0 && check.findings.is_empty()
    };
    report.checks.iter().any(seen)
}

fn not_checked(page: &Page<'_>, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if !page.is_true_copy() {
        return vec!["Everything else.".to_owned()];
    }
    match report.replayed {
        None => lines.push(
            "Whether the published sums are those of the masked updates: there was no archive, so no sum was replayed.".to_owned(),
        ),
        Some(replayed) => {
            let gone = report.sums_let_go();
            if gone > 0 {
                lines.push(format!(
                    "Whether {} what the masked updates add up to: replay is no longer possible, because their tasks let the archive go. The states were derived from the \
                     published sums.",
                    counted(gone, "published sum is", "published sums are")
                ));
            }
            if let lacking @ 1.. = report.rounds.saturating_sub(replayed + gone) {
                lines.push(format!("{} could not be replayed.", counted(lacking, "sum", "sums")));
            }
        }
    }
    if page.audit.rosters.is_empty() {
        lines.push(
            "Whose keys the banks' are: no roster was pinned, so those were believed that the log names."
                .to_owned(),
        );
    }
    lines.push("What a bank trained on and how: that never leaves the bank. A sum of false updates verifies like any other.".to_owned());
    if page.known.held.is_empty() && !is_witnessed(report) {
        lines.push("Whether others were shown this same log: compare the checkpoint at the end with one that a bank holds.".to_owned());
    }
    lines
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
