//! How good the models became, from the published results.

use maud::{Markup, html};
use veilsum_pictures::{by_step, gallery};

use super::office::Told;
use crate::history::TaskHistory;

/// Tasks whose curves are shown; the latest.
const SHOWN: usize = 3;

pub(super) fn section(told: &Told) -> Markup {
    let with: Vec<&TaskHistory> = told
        .tasks
        .iter()
        .rev()
        .filter(|task| is_judged(task))
        .take(SHOWN)
        .collect();
    html! {
        h2 #curves-title { "Curves" }
        @if with.is_empty() { p.note { "No model was judged yet." } }
        @for task in with {
            h3 { (task.name) }
            (of(task))
        }
    }
}

fn is_judged(task: &TaskHistory) -> bool {
    task.results.iter().any(|result| result.metrics.is_some())
}

/// The curves of a task.
pub(super) fn of(task: &TaskHistory) -> Markup {
    let measured: Vec<_> = task
        .results
        .iter()
        .filter_map(|result| Some((result.step, result.metrics.clone()?)))
        .collect();
    html! {
        @if measured.is_empty() { p.note { "No model of it was judged yet." } }
        (gallery(&by_step(&measured)))
    }
}
