//! The report as a page for the people of one bank: one file, without script or anything from elsewhere.

mod draw;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use veilsum_pictures::{Picture, gallery};
use veilsum_protocol::model::ScoreSums;

use crate::level::{Level, Limits};
use crate::monitor::Report;

const STYLE: &str = include_str!("page.css");
/// Nothing is fetched and nothing runs, whatever a name may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// Columns that have a picture of their own: those that moved the most.
const DRAWN_COLUMNS: usize = 4;

/// What the page is of.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The model, such as "credit, version 12".
    pub title: &'a str,
    /// What was compared with what, and what was left out; each a sentence.
    pub remarks: &'a [String],
    /// The limits that were in force.
    pub limits: &'a Limits,
    /// The highest level that counts.
    pub level: Level,
    /// In words, who counts as favoured.
    pub favoured: &'a str,
}

/// The page. It holds sums over many rows, and no row.
pub fn page(report: &Report, about: &About<'_>) -> String {
    let moved = tables::by_drift(report);
    let mut drift = Vec::new();
    drift.extend(draw::over_time(report, &moved, about.limits));
    drift.extend(report.scores.iter().filter_map(draw::beside));
    let columns: Vec<Picture> = moved
        .iter()
        .take(DRAWN_COLUMNS)
        .filter_map(|at| draw::beside(at))
        .collect();
    let mut quality: Vec<Picture> = draw::foretold(report).into_iter().collect();
    let scores = report
        .quality
        .as_ref()
        .and_then(|quality| quality.scores.as_ref());
    if let Some(sums) = scores {
        quality.extend(veilsum_pictures::calibration(&ScoreSums::Binary(sums.clone())));
    }
    let fairness: Vec<Picture> = draw::ratios(report, about.limits)
        .into_iter()
        .chain(
            report
                .groups
                .iter()
                .map(|group| draw::favoured(group, about.favoured)),
        )
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (about.title) ": how it does in service" }
                style { (PreEscaped(STYLE)) (PreEscaped(veilsum_pictures::STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to what was found" }
                header {
                    p.kicker { "A model in service" }
                    h1 { (about.title) }
                }
                main #main {
                    (summary(report, about))
                    @for remark in about.remarks { p.note { (remark) } }
                    (tables::alerts(report))
                    section aria-labelledby="drift" {
                        h2 #drift { "Are the rows still the same?" }
                        (gallery(&drift))
                        (tables::windows(report))
                    }
                    @if !report.columns.is_empty() {
                        section aria-labelledby="columns" {
                            h2 #columns { "Which columns moved" }
                            (gallery(&columns))
                            (tables::columns(report, &moved))
                        }
                    }
                    @if report.quality.is_some() {
                        section aria-labelledby="quality" {
                            h2 #quality { "Did it come true?" }
                            (gallery(&quality))
                            (tables::quality(report))
                        }
                    }
                    @if !report.groups.is_empty() {
                        section aria-labelledby="fairness" {
                            h2 #fairness { "How groups fare" }
                            (gallery(&fairness))
                            @for group in &report.groups { (tables::fairness(report, group)) }
                        }
                    }
                    (method(about.limits))
                }
                footer {
                    p { "This page holds sums over the bank's own decisions: it is for this bank's own people." }
                }
            }
        }
    };
    page.into_string()
}

fn summary(report: &Report, about: &About<'_>) -> Markup {
    let score = report.scores.first();
    html! {
        dl.score.(about.level.word()) {
            div { dt { "level" } dd { (about.level.word()) } }
            div { dt { "decisions" } dd { (report.rows) } }
            div { dt { "reference rows" } dd { (report.reference_rows) } }
            @if let Some(score) = score {
                div { dt { "PSI of the " (score.name) } dd { (format!("{:.3}", score.whole.psi)) } }
            }
            @if let Some(quality) = &report.quality {
                div { dt { "known outcomes" } dd { (quality.rows) } }
            }
        }
    }
}

fn method(limits: &Limits) -> Markup {
    html! {
        section aria-labelledby="method" {
            h2 #method { "How to read this" }
            p.note {
                "The population stability index (PSI) sums up how the shares of a column's bins differ from the reference: below " (limits.psi.watch)
                " the column is steady, from " (limits.psi.watch) " on it is worth a look, from " (limits.psi.act) " on it is another population. An index that "
                "so few rows have by chance, once in a hundred times or more, has no such meaning and counts as steady. KS is the largest distance between "
                "the two distributions, with the chance of one as large if nothing had changed. A window of fewer than " (limits.least_rows)
                " rows has no level."
            }
            p.note {
                "Calibration is steady while the interval of 95 % around what came holds what was foretold, and calls for action when not even that of 99.9 % "
                "does. The impact ratio is the least share of favourable decisions by the greatest; below " (limits.impact.act) " the four-fifths rule is not kept."
            }
        }
    }
}
