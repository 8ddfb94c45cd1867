//! What proves that a model is the one that the consortium's rounds led to: the receipt of the result whose next state it is, which the bank keeps.
//!
//! The receipt is believed for the keys in `consortium.toml` alone: the log's own, and of the banks as many as make the roster's threshold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::receipt::RECEIPT_EXTENSION;
use veilsum_protocol::log::{Receipt, ReceiptError, Witnesses, cosignatures_needed};
use veilsum_protocol::model::Metrics;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical as _;

/// Ending of the names of receipts that are of results: `round-000012-result.tlog-proof`.
const OF_RESULT: &str = "-result";

/// A model's place in the log, proven.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// Hash of the state that holds the model, hex.
    pub state_sha256: String,
    /// The round that led to it.
    pub round: u64,
    /// The step of the task that the round did.
    pub step: u32,
    /// What the round computed.
    #[serde(skip)]
    pub kind: RoundKind,
    /// Banks in the sum.
    pub survivors: u16,
    /// The consortium's figures of the model that the round began with; of a round that evaluates, that is this one.
    #[serde(skip)]
    pub metrics: Option<Metrics>,
    /// Position of the result in the log.
    pub entry: u64,
    /// Entries under the signed head that proves it.
    pub log_entries: u64,
    /// Its root, hex.
    pub log_root: String,
    /// Banks that have cosigned the head, by name, with the time of each in Unix seconds.
    pub cosigned_by: BTreeMap<String, u64>,
    /// The receipt, which proves the same to anybody.
    pub receipt: PathBuf,
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// No receipt names the state.
    #[error(
        "no receipt in {} is of a result that led to the state {state}; the daemon keeps one for each published result: let it run until it has followed the log",
        folder.display()
    )]
    NoReceipt {
        /// Where was looked.
        folder: PathBuf,
        /// The state's hash.
        state: Digest,
    },
    /// The receipt that names it proves nothing.
    #[error("{}: {error}", path.display())]
    Receipt {
        /// The receipt.
        path: PathBuf,
        /// What does not hold.
        error: ReceiptError,
    },
    /// The receipts cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Folder or file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

impl Provenance {
    /// Looks for the receipt of the result that led to `state`, the latest first, and checks all of it.
    ///
    /// # Errors
    /// [`ProvenanceError`].
    pub fn find(
        receipts: &Path,
        state: &Digest,
        consortium: &Consortium,
        roster: &Roster,
    ) -> Result<Self, ProvenanceError> {
        for path in of_results(receipts)? {
            let bytes = fs::read(&path).map_err(at(&path))?;
            let wrong = |error| ProvenanceError::Receipt {
                path: path.clone(),
                error,
            };
            let receipt = Receipt::parse(&bytes).map_err(wrong)?;
            // Only what claims to be of the state is worth the checks.
            let claims = matches!(Entry::from_bytes(receipt.entry_bytes()), Ok(Entry::Result(result)) if result.next_state == *state);
            if !claims {
                continue;
            }
            let needed = cosignatures_needed(roster).unwrap_or(usize::MAX);
            let proven = receipt
                .verify(&consortium.log_key, &Witnesses::of(roster), needed)
                .map_err(wrong)?;
            let Entry::Result(result) = proven.entry else {
                continue;
            };
            let head = proven.head.checkpoint();
            let name = |(bank, at): (_, Timestamp)| {
                let bank = roster.banks().iter().find(|entry| entry.index == bank)?;
                Some((bank.name.clone(), at.0))
            };
            return Ok(Self {
                state_sha256: state.to_hex(),
                round: result.round.0,
                step: result.step,
                kind: result.kind,
                survivors: result.survivors,
                metrics: result.metrics,
                entry: proven.index,
                log_entries: head.size,
                log_root: head.root.to_hex(),
                cosigned_by: proven.seen.by.into_iter().filter_map(name).collect(),
                receipt: path,
            });
        }
        Err(ProvenanceError::NoReceipt {
            folder: receipts.to_owned(),
            state: *state,
        })
    }
}

/// The receipts of results, the latest round first.
fn of_results(folder: &Path) -> Result<Vec<PathBuf>, ProvenanceError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let is_receipt = path.extension().is_some_and(|ending| ending == RECEIPT_EXTENSION);
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if is_receipt && stem.is_some_and(|stem| stem.ends_with(OF_RESULT)) {
            paths.push(path);
        }
    }
    // By length first: numbers of more digits are later.
    paths.sort_by_key(|path| std::cmp::Reverse((path.as_os_str().len(), path.clone())));
    Ok(paths)
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> ProvenanceError {
    let path = path.to_owned();
    move |error| ProvenanceError::File {
        path: path.clone(),
        error,
    }
}
