//! `init`: an auditor's key, and its request to be enrolled.

use std::path::PathBuf;

use clap::Args;

use super::{Outcome, Problem, json_line};
use crate::enrol::{CA_FILE, CERTIFICATE_FILE, init};

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

impl Init {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let made = init(&self.name, &self.dir).map_err(Problem::usage)?;
        let text = if self.json {
            json_line(&made)?
        } else {
            format!(
                "request {}\nsha256  {}\nnext: send the request to the operator, confirm its SHA-256 by another channel, and put {CERTIFICATE_FILE} and {CA_FILE} of the admission into {}\n",
                made.request.display(),
                made.request_sha256,
                self.dir.display()
            )
        };
        Ok(Outcome { holds: true, text })
    }
}
