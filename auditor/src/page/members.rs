//! Who belongs to the consortium, what was agreed, and under which keys.

use maud::{Markup, html};

use super::facts::{Facts, TaskFact};
use super::words::{counted, grouped};

/// Rosters, tasks and epochs that are listed: the last ones.
const SHOWN: usize = 30;

pub(super) fn section(facts: &Facts<'_>) -> Markup {
    html! {
        section aria-labelledby="members" {
            h2 #members { "Rosters, tasks and keys" }
            (rosters(facts))
            (tasks(facts))
            (epochs(facts))
        }
    }
}

fn left_out(count: usize, what: &str) -> Markup {
    let earlier = count.saturating_sub(SHOWN);
    html! {
        @if earlier > 0 { " The last " (SHOWN) " " (what) "; the earlier " (grouped(earlier as u64)) " are left out." }
    }
}

fn rosters(facts: &Facts<'_>) -> Markup {
    let rosters = &facts.history.rosters;
    html! {
        h3 #rosters { (counted(rosters.len(), "roster", "rosters")) }
        p.note { "A roster holds from its entry on." (left_out(rosters.len(), "rosters")) }
        @for roster in rosters.iter().skip(rosters.len().saturating_sub(SHOWN)) {
            details {
                summary {
                    "Entry " (grouped(roster.index)) ", " (counted(roster.value.banks().len(), "bank", "banks")) ", "
                    code { (roster.hash.to_hex()) }
                }
                div.scroll tabindex="0" role="region" aria-labelledby="rosters" {
                    table {
                        caption { span { "The banks by position, with the keys under which they sign." } }
                        thead {
                            tr {
                                th.number scope="col" { "Position" }
                                th scope="col" { "Bank" }
                                th scope="col" { "Ed25519 key" }
                            }
                        }
                        tbody {
                            @for bank in roster.value.banks() {
                                tr {
                                    td.number { (bank.index.get()) }
                                    th scope="row" { (bank.name) }
                                    td { code { (hex::encode(bank.signing_key)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn tasks(facts: &Facts<'_>) -> Markup {
    let tasks = &facts.tasks;
    html! {
        h3 #tasks { (counted(tasks.len(), "task", "tasks")) }
        @if !tasks.is_empty() {
            p.note { "A bank takes part only in tasks that its operator approved." (left_out(tasks.len(), "tasks")) }
            @for task in tasks.iter().skip(tasks.len().saturating_sub(SHOWN)) { (one_task(task)) }
        }
    }
}

fn one_task(task: &TaskFact<'_>) -> Markup {
    html! {
        dl.card {
            div.whole { dt { "Task" } dd.name { (task.name) } }
            div { dt { "Offered in entry" } dd { (grouped(task.offered_at)) } }
            div { dt { "Rounds with a result" } dd { (grouped(task.results as u64)) } }
            div { dt { "Rounds aborted" } dd { (grouped(task.aborted as u64)) } }
            div { dt { "Approvals" } dd { (grouped(task.approved_by.len() as u64)) } }
            div.whole {
                dt { "Approved by" }
                dd { @if task.approved_by.is_empty() { "no bank" } @else { (task.approved_by.join(", ")) } }
            }
            div.whole { dt { "Hash of its text" } dd { code { (task.hash.to_hex()) } } }
            @if let Some(state) = task.latest_state {
                div.whole { dt { "Latest state" } dd { code { (state.to_hex()) } } }
            }
        }
    }
}

fn epochs(facts: &Facts<'_>) -> Markup {
    let directories = &facts.history.directories;
    html! {
        h3 #epochs { (counted(directories.len(), "key epoch", "key epochs")) }
        @if !directories.is_empty() {
            div.scroll tabindex="0" role="region" aria-labelledby="epochs" {
                table {
                    caption { span { "The keys from which the masks come are set up anew with each epoch." (left_out(directories.len(), "epochs")) } }
                    thead {
                        tr {
                            th.number scope="col" { "Epoch" }
                            th.number scope="col" { "First round" }
                            th.number scope="col" { "Entry" }
                            th scope="col" { "Key directory" }
                        }
                    }
                    tbody {
                        @for logged in directories.iter().skip(directories.len().saturating_sub(SHOWN)) {
                            tr {
                                th.number scope="row" { (logged.value.epoch.0) }
                                td.number { (grouped(logged.value.first_round.0)) }
                                td.number { (grouped(logged.index)) }
                                td { code { (logged.value.directory.to_hex()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
