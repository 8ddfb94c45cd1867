//! How a web server is asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use veilsum_admission::reader::{Folder, renew_if_due};
use veilsum_protocol::enrolment::Role;

use super::enrol::say;
use super::proxy::ProxyArgs;
use super::{Problem, Trust};
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
    #[command(flatten)]
    proxy: ProxyArgs,
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
            renew_if_due(&folder_at(identity), &self.proxy.way()?, &say);
        }
        let options = WebOptions {
            tls: self.tls(trust),
            proxy: self.proxy.for_web()?,
            timeout: Duration::from_secs(self.timeout),
            tries: self.tries,
        };
        Origin::new(text, &options).map_err(Problem::usage)
    }

    fn tls(&self, trust: &Trust) -> TlsFiles {
        let folder = self.identity.as_deref().map(folder_at);
        let file = |of: fn(&Folder) -> PathBuf, option: &Option<PathBuf>| match &folder {
            Some(folder) => Some(of(folder)),
            None => option.clone(),
        };
        TlsFiles {
            ca: file(Folder::authority, &self.tls_ca),
            ca_pem: trust.authority(),
            cert: file(Folder::certificate, &self.tls_cert),
            key: file(Folder::key, &self.tls_key),
        }
    }
}

fn folder_at(dir: &Path) -> Folder {
    Folder::at(Role::Auditor, dir)
}
