//! The profile as one page of HTML, which fetches nothing and runs nothing.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::histogram::Histogram;
use super::profile::{Column, Numbers, Profile, figure, shown};

const STYLE: &str = include_str!("style.css");
/// Nothing is fetched and nothing runs, whatever a cell may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Height of a histogram, in the units of its bars.
const HEIGHT: f64 = 100.0;

/// The page.
pub(crate) fn page(profile: &Profile) -> String {
    let missing: u64 = profile.columns.iter().map(|column| column.missing).sum();
    let cells = profile.rows * profile.columns.len() as u64;
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "Profile of " (profile.file) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { (profile.file) }
                    h1 { "Profile of the table" }
                    p.note { "Made on this machine for this bank. It quotes cells: do not hand it on. Nothing of it was sent." }
                    dl.facts {
                        (fact("rows", &grouped(profile.rows)))
                        (fact("columns", &profile.columns.len().to_string()))
                        (fact("cells without a value", &percent(missing, cells)))
                    }
                }
                main {
                    (columns(profile))
                }
                footer { p { "Made by veilsum-client " (env!("CARGO_PKG_VERSION")) "." } }
            }
        }
    };
    document.into_string()
}

/// All columns: a list, and a card for each.
pub(crate) fn columns(profile: &Profile) -> Markup {
    html! {
        nav.scroll tabindex="0" aria-label="Columns" {
            table {
                caption { "All columns" }
                thead { tr { th { "column" } th { "kind" } th.number { "values" } th.number { "missing" } th.number { "different" } } }
                tbody {
                    @for (place, column) in profile.columns.iter().enumerate() {
                        tr {
                            th { a href={ "#column-" (place) } { (shown(&column.name)) } }
                            td { (column.kind) }
                            td.number { (grouped(column.count)) }
                            td.number { (percent(column.missing, column.count + column.missing)) }
                            td.number { @if !column.distinct_is_exact { "about " } (grouped(column.distinct)) }
                        }
                    }
                }
            }
        }
        @for (place, column) in profile.columns.iter().enumerate() { (card(place, column)) }
    }
}

fn card(place: usize, column: &Column) -> Markup {
    html! {
        section.card #{ "column-" (place) } {
            h2 { (shown(&column.name)) " " span.tag { (column.kind) } }
            p.note { (grouped(column.count)) " values, " (column.distinct_words()) ", " (column.missing_words()) }
            @if column.strays > 0 {
                p.warning {
                    (grouped(column.strays)) " cells are no " (column.kind) ": "
                    @for (at, text) in column.stray_examples.iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (shown(text)) }
                    }
                }
            }
            @if let Some(words) = column.words.as_ref().filter(|words| words.max > 1.0) {
                @let [low, middle, high] = words.quantiles;
                p { "Words of a text: " (low) " at 5 %, " (middle) " at 50 %, " (high) " at 95 %, at most " (words.max) "." }
            }
            @if let Some([first, last]) = &column.dates { p { "From " (first) " to " (last) "." } }
            @if let Some(numbers) = &column.numbers { (of_numbers(column, numbers)) }
            @if column.dates.is_none() && (column.numbers.is_none() || column.is_of_values()) { (values(column)) }
        }
    }
}

fn of_numbers(column: &Column, numbers: &Numbers) -> Markup {
    let [q05, q25, median, q75, q95] = numbers.quantiles;
    html! {
        @if !column.is_of_values() { (histogram(&numbers.histogram)) }
        dl.figures {
            (fact("min", &figure(numbers.min)))
            (fact("5 %", &figure(q05)))
            (fact("25 %", &figure(q25)))
            (fact("median", &figure(median)))
            (fact("75 %", &figure(q75)))
            (fact("95 %", &figure(q95)))
            (fact("max", &figure(numbers.max)))
            (fact("mean", &figure(numbers.mean)))
            (fact("std. deviation", &figure(numbers.standard_deviation)))
        }
    }
}

fn histogram(histogram: &Histogram) -> Markup {
    let most = histogram
        .counts
        .iter()
        .copied()
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let width = histogram.counts.len();
    html! {
        figure {
            svg.bars viewBox={ "0 0 " (width * 10) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={ "Histogram from " (figure(histogram.from)) " to " (figure(histogram.to)) } {
                @for (place, count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                    // A bar with anything in it is seen.
                    @let height = (count / most * HEIGHT).max(1.0);
                    rect x=(place * 10) y=(format!("{:.2}", HEIGHT - height)) width="9.4" height=(format!("{height:.2}")) {
                        title { (format!("{count:.0}")) }
                    }
                }
            }
            div.axis {
                span { (figure(histogram.from)) }
                span { @if histogram.log { "logarithmic" } }
                span { (figure(histogram.to)) }
            }
        }
    }
}

fn values(column: &Column) -> Markup {
    let values: Vec<_> = column.top.iter().filter(|value| value.count > 1).collect();
    let listed: u64 = values.iter().map(|value| value.count).sum();
    let rest = column.count - listed.min(column.count);
    html! {
        @if values.is_empty() {
            p { "No value that repeats often enough to be listed." }
        } @else {
            div.scroll tabindex="0" {
                table.values {
                    caption { "Most frequent values" }
                    tbody {
                        @for value in &values { (bar(&shown(&value.value), value.count, column.count, "")) }
                        @if rest > 0 { (bar("all others", rest, column.count, "rest")) }
                    }
                }
            }
        }
    }
}

fn bar(name: &str, count: u64, all: u64, class: &str) -> Markup {
    let share = 100.0 * count as f64 / all.max(1) as f64;
    html! {
        tr class=(class) {
            th { (name) }
            td.share {
                svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                    rect x="0" y="0" width=(format!("{:.2}", share.max(0.3))) height="10" {}
                }
            }
            td.number { (grouped(count)) }
            td.number { (percent(count, all)) }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn percent(part: u64, all: u64) -> String {
    if part == 0 {
        return "0 %".to_owned();
    }
    format!("{:.1} %", 100.0 * part as f64 / all.max(1) as f64)
}

/// Digits in groups of three.
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
