//! One task: what it reads, trains and sends, what the policy says of it, what is another than before, and the bank's word on it.

use maud::{Markup, html};

use super::document::sheet as sheet_of;
use super::now::capital;
use super::office::View;
use super::rounds;
use super::tasks::{is_over, tag};
use crate::consent::Shown;
use crate::participant::Decision;

/// The page of a task. `shown`: all that there is to decide on of it, or why that is not known. `None` if it was not offered.
pub(super) fn sheet(view: &View, hash: &str, shown: &Result<Shown, String>) -> Option<Markup> {
    let task = view.offered.get(hash)?;
    let status = view.status.tasks.iter().find(|status| status.task == hash);
    let seen: Vec<_> = view.rounds.iter().filter(|round| round.task == hash).collect();
    let inside = html! {
        p {
            @if let Some(status) = status { (tag(view, status)) " Step " (status.step) " of " (status.steps) ". " }
            @if shown.is_ok() { a href="#word" { "To your word on it" } }
        }
        p.note { "Its hash, which an approval names: " code { (hash) } }
        @match shown {
            Ok(shown) => {
                (words(shown))
                (word(view, shown, status.is_some_and(is_over)))
            }
            Err(problem) => {
                div.notice.bad role="alert" { p { "It cannot be decided on:" } pre { (problem) } }
                pre.wrap tabindex="0" aria-label="The task in plain words" { (task.describe().trim_end()) }
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

/// What is decided on, in the words of `task show`.
pub(super) fn words(shown: &Shown) -> Markup {
    let verdict = &shown.verdict;
    // What refuses comes first; what follows are the policy's hours.
    let refusing = verdict.breaches.len().max(verdict.problem.iter().count());
    html! {
        section aria-labelledby="words-title" {
            h2 #words-title { "What it reads, trains and sends" }
            pre.wrap tabindex="0" { (shown.description.trim_end()) }
        }
        section aria-labelledby="policy-title" {
            h2 #policy-title { "What your policy says of it" }
            @for (at, line) in verdict.lines().iter().enumerate() { p.bad[at < refusing] { (capital(line)) "." } }
        }
        @if let Some(earlier) = &shown.earlier {
            section aria-labelledby="changes-title" {
                h2 #changes-title { (earlier.title()) }
                pre.wrap tabindex="0" { (earlier.changes.describe().trim_end()) }
            }
        }
    }
}

/// What was said of it, and the ways to what can be said. The questions name what was looked at here.
fn word(view: &View, shown: &Shown, is_over: bool) -> Markup {
    let offered = &shown.offered;
    let (hash, mark) = (&offered.task, shown.mark());
    let approves = offered.allowed && offered.decision != Some(Decision::Approved);
    let refuses = offered.decision != Some(Decision::Refused);
    let way = |wish: &str| format!("/task/{hash}/{wish}?shown={mark}");
    html! {
        section #word aria-labelledby="word-title" {
            h2 #word-title { "Your word" }
            p { (capital(&offered.said())) "." }
            @if let Some(overtaken) = shown.overtaken() { p { (capital(&overtaken)) "." } }
            @if is_over {
                p.note { "Its last step is done, so there is nothing to decide any more." }
            } @else {
                @if !offered.allowed { p.bad { "This bank takes no part in it, and it cannot be approved, before " code { (view.policy.display()) } " allows it, or can be read." } }
                p.actions {
                    @if approves { a.button #approve href=(way("approve")) data-ask { "Approve" span.spoken { " task " (offered.name) } } }
                    @if refuses { a.button.danger #refuse href=(way("refuse")) data-ask { "Refuse" span.spoken { " task " (offered.name) } } }
                }
            }
        }
    }
}
