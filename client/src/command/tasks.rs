//! `tasks` and `approve`: what the consortium offers, and the operator's word on it.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;

use serde::Serialize;
use veilsum_protocol::task::Task;

use crate::app::{self, AppError};
use crate::cli::Failure;
use crate::data::read_schema;
use crate::participant::{FolderLock, Home, Status};

/// An offered task.
#[derive(Debug, Serialize)]
pub(crate) struct Offered {
    name: String,
    task: String,
    approved: bool,
    rounds: u32,
    /// Steps that this bank derived, as the daemon last said.
    step: Option<u32>,
    steps: Option<u32>,
}

impl Offered {
    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let word = if self.approved { "approved" } else { "not approved" };
        let progress = match (self.step, self.steps) {
            (Some(step), Some(steps)) => format!("{step} of {steps} steps done"),
            _ => "not begun".to_owned(),
        };
        format!(
            "{:24} {}  {word}, {} rounds, {progress}",
            self.name, self.task, self.rounds
        )
    }
}

/// What the consortium has offered so far.
pub(crate) fn offered(dir: &Path) -> Result<Vec<Offered>, AppError> {
    let config = app::config(dir)?;
    let tasks = Home::tasks(&config.state)?;
    let approved = tasks.approved()?;
    let status = Status::read(&Home::status(&config.state))?.unwrap_or_default();
    let offered = tasks.offered()?.into_iter().map(|task| {
        let hash = task.hash();
        let known = status.tasks.iter().find(|known| known.task == hash.to_hex());
        Offered {
            approved: approved.contains(&hash),
            task: hash.to_hex(),
            rounds: task.rounds,
            step: known.map(|known| known.step),
            steps: known.map(|known| known.steps),
            name: task.name,
        }
    });
    Ok(offered.collect())
}

/// What came of `approve`.
#[derive(Debug, Serialize)]
pub(crate) struct Approved {
    pub(crate) name: String,
    pub(crate) task: String,
    /// True if a daemon is there to see it at once.
    pub(crate) daemon_runs: bool,
}

/// Shows what the task does and asks, unless `yes` says that the operator knows it already.
pub(crate) fn approve(dir: &Path, wanted: &str, yes: bool) -> Result<Approved, Failure> {
    let config = app::config(dir)?;
    let tasks = Home::tasks(&config.state).map_err(AppError::from)?;
    let task = tasks.find(wanted).map_err(Failure::usage)?;
    read_schema(&config.data.schema, &task.schema).map_err(Failure::usage)?;
    if !yes && !ask(&task)? {
        return Err(Failure::finding(
            "not approved; the bank takes no part in this task",
        ));
    }
    tasks.approve(&task).map_err(AppError::from)?;
    Ok(Approved {
        task: task.hash().to_hex(),
        name: task.name,
        daemon_runs: FolderLock::is_taken(&config.state),
    })
}

fn ask(task: &Task) -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::finding(format!("the terminal: {error}"));
    // On standard error, so that the result on standard output stays one line.
    let mut out = io::stderr();
    write!(
        out,
        "{}\nTake part with this bank's data? [y/N] ",
        task.describe()
    )
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
