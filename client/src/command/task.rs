//! `task list`, `show`, `approve` and `refuse`: what the consortium offers, and the operator's word on it.

use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::app;
use crate::cli::Failure;
use crate::consent::{Consent, ConsentError, Decided, Offered, Shown};

/// What is done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List the tasks that the consortium offers, with this bank's word on each
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
    /// The coordinator's operator hears that this bank's operator refused, and nothing else. It can be approved later.
    Refuse {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Refuse without being asked
        #[arg(long)]
        yes: bool,
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

fn open(dir: &Path) -> Result<Consent, Failure> {
    Ok(Consent::open(app::config(dir)?)?)
}

pub(crate) fn list(dir: &Path) -> Result<Vec<Offered>, Failure> {
    Ok(open(dir)?.list()?)
}

/// Lines for people.
pub(crate) fn lines(offered: &[Offered]) -> String {
    if offered.is_empty() {
        return "none is known here yet; the daemon hears of tasks once it is connected".to_owned();
    }
    let lines: Vec<String> = offered.iter().map(Offered::line).collect();
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
    Ok(consent.approve(&shown.offered.task)?)
}

/// Shows the same and asks.
pub(crate) fn refuse(dir: &Path, wanted: &str, yes: bool) -> Result<Decided, Failure> {
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
    Ok(consent.refuse(&shown.offered.task)?)
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
