//! `preflight`: the command, before and after enrolment.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use veilsum_admission::invitation;
use veilsum_preflight::Report;

use crate::app;
use crate::cli::Failure;
use crate::config::Link;
use crate::preflight::{Wanted, of_folder, of_way};
use crate::transport::Proxy;

#[derive(Debug, Args)]
pub(crate) struct Preflight {
    /// The bank's folder
    #[arg(long, default_value = ".", conflicts_with_all = ["invitation", "coordinator"])]
    dir: PathBuf,
    /// Before enrolment: the way to the coordinator of this invitation alone; `-` reads it from standard input. It is not used up
    #[arg(long, value_name = "INVITATION", conflicts_with = "coordinator")]
    invitation: Option<String>,
    /// Before there is an invitation: the way to this coordinator alone
    #[arg(long, value_name = "HOST:PORT")]
    coordinator: Option<String>,
    /// Before enrolment: `http://host:port` of the proxy that outgoing connections must take; then it is `link.proxy`
    #[arg(long)]
    proxy: Option<String>,
    /// Look at the folder and this machine alone, and send nothing at all
    #[arg(long, conflicts_with_all = ["invitation", "coordinator"])]
    no_network: bool,
}

/// Looks. The report is whole whatever is found.
pub(crate) fn execute(command: &Preflight) -> Result<Report, Failure> {
    let mut report = Report::new(Box::new(progress));
    let now: &dyn Fn() -> _ = &app::now;
    let wanted = match (&command.invitation, &command.coordinator) {
        (Some(text), _) => {
            let given = invitation(text).map_err(Failure::usage)?;
            Some(Wanted::Invited(Box::new(given)))
        }
        (None, Some(address)) => Some(Wanted::At(address.clone())),
        (None, None) => None,
    };
    match &wanted {
        None if command.proxy.is_some() => {
            return Err(Failure::usage(
                "--proxy goes with --invitation or --coordinator; a bank's folder has link.proxy in bank.toml",
            ));
        }
        None => of_folder(&mut report, &command.dir, !command.no_network, now),
        Some(wanted) => {
            let link = Link {
                proxy: command.proxy.clone().unwrap_or_default(),
                ..Link::default()
            };
            of_way(&mut report, wanted, &link, proxy(&link)?, now);
        }
    }
    done();
    Ok(report)
}

fn proxy(link: &Link) -> Result<Option<Proxy>, Failure> {
    if !link.proxy.is_empty() && link.proxy_address().is_none() {
        // Not what was found: it may hold a password.
        return Err(Failure::usage("--proxy: expected http://host:port"));
    }
    Ok(app::proxy(link)?)
}

/// A line for what is being looked at: on a terminal it makes room for the next.
fn progress(line: &str) {
    let mut out = std::io::stderr();
    // Who closed standard error does not want it.
    let _ = if out.is_terminal() {
        write!(out, "\r\x1b[K{line} ...").and_then(|()| out.flush())
    } else {
        writeln!(out, "{line}")
    };
}

fn done() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
    }
}
