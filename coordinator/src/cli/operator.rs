//! Commands on the operator's own machine, when it is another one than the coordinator's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use veilsum_admission::reader::{Way, renew, renew_if_due};
use veilsum_admission::{Credentials, Names};
use zeroize::Zeroizing;

use super::{Failure, print};
use crate::operator::enrolment::{self, folder, say};
use crate::operator::tunnel;

/// The variable with the password for `--proxy-user`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

/// What the settings of a proxy are called here.
const NAMES: Names = Names {
    proxy: "--proxy",
    user: "--proxy-user",
    password: "the variable VEILSUM_PROXY_PASSWORD",
};

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// `http://host:port` of the HTTP proxy that outgoing connections must take
    #[arg(long)]
    proxy: Option<String>,
    /// Name at the proxy; the password comes from the variable VEILSUM_PROXY_PASSWORD
    #[arg(long, requires = "proxy")]
    proxy_user: Option<String>,
}

impl ProxyArgs {
    fn way(&self) -> Result<Way, Failure> {
        let credentials = self.proxy_user.as_ref().map(|user| {
            let password = std::env::var(PROXY_PASSWORD)
                .map(Zeroizing::new)
                .unwrap_or_default();
            Credentials::new(user, &password)
        });
        Way::through(self.proxy.as_deref(), credentials, NAMES).map_err(Failure::usage)
    }
}

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
        #[command(flatten)]
        proxy: ProxyArgs,
        /// End with exit code 75 where something has to be waited for
        #[arg(long)]
        no_wait: bool,
        /// Wait at most so many hours
        #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=2160), conflicts_with = "no_wait")]
        wait_hours: u64,
    },
    /// Get another certificate of the same key and name; `operator page` does it by itself when a third of its validity is left
    Renew {
        /// The folder that `operator enrol` made
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        proxy: ProxyArgs,
    },
    /// Show the operator's page in a browser on this machine: prints an address that lets one browser in, and carries it until Ctrl-C
    Page {
        /// The coordinator's host, by a name of its certificate, and the port of operator.secure_listen
        #[arg(value_name = "HOST:PORT")]
        coordinator: String,
        /// The folder that `operator enrol` made
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        proxy: ProxyArgs,
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
            proxy,
            no_wait,
            wait_hours,
        } => {
            let patience = (!no_wait).then(|| Duration::from_secs(wait_hours.saturating_mul(3600)));
            let enrolled = enrolment::ask(invitation, dir, &proxy.way()?, patience)?;
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
        OperatorCommand::Renew { dir, proxy } => {
            let folder = folder(dir);
            let renewed = renew(&folder, &proxy.way()?)?;
            let certificate = folder.certificate();
            let told = json!({ "certificate": certificate, "not_after": renewed.not_after });
            print(json, &told, || {
                format!("renewed {}: valid until {}", certificate.display(), renewed.until)
            })
        }
        OperatorCommand::Page {
            coordinator,
            dir,
            proxy,
            listen,
        } => {
            let way = proxy.way()?;
            renew_if_due(&folder(dir), &way, &say);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Failure::finding)?;
            let ended = runtime.block_on(page(coordinator, dir, way, *listen, json));
            // Who presses Ctrl-C does not wait for a connection that is still being made.
            runtime.shutdown_background();
            ended
        }
    }
}

async fn page(
    coordinator: &str,
    dir: &Path,
    way: Way,
    listen: SocketAddr,
    json: bool,
) -> Result<(), Failure> {
    let tunnel = tunnel::Tunnel::new(coordinator, &folder(dir), way)?;
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
