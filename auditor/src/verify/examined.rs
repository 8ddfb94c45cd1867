//! A log with all that the checks that need it alone found, for those who tell of it.

use serde::Serialize;

use super::history::History;
use super::report::{Check, CheckReport, Ledger, Place};
use super::{Audit, AuditError, check, open};

/// Reads and checks a log; of one that is no true copy nothing is told.
///
/// # Errors
/// [`AuditError::Log`] or [`AuditError::Untrue`].
pub(crate) fn examine(audit: &Audit) -> Result<(History, Vec<CheckReport>), AuditError> {
    let log = open(audit)?.map_err(AuditError::Untrue)?;
    let mut ledger = Ledger::new(|check| check < Check::ArchivedDirectory);
    let (history, _) =
        check(&log, &audit.rosters, None, &mut ledger, &mut |_| ()).map_err(AuditError::Untrue)?;
    Ok((history, ledger.finish().0))
}

/// Whether what is told rests on checks that hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
