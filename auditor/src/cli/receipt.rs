//! `receipt`: what a bank's receipt proves, without the log and without a network.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use veilsum_protocol::log::Receipt;
use veilsum_protocol::log::receipt::{MAX_RECEIPT_BYTES, Proven};
use veilsum_protocol::roster::Roster;

use super::{Outcome, Problem, Trust, json_line};
use crate::entry_json;
use crate::source::read_at_most;
use crate::verify::prove_receipt;

#[derive(Debug, Subcommand)]
pub(super) enum Receipts {
    /// Check receipts (`tlog-proof` files) against the pinned keys of the log and its banks, offline, and tell what they prove
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The receipts, such as a bank keeps in `state/receipts`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    /// Print one line of JSON for each
    #[arg(long)]
    json: bool,
}

impl Receipts {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        match self {
            Self::Verify(verify) => verify.run(),
        }
    }
}

/// What one file proves, for machines.
#[derive(Serialize)]
struct Line {
    file: String,
    verifies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    proven: Option<Told>,
}

#[derive(Serialize)]
struct Told {
    index: u64,
    size: u64,
    kind: &'static str,
    entry: serde_json::Value,
    cosigned_by: Vec<String>,
}

impl Verify {
    fn run(self) -> Result<Outcome, Problem> {
        let (key, rosters) = self.trust.pins()?;
        if rosters.is_empty() {
            return Err(Problem::Usage(
                "found no roster, expected --consortium FILE: a receipt is worth what the banks' cosignatures under it are, and their keys stand there".to_owned(),
            ));
        }
        let (mut holds, mut text) = (true, String::new());
        for path in &self.files {
            let bytes = read_at_most(path, MAX_RECEIPT_BYTES).map_err(Problem::usage)?;
            let bytes = bytes.ok_or_else(|| {
                Problem::Usage(format!("{}: not found; expected a receipt", path.display()))
            })?;
            let outcome = Receipt::parse(&bytes).and_then(|file| prove_receipt(&file, &key, &rosters));
            holds &= outcome.is_ok();
            let file = path.display().to_string();
            if self.json {
                let line = match outcome {
                    Ok((proven, roster)) => Line {
                        file,
                        verifies: true,
                        problem: None,
                        proven: Some(told(&proven, roster)),
                    },
                    Err(error) => Line {
                        file,
                        verifies: false,
                        problem: Some(error.to_string()),
                        proven: None,
                    },
                };
                text.push_str(&json_line(&line)?);
            } else {
                // Writing to a string cannot fail.
                let _ = match outcome {
                    Ok((proven, roster)) => write!(text, "{}", words(&file, &told(&proven, roster))),
                    Err(error) => writeln!(text, "FAILED  {file}: {error}"),
                };
            }
        }
        Ok(Outcome { holds, text })
    }
}

fn told(proven: &Proven, roster: &Roster) -> Told {
    let name = |bank| roster.bank(bank).map(|entry| entry.name.clone());
    Told {
        index: proven.index,
        size: proven.head.checkpoint().size,
        kind: entry_json::kind(&proven.entry),
        entry: entry_json::fields(&proven.entry),
        cosigned_by: proven.seen.by.keys().filter_map(|bank| name(*bank)).collect(),
    }
}

fn words(file: &str, told: &Told) -> String {
    format!(
        "ok      {file}\n        {} is entry {} of the log, under a checkpoint of {} entries\n        cosigned by {}\n        {}\n",
        told.kind,
        told.index,
        told.size,
        told.cosigned_by.join(", "),
        told.entry
    )
}
