//! `status`: what the daemon is doing.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::app::{self, AppError};
use crate::consent::moment;
use crate::egress::Ledger;
use crate::participant::{FolderLock, Home, Status};
use crate::peer_text::shown;

/// The daemon's own words, and whether it is there.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// True if a daemon runs in the folder.
    running: bool,
    /// What it last wrote; none before its first start.
    status: Option<Status>,
    /// Bytes that left the bank since its account began; none if that cannot be read.
    left: Option<u64>,
}

/// Reads the status of the folder's daemon.
pub(crate) fn status(dir: &Path) -> Result<Report, AppError> {
    let config = app::config(dir)?;
    Ok(Report {
        running: FolderLock::is_taken(&config.state),
        status: Status::read(&Home::status(&config.state))?,
        left: Ledger::read(&Home::egress(&config.state))
            .ok()
            .map(|account| account.totals.sum().bytes),
    })
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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
        let now = milliseconds();
        let epoch = status
            .epoch
            .map_or_else(|| "none".to_owned(), |epoch| epoch.to_string());
        let mut lines = vec![
            format!("bank       {} (position {})", status.bank, status.position),
            format!("daemon     {daemon}"),
            format!("link       {}", status.link_words(now)),
            format!("now        {}", status.now_words(now)),
            format!("key epoch  {epoch}"),
            format!("log        {} entries", status.log_entries),
        ];
        lines.extend(status.certificate_not_after.map(|end| {
            let days = end
                .saturating_sub(i64::try_from(now / 1000).unwrap_or(i64::MAX))
                .div_euclid(86_400);
            match &status.renewal {
                None => format!("cert       valid for {days} more days, renewed by itself"),
                Some(problem) => format!(
                    "cert       VALID FOR {days} MORE DAYS, NOT RENEWED YET: {}",
                    shown(problem)
                ),
            }
        }));
        lines.extend(
            status.page.as_ref().map(|address| {
                format!("page       http://{address}; to let a browser in: veilsum-client page")
            }),
        );
        lines.extend(self.left.as_ref().map(|left| {
            format!("left       {left} bytes in all, of the rows nothing but updates under masks")
        }));
        lines.extend(
            status
                .egress_problem
                .as_ref()
                .map(|problem| format!("left       CANNOT BE WRITTEN DOWN, rounds go on: {problem}")),
        );
        lines.extend(status.data.as_ref().map(|problem| {
            format!("data       NOT USABLE, this bank sits rounds out; as last read: {problem}")
        }));
        lines.extend(status.policy.as_ref().map(|problem| {
            format!("policy     CANNOT BE READ, this bank sits rounds out and no task is approved: {problem}")
        }));
        lines.extend(status.outside_hours_until.map(|until| {
            format!(
                "hours      outside of those in the policy: this bank sits rounds out until {}",
                moment(until)
            )
        }));
        if status.proposed_roster.is_some() {
            lines.push(
                "roster     a change is proposed; to look at it: veilsum-client roster show".to_owned(),
            );
        }
        lines.extend(status.tasks.iter().map(|task| {
            let word = match (&task.refused, task.approved) {
                (Some(_), true) => "approved before, refused now",
                (Some(_), false) => "refused",
                (None, true) => "approved",
                (None, false) => "not approved",
            };
            let why = task.refused.as_ref().map(|why| format!("; {why}"));
            format!(
                "task       {}: {word}, {} of {} steps done{}",
                task.name,
                task.step,
                task.steps,
                why.unwrap_or_default()
            )
        }));
        lines.join("\n")
    }
}
