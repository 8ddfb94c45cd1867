//! What the bank's operator decides on, as commands and pages show it.

use serde::Serialize;
use veilsum_protocol::task::Changes;

use super::verdict::Verdict;
use crate::participant::Decision;

/// A task in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub task: String,
    /// The operator's word on it.
    pub decision: Option<Decision>,
    /// True if the daemon has taken an approval up and signed it: it stands in the log for good.
    pub signed: bool,
    /// True if the bank's policy allows it.
    pub allowed: bool,
    /// Training rounds.
    pub rounds: u32,
    /// Steps that this bank derived, as the daemon last said.
    pub step: Option<u32>,
    /// Steps of the task.
    pub steps: Option<u32>,
}

/// All that there is to decide on.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The task in short.
    #[serde(flatten)]
    pub offered: Offered,
    /// What is approved, in plain words.
    pub description: String,
    /// What the bank's policy says of it.
    pub verdict: Verdict,
    /// The earlier version of that name, and what is another; none where no version was offered before.
    pub earlier: Option<Earlier>,
}

/// An earlier version of a task.
#[derive(Clone, Debug, Serialize)]
pub struct Earlier {
    /// True if this bank's operator approved it; otherwise it was offered alone.
    pub approved: bool,
    /// True if nothing changes in what is read of the bank's file.
    pub reads_the_same: bool,
    /// Its hash, and what is another.
    #[serde(flatten)]
    pub changes: Changes,
}

impl Offered {
    /// What was said so far, in words.
    pub fn word(&self) -> &'static str {
        match (self.decision, self.signed, self.allowed) {
            (Some(Decision::Refused), false, _) => "refused",
            (Some(Decision::Refused), true, _) => "approved before, refused now",
            (_, _, false) => "refused by the policy",
            (Some(Decision::Approved), ..) | (None, true, true) => "approved",
            (None, false, true) => "not decided",
        }
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let progress = match (self.step, self.steps) {
            (Some(step), Some(steps)) => format!("{step} of {steps} steps done"),
            _ => "not begun".to_owned(),
        };
        format!(
            "{:24} {}  {}, {} rounds, {progress}",
            self.name,
            self.task,
            self.word(),
            self.rounds
        )
    }

    /// What the operator said, and what can be said next.
    fn decision_in_words(&self) -> String {
        let task = self.task.get(..8).unwrap_or(&self.task);
        match (self.decision, self.signed) {
            (None, true) => "an approval of this bank stands in the log for good".to_owned(),
            (None, false) if self.allowed => {
                format!("this bank's operator has not decided: veilsum-client task approve {task}, or task refuse {task}")
            }
            (None, false) => "this bank's operator has not decided; by its policy this bank takes no part".to_owned(),
            (Some(Decision::Approved), true) => {
                "this bank's operator approved it, and the approval stands in the log for good".to_owned()
            }
            (Some(Decision::Approved), false) => {
                "this bank's operator approved it; the daemon has not signed that yet".to_owned()
            }
            (Some(Decision::Refused), true) => {
                "this bank's operator approved it, which stands in the log for good, and refuses it now: the bank sits out every round that begins"
                    .to_owned()
            }
            (Some(Decision::Refused), false) => {
                format!("this bank's operator refused it; to change that: veilsum-client task approve {task}")
            }
        }
    }
}

impl Shown {
    /// Lines for people.
    pub fn text(&self) -> String {
        let mut lines = vec![self.description.trim_end().to_owned(), String::new()];
        lines.push("What your policy says of it".to_owned());
        lines.extend(self.verdict.lines().into_iter().map(|line| format!("  {line}")));
        lines.push("\nWhat was said so far".to_owned());
        lines.push(format!("  {}", self.offered.decision_in_words()));
        if let Some(earlier) = &self.earlier {
            let word = if earlier.approved {
                "which you approved"
            } else {
                "which was offered before and not approved here"
            };
            lines.push(format!(
                "\nWhat is another than in version {:?}, {word}",
                earlier.changes.earlier
            ));
            let told = earlier.changes.describe();
            lines.extend(told.lines().map(|line| format!("  {line}")));
        }
        lines.join("\n")
    }
}
