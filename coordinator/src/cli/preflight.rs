//! Looks at everything before the coordinator runs, or beside it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use veilsum_preflight::Report;
use veilsum_protocol::task::Task;

use super::{Failure, print};
use crate::preflight::preflight;

/// Looks and prints.
pub(super) fn execute(
    dir: &Path,
    task: Option<&PathBuf>,
    json: bool,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    let named = |path: &PathBuf, error: &dyn ToString| {
        Failure::usage(format!("{}: {}", path.display(), error.to_string()))
    };
    let task = match task {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
            Some(Task::parse(&text).map_err(|error| named(path, &error))?)
        }
    };
    let mut report = Report::new(Box::new(progress));
    preflight(&mut report, dir, task.as_ref(), now);
    done();
    print(json, &report, || report.text())?;
    match report.exit_code() {
        0 => Ok(()),
        code => Err(Failure::told(code)),
    }
}

/// A line for what is being looked at: on a terminal it makes room for the next.
fn progress(line: &str) {
    let mut out = std::io::stderr();
    // Who closed standard error does not want it.
    let _ = if out.is_terminal() {
        write!(out, "\r\x1b[K{line} ...").and_then(|()| out.flush())
    } else {
        writeln!(out, "{line}")
    };
}

fn done() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
    }
}
