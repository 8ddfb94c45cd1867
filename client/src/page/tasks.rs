//! The tasks that were offered, which of them this bank takes part in, and what each reads, trains and sends.

use maud::{Markup, html};

use super::document::sheet as sheet_of;
use super::office::View;
use super::rounds;
use crate::participant::TaskStatus;

pub(super) fn section(view: &View) -> Markup {
    html! {
        h2 #tasks-title { "Tasks" }
        @if view.status.tasks.is_empty() {
            p.note { "None is known here yet: the daemon hears of tasks once it is connected." }
        }
        @for task in &view.status.tasks { (card(view, task)) }
    }
}

fn card(view: &View, task: &TaskStatus) -> Markup {
    let hash = &task.task;
    let offered = view.offered.get(hash);
    html! {
        article.card aria-labelledby={ "task-" (hash) } {
            div.headed {
                h3 id={ "task-" (hash) } { @if offered.is_some() { a href={ "/task/" (hash) } { (task.name) } } @else { (task.name) } }
                (tag(task))
            }
            p {
                label for={ "steps-" (hash) } { "Step " (task.step) " of " (task.steps) }
                progress id={ "steps-" (hash) } max=(task.steps) value=(task.step) { (task.step) " of " (task.steps) }
            }
            (decision(task))
        }
    }
}

fn tag(task: &TaskStatus) -> Markup {
    html! {
        @if task.refused.is_some() { span.tag.stopped { "refused" } }
        @else if !task.approved { span.tag.waits { "not approved" } }
        @else if task.step >= task.steps { span.tag.finished { "finished" } }
        @else { span.tag.running { "approved" } }
    }
}

/// What this bank has decided, or how it decides.
fn decision(task: &TaskStatus) -> Markup {
    let short: String = task.task.chars().take(8).collect();
    html! {
        @if let Some(why) = &task.refused {
            p.bad { "This bank refuses it: " (why) ". The consortium's operator is told that, and of why no more than general words." }
        } @else if !task.approved {
            p.note { "This bank takes no part in it. To look at it, on this machine: " code { "veilsum-client task show " (short) } ", then " code { "task approve" } " or " code { "task refuse" } "." }
        }
    }
}

/// One task in plain words. `shown`: all that there is to decide on of it.
pub(super) fn sheet(view: &View, hash: &str, shown: &Result<String, String>) -> Option<Markup> {
    let hash = hash.to_ascii_lowercase();
    let task = view.offered.get(&hash)?;
    let status = view.status.tasks.iter().find(|status| status.task == hash);
    let seen: Vec<_> = view.rounds.iter().filter(|round| round.task == hash).collect();
    let inside = html! {
        @if let Some(status) = status {
            p { (tag(status)) " Step " (status.step) " of " (status.steps) "." }
            (decision(status))
        }
        p.note { "Its hash, which an approval names: " code { (hash) } }
        section aria-labelledby="words-title" {
            h2 #words-title { "What it reads, trains and sends, and what your policy says of it" }
            @match shown {
                Ok(text) => { pre.wrap tabindex="0" { (text.trim_end()) } }
                Err(problem) => {
                    p.bad { "What the policy says of it is not known: " (problem) }
                    pre.wrap tabindex="0" { (task.describe().trim_end()) }
                }
            }
        }
        section aria-labelledby="rounds-title" {
            h2 #rounds-title { "Rounds" }
            (rounds::table(&seen, "The last rounds of this task that this bank saw."))
        }
        section aria-labelledby="text-title" {
            h2 #text-title { "The text" }
            details { summary { "Show the task as it is hashed" } pre tabindex="0" { (task.canonical_text()) } }
        }
    };
    Some(sheet_of(view, &format!("Task {}", task.name), &inside))
}
