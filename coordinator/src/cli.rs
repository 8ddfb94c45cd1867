//! The operator's command line. Results go to standard output, traces to standard error.
//!
//! Exit codes: 0 done, 1 a finding or failure, 2 wrong usage or configuration, 75 try again.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use tracing_subscriber::EnvFilter;

use crate::enrol::{EnrolError, init, roster};

/// The operator's daemon of a consortium that trains together without showing its data.
#[derive(Debug, Parser)]
#[command(name = "veilsum-coordinator", version)]
struct Cli {
    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the authority, the coordinator's keys and its configuration
    Init {
        /// Name of the consortium and origin of its log, such as example.org/credit
        #[arg(long)]
        name: String,
        /// UDP address to listen on, such as 0.0.0.0:7443
        #[arg(long)]
        listen: SocketAddr,
        /// Host name or IP address under which banks reach it; the first is the one that they dial
        #[arg(long = "host", required = true)]
        hosts: Vec<String>,
        /// The folder to make
        #[arg(long)]
        dir: PathBuf,
        /// Validity of the coordinator's certificate, in days
        #[arg(long, default_value_t = 825)]
        days: u32,
    },
    /// Verify banks' requests, issue their certificates and add them to the roster
    ///
    /// The same request again renews the bank's certificate.
    Enrol {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Validity of the certificates, in days
        #[arg(long, default_value_t = 397)]
        days: u32,
        /// The banks' request files
        #[arg(required = true)]
        requests: Vec<PathBuf>,
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
    let now = OffsetDateTime::now_utc();
    match &cli.command {
        Command::Init {
            name,
            listen,
            hosts,
            dir,
            days,
        } => {
            let options = init::InitOptions {
                name: name.clone(),
                listen: *listen,
                hosts: hosts.clone(),
                dir: dir.clone(),
                days: *days,
            };
            let report = init::init(&options, now)?;
            print(cli.json, &report, || {
                format!(
                    "consortium {}\naddress    {}\nlog key    {}\nconfig     {}\nnext: veilsum-coordinator enrol --dir '{}' BANK.request.toml ...",
                    report.name,
                    report.address,
                    report.log_key,
                    report.config.display(),
                    dir.display(),
                )
            })
        }
        Command::Enrol { dir, days, requests } => {
            let report = roster::enrol(dir, requests, *days, now)?;
            print(cli.json, &report, || {
                let mut lines: Vec<_> = report
                    .admitted
                    .iter()
                    .map(|bank| {
                        let done = if bank.renewed { "renewed" } else { "admitted" };
                        format!(
                            "{done} {} at position {}: hand over {}",
                            bank.name,
                            bank.index,
                            bank.folder.display()
                        )
                    })
                    .collect();
                lines.push(format!(
                    "roster of {} banks, consortium.toml sha256 {}",
                    report.banks, report.consortium_sha256
                ));
                lines.join("\n")
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
