//! What the auditor believes beforehand.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::Roster;

use super::Problem;

/// The pinned keys.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Trust {
    /// The log's key, as name+hash+base64
    #[arg(long)]
    key: Option<VerifierKey>,
    /// A file with the log's key
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The consortium's file, got from a bank: pins the log's key and the banks' keys; one for each roster of the log
    #[arg(long)]
    consortium: Vec<PathBuf>,
}

impl Trust {
    /// The log's key, and the rosters where some were pinned.
    pub(super) fn pins(&self) -> Result<(VerifierKey, Vec<Roster>), Problem> {
        self.read().map_err(Problem::Usage)
    }

    /// The consortium's authority in PEM, where its file was given.
    pub(super) fn authority(&self) -> Option<String> {
        let path = self.consortium.first()?;
        let (consortium, _) = Consortium::from_toml(&read(path).ok()?).ok()?;
        Some(consortium.ca_pem)
    }

    fn read(&self) -> Result<(VerifierKey, Vec<Roster>), String> {
        let mut pinned = Vec::new();
        for path in &self.consortium {
            let file = Consortium::from_toml(&read(path)?);
            pinned.push(file.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        if let Some((first, _)) = pinned.first() {
            let key = first.log_key.clone();
            if let Some((other, _)) = pinned.iter().find(|(file, _)| file.log_key != key) {
                return Err(format!(
                    "found the log keys {key} and {}, expected files of one log",
                    other.log_key
                ));
            }
            return Ok((key, pinned.into_iter().map(|(_, roster)| roster).collect()));
        }
        if let Some(path) = &self.key_file {
            let key = read(path)?.trim().parse();
            let key = key.map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok((key, Vec::new()));
        }
        let key = self
            .key
            .clone()
            .ok_or("found no key, expected --key, --key-file or --consortium")?;
        Ok((key, Vec::new()))
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: cannot read: {error}", path.display()))
}
