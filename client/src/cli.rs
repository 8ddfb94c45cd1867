//! The bank's command line. Results go to standard output, traces to standard error.
//!
//! Exit codes: 0 done, 1 a finding or failure, 2 wrong usage or configuration, 75 try again.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::enrol::{EnrolError, init};

/// A bank's daemon: trains on the bank's own table and sends nothing but masked updates.
#[derive(Debug, Parser)]
#[command(name = "veilsum-client", version)]
struct Cli {
    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the bank's keys, its configuration and its request to be enrolled
    Init {
        /// Name of the bank: 1 to 32 of a-z, 0-9 and -
        #[arg(long)]
        name: String,
        /// The folder to make
        #[arg(long)]
        dir: PathBuf,
    },
}

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A finding or a failure: exit code 1.
    pub fn finding(message: impl ToString) -> Self {
        Self {
            code: 1,
            message: message.to_string(),
        }
    }

    /// Wrong usage or configuration: exit code 2.
    pub fn usage(message: impl ToString) -> Self {
        Self {
            code: 2,
            message: message.to_string(),
        }
    }

    /// What may succeed when it is tried again: exit code 75.
    pub fn try_again(message: impl ToString) -> Self {
        Self {
            code: 75,
            message: message.to_string(),
        }
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Argument(_) => Self::usage(error),
            other => Self::finding(other),
        }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("VEILSUM_TRACE").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match execute(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(code)
        }
    }
}

fn execute(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Init { name, dir } => {
            let report = init::init(name, dir)?;
            print(cli.json, &report, || {
                format!(
                    "bank    {}\nrequest {}\nsha256  {}\nconfig  {}\nnext: send the request to the coordinator's operator and compare its sha256 by another channel; it holds no secret",
                    report.name,
                    report.request.display(),
                    report.request_sha256,
                    report.config.display(),
                )
            })
        }
    }
}

/// Prints a result: as JSON, or as the text for people.
fn print<T: Serialize>(json: bool, report: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let line = if json {
        serde_json::to_string(report).map_err(Failure::finding)?
    } else {
        text()
    };
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| Failure::finding(format!("standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
