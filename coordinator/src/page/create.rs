//! Offering a task: its text, then what the banks will read, then the offer.

use maud::{Markup, html};
use veilsum_protocol::task::Task;

use super::document::sheet;

/// The form, with what was typed and what is wrong with it.
pub(super) fn form(consortium: &str, text: &str, problem: Option<&str>, token: &str) -> Markup {
    let inside = html! {
        form method="post" action="/task/check" {
            input type="hidden" name="token" value=(token);
            @if let Some(problem) = problem {
                div.notice.bad role="alert" { p { "The task cannot be offered:" } pre { (problem) } }
            }
            p {
                label for="text" { "The task file (TOML)" }
                textarea #text name="text" rows="22" spellcheck="false" autocomplete="off" required aria-describedby="hint" { (text) }
            }
            p.note #hint { "With model, schema, privacy and rounds. Nothing is sent to a bank before you have seen what the banks will read." }
            p data-file hidden { label for="file" { "Or take it from a file" } input #file type="file" accept=".toml,text/plain"; }
            p.actions { button type="submit" { "Check it" } a.button.plain href="/" { "Cancel" } }
        }
    };
    sheet(consortium, "New task", &inside)
}

/// What the banks will read, and the offer.
pub(super) fn preview(consortium: &str, task: &Task, token: &str) -> Markup {
    let inside = html! {
        p { "This is what every bank reads before it approves. Offer it only if it is what was agreed on." }
        pre.wrap tabindex="0" aria-label="The task in plain words" { (task.describe().trim_end()) }
        form method="post" action="/task/create" {
            input type="hidden" name="token" value=(token);
            input type="hidden" name="text" value=(task.canonical_text());
            p.actions { button type="submit" { "Offer the task to the banks" } a.button.plain href="/" { "Cancel" } }
        }
    };
    sheet(consortium, &format!("Offer task {}", task.name), &inside)
}
