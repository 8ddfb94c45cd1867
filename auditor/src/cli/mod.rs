//! The auditor's command line, a file for each command. Results go to standard output, progress to standard error.
//!
//! Exit codes: 0 everything verifies, 1 a finding, 2 wrong usage or nothing to look at, 75 not reachable now.

mod account;
mod enrol;
mod export;
mod init;
mod key;
mod known;
mod mirror;
mod page;
mod policy;
mod progress;
mod proxy;
mod receipt;
mod renew;
mod show;
mod trust;
mod verify;
mod watch;
mod web;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use self::trust::Trust;

/// Reads a published round log and checks it, believing nothing but the keys that you pin.
#[derive(Debug, Parser)]
#[command(name = "veilsum-auditor", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the key that opens the operator's door, and the request to be enrolled
    Init(init::Init),
    /// Be enrolled by the invitation that the operator sent: makes the key, asks, waits, and fetches the certificate
    Enrol(enrol::Enrol),
    /// Get another certificate of the same key and name; commands that read from the operator do it by themselves when a third of its validity is left
    Renew(renew::Renew),
    /// Check a whole log and, with an archive, every sum in it
    Verify(verify::Verify),
    /// Copy a served log into a folder, if it continues what is there, and the files that it names
    Mirror(mirror::Mirror),
    /// Mirror and check a served log again and again, and tell what is new in it
    Watch(watch::Watch),
    /// Write a signed folder with all that the log holds of some rounds, or check one
    Export(export::Export),
    /// Make your own key, to sign exports with
    Key {
        #[command(subcommand)]
        what: key::Key,
    },
    /// Print the keys of log and witnesses, and how many cosignatures it takes, as a policy file for other tools
    Policy(policy::Policy),
    /// What a bank's receipts prove, offline
    Receipt {
        #[command(subcommand)]
        what: receipt::Receipts,
    },
    /// Tell what the log says
    Show {
        #[command(subcommand)]
        what: show::Show,
    },
}

/// A command came to an end.
struct Outcome {
    /// Whether everything that it looked at holds.
    holds: bool,
    /// What goes to standard output.
    text: String,
}

/// A command could not do its work.
#[derive(Debug)]
enum Problem {
    /// Wrong usage, or nothing to look at.
    Usage(String),
    /// Something that is not reachable now.
    TryAgain(String),
    /// Somebody else says no.
    Refused(String),
}

impl Problem {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::TryAgain(_) => 75,
            Self::Refused(_) => 1,
        }
    }

    fn words(&self) -> &str {
        match self {
            Self::Usage(words) | Self::TryAgain(words) | Self::Refused(words) => words,
        }
    }

    /// What stands in the way is something that the caller gave.
    fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Init(command) => command.run(),
        Command::Enrol(command) => command.run(),
        Command::Renew(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Mirror(command) => command.run(),
        Command::Watch(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Key { what } => what.run(),
        Command::Policy(command) => command.run(),
        Command::Receipt { what } => what.run(),
        Command::Show { what } => what.run(),
    };
    match outcome {
        Ok(Outcome { holds, text }) => {
            // A reader that went away has seen enough; the exit code still tells the outcome.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::from(u8::from(!holds))
        }
        Err(problem) => {
            let _ = writeln!(io::stderr(), "error: {}", problem.words());
            ExitCode::from(problem.code())
        }
    }
}

/// One line of JSON.
fn json_line(value: &impl Serialize) -> Result<String, Problem> {
    let mut line = serde_json::to_string(value).map_err(Problem::usage)?;
    line.push('\n');
    Ok(line)
}
