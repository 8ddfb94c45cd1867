//! The tasks: how far each is, who approved it, and what can be done with it.

use maud::{Markup, html};

use super::now::names;
use crate::engine::status::{ResultLine, Status, TaskLine};
use crate::engine::tasks::TaskStatus;
use veilsum_protocol::model::Figure;

/// Tasks that are over and shown; the latest.
const MOST_OVER: usize = 5;

pub(super) fn section(status: &Status) -> Markup {
    let over: Vec<&TaskLine> = status.tasks.iter().filter(|task| task.status.is_over()).collect();
    let hidden = over.len().saturating_sub(MOST_OVER);
    html! {
        div.headed {
            h2 #tasks-title { "Tasks" }
            a.button #new-task href="/task/new" { "New task" }
        }
        @if status.tasks.is_empty() { p.note { "No task was offered yet." } }
        @for task in status.tasks.iter().filter(|task| !task.status.is_over()) { (card(task, status)) }
        @for task in over.iter().rev().take(MOST_OVER) { (card(task, status)) }
        @if hidden > 0 { p.note { (hidden) " older tasks that are over are left out; " code { "veilsum-coordinator task list" } " names them." } }
    }
}

pub(super) fn state(task: &TaskLine) -> (&'static str, String) {
    match &task.status {
        TaskStatus::Running if task.current => ("running", "running".to_owned()),
        TaskStatus::Running => ("waits", "waits for its turn".to_owned()),
        TaskStatus::Paused => ("paused", "paused".to_owned()),
        TaskStatus::Finished => ("finished", "finished".to_owned()),
        TaskStatus::Stopped(why) => ("stopped", format!("stopped: {why}")),
    }
}

fn card(task: &TaskLine, status: &Status) -> Markup {
    let hash = task.task.to_hex();
    let (class, words) = state(task);
    html! {
        article.card aria-labelledby={ "task-" (hash) } {
            div.headed {
                h3 id={ "task-" (hash) } { a href={ "/task/" (hash) } { (task.name) } }
                span.{ "tag " (class) } { (words) }
            }
            p {
                label for={ "steps-" (hash) } { "Step " (task.step) " of " (task.steps) }
                progress id={ "steps-" (hash) } max=(task.steps) value=(task.step) { (task.step) " of " (task.steps) }
            }
            @if task.attempt > 0 && !task.status.is_over() {
                p.note { "The next step has failed " (task.attempt) " times; after " (task.attempts) " the task is stopped." }
            }
            (approvals(task, status))
            @if let Some(result) = &task.last_result { p.note { "Last result: " (figures(result)) } }
            (actions(task))
        }
    }
}

pub(super) fn approvals(task: &TaskLine, status: &Status) -> Markup {
    html! {
        p.note {
            "Approved by " (task.approved.len()) " of " (status.banks.len()) " banks"
            @if task.silent.is_empty() || task.status.is_over() { "." } @else { "; nothing said yet by " (names(&task.silent, 8)) "." }
        }
        @for refusal in &task.refused {
            p.note { span.sign.bad aria-hidden="true" { "✗" } (refusal.words()) "." }
        }
        @if task.out_of_reach {
            p.bad { "So many banks refuse it that no round of it can begin, and no other task has its turn. It waits until fewer do; or stop it." }
        }
    }
}

fn figures(result: &ResultLine) -> String {
    let mut words = format!("round {}, {} banks in the sum", result.round, result.survivors);
    for (key, value) in &result.figures {
        let title = Figure::from_key(key).map_or(key.as_str(), |figure| figure.title());
        if let Some(value) = value {
            words.push_str(&format!(", {title} {value:.4}"));
        }
    }
    words
}

pub(super) fn actions(task: &TaskLine) -> Markup {
    let hash = task.task.to_hex();
    let wishes: &[(&str, &str)] = match &task.status {
        TaskStatus::Running => &[("pause", "Pause"), ("stop", "Stop")],
        TaskStatus::Paused => &[("resume", "Resume"), ("stop", "Stop")],
        TaskStatus::Finished | TaskStatus::Stopped(_) => &[],
    };
    html! {
        @if !wishes.is_empty() {
            p.actions {
                @for (wish, label) in wishes {
                    a.button.danger[*wish == "stop"] id={ (wish) "-" (hash) } href={ "/task/" (hash) "/" (wish) } data-ask {
                        (label) span.spoken { " task " (task.name) }
                    }
                }
            }
        }
    }
}
