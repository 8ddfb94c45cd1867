//! `roster show`, `approve` and `refuse`: who is to belong to the consortium, and the operator's word on it.

use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use veilsum_protocol::roster_change::RosterChange;

use crate::app::{self, AppError};
use crate::cli::Failure;
use crate::participant::{Decision, FolderLock, Home, Proposed, RosterFiles};

/// What is done with the roster.
#[derive(Debug, Subcommand)]
pub(crate) enum RosterCommand {
    /// Show the bank's own fingerprint, the roster that it goes by, and the change that is proposed
    Show {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Show who joins and leaves, and agree to it after a question
    ///
    /// Compare the fingerprint of each bank that joins with what its administrators say by another channel. The daemon takes it up without a restart.
    Approve {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Agree without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Say no to the proposed change; the roster in force stays
    Refuse {
        /// The bank's folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

/// What `show` tells.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// The bank's name.
    bank: String,
    /// What the administrators of other banks compare.
    fingerprint: Option<String>,
    /// Hash of the roster in consortium.toml.
    roster: String,
    /// Its banks by position.
    banks: Vec<String>,
    /// Hash of the proposal.
    proposal: Option<String>,
    /// The change in plain words.
    change: Option<String>,
    /// The operator's word on it.
    decision: Option<Decision>,
}

pub(crate) fn show(dir: &Path) -> Result<Shown, Failure> {
    let config = app::config(dir)?;
    let (_, roster) = app::consortium(&config)?;
    let files = files(&config.state)?;
    let proposed = files.proposed().map_err(AppError::from)?;
    let decision = match &proposed {
        Some(proposed) => files.decision(&proposed.hash).map_err(AppError::from)?,
        None => None,
    };
    Ok(Shown {
        fingerprint: roster.named(&config.name).map(|bank| bank.fingerprint()),
        bank: config.name,
        roster: roster.hash().to_hex(),
        banks: roster.banks().iter().map(|bank| bank.name.clone()).collect(),
        proposal: proposed.as_ref().map(|proposed| proposed.hash.to_hex()),
        change: proposed.as_ref().map(describe),
        decision,
    })
}

impl Shown {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        let none = "not in the roster";
        let mut lines = vec![
            format!("bank        {}", self.bank),
            format!("fingerprint {}", self.fingerprint.as_deref().unwrap_or(none)),
            format!("roster      {}", self.roster),
            format!("banks       {}", self.banks.join(", ")),
        ];
        match &self.change {
            None => lines.push("no change is proposed".to_owned()),
            Some(change) => {
                lines.push(format!("a change is proposed:\n{}", change.trim_end()));
                lines.push(match self.decision {
                    None => "this bank has not decided: veilsum-client roster approve, or refuse".to_owned(),
                    Some(Decision::Approved) => "this bank's operator approved it".to_owned(),
                    Some(Decision::Refused) => "this bank's operator refused it".to_owned(),
                });
            }
        }
        lines.join("\n")
    }
}

fn describe(proposed: &Proposed) -> String {
    RosterChange::new(&proposed.before, &proposed.after).describe()
}

fn files(state: &Path) -> Result<RosterFiles, AppError> {
    Ok(Home::rosters(state)?)
}

/// What came of a decision.
#[derive(Debug, Serialize)]
pub(crate) struct Decided {
    /// Hash of the proposal.
    proposal: String,
    /// Yes or no.
    decision: Decision,
    /// True if a daemon is there to see it at once.
    daemon_runs: bool,
}

impl Decided {
    /// A line for people.
    pub(crate) fn text(&self) -> String {
        let word = match self.decision {
            Decision::Approved => "approved",
            Decision::Refused => "refused",
        };
        let then = if self.daemon_runs {
            "the daemon takes it up within a second"
        } else {
            "the daemon takes it up when it is started"
        };
        format!("the proposed roster is {word}; {then}")
    }
}

/// Shows the change and asks, unless `yes` says that the operator knows it already.
pub(crate) fn approve(dir: &Path, yes: bool) -> Result<Decided, Failure> {
    let (files, proposed, state) = open(dir)?;
    if !yes && !ask(&proposed)? {
        return Err(Failure::finding(
            "not approved; the roster in force stays. To tell the coordinator so: veilsum-client roster refuse",
        ));
    }
    decide(&files, &proposed, Decision::Approved, &state)
}

/// Says no.
pub(crate) fn refuse(dir: &Path) -> Result<Decided, Failure> {
    let (files, proposed, state) = open(dir)?;
    if files.decision(&proposed.hash).map_err(AppError::from)? == Some(Decision::Approved) {
        return Err(Failure::finding(
            "it is approved already, and what this bank signed cannot be taken back; ask the coordinator's operator to withdraw the proposal",
        ));
    }
    decide(&files, &proposed, Decision::Refused, &state)
}

fn open(dir: &Path) -> Result<(RosterFiles, Proposed, PathBuf), Failure> {
    let config = app::config(dir)?;
    let files = files(&config.state)?;
    let proposed = files.proposed().map_err(AppError::from)?.ok_or_else(|| {
        Failure::finding("no change of the roster is proposed, as far as the daemon has heard")
    })?;
    Ok((files, proposed, config.state))
}

fn decide(
    files: &RosterFiles,
    proposed: &Proposed,
    decision: Decision,
    state: &Path,
) -> Result<Decided, Failure> {
    files.decide(&proposed.hash, decision).map_err(AppError::from)?;
    Ok(Decided {
        proposal: proposed.hash.to_hex(),
        decision,
        daemon_runs: FolderLock::is_taken(state),
    })
}

fn ask(proposed: &Proposed) -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::finding(format!("the terminal: {error}"));
    // On standard error, so that the result on standard output stays one line.
    let mut out = io::stderr();
    write!(
        out,
        "{}\nGo by this roster? Compare the fingerprints by another channel first. [y/N] ",
        describe(proposed)
    )
    .and_then(|()| out.flush())
    .map_err(failed)?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
        return Err(Failure::usage(
            "there is nobody to ask on standard input; read the description above, then run it with --yes",
        ));
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
