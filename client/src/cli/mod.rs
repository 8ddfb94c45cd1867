//! The bank's command line. Results go to standard output, traces to standard error.
//!
//! Exit codes: 0 done, 1 a finding or failure, 2 wrong usage or configuration, 75 try again.

mod args;
mod failure;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use veilsum_settings::core_dump;

use self::args::{Cli, Command, DataCommand, SchemaCommand};
pub use self::failure::Failure;
use crate::app;
use crate::command::config::ConfigCommand;
use crate::command::roster::RosterCommand;
use crate::command::task::TaskCommand;
use crate::command::{
    backup, columns, config, data, decisions, enrol, explain, merges, model, monitor, page, preflight,
    roster, score, status, table, task, watch,
};
use crate::enrol::folder::Wishes;
use crate::enrol::init;
use crate::survey::WARNING;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("VEILSUM_TRACE").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    // Before any key is read, whatever the command.
    let private = core_dump::forbid().map_err(Failure::finding);
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
        Command::Preflight(command) => {
            let report = preflight::execute(command)?;
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Config {
            command: ConfigCommand::Check { dir },
        } => {
            let checked = config::check(dir);
            print(cli.json, &checked, || checked.text())?;
            if let Some(problems) = checked.problems() {
                return Err(Failure::usage(problems));
            }
        }
        Command::Data {
            command: DataCommand::Check { bank },
        } => {
            let report = data::check(&bank.dir)?;
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Task { command } => match command {
            TaskCommand::List { dir } => {
                let (offered, waits_for) = task::list(dir)?;
                if let Some(waits_for) = waits_for.as_deref().filter(|_| cli.json) {
                    say(waits_for);
                }
                print(cli.json, &offered, || task::lines(&offered, waits_for.as_deref()))?;
            }
            TaskCommand::Show { dir, task: wanted } => {
                let shown = task::show(dir, wanted)?;
                print(cli.json, &shown, || shown.text())?;
            }
            TaskCommand::Approve {
                dir,
                yes,
                task: wanted,
            } => {
                let decided = task::approve(dir, wanted, *yes)?;
                print(cli.json, &decided, || decided.text())?;
            }
            TaskCommand::Refuse {
                dir,
                yes,
                reason,
                task: wanted,
            } => {
                let decided = task::refuse(dir, wanted, *reason, *yes)?;
                print(cli.json, &decided, || decided.text())?;
            }
        },
        Command::Columns { bank, task } => {
            let report = columns::columns(&bank.dir, task)?;
            print(cli.json, &report, || report.text())?;
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
        Command::Model { command } => {
            let report = model::execute(command, &say)?;
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Score(command) => {
            let report = score::execute(command)?;
            print(cli.json, &report, || report.text())?;
        }
        Command::Explain(command) => {
            let report = explain::execute(command, &say)?;
            print(cli.json, &report, || report.text())?;
        }
        Command::Decisions { command } => return decisions::execute(command, cli.json, &mut line, &say),
        Command::Monitor(command) => {
            let report = monitor::execute(command, &say)?;
            print(cli.json, &report, || report.text())?;
            return Ok(report.exit_code());
        }
        Command::Serve { bank } => model::serve(&bank.dir, &say)?,
        Command::Page { bank } => {
            let link = page::link(&bank.dir)?;
            print(cli.json, &link, || link.text())?;
        }
        Command::Watch { bank, until_finished } => watch::watch(&bank.dir, cli.json, *until_finished)?,
        Command::Status { bank } => {
            let report = status::status(&bank.dir)?;
            print(cli.json, &report, || report.text())?;
        }
        Command::Keep(command) => {
            let report = backup::execute(command)?;
            print(cli.json, &report.json, || report.text)?;
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
    self::line(&line)
}

/// Prints a line of a result.
fn line(line: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        // A reader that went away has seen enough; the exit code still tells the outcome.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::finding(format!("standard output: {error}"))),
    }
}
