//! `verify`: check a whole log and, with an archive, every sum in it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::known::{self, Last, Others};
use super::{Outcome, Problem, Trust, json_line, progress};
use crate::verify::report::Report;
use crate::verify::{Audit, verify_against};

/// Failures of one check that are shown; JSON has all.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The log's folder, or a mirror of it
    log: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The coordinator's folder with `blobs` and `rounds`: replay every masked sum
    #[arg(long)]
    archive: Option<PathBuf>,
    /// File with the checkpoint that was verified last: the log must only have grown since. Written when everything verifies, and made if it
    /// is missing
    #[arg(long)]
    last: Option<PathBuf>,
    #[command(flatten)]
    others: Others,
    /// Folder in which signed notes are kept that contradict each other
    #[arg(long)]
    evidence: Option<PathBuf>,
    /// Print the report as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        let audit = Audit {
            log: self.log,
            key,
            rosters,
            archive: self.archive,
        };
        let mut last = match &self.last {
            Some(path) => Some(Last::open(path, &audit.key)?),
            None => None,
        };
        let known = known::known(last.as_ref(), self.others.read()?);
        let mut audited = verify_against(&audit, &known, progress::show()).map_err(Problem::usage)?;
        if let Some(last) = &mut last {
            last.remember(&audited)?;
        }
        let kept = match &self.evidence {
            Some(folder) => known::keep(folder, &audited),
            None => audited
                .contradictions
                .iter()
                .map(|_| "two signed notes contradict each other; --evidence FOLDER keeps them".to_owned())
                .collect(),
        };
        audited.report.notes.extend(kept);
        let report = audited.report;
        Ok(Outcome {
            holds: report.holds(),
            text: if self.json {
                to_json(&report)?
            } else {
                to_text(&report)
            },
        })
    }
}

#[derive(Serialize)]
struct Json<'a> {
    verifies: bool,
    verdict: String,
    #[serde(flatten)]
    report: &'a Report,
}

fn to_json(report: &Report) -> Result<String, Problem> {
    json_line(&Json {
        verifies: report.holds(),
        verdict: report.verdict(),
        report,
    })
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (status, name, checked) = (check.status(), check.check.name(), check.checked);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{status:<7} {name:<18} {checked:>7}  {}",
            check.check.words()
        );
        for finding in check.findings.iter().take(SHOWN) {
            let _ = writeln!(text, "        {finding}");
        }
        if let Some(more @ 1..) = check.findings.len().checked_sub(SHOWN) {
            let _ = writeln!(text, "        and {more} more; --json lists all");
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "note    {note}");
    }
    let _ = writeln!(text, "{}", report.verdict());
    text
}
