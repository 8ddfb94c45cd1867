//! `export`: a signed folder of records, and its check.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use time::OffsetDateTime;
use veilsum_protocol::log::VerifierKey;

use super::{Outcome, Problem, Trust, json_line, progress};
use crate::export::{Checked, ExportError, Selection, check, export};
use crate::signer::Signer;
use crate::verify::Audit;

/// Failures of one check that are shown; JSON has all.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Export {
    #[command(subcommand)]
    check: Option<Check>,
    /// The log's folder, or a mirror of it
    #[arg(required = true)]
    log: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    /// One round
    #[arg(long, required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    round: Option<u64>,
    /// The first of several rounds
    #[arg(long, requires = "to")]
    from: Option<u64>,
    /// The last of them
    #[arg(long, requires = "from")]
    to: Option<u64>,
    /// The new folder
    #[arg(long, required = true)]
    into: Option<PathBuf>,
    /// Your key, made by `key generate`; without it the folder is not signed
    #[arg(long = "sign-with", value_name = "FILE")]
    sign_with: Option<PathBuf>,
    /// The coordinator's folder with `blobs` and `rounds`: replay every masked sum, and export the tasks' texts
    #[arg(long)]
    archive: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Check an export without a network: signature, hashes, proofs, checkpoint
    Verify(VerifyExport),
}

#[derive(Debug, Args)]
struct VerifyExport {
    /// The export
    folder: PathBuf,
    #[command(flatten)]
    trust: Trust,
    /// The auditor's key, as name+hash+base64 or a file with it; got from the auditor, not from the folder
    #[arg(long)]
    signed_by: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        if let Some(Check::Verify(verify)) = self.check {
            return verify.run();
        }
        let (Some(log), Some(into)) = (self.log, self.into) else {
            return Err(Problem::Usage(
                "found no log and folder, expected `export LOG --round N --into FOLDER` or `export verify FOLDER`".to_owned(),
            ));
        };
        let (key, rosters) = self.trust.pins()?;
        // A key that cannot be used is known before the log is read.
        let signer = self
            .sign_with
            .as_deref()
            .map(Signer::open)
            .transpose()
            .map_err(Problem::usage)?;
        let selection = match (self.round, self.from, self.to) {
            (Some(round), _, _) => Selection {
                from: round,
                to: round,
            },
            (None, Some(from), Some(to)) if from <= to => Selection { from, to },
            (None, from, to) => {
                return Err(Problem::Usage(format!(
                    "found rounds {} to {}, expected --round, or --from with a --to that is not before it",
                    from.unwrap_or_default(),
                    to.unwrap_or_default()
                )));
            }
        };
        let audit = Audit {
            log,
            key,
            rosters,
            archive: self.archive,
        };
        let now = OffsetDateTime::now_utc();
        match export(&audit, selection, &into, signer.as_ref(), now, progress::show()) {
            Ok(exported) if self.json => Ok(Outcome {
                holds: exported.verifies,
                text: json_line(&exported)?,
            }),
            Ok(exported) => Ok(Outcome {
                holds: exported.verifies,
                text: format!(
                    "{}\nwrote {} entries of {} rounds into {}, {}\n",
                    exported.verdict,
                    exported.records,
                    exported.rounds,
                    into.display(),
                    match &exported.signed_by {
                        Some(key) => format!("signed by {key}"),
                        None => "NOT signed: no --sign-with was given".to_owned(),
                    }
                ),
            }),
            Err(error @ ExportError::Untrue(_)) => Ok(Outcome {
                holds: false,
                text: format!("{error}\n"),
            }),
            Err(error) => Err(Problem::usage(error)),
        }
    }
}

impl VerifyExport {
    fn run(self) -> Result<Outcome, Problem> {
        let (key, _) = self.trust.pins()?;
        let auditor = self.signed_by.as_deref().map(auditor_key).transpose()?;
        let checked = check(&self.folder, &key, auditor.as_ref())
            .map_err(|error| Problem::Usage(format!("{error}; expected the folder of an export")))?;
        Ok(Outcome {
            holds: checked.verifies,
            text: if self.json {
                json_line(&checked)?
            } else {
                text(&checked)
            },
        })
    }
}

/// A key itself, or a file with it.
fn auditor_key(given: &str) -> Result<VerifierKey, Problem> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let text = fs::read_to_string(given).map_err(|error| {
        Problem::Usage(format!(
            "--signed-by {given}: it is no key, and no file that can be read: {error}"
        ))
    })?;
    text.trim()
        .parse()
        .map_err(|error| Problem::Usage(format!("{given}: {error}")))
}

fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for check in &checked.checks {
        let status = match (check.findings.len(), check.checked) {
            (0, 0) => "-",
            (0, _) => "ok",
            _ => "FAILED",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{status:<7} {:<12} {:>7}  {}",
            check.check, check.checked, check.words
        );
        for finding in check.findings.iter().take(SHOWN) {
            let _ = writeln!(text, "        {finding}");
        }
        if let Some(more @ 1..) = check.findings.len().checked_sub(SHOWN) {
            let _ = writeln!(text, "        and {more} more; --json lists all");
        }
    }
    for note in &checked.notes {
        let _ = writeln!(text, "note    {note}");
    }
    let verdict = if checked.verifies {
        "the export verifies"
    } else {
        "the export does NOT verify"
    };
    let _ = writeln!(text, "{verdict}");
    text
}
