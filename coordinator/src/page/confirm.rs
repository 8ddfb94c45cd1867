//! What is asked before a task is paused, resumed or stopped.

use maud::{Markup, html};

use super::document::sheet;
use super::routes::Act;
use crate::engine::status::{Status, TaskLine};

/// A wish, in its words.
struct Words {
    path: &'static str,
    title: &'static str,
    button: &'static str,
    danger: bool,
    meaning: &'static str,
}

fn words(act: Act) -> Option<Words> {
    Some(match act {
        Act::AskPause => Words {
            path: "pause",
            title: "Pause",
            button: "Pause the task",
            danger: false,
            meaning: "An open round of it ends as usual. No other round of it starts until you resume it; other tasks have their turn. Banks have nothing to do.",
        },
        Act::AskResume => Words {
            path: "resume",
            title: "Resume",
            button: "Resume the task",
            danger: false,
            meaning: "Its rounds start again when enough banks are connected, in its old place in the order of tasks. Banks have nothing to do.",
        },
        Act::AskStop => Words {
            path: "stop",
            title: "Stop",
            button: "Stop the task for good",
            danger: true,
            meaning: "It cannot be resumed. An open round of it ends without a result. What was published stays.",
        },
        _ => return None,
    })
}

/// The question on a page of its own; the script shows it as a dialog.
pub(super) fn page(act: Act, task: &TaskLine, status: &Status, token: &str) -> Option<Markup> {
    let Words {
        path,
        title,
        button,
        danger,
        meaning,
    } = words(act)?;
    let hash = task.task.to_hex();
    let open = status.round.as_ref().filter(|round| round.task == task.name);
    let inside = html! {
        form #confirm method="post" action={ "/task/" (hash) "/" (path) } {
            h2 #confirm-title { (title) " task " (task.name) "?" }
            p { (meaning) }
            @if let Some(round) = open { p { "Now: round " (round.round) ", phase " (round.phase) ", step " (task.step + 1) " of " (task.steps) "." } }
            input type="hidden" name="token" value=(token);
            p.actions {
                button.danger[danger] type="submit" { (button) }
                a.button.plain href="/" data-cancel { "Cancel" }
            }
        }
    };
    Some(sheet(&status.consortium, title, &inside))
}
