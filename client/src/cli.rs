//! The bank's command line. Results go to standard output, traces to standard error.
//!
//! Exit codes: 0 done, 1 a finding or failure, 2 wrong usage or configuration, 75 try again.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::app::{self, AppError};
use crate::command::roster::RosterCommand;
use crate::command::{check, columns, data, enrol, merges, roster, status, table, tasks};
use crate::core_dump;
use crate::enrol::folder::Wishes;
use crate::enrol::{EnrolError, init};
use crate::survey::WARNING;

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
    /// Be enrolled by the invitation that the consortium's operator sent: makes keys and configuration, asks, waits, and fetches what `run`
    /// needs
    ///
    /// Private keys stay here. What is there already is kept, so that the command can be repeated after any failure. Exit code 75: the
    /// coordinator does not answer, or somebody has to decide first.
    Enrol {
        /// The line that the operator sent; it is as good as a key until it is used
        invitation: String,
        /// The bank's folder; made if it is missing
        #[arg(long)]
        dir: PathBuf,
        /// The table, or the images, for `data.file`
        #[arg(long)]
        data: Option<PathBuf>,
        /// The images' labels, for `data.labels`
        #[arg(long)]
        labels: Option<PathBuf>,
        /// The agreed schema, for `data.schema`
        #[arg(long)]
        schema: Option<PathBuf>,
        /// `http://host:port` of the proxy that outgoing connections must take, for `link.proxy`
        #[arg(long)]
        proxy: Option<String>,
        /// End with exit code 75 where something has to be waited for
        #[arg(long)]
        no_wait: bool,
        /// Wait at most so many hours
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=2160), conflicts_with = "no_wait")]
        wait_hours: u64,
    },
    /// Take part in the consortium's rounds until stopped
    Run {
        #[command(flatten)]
        bank: Folder,
    },
    /// Look at configuration, identity, data and connection; nothing derived from data is sent
    ///
    /// Exit code 2: something in the folder has to be corrected. 1: the folder is in order, the connection is not.
    Check {
        #[command(flatten)]
        bank: Folder,
    },
    /// List the tasks that the consortium offers
    Tasks {
        #[command(flatten)]
        bank: Folder,
    },
    /// Show what a task reads, trains and sends, and agree to it after a question
    Approve {
        #[command(flatten)]
        bank: Folder,
        /// Agree without being asked
        #[arg(long)]
        yes: bool,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
    /// Show what the consortium knows of a task's columns, from sums over all banks
    Columns {
        #[command(flatten)]
        bank: Folder,
        /// Name of the task, or 4 or more of the first characters of its hash
        task: String,
    },
    /// Look at the bank's own table; nothing of it leaves this machine
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
    /// Write a schema
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Show who belongs to the consortium, and decide on a proposed change
    Roster {
        #[command(subcommand)]
        command: RosterCommand,
    },
    /// Tell what the daemon is doing
    Status {
        #[command(flatten)]
        bank: Folder,
    },
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Show what each column looks like, what the bank's policy does to it, and how well rows hide among each other
    ///
    /// Cells are shown by their shape only. Exit code 2: a column that is read is refused, or a file has to be corrected. 1: rows do not hide as
    /// well as the policy asks.
    Check {
        #[command(flatten)]
        bank: Folder,
    },
    /// Count, spread and most frequent values of every column, with histograms
    ///
    /// Of images: how many of which size, and how many of each label.
    Profile {
        /// The table: CSV, plain or gzip, or Parquet; or images, IDX, plain or gzip
        file: PathBuf,
        /// The images' labels, IDX
        #[arg(long)]
        labels: Option<PathBuf>,
        /// Write a page with pictures, too
        #[arg(long)]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Draft a schema from a table, with the reason of each choice; it tells no single row
    Infer {
        /// The table: CSV, plain or gzip, or Parquet
        file: PathBuf,
        /// The column to predict
        #[arg(long)]
        label: Option<String>,
        /// Where to write the draft; it is printed otherwise
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Learn the byte-pair merges of a column of texts, from texts that anybody may read
    ///
    /// Merges spell out pieces of the texts and stand in the task, which the whole consortium reads: never learn them from customers' messages.
    /// The same texts give the same merges.
    Merges {
        /// The texts: a table (CSV, plain or gzip, or Parquet) with --column, or a file with a text on each line
        file: PathBuf,
        /// The table's column of texts
        #[arg(long)]
        column: Option<String>,
        /// How many merges to learn, 1 to 65536; the model has a vocabulary of 257 more
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        size: u32,
        /// Where to write the schema's lines; they are printed otherwise
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Folder {
    /// The bank's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
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

    /// Whether the same command may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.code == 75
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
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
            EnrolError::Argument(_) | EnrolError::KeyMode { .. } | EnrolError::Content { .. } => {
                Self::usage(error)
            }
            other => Self::finding(other),
        }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        if error.is_usage() {
            Self::usage(error)
        } else {
            Self::finding(error)
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
    // Before any key is read, whatever the command.
    let private = core_dump::forbid().map_err(|error| {
        Failure::finding(format!(
            "core dumps of this program cannot be turned off: {error}"
        ))
    });
    match private.and_then(|()| execute(&cli)) {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(code)
        }
    }
}

fn execute(cli: &Cli) -> Result<u8, Failure> {
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
            })?;
        }
        Command::Enrol {
            invitation,
            dir,
            data,
            labels,
            schema,
            proxy,
            no_wait,
            wait_hours,
        } => {
            let options = enrol::Options {
                invitation,
                dir,
                wishes: Wishes {
                    data: data.clone(),
                    labels: labels.clone(),
                    schema: schema.clone(),
                    proxy: proxy.clone(),
                },
                no_wait: *no_wait,
                patience: Duration::from_secs(wait_hours.saturating_mul(3600)),
            };
            let enrolled = enrol::enrol(&options, say)?;
            print(cli.json, &enrolled, || enrolled.text())?;
        }
        Command::Run { bank } => app::run(&bank.dir, Box::new(say))?,
        Command::Check { bank } => {
            let report = check::check(&bank.dir);
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Data {
            command: DataCommand::Check { bank },
        } => {
            let report = data::check(&bank.dir)?;
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Tasks { bank } => {
            let offered = tasks::offered(&bank.dir)?;
            print(cli.json, &offered, || {
                if offered.is_empty() {
                    "none is known here yet; the daemon hears of tasks once it is connected".to_owned()
                } else {
                    offered
                        .iter()
                        .map(tasks::Offered::line)
                        .collect::<Vec<_>>()
                        .join("\n")
                }
            })?;
        }
        Command::Columns { bank, task } => {
            let report = columns::columns(&bank.dir, task)?;
            print(cli.json, &report, || report.text())?;
        }
        Command::Approve { bank, yes, task } => {
            let approved = tasks::approve(&bank.dir, task, *yes)?;
            print(cli.json, &approved, || {
                let then = if approved.daemon_runs {
                    "the daemon takes it up within a second"
                } else {
                    "the daemon takes it up when it is started"
                };
                format!("task {} ({}) is approved; {then}", approved.name, approved.task)
            })?;
        }
        Command::Data {
            command: DataCommand::Profile { file, labels, html },
        } => {
            let profile = table::profile(file, labels.as_deref(), html.as_deref())?;
            print(cli.json, &profile, || profile.text())?;
        }
        Command::Schema {
            command: SchemaCommand::Infer { file, label, out },
        } => {
            let drafted = table::infer(file, label.as_deref(), out.as_deref())?;
            print(cli.json, &drafted, || drafted.text())?;
        }
        Command::Schema {
            command:
                SchemaCommand::Merges {
                    file,
                    column,
                    size,
                    out,
                },
        } => {
            let learned = merges::learn(file, column.as_deref(), *size as usize, out.as_deref())?;
            // The lines may go to a file unseen.
            say(&format!("warning: {WARNING}"));
            print(cli.json, &learned, || learned.text())?;
        }
        Command::Roster { command } => match command {
            RosterCommand::Show { dir } => {
                let shown = roster::show(dir)?;
                print(cli.json, &shown, || shown.text())?;
            }
            RosterCommand::Approve { dir, yes } => {
                let decided = roster::approve(dir, *yes)?;
                print(cli.json, &decided, || decided.text())?;
            }
            RosterCommand::Refuse { dir } => {
                let decided = roster::refuse(dir)?;
                print(cli.json, &decided, || decided.text())?;
            }
        },
        Command::Status { bank } => {
            let report = status::status(&bank.dir)?;
            print(cli.json, &report, || report.text())?;
        }
    }
    Ok(0)
}

/// One line of the daemon's progress.
fn say(line: &str) {
    // A daemon whose standard error was closed goes on.
    let _ = writeln!(std::io::stderr(), "{line}");
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
