//! The audit of a log: named checks over its entries and, where the archive is at hand, the replay of every masked sum.
//!
//! * [`report`]: the checks and what they found.
//! * `history`: the entries sorted by round, and their order; `record`: what remains of a round that is checked.
//! * `rounds`: rounds through their checks while the log is read.
//! * `agreement`: the log against heads of it that were seen before or elsewhere.
//! * `membership`, `opening`, `collection`, `outcome`: the checks that need the log alone; `apart` spreads those with signatures.
//! * `archive`, `bundles`, `directories`, `replay`, `judged`, `prepared`, `published`, `retention`, `told_archive`: those that need the coordinator's archive.

pub mod agreement;
mod apart;
pub mod archive;
mod bundles;
mod collection;
mod directories;
pub(crate) mod examined;
pub(crate) mod history;
mod judged;
mod membership;
mod opening;
mod outcome;
pub(crate) mod prepared;
mod published;
pub(crate) mod record;
pub(crate) mod replay;
pub mod report;
pub mod retention;
mod rounds;
pub(crate) mod tell;
pub(crate) mod told_archive;
mod witnesses;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::{VerifiedCheckpoint, VerifierKey};
use veilsum_protocol::roster::Roster;

pub use self::agreement::{Contradiction, HeldCheckpoint, Known};
use self::archive::{Archive, ArchiveError};
use self::history::{History, Stage};
pub use self::judged::Judged;
use self::prepared::Prepared;
pub use self::published::published_judgement;
use self::record::RoundRecord;
use self::replay::Replayed;
use self::report::{Check, CheckReport, Ledger, Place, Report};
pub use self::retention::LetGo;
pub use self::tell::{Ending, Figures, Opening, ToldRound};
pub use self::told_archive::{Replay, ToldArchive};
pub use self::witnesses::{HeldReceipt, prove_receipt};
use crate::source::{LogReader, SourceError};

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
pub struct Progress {
    /// Entries that were read.
    pub read: u64,
    /// Entries of the log.
    pub of: u64,
    /// Rounds whose checks are done.
    pub rounds: usize,
    /// Whether that is all.
    pub over: bool,
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
pub fn verify(audit: &Audit, progress: impl FnMut(Progress)) -> Result<Report, AuditError> {
    Ok(verify_against(audit, &Known::default(), progress)?.report)
}

/// An audit that came to an end.
#[derive(Debug)]
pub struct Audited {
    /// What was found.
    pub report: Report,
    /// The signed head of the log; none if it is not signed.
    pub head: Option<VerifiedCheckpoint>,
    /// Pairs of signed notes that prove what was found.
    pub contradictions: Vec<Contradiction>,
    /// By task; only of those of which a sum was to be had.
    pub judged: BTreeMap<Digest, Judged>,
    pub(crate) history: History,
    /// What the published sums tell of tasks' columns, as far as their states were derived.
    pub(crate) prepared: Vec<Prepared>,
}

impl Audited {
    /// The rounds that came to an end with entry `size` or a later one, in order.
    pub fn rounds_since(&self, size: u64) -> Vec<ToldRound> {
        let ended = |round: &&RoundRecord| round.ended_at().is_some_and(|end| end >= size);
        let rounds = self.history.rounds.iter().filter(ended);
        rounds.map(|round| tell::round(&self.history, round)).collect()
    }
}

/// How often a log that grows while it is audited is audited again.
const MOST_PASSES: usize = 4;

/// Audits a log like [`verify`], and compares it with what is known of it.
///
/// Where files of the archive are missing and the log has grown meanwhile, as it may in the coordinator's own folders, it is audited again: they
/// may have been deleted by what the log says now.
///
/// # Errors
/// As [`verify`].
pub fn verify_against(
    audit: &Audit,
    known: &Known,
    mut progress: impl FnMut(Progress),
) -> Result<Audited, AuditError> {
    let mut audited = pass(audit, known, &mut progress)?;
    for _ in 1..MOST_PASSES {
        let seen = audited.head.as_ref().map_or(0, |head| head.checkpoint().size);
        let grown =
            || LogReader::head_of(&audit.log, &audit.key).is_ok_and(|head| head.checkpoint().size > seen);
        let archived = |check: &Check| *check >= Check::ArchivedDirectory;
        if !audited.report.failed().iter().any(archived) || !grown() {
            break;
        }
        audited = pass(audit, known, &mut progress)?;
    }
    Ok(audited)
}

fn pass(audit: &Audit, known: &Known, progress: &mut impl FnMut(Progress)) -> Result<Audited, AuditError> {
    let archive = audit.archive.as_deref().map(Archive::open).transpose()?;
    let ledger = || {
        Ledger::new(|check| match check {
            Check::GrewOnly => known.last.is_some(),
            Check::HeldCheckpoints => !known.held.is_empty(),
            Check::Receipts => !known.receipts.is_empty(),
            other => archive.is_some() || other < Check::ArchivedDirectory,
        })
    };
    let mut good = ledger();
    let read = open(audit)?.and_then(|log| {
        // Every file is seen before anything is told.
        let (history, replayed) = check(&log, &audit.rosters, archive.as_ref(), &mut good, progress)?;
        Ok((log, history, replayed))
    });
    match read {
        Ok((log, history, mut replayed)) => {
            let root_at = |size| log.root_at(size).ok().flatten();
            let contradictions = agreement::check(known, &audit.key, log.head(), root_at, &mut good);
            witnesses::receipts(
                &known.receipts,
                &history,
                log.head(),
                &audit.key,
                root_at,
                &mut good,
            );
            let prepared = replayed
                .as_mut()
                .map(|replayed| std::mem::take(&mut replayed.prepared));
            let judged = replayed
                .as_mut()
                .map(|replayed| std::mem::take(&mut replayed.judged));
            Ok(Audited {
                prepared: prepared.unwrap_or_default(),
                judged: judged.unwrap_or_default(),
                report: report(log.checkpoint().size, &history, replayed, good),
                head: Some(log.head().clone()),
                contradictions,
                history,
            })
        }
        Err(error) => {
            let mut ledger = ledger();
            ledger.fail(
                Check::Log,
                Place::default(),
                error.to_string(),
                Check::Log.words(),
            );
            // The signed head contradicts others by itself, whatever is wrong with the entries.
            let head = LogReader::head_of(&audit.log, &audit.key).ok();
            let contradictions = head
                .iter()
                .flat_map(|head| agreement::check(known, &audit.key, head, |_| None, &mut ledger));
            Ok(Audited {
                contradictions: contradictions.collect(),
                report: report(0, &History::default(), None, ledger),
                head,
                prepared: Vec::new(),
                judged: BTreeMap::new(),
                history: History::default(),
            })
        }
    }
}

/// One round in plain words, and for machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// Several lines for a terminal.
    #[serde(skip)]
    pub text: String,
    /// Whether every check that needs the log alone passed, in this round and elsewhere, and no file of the round is missing in the archive, if one
    /// was given.
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
    let (history, _) =
        check(&log, &audit.rosters, None, &mut ledger, &mut |_| ()).map_err(AuditError::Untrue)?;
    let known = history.rounds.iter().filter(|known| known.round.0 == round);
    let mut rounds: Vec<ToldRound> = known.map(|known| tell::round(&history, known)).collect();
    if rounds.is_empty() {
        let rounds = history.rounds.len();
        return Err(AuditError::NoRound { round, rounds });
    }
    if let Some(folder) = &audit.archive {
        let archive = Archive::open(folder)?;
        let told = told_archive::tell(&log, &archive, Round(round)).map_err(AuditError::Untrue)?;
        rounds
            .iter_mut()
            .for_each(|known| known.archive.clone_from(&told));
    }
    let (mut failed, _) = ledger.finish();
    failed.retain(|check| !check.findings.is_empty());
    let told: Vec<String> = rounds.iter().map(ToldRound::text).collect();
    Ok(Told {
        text: told.join("\n") + &tell::findings(&failed, round),
        holds: failed.is_empty() && rounds.iter().all(|round| !round.lacks_files()),
        rounds,
        failed,
    })
}

/// The log, or why it is not a true copy; the outer error is for what is not there at all.
fn open(audit: &Audit) -> Result<Result<LogReader, SourceError>, AuditError> {
    match LogReader::open(&audit.log, &audit.key) {
        Err(error @ (SourceError::NoCheckpoint { .. } | SourceError::Read { .. })) => {
            Err(AuditError::Log(error))
        }
        other => Ok(other),
    }
}

fn check(
    log: &LogReader,
    pinned: &[Roster],
    archive: Option<&Archive>,
    ledger: &mut Ledger,
    progress: &mut impl FnMut(Progress),
) -> Result<(History, Option<Replayed>), SourceError> {
    let mut history = History::default();
    let mut rounds = rounds::Rounds::new(archive, log);
    let of = log.checkpoint().size;
    let mut read = 0;
    let mut tell = |read, rounds, over| {
        progress(Progress {
            read,
            of,
            rounds,
            over,
        });
    };
    for bundle in log.bundles() {
        for entry in bundle? {
            history.read(&entry, ledger);
            read += 1;
        }
        if history.waiting() >= rounds::MOST_WAITING {
            let taken = history.take_rounds();
            rounds.check(&mut history, taken, ledger, |done| tell(read, done, false));
        }
    }
    ledger.pass(Check::Log);
    let last = history.take_last();
    rounds.check(&mut history, last, ledger, |done| tell(read, done, false));
    tell(read, history.rounds.len(), true);
    witnesses::head(&history, log.head(), ledger);
    membership::rosters(&history, &log.checkpoint().origin, pinned, ledger);
    membership::directories(&history, ledger);
    membership::approvals(&history, ledger);
    if let Some(last) = history.rounds.last().filter(|last| !last.is_over()) {
        ledger.notes.push(unfinished(last));
    }
    let replayed = rounds.finish(&history, ledger);
    Ok((history, replayed))
}

fn unfinished(round: &RoundRecord) -> String {
    let last = round.stage.entry_name();
    format!("round {} is not over: its last entry is {last}", round.round)
}

fn report(entries: u64, history: &History, replayed: Option<Replayed>, ledger: Ledger) -> Report {
    let (checks, notes) = ledger.finish();
    let count =
        |wanted: fn(&RoundRecord) -> bool| history.rounds.iter().filter(|round| wanted(round)).count();
    Report {
        entries,
        banks: history
            .rosters
            .last()
            .map_or(0, |roster| roster.value.banks().len()),
        rounds: count(|round| round.result.is_some()),
        aborted: count(|round| round.stage == Stage::Aborted),
        replayed: replayed.as_ref().map(|replayed| replayed.sums),
        let_go: replayed.map(|replayed| replayed.let_go).unwrap_or_default(),
        checks,
        notes,
    }
}
