//! What the bank's operator decides on, as commands and pages show it.

use serde::Serialize;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Changes;
use veilsum_protocol::wire::refusal::RefusalReason;

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
    /// What others hear of why, where the operator refused it.
    pub reason: Option<RefusalReason>,
    /// True if the daemon has taken an approval up and signed it: it stands in the log for good.
    pub signed: bool,
    /// True if the bank's policy allows it.
    pub allowed: bool,
    /// True if it is not known what the policy says: the policy or the roster cannot be read. Until then it allows nothing.
    pub unjudged: bool,
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
    /// Hash of the last version of that name that was offered after this one.
    pub later: Option<String>,
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
            (Some(Decision::Approved), _, false) if self.unjudged => {
                "approved, what the policy says is not known"
            }
            (None, _, false) if self.unjudged => "not decided, what the policy says is not known",
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

    /// The start of its hash by which commands and questions name it.
    pub fn short(&self) -> &str {
        self.task.get(..8).unwrap_or(&self.task)
    }

    /// What the operator said.
    pub(crate) fn said(&self) -> String {
        let said = match (self.decision, self.signed) {
            (None, true) => "an approval of this bank stands in the log for good",
            (None, false) if self.allowed => "this bank's operator has not decided",
            (None, false) => "this bank's operator has not decided; by its policy this bank takes no part",
            (Some(Decision::Approved), true) => {
                "this bank's operator approved it, and the approval stands in the log for good"
            }
            (Some(Decision::Approved), false) => {
                "this bank's operator approved it; the daemon has not signed that yet"
            }
            (Some(Decision::Refused), true) => {
                "this bank's operator approved it, which stands in the log for good, and refuses it now: the bank sits out every round that begins"
            }
            (Some(Decision::Refused), false) => "this bank's operator refused it",
        };
        match self.reason {
            Some(reason) => format!("{said}. Others hear of why: {}", reason.words()),
            None => said.to_owned(),
        }
    }

    /// The commands with which it can be decided now; none where that changes nothing.
    fn next(&self) -> Option<String> {
        let task = self.short();
        match (self.decision, self.signed) {
            (None, false) if self.allowed => Some(format!(
                "to decide: veilsum-client task approve {task}, or task refuse {task}"
            )),
            (Some(Decision::Refused), false) => {
                Some(format!("to change that: veilsum-client task approve {task}"))
            }
            _ => None,
        }
    }
}

impl Earlier {
    /// What it is called, with whether it was approved.
    pub(crate) fn title(&self) -> String {
        let word = if self.approved {
            "which you approved"
        } else {
            "which was offered before and not approved here"
        };
        format!(
            "What is another than in version {:?}, {word}",
            self.changes.earlier
        )
    }
}

impl Shown {
    /// Lines for people.
    pub fn text(&self) -> String {
        let mut lines = vec![self.description.trim_end().to_owned(), String::new()];
        lines.push("What your policy says of it".to_owned());
        lines.extend(self.verdict.lines().into_iter().map(|line| format!("  {line}")));
        lines.push("\nWhat was said so far".to_owned());
        lines.push(match self.offered.next() {
            Some(next) => format!("  {}; {next}", self.offered.said()),
            None => format!("  {}", self.offered.said()),
        });
        lines.extend(self.overtaken().map(|words| format!("  {words}")));
        if let Some(earlier) = &self.earlier {
            lines.push(format!("\n{}", earlier.title()));
            let told = earlier.changes.describe();
            lines.extend(told.lines().map(|line| format!("  {line}")));
        }
        lines.join("\n")
    }

    /// That another version came after this one, in words.
    pub(crate) fn overtaken(&self) -> Option<String> {
        let later = self.later.as_ref()?;
        let short = later.get(..8).unwrap_or(later);
        Some(format!(
            "a later version of that name is offered, {short}; a coordinator gives a name again only when its task is over"
        ))
    }

    /// What all of it hashes to: two looks that a person could tell apart have different marks, so that a decision names what it was made on.
    pub fn mark(&self) -> String {
        let all = format!("{}\n{}", self.offered.task, self.text());
        Digest::of(all.as_bytes()).to_hex()
    }
}
