//! The report as one HTML page that stands alone: no network, no script, light and dark, on paper and on a phone.
//!
//! * `facts`: what the log says, sorted as the page shows it.
//! * `document`: the page from top to bottom, and the verdict at its head.
//! * `rounds`, `banks`, `columns`, `models`, `checks`, `members`: its sections; the models' pictures are those of [`veilsum_pictures`].
//! * `strip`: rounds as columns, drawn together where there are many.
//! * `words`: numbers and times in words.
//!
//! All text goes through maud, which escapes it; a log's names are what others wrote.

mod banks;
mod checks;
mod columns;
mod document;
mod facts;
mod members;
mod models;
mod rounds;
mod strip;
mod words;

pub use words::number;
pub(crate) use words::utc;

use time::OffsetDateTime;

use self::facts::Facts;
use crate::verify::report::Check;
use crate::verify::{Audit, Audited, Known};

/// What a page tells.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What was audited, and what was believed beforehand.
    pub audit: &'a Audit,
    /// What it was compared with.
    pub known: &'a Known,
    /// What came of it.
    pub audited: &'a Audited,
    /// When the page is made.
    pub now: OffsetDateTime,
}

impl Page<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        document::render(self, &Facts::of(&self.audited.history))
    }

    /// Whether the folder is a true copy of a log of the pinned key; of another nothing is told.
    pub(crate) fn is_true_copy(&self) -> bool {
        let log = self
            .audited
            .report
            .checks
            .iter()
            .find(|check| check.check == Check::Log);
        log.is_some_and(|check| check.findings.is_empty())
    }
}
