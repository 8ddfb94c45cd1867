//! `status`: what the daemon is doing.

use std::path::Path;

use serde::Serialize;

use crate::app::{self, AppError};
use crate::participant::{FolderLock, Home, Status};
use crate::peer_text::shown;

/// The daemon's own words, and whether it is there.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// True if a daemon runs in the folder.
    running: bool,
    /// What it last wrote; none before its first start.
    status: Option<Status>,
}

fn seconds() -> i64 {
    i64::try_from(app::now().0).unwrap_or(i64::MAX)
}

/// Reads the status of the folder's daemon.
pub(crate) fn status(dir: &Path) -> Result<Report, AppError> {
    let config = app::config(dir)?;
    Ok(Report {
        running: FolderLock::is_taken(&config.state),
        status: Status::read(&Home::status(&config.state))?,
    })
}

impl Report {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        let Some(status) = &self.status else {
            return "the daemon has never run in this folder; start it with: veilsum-client run".to_owned();
        };
        let daemon = if self.running {
            format!("running, process {}", status.process)
        } else {
            "not running; the lines below are its last words".to_owned()
        };
        let round = status
            .round
            .map(|round| format!("round {round}: "))
            .unwrap_or_default();
        let epoch = status
            .epoch
            .map_or_else(|| "none".to_owned(), |epoch| epoch.to_string());
        let mut lines = vec![
            format!("bank       {} (position {})", status.bank, status.position),
            format!("daemon     {daemon}"),
            format!("link       {}", status.link),
            format!("now        {round}{}", status.doing),
            format!("key epoch  {epoch}"),
            format!("log        {} entries", status.log_entries),
        ];
        lines.extend(status.data.as_ref().map(|problem| {
            format!("data       NOT USABLE, this bank sits rounds out; as last read: {problem}")
        }));
        if status.certificate_until > 0 {
            let days = (status.certificate_until - seconds()).div_euclid(86_400);
            lines.push(match &status.renewal {
                None => format!("certificate valid for {days} more days, renewed by itself"),
                Some(problem) => {
                    format!(
                        "certificate VALID FOR {days} MORE DAYS, NOT RENEWED YET: {}",
                        shown(problem)
                    )
                }
            });
        }
        if status.proposed_roster.is_some() {
            lines.push(
                "roster     a change is proposed; to look at it: veilsum-client roster show".to_owned(),
            );
        }
        lines.extend(status.tasks.iter().map(|task| {
            let word = if task.approved { "approved" } else { "not approved" };
            format!(
                "task       {}: {word}, {} of {} steps done",
                task.name, task.step, task.steps
            )
        }));
        lines.join("\n")
    }
}
