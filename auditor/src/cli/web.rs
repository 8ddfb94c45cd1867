//! How a web server is asked.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::renew::renew_if_due;
use super::{Problem, Trust};
use crate::enrol::{CA_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::fetch::{Origin, TlsFiles, WebOptions};

/// Options of a source that is a web server.
#[derive(Debug, Args)]
pub(super) struct WebArgs {
    /// The folder of `init` with the two certificates of the admission in it, in place of the three options below
    #[arg(long, conflicts_with_all = ["tls_ca", "tls_cert", "tls_key"])]
    identity: Option<PathBuf>,
    /// Authority of the server's certificate, in PEM; without it, that of the --consortium file
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// The certificate that is shown to the server, in PEM
    #[arg(long)]
    tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long)]
    tls_key: Option<PathBuf>,
    /// Longest silence of the server, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// How often a file is asked for before the server counts as not reachable
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
}

impl WebArgs {
    /// A folder or a web server.
    pub(super) fn origin(&self, text: &str, trust: &Trust) -> Result<Origin, Problem> {
        if let Some(identity) = self.identity.as_deref().filter(|_| text.starts_with("https://")) {
            renew_if_due(identity);
        }
        let options = WebOptions {
            tls: self.tls(trust),
            timeout: Duration::from_secs(self.timeout),
            tries: self.tries,
        };
        Origin::new(text, &options).map_err(Problem::usage)
    }

    fn tls(&self, trust: &Trust) -> TlsFiles {
        let file = |name, option: &Option<PathBuf>| match &self.identity {
            Some(folder) => Some(folder.join(name)),
            None => option.clone(),
        };
        TlsFiles {
            ca: file(CA_FILE, &self.tls_ca),
            ca_pem: trust.authority(),
            cert: file(CERTIFICATE_FILE, &self.tls_cert),
            key: file(KEY_FILE, &self.tls_key),
        }
    }
}
