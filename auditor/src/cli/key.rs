//! `key`: the auditor's own key.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Outcome, Problem};
use crate::signer::Signer;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key to sign exports with; prints the public half, which you hand to those who check them
    Generate {
        /// The new file, which only you may read
        file: PathBuf,
        /// Name on the signatures, such as auditor.example.org
        #[arg(long)]
        name: String,
    },
}

impl Key {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let Self::Generate { file, name } = self;
        let signer = Signer::generate(&file, &name).map_err(Problem::usage)?;
        Ok(Outcome {
            holds: true,
            text: format!("{}\n", signer.key()),
        })
    }
}
