//! The bank's own table, and what its policy does to each column before anything reads it.

use maud::{Markup, html};
use veilsum_page::words::moment;

use super::document::sheet as sheet_of;
use super::office::View;
use super::profiler::{Found, ROWS, What};
use crate::command::data::Report;
use crate::desensitise::{ColumnReport, Verdict};
use crate::survey::{Column, Profile, columns, shown};

pub(super) fn section(view: &View) -> Markup {
    html! {
        h2 #data-title { "Data and policy" }
        @match &view.found {
            None => { p.note { "The table is being read, beside the rounds. This part fills by itself." } }
            Some(found) => {
                @if view.is_looking { p.note { "A file has changed and is being read again; what follows is as it was before." } }
                (of(view, found))
            }
        }
    }
}

fn of(view: &View, found: &Found) -> Markup {
    html! {
        @match &found.what {
            Err(problem) => { div.notice.bad role="alert" { p { "The data cannot be read:" } pre { (problem) } } }
            Ok(What::ManyImages) => { p { "Rows are images, too many to be read for a page: " code { "veilsum-client data profile" } " tells what they are." } }
            Ok(What::Images(images)) => { pre.wrap tabindex="0" { (images.text()) } }
            Ok(What::Table(profile)) => { (table(profile, found)) }
        }
        @if let Err(problem) = &found.check {
            @if matches!(found.what, Ok(What::Table(_))) { div.notice.bad role="alert" { p { "The policy cannot be applied:" } pre { (problem) } } }
            @else { p.note { (problem) "." } }
        }
        @if let Ok(report) = &found.check { (policy(view, report)) }
        h3 { "What the policy never lets a task do" }
        @if found.limits.is_empty() {
            p { "It sets no limits: whatever this bank's operator approves may run." }
        } @else {
            ul { @for limit in &found.limits { li { (limit) } } }
            p.note { "A task beyond one of these is refused by itself; the consortium's operator hears a reason in general words alone." }
        }
        p.note { "Looked at " (moment(found.at)) "; looked at again when a file changes. Nothing of it is sent." }
    }
}

fn table(profile: &Profile, found: &Found) -> Markup {
    let report = found.check.as_ref().ok();
    let checked = |name: &str| report?.columns().iter().find(|column| column.name == name);
    html! {
        p {
            b { (profile.rows) " rows" } ", " (profile.columns.len()) " columns in " code { (profile.file) } ". "
            @if !profile.is_whole {
                "These are the figures of the first " (ROWS) " rows: the table has more, which are not read for this page. "
            }
            a href="/data" { "Every column with its values" }
        }
        div.scroll tabindex="0" role="region" aria-label="Columns and what the policy does to them" {
            table {
                caption { span { "Each column, and what is done to it before anything reads it." } }
                thead { tr { th scope="col" { "Column" } th scope="col" { "Kind" } th.number scope="col" { "Missing" } th.number scope="col" { "Different" }
                    th scope="col" { "Read" } th scope="col" { "By the policy" } } }
                tbody { @for column in &profile.columns { (row(column, checked(&column.name))) } }
            }
        }
    }
}

fn row(column: &Column, checked: Option<&ColumnReport>) -> Markup {
    let all = column.count + column.missing;
    html! {
        tr {
            th scope="row" { (shown(&column.name)) }
            td { (column.kind) }
            td.number { (percent(column.missing, all)) }
            td.number { @if !column.distinct_is_exact { "about " } (column.distinct) }
            td { @match checked { Some(checked) => (verdict(checked.verdict)), None => "-" } }
            td.long { @match checked.and_then(|checked| checked.rule_does.as_ref()) { Some(does) => (does), None => { span.soft { "as it is" } } }
                @if let Some(looks) = checked.and_then(|checked| checked.looks_like.as_ref()) { span.soft { "; looks like " (looks) } } }
        }
    }
}

fn verdict(verdict: Verdict) -> Markup {
    html! {
        @match verdict {
            Verdict::Read => { span.sign.good aria-hidden="true" { "✓" } "yes" },
            Verdict::Allowed => { span.sign.good aria-hidden="true" { "✓" } "allowed" },
            Verdict::Sequence => "groups rows",
            Verdict::Refused => { span.bad { "refused" } },
            Verdict::NotRead => { span.soft { "no" } },
        }
    }
}

fn policy(view: &View, report: &Report) -> Markup {
    html! {
        h3 { "The policy in short" }
        p { (report.in_short()) "." }
        @if report.refuses() {
            p.bad { "No task can read the refused columns until " code { (view.policy.display()) } " has a rule for each, or the schema leaves them out." }
        }
        @if let Some(anonymity) = report.anonymity_in_short() { p { "Anonymity after the rules: " (anonymity) "." } }
        p.note { "The policy is this bank's own file, " code { (view.policy.display()) } "; no task can change it." }
    }
}

/// Every column with its values.
pub(super) fn sheet(view: &View) -> Markup {
    let inside = html! {
        @match view.found.as_ref().map(|found| &found.what) {
            Some(Ok(What::Table(profile))) => {
                p.note {
                    "For this bank alone: it quotes cells. "
                    @if !profile.is_whole { "Of the first " (ROWS) " rows; the table has more. " }
                }
                div.profile { (columns(profile)) }
            }
            _ => { p { "There is no table to show yet. Load this page again in a moment." } }
        }
    };
    sheet_of(view, "The bank's table", &inside)
}

fn percent(part: u64, all: u64) -> String {
    if part == 0 {
        return "0 %".to_owned();
    }
    format!("{:.1} %", 100.0 * part as f64 / all.max(1) as f64)
}
