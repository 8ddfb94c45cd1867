//! What was decided and is not durable yet, and what is said once it is.
//!
//! The engine decides on everything that waits for it, one input after the other; then all of it becomes durable in one step, and only
//! then is any of it said. So a cohort that answers at once costs one commit, and not one for each bank.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::sync::oneshot;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::{Rejection, ToBank};

use super::driver::Engine;
use super::ports::{Fault, Ledger};
use super::witnesses::News;

/// What is said when everything before it is durable.
enum Word {
    Send(BankIndex, ToBank),
    Answer(oneshot::Sender<Result<(), Rejection>>, Result<(), Rejection>),
}

/// Decided and not durable yet.
#[derive(Default)]
pub(super) struct Outbox {
    /// The last word on each record: its value, or that it goes.
    records: BTreeMap<String, Option<Vec<u8>>>,
    entries: Vec<Vec<u8>>,
    /// What the entries are to banks.
    news: News,
    blobs: Vec<Vec<u8>>,
    /// Finished files with their hashes, to become blobs.
    files: Vec<(PathBuf, Digest)>,
    words: Vec<Word>,
}

impl Outbox {
    /// Records to write.
    pub(super) fn put(&mut self, puts: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.records
            .extend(puts.into_iter().map(|(key, value)| (key, Some(value))));
    }

    /// Records to remove.
    pub(super) fn delete(&mut self, keys: impl IntoIterator<Item = String>) {
        self.records.extend(keys.into_iter().map(|key| (key, None)));
    }

    /// Keys of records with a prefix that would be written.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let written = self.records.iter().filter(|(_, value)| value.is_some());
        written
            .map(|(key, _)| key)
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Entries to append to the log.
    pub(super) fn log(&mut self, entries: &[Entry]) {
        self.news = entries.iter().map(News::of).fold(self.news, News::max);
        self.entries.extend(entries.iter().map(|entry| entry.to_bytes()));
    }

    /// A blob that a record or an entry names.
    pub(super) fn store(&mut self, blob: Vec<u8>) {
        self.blobs.push(blob);
    }

    /// A finished file that becomes a blob.
    pub(super) fn adopt(&mut self, file: PathBuf, hash: Digest) {
        self.files.push((file, hash));
    }

    /// True if this file is about to become a blob.
    pub(super) fn adopts(&self, file: &Path) -> bool {
        self.files.iter().any(|(path, _)| path == file)
    }

    /// A message to a bank.
    pub(super) fn send(&mut self, bank: BankIndex, message: ToBank) {
        self.words.push(Word::Send(bank, message));
    }

    /// The answer to an upload.
    pub(super) fn answer(
        &mut self,
        to: oneshot::Sender<Result<(), Rejection>>,
        answer: Result<(), Rejection>,
    ) {
        self.words.push(Word::Answer(to, answer));
    }
}

impl<L: Ledger> Engine<L> {
    /// Makes durable what was decided, blobs first, then shows the log and says what there is to say.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let Outbox {
            records,
            entries,
            news,
            blobs,
            files,
            words,
        } = std::mem::take(&mut self.outbox);
        self.blobs.put_all(&blobs)?;
        self.blobs.adopt_all(&files)?;
        if !records.is_empty() || !entries.is_empty() {
            let (mut puts, mut deletes) = (Vec::new(), Vec::new());
            for (key, value) in records {
                match value {
                    Some(value) => puts.push((key, value)),
                    None => deletes.push(key),
                }
            }
            let logged = !entries.is_empty();
            let begun = Instant::now();
            self.ledger.commit(puts, deletes, entries)?;
            self.observer.committed(begun.elapsed().as_secs_f64());
            if logged {
                self.witnessing
                    .logged(self.ledger.log_size(), news, self.clock.now());
            }
        }
        // Before a bank can know that it may upload, the gate is open.
        self.gate.follow(self.round.as_ref());
        self.extend_log()?;
        for word in words {
            match word {
                Word::Send(bank, message) => self.sessions.send(bank, message),
                // Who asked may be gone.
                Word::Answer(to, answer) => drop(to.send(answer)),
            }
        }
        Ok(())
    }
}
