//! The report as a file.

use std::io::{self, Write as _};
use std::path::Path;

use time::OffsetDateTime;

use super::Problem;
use crate::durable;
use crate::page::Page;
use crate::verify::{Audit, Audited, Known};

pub(super) fn write(path: &Path, audit: &Audit, known: &Known, audited: &Audited) -> Result<(), Problem> {
    let page = Page {
        audit,
        known,
        audited,
        now: OffsetDateTime::now_utc(),
    };
    durable::write(path, page.render().as_bytes())
        .map_err(|error| Problem::Usage(format!("{}: cannot write: {error}", path.display())))?;
    let _ = writeln!(io::stderr(), "wrote the report to {}", path.display());
    Ok(())
}
