//! Every check, with how much it looked at and what it found.

use maud::{Markup, html};

use super::words::{counted, grouped};
use crate::verify::report::{CheckReport, Report};

/// Findings of one check that are listed.
const FINDINGS: usize = 50;

pub(super) fn section(report: &Report) -> Markup {
    let failed: Vec<&CheckReport> = report
        .checks
        .iter()
        .filter(|check| !check.findings.is_empty())
        .collect();
    html! {
        section aria-labelledby="checks" {
            h2 #checks { "Checks" }
            @for check in &failed { (evidence(check)) }
            div.scroll tabindex="0" role="region" aria-labelledby="checks" {
                table.checks {
                    caption { span { "Each check by its name, with what holds when it passes and how many things it looked at." } }
                    thead {
                        tr {
                            th scope="col" { "Outcome" }
                            th scope="col" { "Check" }
                            th.number scope="col" { "Looked at" }
                            th.number scope="col" { "Findings" }
                        }
                    }
                    tbody { @for check in &report.checks { (row(check)) } }
                }
            }
        }
    }
}

fn row(check: &CheckReport) -> Markup {
    let (class, sign, word) = match (check.findings.is_empty(), check.checked) {
        (false, _) => ("failed", "✕", "failed"),
        (true, 0) => ("idle", "–", "nothing to look at"),
        (true, _) => ("passed", "✓", "holds"),
    };
    html! {
        tr.(class) {
            td.outcome { span.sign aria-hidden="true" { (sign) } " " span.word { (word) } }
            th.wrap scope="row" {
                (check.check.words())
                " "
                @if check.findings.is_empty() { code { (check.check.name()) } }
                @else { a href={ "#finding-" (check.check.name()) } { code { (check.check.name()) } } }
            }
            td.number { (grouped(check.checked)) }
            td.number { (grouped(check.findings.len() as u64)) }
        }
    }
}

fn evidence(check: &CheckReport) -> Markup {
    let id = format!("finding-{}", check.check.name());
    let left_out = check.findings.len().saturating_sub(FINDINGS);
    html! {
        div.finding {
            h3 id=(id) { span.sign aria-hidden="true" { "✕ " } "Failed: " (check.check.words()) }
            div.scroll tabindex="0" role="region" aria-labelledby=(id) {
                table {
                    caption {
                        span {
                            (counted(check.findings.len(), "finding", "findings")) " of the check " code { (check.check.name()) }
                            @if left_out > 0 { "; the first " (FINDINGS) " are listed, the JSON report has all" }
                            "."
                        }
                    }
                    thead {
                        tr {
                            th scope="col" { "Where" }
                            th scope="col" { "Found" }
                            th scope="col" { "Expected" }
                        }
                    }
                    tbody {
                        @for finding in check.findings.iter().take(FINDINGS) {
                            tr {
                                th scope="row" { (finding.place.to_string()) }
                                td.wrap { (finding.found) }
                                td.wrap { (finding.expected) }
                            }
                        }
                    }
                }
            }
        }
    }
}
