//! The auditor's command line. Results go to standard output, progress to standard error.
//!
//! Exit codes: 0 everything verifies, 1 a finding, 2 wrong usage or nothing to look at.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::Roster;

use crate::verify::report::Report;
use crate::verify::{Audit, AuditError, Progress, tell_round, verify};

/// Failures of one check that are shown; JSON has all.
const SHOWN: usize = 10;

/// Reads a published round log and checks it, believing nothing but the keys that you pin.
#[derive(Debug, Parser)]
#[command(name = "veilsum-auditor", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a whole log and, with an archive, every sum in it
    Verify {
        /// The log's folder, or a mirror of it
        log: PathBuf,
        #[command(flatten)]
        trust: Trust,
        /// The coordinator's folder with `blobs` and `rounds`: replay every masked sum
        #[arg(long)]
        archive: Option<PathBuf>,
        /// Print the report as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what the log says
    Show {
        #[command(subcommand)]
        what: Show,
    },
}

#[derive(Debug, Subcommand)]
enum Show {
    /// One round in plain words: who took part, who dropped out, what came of it
    Round {
        /// Its number
        number: u64,
        /// The log's folder, or a mirror of it
        log: PathBuf,
        #[command(flatten)]
        trust: Trust,
    },
}

/// What the auditor believes beforehand.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Trust {
    /// The log's key, as name+hash+base64
    #[arg(long)]
    key: Option<VerifierKey>,
    /// A file with the log's key
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The consortium's file, got from a bank: pins the log's key and the banks' keys; one for each roster of the log
    #[arg(long)]
    consortium: Vec<PathBuf>,
}

impl Trust {
    fn pins(&self) -> Result<(VerifierKey, Vec<Roster>), String> {
        let mut pinned = Vec::new();
        for path in &self.consortium {
            let file = Consortium::from_toml(&read(path)?);
            pinned.push(file.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        if let Some((first, _)) = pinned.first() {
            let key = first.log_key.clone();
            if let Some((other, _)) = pinned.iter().find(|(file, _)| file.log_key != key) {
                return Err(format!(
                    "found the log keys {key} and {}, expected files of one log",
                    other.log_key
                ));
            }
            return Ok((key, pinned.into_iter().map(|(_, roster)| roster).collect()));
        }
        if let Some(path) = &self.key_file {
            let key = read(path)?.trim().parse();
            let key = key.map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok((key, Vec::new()));
        }
        let key = self
            .key
            .clone()
            .ok_or("found no key, expected --key, --key-file or --consortium")?;
        Ok((key, Vec::new()))
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: cannot read: {error}", path.display()))
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let (code, text) = match execute(Cli::parse()) {
        Ok((true, text)) => (ExitCode::SUCCESS, text),
        Ok((false, text)) => (ExitCode::from(1), text),
        Err(problem) => {
            let _ = writeln!(io::stderr(), "error: {problem}");
            return ExitCode::from(2);
        }
    };
    // A reader that went away has seen enough; the exit code still tells the outcome.
    let _ = io::stdout().write_all(text.as_bytes());
    code
}

/// Whether everything holds, and what to print.
fn execute(cli: Cli) -> Result<(bool, String), String> {
    match cli.command {
        Command::Verify {
            log,
            trust,
            archive,
            json,
        } => {
            let (key, rosters) = trust.pins()?;
            let audit = Audit {
                log,
                key,
                rosters,
                archive,
            };
            let report = verify(&audit, show_progress()).map_err(|error| error.to_string())?;
            let text = if json { to_json(&report)? } else { to_text(&report) };
            Ok((report.holds(), text))
        }
        Command::Show {
            what: Show::Round { number, log, trust },
        } => {
            let (key, rosters) = trust.pins()?;
            let audit = Audit {
                log,
                key,
                rosters,
                archive: None,
            };
            match tell_round(&audit, number) {
                Ok(told) => Ok((told.holds, told.text)),
                Err(error @ AuditError::Untrue(_)) => Ok((false, format!("{error}\n"))),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// On a terminal one line that is written over; elsewhere a line at the start and at the end.
fn show_progress() -> impl FnMut(Progress) {
    let terminal = io::stderr().is_terminal();
    move |progress| {
        let mut err = io::stderr();
        let _ = match progress {
            Progress::Read { entries } => writeln!(err, "read {entries} entries up to the signed checkpoint"),
            Progress::Round { done, of } if terminal => {
                let end = if done == of { "\n" } else { "" };
                write!(err, "\rchecked {done} of {of} rounds{end}")
            }
            Progress::Round { done, of } if done == of => writeln!(err, "checked {of} rounds"),
            Progress::Round { .. } => Ok(()),
        };
    }
}

#[derive(Serialize)]
struct Json<'a> {
    verifies: bool,
    verdict: String,
    #[serde(flatten)]
    report: &'a Report,
}

fn to_json(report: &Report) -> Result<String, String> {
    let json = Json {
        verifies: report.holds(),
        verdict: report.verdict(),
        report,
    };
    let mut line = serde_json::to_string(&json).map_err(|error| error.to_string())?;
    line.push('\n');
    Ok(line)
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
