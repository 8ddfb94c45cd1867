//! The operator's command line. Results go to standard output, traces to standard error.
//!
//! Exit codes: 0 done, 1 a finding or failure, 2 wrong usage or configuration, 75 try again.

mod backup;
mod config;
mod curves;
mod enrolment;
mod operator;
mod page;
mod preflight;
mod rosters;
mod status;
mod task;
mod watch;

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use tracing_subscriber::EnvFilter;
use veilsum_admission::keyfile::KeyFileError;
use veilsum_settings::core_dump;

use self::backup::BackupCommand;
use self::config::ConfigCommand;
use self::enrolment::EnrolmentCommand;
use self::task::TaskCommand;
use crate::admin::{Answer, AskError};
use crate::app;
use crate::config::Config;
use crate::enrol::desk::Desk;
use crate::enrol::own_authority::OwnAuthority;
use crate::enrol::{EnrolError, form, init, renew, roster};

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
        /// Address to listen on by UDP and TCP, such as 0.0.0.0:7443
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
        /// The consortium's own authority, in place of a new one: its certificate, PEM
        #[arg(long, requires = "ca_key")]
        ca_cert: Option<PathBuf>,
        /// Its private key, PEM, mode 0600; it is copied into the folder
        #[arg(long, requires = "ca_cert")]
        ca_key: Option<PathBuf>,
    },
    /// Verify requests of banks, auditors and operators, issue their certificates, and add the banks to the roster
    ///
    /// Once the coordinator has run, a new bank waits in admitted.toml: propose it to the others with `roster propose`. The same request again renews the certificate. An auditor is put on the list in
    /// auditors.toml, an operator on the one in operators.toml, and deleting it there takes its access away.
    Enrol {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// Validity of the certificates, in days
        #[arg(long, default_value_t = 397)]
        days: u32,
        /// The request files
        #[arg(required = true)]
        requests: Vec<PathBuf>,
    },
    /// Issue another certificate for the coordinator's own key, before the present one expires or for other hosts; or for a member that asked
    ///
    /// Banks have nothing to do, and a running coordinator shows its new certificate within a second. Where the authority's key is in the folder it
    /// does this by itself when a third of the validity is left, for its own certificate and for members', unless enrolment.renewal is "ask".
    Renew {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The bank or auditor that asked for a new certificate, as `renewals` lists it
        #[arg(long, value_name = "NAME", conflicts_with_all = ["hosts", "days"])]
        member: Option<String>,
        /// Host names or IP addresses of the coordinator, the one in consortium.toml among them; those of the present certificate
        /// if none is named
        #[arg(long = "host")]
        hosts: Vec<String>,
        /// Validity of the certificate, in days
        #[arg(long, default_value_t = 825)]
        days: u32,
    },
    #[command(flatten)]
    Enrolment(EnrolmentCommand),
    #[command(flatten)]
    Backup(BackupCommand),
    /// Run the coordinator until SIGTERM
    ///
    /// Before there is a roster it enrols banks and auditors, and says what it waits for.
    Run {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Offer tasks to the banks, look at them, pause, resume and stop them; the coordinator must be running
    Task {
        #[command(subcommand)]
        command: TaskCommand,
    },
    /// Show the roster, propose a change of it to the banks, or withdraw one; the coordinator must be running
    Roster {
        #[command(subcommand)]
        command: rosters::RosterCommand,
    },
    /// Show banks, tasks, the round in progress and what is waited for
    Status {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Show the same live, until Ctrl-C: bars on a terminal, plain lines elsewhere, a line of JSON for each change with --json
    ///
    /// A coordinator that is stopped meanwhile is waited for.
    Watch {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// End when no task is left to run; with exit code 1 if the last one was stopped
        #[arg(long)]
        until_finished: bool,
    },
    /// On an operator's own machine: be enrolled, and have the operator's page there
    Operator {
        #[command(subcommand)]
        command: operator::OperatorCommand,
    },
    /// Look at everything that could keep the coordinator from serving, name each cause, and print what firewalls must let in
    ///
    /// Configuration, certificate, keys, log, clock, the name that banks dial, ports, disk, memory. The coordinator may run or not. Exit code 2:
    /// something on this machine has to be corrected. 1: this machine is in order, the way to it is not.
    Preflight {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// A task that will be offered: its rounds' disk and memory are counted
        #[arg(long, value_name = "FILE")]
        task: Option<PathBuf>,
    },
    /// Print an address that lets one browser in to the operator's page, once
    Page {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
    },
    /// Write the figures of every published step as event files for TensorBoard; the coordinator need not run
    Curves {
        /// The folder that `init` made
        #[arg(long)]
        dir: PathBuf,
        /// The folder to write to, with one folder in it for each task
        #[arg(long, value_name = "OUT")]
        tensorboard: PathBuf,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
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

    /// What is wrong stands in the result already.
    fn told(code: u8) -> Self {
        Self {
            code,
            message: String::new(),
        }
    }

    /// What may succeed when it is tried again: exit code 75.
    pub fn try_again(message: impl ToString) -> Self {
        Self {
            code: 75,
            message: message.to_string(),
        }
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        EnrolError::from(error).into()
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
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
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    // Before any key is read, whatever the command.
    let private = core_dump::forbid().map_err(Failure::finding);
    match private.and_then(|()| execute(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                let _ = writeln!(std::io::stderr(), "error: {message}");
            }
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
            ca_cert,
            ca_key,
        } => {
            let own = ca_cert.clone().zip(ca_key.clone());
            let own = own.map(|(certificate, key)| OwnAuthority { certificate, key });
            let options = init::InitOptions {
                name: name.clone(),
                listen: *listen,
                hosts: hosts.clone(),
                dir: dir.clone(),
                days: *days,
            };
            let report = init::init_with(&options, own.as_ref(), now)?;
            print(cli.json, &report, || {
                format!(
                    "consortium {}\naddress    {}\nlog key    {}\nconfig     {}\nauthority  sha256 {}\nnext: veilsum-coordinator invite --dir '{}' BANK, for each bank; and veilsum-coordinator run --dir '{}'",
                    report.name,
                    report.address,
                    report.log_key,
                    report.config.display(),
                    report.authority_sha256,
                    dir.display(),
                    dir.display(),
                )
            })
        }
        Command::Enrol { dir, days, requests } => {
            if rosters::has_log(dir) {
                return rosters::admit(dir, requests, *days, now, cli.json);
            }
            let report = roster::enrol(dir, requests, *days, now)?;
            print(cli.json, &report, || {
                let mut lines = enrolled(&report);
                lines.push(format!(
                    "roster of {} banks, consortium.toml sha256 {}",
                    report.banks, report.consortium_sha256
                ));
                lines.join("\n")
            })
        }
        Command::Renew {
            dir,
            member: Some(name),
            ..
        } => enrolment::renew_member(dir, name, cli.json, now),
        Command::Renew {
            dir,
            member: None,
            hosts,
            days,
        } => {
            let report = renew::renew(dir, &load(dir)?.identity, hosts, *days, now)?;
            print(cli.json, &report, || {
                format!(
                    "renewed {}: valid for {} days for {}\na running coordinator shows it within a second; banks have nothing to do",
                    report.certificate.display(),
                    report.days,
                    report.hosts.join(", ")
                )
            })
        }
        Command::Enrolment(command) => enrolment::execute(command, cli.json, now),
        Command::Backup(command) => backup::execute(command, cli.json, now),
        Command::Run { dir } => app::run(dir, &load(dir)?).map_err(|error| match error {
            app::RunError::Configuration(problem) => Failure::usage(problem),
            app::RunError::Failure(problem) => Failure::finding(problem),
        }),
        Command::Roster { command } => rosters::run(command, cli.json),
        Command::Status { dir } => {
            if let Some(waiting) = before_the_roster(dir)? {
                let report = serde_json::json!({ "waiting_for": waiting });
                return print(cli.json, &report, || format!("no roster yet: {waiting}"));
            }
            status::execute(dir, cli.json)
        }
        Command::Task { command } => task::execute(command, cli.json),
        Command::Watch { dir, until_finished } => watch::execute(dir, cli.json, *until_finished),
        Command::Operator { command } => operator::execute(command, cli.json),
        Command::Preflight { dir, task } => preflight::execute(dir, task.as_ref(), cli.json, now),
        Command::Page { dir } => page::execute(dir, cli.json),
        Command::Curves { dir, tensorboard } => curves::execute(dir, tensorboard, cli.json),
        Command::Config { command } => config::execute(command, cli.json),
    }
}

/// What was enrolled, a line each.
fn enrolled(report: &roster::EnrolReport) -> Vec<String> {
    let done = |renewed: bool| if renewed { "renewed" } else { "admitted" };
    let banks = report.admitted.iter().map(|bank| {
        format!(
            "{} {} at position {}: hand over {}",
            done(bank.renewed),
            bank.name,
            bank.index,
            bank.folder.display()
        )
    });
    let readers = report.readers.iter().map(|reader| {
        format!(
            "{} {} {}: hand over {}",
            done(reader.renewed),
            reader.role,
            reader.name,
            reader.folder.display()
        )
    });
    banks.chain(readers).collect()
}

fn load(dir: &Path) -> Result<Config, Failure> {
    Config::load(&init::Folder::at(dir).config(), std::env::vars_os()).map_err(Failure::usage)
}

/// What the first roster waits for; `None` once there is one. Told from the operator's files: before it there is no engine to ask.
fn before_the_roster(dir: &Path) -> Result<Option<String>, Failure> {
    match form::is_formed(dir) {
        Ok(false) => Ok(Some(Desk::new(dir).waits_for()?)),
        // A consortium file that cannot be read does not keep a running coordinator from answering.
        _ => Ok(None),
    }
}

fn unexpected(answer: Answer) -> Failure {
    match answer {
        Answer::Refused(problem) => Failure::finding(problem),
        _ => Failure::finding("the coordinator answered something else; is it of the same version?"),
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotRunning { .. } => Self::try_again(error),
            AskError::NoAnswer { .. } => Self::finding(error),
        }
    }
}

/// Prints a result: as JSON, or as the text for people.
pub(crate) fn print<T: Serialize>(
    json: bool,
    report: &T,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let line = if json {
        serde_json::to_string(report).map_err(Failure::finding)?
    } else {
        text()
    };
    match writeln!(std::io::stdout(), "{line}") {
        // A reader that went away has seen enough; the exit code still tells the outcome.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::finding(format!("standard output: {error}"))),
    }
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
