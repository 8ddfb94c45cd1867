//! `task list`, `show`, `approve` and `refuse`: what the consortium offers, and the operator's word on it.

use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::app;
use crate::cli::Failure;
use crate::consent::{Consent, ConsentError, Decided, Offered, Shown};

/// What is done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List the tasks that the consortium offers, with this bank's word on each
    ///
    /// A bank that is in no roster yet is told so.
    List {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Show what a task reads, trains and sends, what the bank's policy says of it, and what is another than in the version before
    Show {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
    /// Show all that, and agree to the task after a question
    ///
    /// An approval is signed and stands in the log for good. A task beyond the limits of the bank's policy cannot be approved: exit code 1.
    Approve {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Agree without being asked
        #[arg(long)]
        yes: bool,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
    /// Say no to a task, and sit out the rounds of one that was approved before
    ///
    /// The coordinator's operator hears that this bank refuses and one of a few reasons in general words: without --reason that its operator
    /// decided so. It can be approved later.
    Refuse {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Refuse without being asked
        #[arg(long)]
        yes: bool,
        /// What others hear of why
        #[arg(long, value_parser = reasons(), default_value = RefusalReason::Operator.name())]
        reason: RefusalReason,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
}

impl From<ConsentError> for Failure {
    fn from(error: ConsentError) -> Self {
        if error.is_usage() {
            Self::usage(error)
        } else {
            Self::finding(error)
        }
    }
}

/// The closed list.
fn reasons() -> impl TypedValueParser<Value = RefusalReason> {
    let names = RefusalReason::ALL.map(RefusalReason::name);
    PossibleValuesParser::new(names)
        .try_map(|name| RefusalReason::from_name(&name).ok_or("no reason of the list"))
}

fn open(dir: &Path) -> Result<Consent, Failure> {
    Ok(Consent::open(app::config(dir)?)?)
}

/// What is offered, and what a bank without a roster waits for.
pub(crate) fn list(dir: &Path) -> Result<(Vec<Offered>, Option<String>), Failure> {
    let consent = Consent::look(app::config(dir)?)?;
    Ok((consent.list()?, consent.waits_for()))
}

/// Lines for people.
pub(crate) fn lines(offered: &[Offered], waits_for: Option<&str>) -> String {
    let mut lines: Vec<String> = offered.iter().map(Offered::line).collect();
    if lines.is_empty() {
        lines.push("none is known here yet; the daemon hears of tasks once it is connected".to_owned());
    }
    lines.extend(waits_for.map(str::to_owned));
    lines.join("\n")
}

pub(crate) fn show(dir: &Path, wanted: &str) -> Result<Shown, Failure> {
    Ok(open(dir)?.show(wanted)?)
}

/// Shows what the task does and asks, unless `yes` says that the operator knows it already.
pub(crate) fn approve(dir: &Path, wanted: &str, yes: bool) -> Result<Decided, Failure> {
    let consent = open(dir)?;
    let shown = consent.may_approve(wanted)?;
    if !yes && !ask(&shown, "Take part with this bank's data?")? {
        return Err(Failure::finding(
            "not approved; the bank takes no part in this task. To tell the coordinator so: veilsum-client task refuse",
        ));
    }
    Ok(consent.approve(&shown.offered.task, Some(&shown.mark()))?)
}

/// Shows the same and asks. `reason` is what others hear of why.
pub(crate) fn refuse(dir: &Path, wanted: &str, reason: RefusalReason, yes: bool) -> Result<Decided, Failure> {
    let consent = open(dir)?;
    let shown = consent.show(wanted)?;
    let question = if shown.offered.signed {
        "Sit out all rounds of this task from now on? The approval stands in the log for good."
    } else {
        "Refuse this task?"
    };
    if !yes && !ask(&shown, question)? {
        return Err(Failure::finding("not refused; nothing has changed"));
    }
    Ok(consent.refuse(&shown.offered.task, reason, Some(&shown.mark()))?)
}

fn ask(shown: &Shown, question: &str) -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::finding(format!("the terminal: {error}"));
    // On standard error, so that the result on standard output stays one line.
    let mut out = io::stderr();
    write!(out, "{}\n\n{question} [y/N] ", shown.text())
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
        return Err(Failure::usage(
            "there is nobody to ask on standard input; read the description above, then run it with --yes",
        ));
    }
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y", " yes \n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "yep", "ja", "y es"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
