//! The tasks that were offered, which of them this bank takes part in, and which wait for its word.

use maud::{Markup, html};

use super::office::View;
use crate::participant::{Decision, TaskStatus};

pub(super) fn section(view: &View) -> Markup {
    html! {
        h2 #tasks-title { "Tasks" }
        @if view.status.tasks.is_empty() {
            p.note { "None is known here yet: the daemon hears of tasks once it is connected." }
        }
        @for task in &view.status.tasks { (card(view, task)) }
    }
}

/// The tasks that wait for the operator's word: nobody said one, and neither the policy nor the task's end has made it needless.
pub(super) fn waiting(view: &View) -> impl Iterator<Item = &TaskStatus> {
    let known = view.status.tasks.iter();
    known.filter(|task| stand(view, task) == Stand::Waits && view.offered.contains_key(&task.task))
}

/// How this bank stands to a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Refused,
    Finished,
    Approved,
    /// Said, and not taken up by the daemon yet.
    Taken,
    Waits,
}

fn stand(view: &View, task: &TaskStatus) -> Stand {
    let said = view.decisions.get(&task.task);
    if task.refused.is_some() || said == Some(&Decision::Refused) {
        Stand::Refused
    } else if is_over(task) {
        Stand::Finished
    } else if task.approved {
        Stand::Approved
    } else if said == Some(&Decision::Approved) {
        Stand::Taken
    } else {
        Stand::Waits
    }
}

/// True if its last step is done.
pub(super) fn is_over(task: &TaskStatus) -> bool {
    task.step >= task.steps
}

fn card(view: &View, task: &TaskStatus) -> Markup {
    let hash = &task.task;
    let offered = view.offered.get(hash);
    html! {
        article.card aria-labelledby={ "task-" (hash) } {
            div.headed {
                h3 id={ "task-" (hash) } { @if offered.is_some() { a href={ "/task/" (hash) } { (task.name) } } @else { (task.name) } }
                (tag(view, task))
            }
            p {
                label for={ "steps-" (hash) } { "Step " (task.step) " of " (task.steps) }
                progress id={ "steps-" (hash) } max=(task.steps) value=(task.step) { (task.step) " of " (task.steps) }
            }
            (decision(view, task))
            @if offered.is_some() && stand(view, task) == Stand::Waits {
                p.actions { a.button id={ "decide-" (hash) } href={ "/task/" (hash) } { "Look at it and decide" span.spoken { " on task " (task.name) } } }
            }
        }
    }
}

pub(super) fn tag(view: &View, task: &TaskStatus) -> Markup {
    let (class, words) = match stand(view, task) {
        Stand::Refused => ("stopped", "refused"),
        Stand::Finished => ("finished", "finished"),
        Stand::Approved => ("running", "approved"),
        Stand::Taken => ("running", "approved, not signed yet"),
        Stand::Waits => ("waits", "waits for your word"),
    };
    html! { span.{ "tag " (class) } { (words) } }
}

/// What this bank has decided, or how it decides.
fn decision(view: &View, task: &TaskStatus) -> Markup {
    html! {
        @if let Some(why) = &task.refused {
            p.bad { "This bank refuses it: " (why) ". The consortium's operator is told that, and of why no more than general words." }
        } @else if stand(view, task) == Stand::Waits {
            p.note { "This bank takes no part in it until you approve it." }
        }
    }
}
