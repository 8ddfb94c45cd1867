//! A whole log with all that its checks found, for those who tell of it.

use super::history::History;
use super::report::{Check, CheckReport, Ledger, Place, Report};
use super::{Archive, Audit, AuditError, Progress, check, open, report};
use crate::source::{SourceError, VerifiedLog};

/// A log that was checked.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The log's entries under their signed head, or why it is no true copy of a log of the pinned key.
    pub(crate) log: Result<VerifiedLog, SourceError>,
    /// The entries, sorted; empty without a log.
    pub(crate) history: History,
    /// What the checks found.
    pub(crate) report: Report,
}

/// Audits a log as [`verify`](super::verify) does, and keeps what was read.
///
/// # Errors
/// As [`verify`](super::verify).
pub(crate) fn examine(audit: &Audit, mut progress: impl FnMut(Progress)) -> Result<Examined, AuditError> {
    let archive = audit.archive.as_deref().map(Archive::open).transpose()?;
    let mut ledger = Ledger::new(|check| archive.is_some() || check < Check::ArchivedDirectory);
    let log = match open(audit)? {
        Ok(log) => log,
        Err(error) => {
            ledger.fail(Check::Log, Place::default(), error.to_string(), Check::Log.words());
            return Ok(Examined {
                log: Err(error),
                report: report(0, &History::default(), None, ledger),
                history: History::default(),
            });
        }
    };
    ledger.pass(Check::Log);
    let size = log.checkpoint().size;
    progress(Progress::Read { entries: size });
    let (history, replayed) = check(&log, &audit.rosters, archive.as_ref(), &mut ledger, &mut progress);
    Ok(Examined {
        report: report(size, &history, replayed, ledger),
        history,
        log: Ok(log),
    })
}

impl Examined {
    /// The same, if it is a true copy: of anything else nothing is told.
    ///
    /// # Errors
    /// [`AuditError::Untrue`].
    pub(crate) fn true_copy(self) -> Result<(VerifiedLog, History, Report), AuditError> {
        let log = self.log.map_err(AuditError::Untrue)?;
        Ok((log, self.history, self.report))
    }
}

/// Whether what is told rests on checks that hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// Whether every check passed, here and elsewhere in the log.
    pub holds: bool,
    /// What failed in the entries and rounds that are told of.
    pub here: Vec<String>,
    /// Failures elsewhere in the log.
    pub elsewhere: usize,
}

impl Standing {
    /// `concerned` picks the places that are told of. A failure without a place concerns everything.
    pub(crate) fn of(checks: &[CheckReport], concerned: impl Fn(&Place) -> bool) -> Self {
        let (mut here, mut elsewhere) = (Vec::new(), 0);
        for check in checks {
            for finding in &check.findings {
                if finding.place == Place::default() || concerned(&finding.place) {
                    here.push(format!("{}: {finding}", check.check.name()));
                } else {
                    elsewhere += 1;
                }
            }
        }
        Self {
            holds: here.is_empty() && elsewhere == 0,
            here,
            elsewhere,
        }
    }
}
