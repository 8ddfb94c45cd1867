//! `init`: an auditor's key, and its request to be enrolled.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use veilsum_admission::reader::{CA_FILE, Folder, make};
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::Digest;

use super::{Outcome, Problem, json_line};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The name to be enrolled under: 1 to 32 of a-z, 0-9 and -
    #[arg(long)]
    name: String,
    /// The folder to make; `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    name: String,
    /// The file to send to the operator; it holds no secret.
    request: PathBuf,
    /// SHA-256 of the request file, for the operator to compare by another channel.
    request_sha256: String,
    key: PathBuf,
}

impl Init {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let folder = Folder::at(Role::Auditor, &self.dir);
        let keys = make(&self.name, &folder)?;
        let made = Made {
            request: folder.request(&self.name),
            request_sha256: Digest::of(keys.request.as_bytes()).to_hex(),
            key: folder.key(),
            name: self.name,
        };
        let text = if self.json {
            json_line(&made)?
        } else {
            format!(
                "request {}\nsha256  {}\nnext: send the request to the operator, confirm its SHA-256 by another channel, and put {} and {CA_FILE} of the admission into {}\n",
                made.request.display(),
                made.request_sha256,
                folder.certificate().file_name().unwrap_or_default().display(),
                self.dir.display()
            )
        };
        Ok(Outcome { holds: true, text })
    }
}
