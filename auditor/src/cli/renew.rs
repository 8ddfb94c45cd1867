//! `renew`: another certificate for the same key and name before the present one expires. Commands that read from the operator's door do it by themselves.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use veilsum_admission::reader::{Folder, renew};
use veilsum_protocol::enrolment::Role;

use super::proxy::ProxyArgs;
use super::{Outcome, Problem, json_line};

#[derive(Debug, Args)]
pub(super) struct Renew {
    /// The auditor's folder; `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    proxy: ProxyArgs,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Renewed {
    certificate: PathBuf,
    not_after: i64,
}

impl Renew {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let folder = Folder::at(Role::Auditor, &self.dir);
        let renewed = renew(&folder, &self.proxy.way()?)?;
        let certificate = folder.certificate();
        let text = if self.json {
            json_line(&Renewed {
                certificate,
                not_after: renewed.not_after,
            })?
        } else {
            format!(
                "renewed {}: valid until {}\n",
                certificate.display(),
                renewed.until
            )
        };
        Ok(Outcome { holds: true, text })
    }
}
