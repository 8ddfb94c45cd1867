//! What happened, as the log tells it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use veilsum_auditor::source::{CHECKPOINT_FILE, MirrorSource};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::model::Metrics;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::DemoError;

/// One round that was opened.
#[derive(Clone, Debug)]
pub struct RoundStory {
    /// Its number.
    pub round: u64,
    /// Step of the task, from 0.
    pub step: u32,
    /// What is computed.
    pub kind: RoundKind,
    /// Banks at its opening.
    pub banks: u16,
    /// Names of the banks that had to upload, once they are fixed.
    pub cohort: Vec<String>,
    /// Names of the banks in the sum, once they are fixed.
    pub survivors: Option<Vec<String>>,
    /// The outcome, once there is one.
    pub end: Option<RoundEnd>,
    /// From when the opening was first seen here to when the end was, in seconds.
    pub seconds: f64,
    seen: Instant,
}

/// How a round ended.
#[derive(Clone, Debug)]
pub enum RoundEnd {
    /// The sum is published.
    Published {
        /// Hash of the sum.
        sum: Digest,
        /// Hash of the state that follows.
        next_state: Digest,
        /// Of the state before, on the banks' own hold-outs; none in a statistics round.
        metrics: Option<Metrics>,
    },
    /// There is no result.
    Aborted(AbortReason),
}

impl RoundStory {
    /// Names of the banks of the cohort whose updates never came.
    pub fn lost(&self) -> Vec<String> {
        let Some(survivors) = &self.survivors else {
            return Vec::new();
        };
        self.cohort
            .iter()
            .filter(|bank| !survivors.contains(bank))
            .cloned()
            .collect()
    }

    /// Whether its sum is published.
    pub fn is_published(&self) -> bool {
        matches!(self.end, Some(RoundEnd::Published { .. }))
    }
}

/// The rounds of a log, read again whenever its checkpoint changes.
#[derive(Clone, Debug, Default)]
pub struct History {
    checkpoint: String,
    banks: BTreeMap<BankIndex, String>,
    rounds: BTreeMap<u64, RoundStory>,
    entries: usize,
}

impl History {
    /// Reads what is new, and proves that all of it is what `key` signed. False if nothing is.
    ///
    /// # Errors
    /// If the folder is no true copy of a log. While the coordinator writes there, the next look may succeed.
    pub fn follow(&mut self, folder: &Path, key: &VerifierKey) -> Result<bool, DemoError> {
        let path = folder.join(CHECKPOINT_FILE);
        let checkpoint = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(DemoError::file(&path)(error)),
        };
        if checkpoint == self.checkpoint {
            return Ok(false);
        }
        let log = MirrorSource::open(folder, key).map_err(|error| DemoError::content(folder, error))?;
        let now = Instant::now();
        for (at, bytes) in log.entries().iter().enumerate().skip(self.entries) {
            let entry = Entry::from_bytes(bytes)
                .map_err(|error| DemoError::content(folder, format!("entry {at}: {error}")))?;
            self.take(entry, now);
        }
        self.entries = log.entries().len();
        self.checkpoint = checkpoint;
        Ok(true)
    }

    /// Entries under the published checkpoint.
    pub fn size(&self) -> u64 {
        self.entries as u64
    }

    fn take(&mut self, entry: Entry, now: Instant) {
        let names = |banks: &mut dyn Iterator<Item = BankIndex>| -> Vec<String> {
            banks
                .map(|bank| self.banks.get(&bank).cloned().unwrap_or_else(|| bank.to_string()))
                .collect()
        };
        match entry {
            Entry::Roster { banks, .. } => {
                self.banks = banks.into_iter().map(|bank| (bank.index, bank.name)).collect();
            }
            Entry::RoundOpen(open) => {
                let story = RoundStory {
                    round: open.round.0,
                    step: open.step,
                    kind: open.kind,
                    banks: open.thresholds.banks,
                    cohort: Vec::new(),
                    survivors: None,
                    end: None,
                    seconds: 0.0,
                    seen: now,
                };
                self.rounds.insert(open.round.0, story);
            }
            Entry::Cohort { round, banks } => {
                let cohort = names(&mut banks.into_iter());
                if let Some(story) = self.rounds.get_mut(&round.0) {
                    story.cohort = cohort;
                }
            }
            Entry::Survivors { round, list } => {
                let survivors = names(&mut list.into_iter().map(|(bank, _)| bank));
                if let Some(story) = self.rounds.get_mut(&round.0) {
                    story.survivors = Some(survivors);
                }
            }
            Entry::Result(result) => {
                let end = RoundEnd::Published {
                    sum: result.sum,
                    next_state: result.next_state,
                    metrics: result.metrics.clone(),
                };
                self.end(result.round.0, end, now);
            }
            Entry::Abort { round, reason, .. } => self.end(round.0, RoundEnd::Aborted(reason), now),
            _ => {}
        }
    }

    fn end(&mut self, round: u64, end: RoundEnd, now: Instant) {
        if let Some(story) = self.rounds.get_mut(&round) {
            story.end = Some(end);
            story.seconds = now.duration_since(story.seen).as_secs_f64();
        }
    }

    /// The signed head that was read last, verbatim; empty before the first.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Number of entries that were read.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The rounds that were opened, by number.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = &RoundStory> {
        self.rounds.values()
    }

    /// One round.
    pub fn round(&self, number: u64) -> Option<&RoundStory> {
        self.rounds.get(&number)
    }

    /// Hash of the state behind the last published sum.
    pub fn last_state(&self) -> Option<Digest> {
        self.rounds.values().rev().find_map(|story| match &story.end {
            Some(RoundEnd::Published { next_state, .. }) => Some(*next_state),
            _ => None,
        })
    }

    /// Metrics of the model after `step`, which the published round of the next step counted.
    pub fn metrics_after(&self, step: u32) -> Option<Metrics> {
        self.rounds.values().find_map(|story| match &story.end {
            Some(RoundEnd::Published { metrics, .. }) if story.step == step + 1 => metrics.clone(),
            _ => None,
        })
    }
}
