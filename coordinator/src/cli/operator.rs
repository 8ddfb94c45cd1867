//! Commands on the operator's own machine, when it is another one than the coordinator's.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::{Failure, print};
use crate::operator::{enrolment, tunnel};

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Be enrolled as an operator by an invitation: makes a key, asks, waits, and fetches what `operator page` needs
    ///
    /// The private key stays here. What is there already is kept, so that the command can be repeated after any failure. Exit code 75: the
    /// coordinator does not answer, or somebody has to decide first.
    Enrol {
        /// The line from `veilsum-coordinator invite --role operator`, which is as good as a key until it is used; `-`: from standard input
        invitation: String,
        /// The operator's folder on this machine; made if it is missing
        #[arg(long)]
        dir: PathBuf,
        /// End with exit code 75 where something has to be waited for
        #[arg(long)]
        no_wait: bool,
        /// Wait at most so many hours
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=2160), conflicts_with = "no_wait")]
        wait_hours: u64,
    },
    /// Show the operator's page in a browser on this machine: prints an address that lets one browser in, and carries it until Ctrl-C
    Page {
        /// The coordinator's host, by a name of its certificate, and the port of operator.secure_listen
        #[arg(value_name = "HOST:PORT")]
        coordinator: String,
        /// The folder that `operator enrol` made
        #[arg(long)]
        dir: PathBuf,
        /// Where the browser comes in, on this machine
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
}

pub(super) fn execute(command: &OperatorCommand, json: bool) -> Result<(), Failure> {
    match command {
        OperatorCommand::Enrol {
            invitation,
            dir,
            no_wait,
            wait_hours,
        } => {
            let patience = (!no_wait).then(|| Duration::from_secs(wait_hours.saturating_mul(3600)));
            let enrolled = enrolment::ask(invitation, dir, patience)?;
            print(json, &enrolled, || {
                format!(
                    "operator {} is enrolled in {}\ncertificate {}\nnext: veilsum-coordinator operator page HOST:PORT --dir '{}'",
                    enrolled.name,
                    enrolled.consortium,
                    enrolled.certificate.display(),
                    dir.display()
                )
            })
        }
        OperatorCommand::Page {
            coordinator,
            dir,
            listen,
        } => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::finding)?
            .block_on(page(coordinator, dir, *listen, json)),
    }
}

async fn page(coordinator: &str, dir: &Path, listen: SocketAddr, json: bool) -> Result<(), Failure> {
    let tunnel = tunnel::Tunnel::new(coordinator, dir)?;
    let listener = tunnel::listen(listen).await?;
    let here = listener.local_addr().map_err(Failure::finding)?;
    let link = format!("http://{here}/login?word={}", tunnel.word().await?);
    print(json, &json!({ "link": link }), || {
        format!(
            "{link}\nopen it in a browser on this machine; it lets one browser in, once, and only in the next five minutes. Ctrl-C ends it"
        )
    })?;
    tokio::select! {
        () = tunnel.carry(listener, say) => Ok(()),
        ended = tokio::signal::ctrl_c() => ended.map_err(Failure::finding),
    }
}

fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
