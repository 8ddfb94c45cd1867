//! What the pictures show, in numbers.

use maud::{Markup, html};
use veilsum_protocol::model::Figure;

use crate::level::{Alert, Level};
use crate::monitor::{GroupReport, Moved, Report, chance_in_words};
use crate::quality::Quality;

/// Windows of a table with a column for each; the latest.
const MOST_WINDOWS: usize = 12;
/// Alerts that are told at once.
const MOST_ALERTS: usize = 10;

/// The columns, those that moved the most in any window first.
pub(super) fn by_drift(report: &Report) -> Vec<&Moved> {
    let most = |moved: &Moved| {
        let judged = moved.windows.iter().filter(|drift| drift.level.is_some());
        judged.map(|drift| drift.psi).fold(moved.whole.psi, f64::max)
    };
    let mut columns: Vec<&Moved> = report.columns.iter().collect();
    columns.sort_by(|one, other| most(other).total_cmp(&most(one)));
    columns
}

fn level(level: Option<Level>) -> Markup {
    html! {
        @match level {
            Some(level) => span.level.(level.word()) { (level.word()) },
            None => span.level { "few rows" },
        }
    }
}

fn scrolled(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

fn word(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.4}"))
}

pub(super) fn alerts(report: &Report) -> Markup {
    let mut alerts: Vec<_> = report.alerts.iter().rev().collect();
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.level));
    html! {
        section aria-labelledby="alerts" {
            h2 #alerts { "Alerts" }
            @if alerts.is_empty() {
                p { "None: every window with rows enough is steady." }
            } @else {
                (told(alerts.get(..MOST_ALERTS).unwrap_or(&alerts)))
                @if let Some(more) = alerts.get(MOST_ALERTS..).filter(|more| !more.is_empty()) {
                    details { summary { (more.len()) " more" } (told(more)) }
                }
            }
        }
    }
}

fn told(alerts: &[&Alert]) -> Markup {
    scrolled(
        "Alerts",
        html! {
            table {
                thead { tr { th scope="col" { "level" } th scope="col" { "window" } th scope="col" { "of" } th scope="col" { "found" } } }
                tbody {
                    @for alert in alerts {
                        tr {
                            td { (level(Some(alert.level))) } td.whole { (alert.window) }
                            th scope="row" { (alert.about) } td { (alert.words) }
                        }
                    }
                }
            }
        },
    )
}

pub(super) fn windows(report: &Report) -> Markup {
    scrolled(
        "Windows",
        html! {
            table {
                thead {
                    tr {
                        th scope="col" { "window" } th.number scope="col" { "rows" }
                        @for moved in &report.scores { th.number scope="col" { "PSI of the " (moved.name) } th.number scope="col" { "KS" } th.number scope="col" { "p" } }
                        th scope="col" { "highest level" }
                    }
                }
                tbody {
                    @for (at, window) in report.windows.iter().enumerate() {
                        tr {
                            th scope="row" { (window.name) } td.number { (window.rows) }
                            @for drift in report.scores.iter().filter_map(|moved| moved.windows.get(at)) {
                                td.number { (format!("{:.4}", drift.psi)) }
                                td.number { (word(drift.ks.map(|ks| ks.distance))) }
                                td.number { (drift.ks.map_or("-".to_owned(), |ks| chance_in_words(ks.p))) }
                            }
                            td { (level(window.level)) }
                        }
                    }
                }
            }
        },
    )
}

pub(super) fn columns(report: &Report, moved: &[&Moved]) -> Markup {
    let skipped = report.windows.len().saturating_sub(MOST_WINDOWS);
    html! {
        p.note {
            "The index of each column over all windows, and by window, the latest first"
            @if skipped > 0 { " (of " (report.windows.len()) " the latest " (MOST_WINDOWS) ")" }
            "; missing: the share of rows without a value."
        }
        (scrolled("Stability index by column and window", html! {
            table {
                thead {
                    tr {
                        th scope="col" { "column" } th.number scope="col" { "all" } th.number scope="col" { "missing" }
                        @for window in report.windows.iter().skip(skipped).rev() { th.number.whole scope="col" { (window.name) } }
                    }
                }
                tbody {
                    @for column in moved {
                        tr {
                            th scope="row" { (column.name) }
                            td.number { (format!("{:.3}", column.whole.psi)) }
                            td.number { (format!("{:.1} %", 100.0 * column.whole.missing)) }
                            @for drift in column.windows.iter().skip(skipped).rev() {
                                td.number.(drift.level.map_or("faint", Level::word)) { (format!("{:.3}", drift.psi)) }
                            }
                        }
                    }
                }
            }
        }))
    }
}

pub(super) fn quality(report: &Report) -> Markup {
    let keys: Vec<&str> = report
        .quality
        .iter()
        .flat_map(|quality| quality.figures.keys().copied())
        // What came is that already.
        .filter(|key| *key != Figure::PositiveShare.key())
        .collect();
    let row = |name: &str, quality: &Quality| {
        let (low, high) = quality.interval;
        html! {
            tr {
                th scope="row" { (name) } td { (level(quality.level)) } td.number { (quality.rows) }
                td.number { (format!("{:.4}", quality.expected)) }
                td.number { (format!("{:.4}", quality.observed)) }
                td.number { (format!("{low:.4} to {high:.4}")) }
                @for key in &keys { td.number { (word(quality.figures.get(key).copied().flatten())) } }
            }
        }
    };
    scrolled(
        "Foretold and seen",
        html! {
            table {
                thead {
                    tr {
                        th scope="col" { "window" } th scope="col" { "level" } th.number scope="col" { "known" } th.number scope="col" { "foretold" } th.number scope="col" { "came" }
                        th.number scope="col" { "interval" }
                        @for key in &keys { th.number scope="col" { (key.replace('_', " ")) } }
                        th scope="col" { "level" }
                    }
                }
                tbody {
                    @for window in &report.windows { @if let Some(quality) = &window.quality { (row(&window.name, quality)) } }
                    @if let Some(whole) = &report.quality { (row("all", whole)) }
                }
            }
        },
    )
}

pub(super) fn fairness(report: &Report, group: &GroupReport) -> Markup {
    let share =
        |value: Option<f64>| value.map_or("few rows".to_owned(), |value| format!("{:.1} %", 100.0 * value));
    html! {
        h3 { "Groups of " (group.column) }
        (scrolled("Groups by window", html! {
            table {
                thead {
                    tr {
                        th scope="col" { "window" }
                        @for share in &group.whole.groups { th.number scope="col" { (share.group) } }
                        th.number scope="col" { "impact ratio" } th.number scope="col" { "opportunity difference" } th scope="col" { "level" }
                    }
                }
                tbody {
                    @for (name, fairness) in report.windows.iter().map(|window| window.name.as_str()).zip(&group.windows).chain([("all", &group.whole)]) {
                        tr {
                            th scope="row" { (name) }
                            @for of in &fairness.groups { td.number { (share(of.favoured)) } }
                            td.number { (word(fairness.impact_ratio)) }
                            td.number { (word(fairness.opportunity_difference)) }
                            td { (level(fairness.level)) }
                        }
                    }
                }
            }
        }))
    }
}
