//! What is asked before a task is approved or refused, and what is told where nothing was decided.

use hyper::StatusCode;
use maud::{Markup, html};
use veilsum_page::{Answer, page as page_of};
use veilsum_protocol::wire::refusal::RefusalReason;

use super::document::{refusal, sheet as sheet_of, told};
use super::now::capital;
use super::office::View;
use super::task::words;
use crate::consent::{ConsentError, Shown};
use crate::participant::TasksError;

/// What was done just now, by the word in the address.
pub(super) const DONE: [(&str, &str); 2] = [
    (
        "approved",
        "The task is approved. The daemon takes that up within a second.",
    ),
    (
        "refused",
        "The task is refused. The daemon takes that up within a second.",
    ),
];

/// Which word is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Approve,
    Refuse,
}

impl Wish {
    fn path(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
        }
    }
}

/// The question on a page of its own; the script shows it as a dialog. Who comes by another way than the task's page, where the words stand,
/// reads them below it.
pub(super) fn question(view: &View, wish: Wish, shown: &Shown, was_read: bool, token: &str) -> Markup {
    let offered = &shown.offered;
    let inside = html! {
        form #confirm method="post" action={ "/task/" (offered.task) "/" (wish.path()) } {
            h2 #confirm-title { (capital(wish.path())) " task " (offered.name) " (" (offered.short()) ")?" }
            @match wish {
                Wish::Approve => { (approval(shown)) }
                Wish::Refuse => { (reasons(offered.signed)) }
            }
            input type="hidden" name="token" value=(token);
            input type="hidden" name="shown" value=(shown.mark());
            p.actions {
                button.danger[wish == Wish::Refuse] type="submit" { (capital(wish.path())) " the task" }
                a.button.plain href={ "/task/" (offered.task) } data-cancel { "Cancel" }
            }
        }
        @if !was_read { (words(shown)) }
    };
    sheet_of(view, &capital(wish.path()), &inside)
}

fn approval(shown: &Shown) -> Markup {
    html! {
        p { "Take part with this bank's data? The approval is signed and stands in the log for good. It can be refused later: then this bank sits out every round that begins." }
        @if let Some(earlier) = &shown.earlier {
            p {
                @match earlier.changes.changes.len() { 0 => "Nothing is another", 1 => "1 thing is another", many => { (many) " things are another" } }
                " than in the version before"
                @if earlier.reads_the_same { "; what is read of your file is the same" }
                "."
            }
        }
        @if !shown.verdict.hours.is_any() { @for line in shown.verdict.lines() { p { (capital(&line)) "." } } }
    }
}

fn reasons(signed: bool) -> Markup {
    html! {
        @if signed {
            p { "The approval before stands in the log for good. From now on this bank sits out every round of the task that begins; one that is open ends as usual." }
        } @else {
            p { "This bank takes no part in it. It can be approved later." }
        }
        fieldset {
            legend { "What others hear of why" }
            @for reason in RefusalReason::ALL {
                label { input type="radio" name="reason" value=(reason.name()) checked[reason == RefusalReason::Operator]; " " (capital(reason.words())) }
            }
        }
        p.note { "That and nothing else: no limit of your policy, no column and no figure." }
    }
}

/// Nothing was decided, and why.
pub(super) fn undecided(hash: &str, error: &ConsentError) -> Answer {
    let (status, title) = match error {
        ConsentError::Tasks(TasksError::Unknown { .. } | TasksError::Ambiguous { .. }) => {
            return unknown();
        }
        ConsentError::App(_) | ConsentError::Tasks(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Nothing was decided")
        }
        ConsentError::Changed { .. } => (StatusCode::CONFLICT, "Look again"),
        _ => (StatusCode::CONFLICT, "It cannot be approved"),
    };
    let inside = html! {
        div.notice.bad role="alert" {
            @match error {
                ConsentError::Changed { name } => {
                    p { "The task has changed since this page was shown; look again." }
                    p { "Another version of " (name) " was offered, your policy is another, or a word was said elsewhere. Nothing was decided." }
                }
                error => { pre { (capital(&error.to_string())) } }
            }
        }
        p.actions {
            a.button href={ "/task/" (hash) } { @if matches!(error, ConsentError::Changed { .. }) { "Look at it again" } @else { "Back to the task" } }
            a.button.plain href="/" { "Back to the bank" }
        }
    };
    page_of(status, &told(title, &inside))
}

/// There is no such task.
pub(super) fn unknown() -> Answer {
    let words = html! { "No task with this hash was offered to this bank." };
    page_of(StatusCode::NOT_FOUND, &refusal("No such task", &words))
}

/// The form names a reason that is none.
pub(super) fn no_such_reason(hash: &str, found: &str) -> Answer {
    let names = RefusalReason::ALL.map(RefusalReason::name).join(", ");
    let inside = html! {
        div.notice.bad role="alert" { p { "Found the reason " code { (found) } ", expected one of " (names) ". Nothing was decided." } }
        p.actions { a.button href={ "/task/" (hash) } { "Back to the task" } }
    };
    page_of(StatusCode::UNPROCESSABLE_ENTITY, &told("No such reason", &inside))
}
