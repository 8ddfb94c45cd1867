//! How long the archive keeps what it takes to add a round up again: as many of a task's rounds as the task says (`archive_rounds`).
//!
//! Masked vectors, released shares and bundles of older rounds go; the log, the sums, the states and the tasks' texts stay, so the log
//! verifies as before and a bank that joins late can still derive every state. How old a round is stands in the log, and whether its
//! files are still there in its index under `rounds/`, which goes last: a crash in between is made up for at the next start.
//!
//! A round grows old by what the published head covers and by nothing else: who misses a file can read in the log why it is gone.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::RoundAges;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical;

use super::driver::Engine;
use super::ports::{Blobs, Fault, Ledger};

/// Log entries that are read at a time.
const ENTRIES: u64 = 4096;

/// What the log says of the archive, as far as it was read. Nothing is read before a task has a limit.
#[derive(Default)]
pub(super) struct Retention {
    /// Entries that were read.
    read: u64,
    ages: RoundAges,
    /// Results that no published head covers yet, with their places.
    unpublished: VecDeque<(u64, Entry)>,
    /// The rounds whose index is there, with their masked vectors, released shares and bundles.
    held: BTreeMap<Round, Vec<Digest>>,
    /// Texts, key directories, sums and states: a bank may have sent the bytes of one as its masked vector.
    kept: HashSet<Digest>,
}

/// What is to be deleted of a round: what no kept round has too, nor anything that stays.
struct Expired {
    round: Round,
    files: BTreeSet<Digest>,
}

impl Retention {
    /// Reads on to the end of the log. Rounds grow old by its first `published` entries.
    fn follow(&mut self, ledger: &dyn Ledger, blobs: &dyn Blobs, published: u64) -> Result<(), Fault> {
        let size = ledger.log_size();
        while self.read < size {
            for bytes in ledger.entries(self.read, size.min(self.read + ENTRIES))? {
                if let Ok(entry) = Entry::from_bytes(&bytes) {
                    self.entry(entry, blobs);
                }
                self.read += 1;
            }
        }
        while let Some((_, result)) = self.unpublished.pop_front_if(|(at, _)| *at < published) {
            self.ages.follow(&result);
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry, blobs: &dyn Blobs) {
        match &entry {
            Entry::Task { task: hash, .. } | Entry::KeyDirectory { directory: hash, .. } => {
                self.kept.insert(*hash);
            }
            Entry::RoundOpen(_) => self.ages.follow(&entry),
            Entry::Cohort { round, .. } => self.index(*round, blobs),
            Entry::Masked { round, hash, .. } => self.names(*round, *hash),
            Entry::Release { round, body, .. } => self.names(*round, *body),
            Entry::Result(result) => {
                self.kept.extend([result.sum, result.next_state]);
                self.unpublished.push_back((self.read, entry));
            }
            // Its bundles may be here without a cohort in the log: a crash came between the two.
            Entry::Abort { round, .. } if !self.held.contains_key(round) => self.index(*round, blobs),
            _ => {}
        }
    }

    /// A round without an index has left nothing, or was deleted.
    fn index(&mut self, round: Round, blobs: &dyn Blobs) {
        let bundles = blobs.bundles(round).unwrap_or_else(|fault| {
            tracing::warn!("round {round}: its bundles will stay in the archive for good: {fault}");
            Some(Vec::new())
        });
        if let Some(bundles) = bundles {
            self.held.insert(round, bundles);
        }
    }

    fn names(&mut self, round: Round, hash: Digest) {
        if let Some(files) = self.held.get_mut(&round) {
            files.push(hash);
        }
    }

    /// Takes out the rounds for which `is_old` holds.
    fn expired(&mut self, is_old: impl Fn(&RoundAges, Round) -> bool) -> Vec<Expired> {
        let ages = &self.ages;
        let old: Vec<Round> = self
            .held
            .keys()
            .copied()
            .filter(|round| is_old(ages, *round))
            .collect();
        let expired: Vec<_> = old
            .into_iter()
            .filter_map(|round| self.held.remove_entry(&round))
            .collect();
        if expired.is_empty() {
            return Vec::new();
        }
        let mut files: BTreeSet<Digest> = expired.iter().flat_map(|(_, files)| files).copied().collect();
        files.retain(|file| !self.kept.contains(file));
        for file in self.held.values().flatten() {
            files.remove(file);
        }
        let own = |(round, named): (Round, Vec<Digest>)| Expired {
            round,
            files: named.into_iter().filter(|file| files.contains(file)).collect(),
        };
        expired.into_iter().map(own).collect()
    }
}

fn forget(expired: Vec<Expired>, blobs: &dyn Blobs) {
    for Expired { round, files } in expired {
        match blobs.forget_round(round, &files) {
            Ok(count) => tracing::info!(
                "round {round}: {count} files of it are deleted from the archive, as its task says; its sum cannot be replayed any more"
            ),
            Err(error) => {
                tracing::warn!("round {round}: its files stay in the archive until the next start: {error}")
            }
        }
    }
}

impl<L: Ledger> Engine<L> {
    /// Deletes what no task keeps any longer, beside the engine: the next round does not wait for it.
    pub(super) fn forget_old_rounds(&mut self) -> Result<(), Fault> {
        let expired = self.expired_rounds()?;
        if !expired.is_empty() {
            let blobs = Arc::clone(&self.blobs);
            tokio::task::spawn_blocking(move || forget(expired, blobs.as_ref()));
        }
        Ok(())
    }

    /// The same at a start, for what a crash left; most rounds of a long log have no files any more.
    pub(super) fn forget_what_a_crash_left(&mut self) -> Result<(), Fault> {
        let expired = self.expired_rounds()?;
        forget(expired, self.blobs.as_ref());
        Ok(())
    }

    fn expired_rounds(&mut self) -> Result<Vec<Expired>, Fault> {
        let limited: BTreeMap<Digest, _> = self
            .tasks
            .all()
            .filter(|task| task.task.archive_rounds.is_some())
            .map(|task| (task.record.task, &task.task))
            .collect();
        if limited.is_empty() {
            return Ok(Vec::new());
        }
        let published = self.ledger.published().map_or(0, |head| head.checkpoint().size);
        self.retention
            .follow(&self.ledger, self.blobs.as_ref(), published)?;
        // No entry names the state of a task without a result.
        self.retention
            .kept
            .extend(self.tasks.records().map(|record| record.state));
        let expired = self.retention.expired(|ages, round| {
            let task = ages.task(round).and_then(|task| limited.get(&task));
            task.is_some_and(|task| !task.archives(ages.of(round)))
        });
        for round in &expired {
            self.blobs.doom(&round.files);
        }
        Ok(expired)
    }
}

#[cfg(test)]
mod tests;
