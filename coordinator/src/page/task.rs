//! One task in plain words.

use maud::{Markup, html};

use super::curves;
use super::document::sheet;
use super::office::Told;
use super::tasks::{actions, approvals, state};
use crate::engine::status::{Status, TaskDetail};

pub(super) fn page(detail: &TaskDetail, status: &Status, told: &Told) -> Markup {
    let line = &detail.line;
    let (class, words) = state(line);
    let approved = |name: &String| line.approved.contains(name);
    let refused = |name: &String| line.refused.iter().find(|refusal| refusal.bank == *name);
    let inside = html! {
        p { span.{ "tag " (class) } { (words) } " Step " (line.step) " of " (line.steps) "." }
        (actions(line))
        section aria-labelledby="approvals-title" {
            h2 #approvals-title { "Approvals" }
            (approvals(line, status))
            ul.names {
                @for bank in &status.banks {
                    li {
                        @if let Some(refusal) = refused(&bank.name) {
                            span.sign.bad aria-hidden="true" { "✗" } (bank.name)
                            span.soft { @if approved(&bank.name) { ": approved before, refuses now" } @else { ": refused" } " (" (refusal.reason.words()) ")" }
                        } @else if approved(&bank.name) { span.sign.good aria-hidden="true" { "✓" } (bank.name) span.spoken { ": approved" } }
                        @else { span.sign aria-hidden="true" { "·" } (bank.name) span.soft { ": nothing said yet" } }
                    }
                }
            }
        }
        @if let Some(history) = told.tasks.iter().find(|task| task.task == line.task) {
            section aria-labelledby="curves-title" {
                h2 #curves-title { "Curves" }
                (curves::of(history))
            }
        }
        section aria-labelledby="words-title" {
            h2 #words-title { "What the banks approve" }
            pre.wrap tabindex="0" { (detail.description.trim_end()) }
        }
        section aria-labelledby="text-title" {
            h2 #text-title { "The text" }
            details { summary { "Show the task as it is hashed" } pre tabindex="0" { (detail.text) } }
        }
    };
    sheet(&status.consortium, &format!("Task {}", line.name), &inside)
}
