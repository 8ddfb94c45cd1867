//! The HTTP proxy that connections to the operator must take, as options of every command that makes one.

use clap::Args;
use ureq::{Proxy, ProxyProtocol};
use veilsum_admission::reader::Way;
use veilsum_admission::{Credentials, Names};
use zeroize::Zeroizing;

use super::Problem;

/// The variable with the password for `--proxy-user`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

/// What the settings are called here.
const NAMES: Names = Names {
    proxy: "--proxy",
    user: "--proxy-user",
    password: "the variable VEILSUM_PROXY_PASSWORD",
};

#[derive(Debug, Args)]
pub(super) struct ProxyArgs {
    /// `http://host:port` of the HTTP proxy that outgoing connections must take
    #[arg(long)]
    proxy: Option<String>,
    /// Name at the proxy; the password comes from the variable VEILSUM_PROXY_PASSWORD
    #[arg(long, requires = "proxy")]
    proxy_user: Option<String>,
}

impl ProxyArgs {
    /// For enrolment and renewal.
    pub(super) fn way(&self) -> Result<Way, Problem> {
        let credentials = self
            .proxy_user
            .as_ref()
            .map(|user| Credentials::new(user, &password()));
        Way::through(self.proxy.as_deref(), credentials, NAMES).map_err(Problem::Usage)
    }

    /// For what is read from a web server; none is given: as the environment says (HTTPS_PROXY and its like).
    pub(super) fn for_web(&self) -> Result<Option<Proxy>, Problem> {
        let way = self.way()?;
        let Some((host, port)) = way.proxy() else {
            return Ok(None);
        };
        let mut proxy = Proxy::builder(ProxyProtocol::Http).host(host).port(port);
        if let Some(user) = &self.proxy_user {
            proxy = proxy.username(user).password(&password());
        }
        proxy.build().map(Some).map_err(Problem::usage)
    }
}

fn password() -> Zeroizing<String> {
    std::env::var(PROXY_PASSWORD)
        .map(Zeroizing::new)
        .unwrap_or_default()
}
