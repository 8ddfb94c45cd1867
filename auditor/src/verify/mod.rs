//! The audit of a log: named checks over its entries and, where the archive is at hand, the replay of every masked sum.
//!
//! * [`report`]: the checks and what they found.
//! * `history`: the entries sorted by round, and their order.
//! * `membership`, `opening`, `collection`, `outcome`: the checks that need the log alone.
//! * `archive`, `bundles`, `replay`: those that need the coordinator's archive.

pub mod archive;
mod bundles;
mod collection;
pub(crate) mod examined;
pub(crate) mod history;
mod membership;
mod opening;
mod outcome;
mod replay;
pub mod report;
pub(crate) mod tell;

use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::Roster;

use self::archive::{Archive, ArchiveError};
use self::history::{History, RoundHistory, Stage};
use self::report::{Check, CheckReport, Ledger, Place, Report};
pub use self::tell::{Ending, Figures, Opening, ToldRound};
use crate::source::{MirrorSource, SourceError, VerifiedLog};

/// What is audited, and what the auditor believes beforehand.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The mirrored folder of the log.
    pub log: PathBuf,
    /// The log's pinned key.
    pub key: VerifierKey,
    /// Every roster that the log may name; empty to believe those that it names.
    pub rosters: Vec<Roster>,
    /// The coordinator's archive, for the replay.
    pub archive: Option<PathBuf>,
}

/// How far an audit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every entry hashes to the signed root.
    Read {
        /// Entries of the log.
        entries: u64,
    },
    /// The checks of one more round are done.
    Round {
        /// Rounds that are done.
        done: usize,
        /// Rounds in the log.
        of: usize,
    },
}

/// Why nothing could be audited.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The log's folder is not there or cannot be read.
    #[error(transparent)]
    Log(SourceError),
    /// The log's folder is no true copy of a log of the pinned key, so there is nothing to tell of a round in it.
    #[error("the log does NOT verify: {0}")]
    Untrue(SourceError),
    /// The archive is not there.
    #[error("the archive cannot be opened: {0}")]
    Archive(#[from] ArchiveError),
    /// No such round.
    #[error("round {round}: found none in a log of {rounds} rounds")]
    NoRound {
        /// The number that was asked for.
        round: u64,
        /// Rounds in the log.
        rounds: usize,
    },
}

/// Audits a log. What does not hold is in the report, the log's own hashes and signature included.
///
/// # Errors
/// [`AuditError`] if there is no log or no archive to look at.
pub fn verify(audit: &Audit, mut progress: impl FnMut(Progress)) -> Result<Report, AuditError> {
    let archive = audit.archive.as_deref().map(Archive::open).transpose()?;
    let mut ledger = Ledger::new(|check| archive.is_some() || check < Check::ArchivedDirectory);
    let log = match open(audit)? {
        Ok(log) => log,
        Err(error) => {
            let place = Place::default();
            ledger.fail(Check::Log, place, error.to_string(), Check::Log.words());
            return Ok(report(0, &History::default(), None, ledger));
        }
    };
    ledger.pass(Check::Log);
    let size = log.checkpoint().size;
    progress(Progress::Read { entries: size });
    let (history, replayed) = check(&log, &audit.rosters, archive.as_ref(), &mut ledger, &mut progress);
    Ok(report(size, &history, replayed, ledger))
}

/// One round in plain words, and for machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// Several lines for a terminal.
    #[serde(skip)]
    pub text: String,
    /// Whether every check that needs the log alone passed, in this round and elsewhere.
    #[serde(rename = "verifies")]
    pub holds: bool,
    /// The round. More than one where its number was used again, which is a finding.
    pub rounds: Vec<ToldRound>,
    /// The checks that failed, in this round and elsewhere.
    pub failed: Vec<CheckReport>,
}

/// Tells what the log says of a round, with what the checks found in it.
///
/// # Errors
/// As [`verify`], and [`AuditError::Untrue`] or [`AuditError::NoRound`].
pub fn tell_round(audit: &Audit, round: u64) -> Result<Told, AuditError> {
    let log = open(audit)?.map_err(AuditError::Untrue)?;
    let mut ledger = Ledger::new(|check| check < Check::ArchivedDirectory);
    let (history, _) = check(&log, &audit.rosters, None, &mut ledger, &mut |_| ());
    let rounds: Vec<ToldRound> = history
        .rounds
        .iter()
        .filter(|known| known.round.0 == round)
        .map(|known| tell::round(&history, known))
        .collect();
    if rounds.is_empty() {
        let rounds = history.rounds.len();
        return Err(AuditError::NoRound { round, rounds });
    }
    let (mut failed, _) = ledger.finish();
    failed.retain(|check| !check.findings.is_empty());
    let told: Vec<String> = rounds.iter().map(ToldRound::text).collect();
    Ok(Told {
        text: told.join("\n") + &tell::findings(&failed, round),
        holds: failed.is_empty(),
        rounds,
        failed,
    })
}

/// The log, or why it is not a true copy; the outer error is for what is not there at all.
fn open(audit: &Audit) -> Result<Result<VerifiedLog, SourceError>, AuditError> {
    match MirrorSource::open(&audit.log, &audit.key) {
        Err(error @ (SourceError::NoCheckpoint { .. } | SourceError::Read { .. })) => {
            Err(AuditError::Log(error))
        }
        other => Ok(other),
    }
}

fn check(
    log: &VerifiedLog,
    pinned: &[Roster],
    archive: Option<&Archive>,
    ledger: &mut Ledger,
    progress: &mut impl FnMut(Progress),
) -> (History, Option<usize>) {
    let history = History::read(log.entries(), ledger);
    membership::rosters(&history, &log.checkpoint().origin, pinned, ledger);
    membership::directories(&history, ledger);
    membership::approvals(&history, ledger);
    let mut replay = archive.map(|archive| replay::Replay::new(&history, archive));
    if let Some(replay) = &replay {
        replay.directories(ledger);
    }
    let mut openings = opening::Openings::default();
    let mut outcomes = outcome::Outcomes::default();
    for (done, round) in (1..).zip(&history.rounds) {
        if let Some(roster) = history.roster_at(round.begins_at) {
            openings.check(&history, round, roster, ledger);
            collection::check(round, &roster.value, ledger);
            outcomes.check(round, &roster.value, ledger);
        }
        if let Some(replay) = &mut replay {
            replay.round(round, ledger);
        }
        let of = history.rounds.len();
        progress(Progress::Round { done, of });
    }
    if let Some(last) = history.rounds.last().filter(|last| !last.is_over()) {
        ledger.notes.push(unfinished(last));
    }
    let replayed = replay.map(|replay| replay.replayed());
    (history, replayed)
}

fn unfinished(round: &RoundHistory) -> String {
    let last = round.stage.entry_name();
    format!("round {} is not over: its last entry is {last}", round.round)
}

fn report(entries: u64, history: &History, replayed: Option<usize>, ledger: Ledger) -> Report {
    let (checks, notes) = ledger.finish();
    let count =
        |wanted: fn(&RoundHistory) -> bool| history.rounds.iter().filter(|round| wanted(round)).count();
    Report {
        entries,
        banks: history
            .rosters
            .last()
            .map_or(0, |roster| roster.value.banks().len()),
        rounds: count(|round| round.result.is_some()),
        aborted: count(|round| round.stage == Stage::Aborted),
        replayed,
        checks,
        notes,
    }
}
