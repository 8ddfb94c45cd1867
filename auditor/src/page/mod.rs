//! The report as one HTML page that stands alone: no network, no script, light and dark, on paper and on a phone.
//!
//! * `facts`: what the log says, sorted as the page shows it.
//! * `document`: the page from top to bottom, and the verdict at its head.
//! * `rounds`, `banks`, `models`, `checks`, `members`: its sections.
//! * `strip`: rounds as columns, drawn together where there are many.
//! * `curve`: a figure by step.
//! * `words`: numbers and times in words.
//!
//! All text goes through maud, which escapes it; a log's names are what others wrote.

mod banks;
mod checks;
mod curve;
mod document;
mod facts;
mod members;
mod models;
mod rounds;
mod strip;
mod words;

pub use curve::CurveError;

use time::OffsetDateTime;

use self::facts::Facts;
use crate::verify::examined::{Examined, examine};
use crate::verify::report::Report;
use crate::verify::{Audit, AuditError, Progress};

/// An audit whose page can be written.
#[derive(Debug)]
pub struct Audited {
    pub(crate) examined: Examined,
    key: String,
    pinned_rosters: usize,
}

impl Audited {
    /// Audits a log as [`verify`](crate::verify::verify) does, and keeps what the page tells.
    ///
    /// # Errors
    /// As [`verify`](crate::verify::verify).
    pub fn new(audit: &Audit, progress: impl FnMut(Progress)) -> Result<Self, AuditError> {
        Ok(Self {
            examined: examine(audit, progress)?,
            key: audit.key.to_string(),
            pinned_rosters: audit.rosters.len(),
        })
    }

    /// What the checks found.
    pub fn report(&self) -> &Report {
        &self.examined.report
    }

    /// The page; it says that it was made at `now`.
    ///
    /// # Errors
    /// If a curve cannot be drawn.
    pub fn page(&self, now: OffsetDateTime) -> Result<String, CurveError> {
        let facts = Facts::of(&self.examined.history);
        document::render(self, &facts, now)
    }
}
