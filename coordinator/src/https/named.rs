//! Which blobs are for auditors: those that the published log names.
//!
//! The folder of blobs holds more than that. A masked vector lies there before its `Masked` entry is committed, a sum before its `Result`,
//! bundles before their `Cohort`; and what a crash or a refusal left behind has no entry at all. So the list of what is served is made from
//! the very files that auditors read, and follows them: no entry, no blob. It holds
//!
//! * task texts (`Task`), key directories (`KeyDirectory`), masked vectors (`Masked`), released shares (`Release`) and sums (`Result`), by
//!   the hash in the entry;
//! * bundles, by the index of a round whose `Cohort` is logged, and that index.
//!
//! States are in the folder too and are not served: whoever has sums and texts derives them. In memory a blob takes its hash, some 50 bytes.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical as _;

use crate::log::Reader;

/// Largest index of a round in bytes: 500 banks and room to spare.
const INDEX_LIMIT: u64 = 1 << 16;

/// The names in a published log up to some size.
#[derive(Debug)]
pub(super) struct Named {
    reader: Reader,
    names: Names,
}

#[derive(Debug)]
struct Names {
    rounds: PathBuf,
    blobs: HashSet<Digest>,
    indexed: HashSet<u64>,
}

impl Named {
    /// Nothing is read yet. `log` is the published log under `key`, `rounds` the folder of the indices of bundles.
    pub(super) fn new(log: PathBuf, key: VerifierKey, rounds: PathBuf) -> Self {
        let names = Names {
            rounds,
            blobs: HashSet::new(),
            indexed: HashSet::new(),
        };
        Self {
            reader: Reader::new(log, key),
            names,
        }
    }

    /// Whether the entries that were read name this blob.
    pub(super) fn blob(&self, hash: &Digest) -> bool {
        self.names.blobs.contains(hash)
    }

    /// Whether they hold a cohort of this round.
    pub(super) fn round(&self, round: u64) -> bool {
        self.names.indexed.contains(&round)
    }

    /// Reads on, up to the published checkpoint.
    ///
    /// # Errors
    /// What cannot be read, in words. What was read before stays.
    pub(super) fn follow(&mut self) -> Result<(), String> {
        let Self { reader, names } = self;
        reader.follow(|entry| names.take(entry))
    }
}

impl Names {
    fn take(&mut self, entry: &[u8]) {
        match Entry::from_bytes(entry) {
            Ok(
                Entry::Task { task: hash, .. }
                | Entry::KeyDirectory { directory: hash, .. }
                | Entry::Masked { hash, .. }
                | Entry::Release { body: hash, .. },
            ) => {
                self.blobs.insert(hash);
            }
            Ok(Entry::Result(result)) => {
                self.blobs.insert(result.sum);
            }
            Ok(Entry::Cohort { round, .. }) => match self.bundles(round) {
                Ok(Some(bundles)) => {
                    self.blobs.extend(bundles);
                    self.indexed.insert(round.0);
                }
                // Its task lets it go, or it is lost; auditors can tell which, and there may be thousands.
                Ok(None) => tracing::debug!("auditors find no bundles of round {round}: it has no index"),
                // One that cannot be read costs auditors that round's replay, and no more.
                Err(problem) => tracing::warn!("auditors miss the bundles of round {round}: {problem}"),
            },
            _ => {}
        }
    }

    /// The blobs in the index of a round; `None` if there is no index.
    fn bundles(&self, round: Round) -> Result<Option<Vec<Digest>>, String> {
        let path = self.rounds.join(format!("{round}.json"));
        let named = |problem: String| format!("{}: {problem}", path.display());
        let length = match fs::metadata(&path) {
            Ok(facts) => facts.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(error.to_string())),
        };
        if length > INDEX_LIMIT {
            return Err(named(format!("{length} bytes, expected at most {INDEX_LIMIT}")));
        }
        let bytes = fs::read(&path).map_err(|error| named(error.to_string()))?;
        let index: BTreeMap<u16, String> =
            serde_json::from_slice(&bytes).map_err(|error| named(error.to_string()))?;
        let digest = |hex: &String| {
            Digest::from_hex(hex).ok_or_else(|| named(format!("{hex:?} is not 64 hex digits")))
        };
        index.values().map(digest).collect::<Result<_, _>>().map(Some)
    }
}

/// Opens a file that is there as a whole or not at all; `None` if it is not there.
pub(super) fn open(path: &std::path::Path) -> io::Result<Option<(fs::File, fs::Metadata)>> {
    match fs::File::open(path) {
        Ok(file) => {
            let facts = file.metadata()?;
            Ok(facts.is_file().then_some((file, facts)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
