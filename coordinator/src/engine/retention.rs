//! How long the archive keeps what it takes to add a round up again: as many of a task's rounds as the task says (`archive_rounds`).
//!
//! Masked vectors, released shares and bundles of older rounds go; the log, the sums, the states and the tasks' texts stay, so the log
//! verifies as before and a bank that joins late can still derive every state. Which rounds there are stands in the log, and whether a round's
//! files are still there in its index under `rounds/`, which goes last: a crash in between is made up for at the next start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::coordinator::CoordinatorRound;

use super::driver::Engine;
use super::ports::{Blobs, Ledger};
use super::tasks::TaskBook;

/// The files of one round that its entries name; the bundles are named by its index.
type Files = (Round, Vec<Digest>);

/// The rounds of the tasks that do not keep all of theirs, as far as their files may still be there.
#[derive(Default)]
pub(super) struct Retention {
    rounds: BTreeMap<Digest, VecDeque<Files>>,
    /// Task and round of the last opening.
    open: Option<(Digest, Round)>,
}

impl Retention {
    /// An entry was logged.
    pub(super) fn follow(&mut self, entry: &Entry, tasks: &mut TaskBook) {
        match entry {
            Entry::RoundOpen(open) => {
                let limited = tasks
                    .by_hash(&open.task)
                    .is_some_and(|task| task.task.archive_rounds.is_some());
                self.open = limited.then_some((open.task, open.round));
                if limited {
                    let rounds = self.rounds.entry(open.task).or_default();
                    rounds.push_back((open.round, Vec::new()));
                }
            }
            Entry::Masked { round, hash, .. } => self.names(*round, *hash),
            Entry::Release { round, body, .. } => self.names(*round, *body),
            _ => {}
        }
    }

    fn names(&mut self, round: Round, hash: Digest) {
        let open = self.open.filter(|(_, open)| *open == round);
        let rounds = open.and_then(|(task, _)| self.rounds.get_mut(&task));
        if let Some((_, files)) = rounds.and_then(VecDeque::back_mut) {
            files.push(hash);
        }
    }

    /// The rounds that are over and that their tasks keep no longer, each once. `running` is not over.
    fn expired(&mut self, running: Option<Round>, tasks: &mut TaskBook) -> Vec<Files> {
        let mut expired = Vec::new();
        for (task, rounds) in &mut self.rounds {
            let limit = tasks.by_hash(task).and_then(|task| task.task.archive_rounds);
            let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else {
                continue;
            };
            let runs = rounds.back().is_some_and(|(round, _)| Some(*round) == running);
            let over = rounds.len() - usize::from(runs);
            expired.extend(rounds.drain(..over.saturating_sub(limit)));
        }
        expired
    }
}

fn forget(expired: Vec<Files>, blobs: &dyn Blobs) {
    for (round, files) in expired {
        match blobs.forget_round(round, &files) {
            Ok(0) => {}
            Ok(count) => tracing::info!(
                "round {round}: {count} files of it are deleted from the archive, as its task says; its sum cannot be added up again"
            ),
            Err(error) => {
                tracing::warn!("round {round}: its files stay in the archive until the next start: {error}")
            }
        }
    }
}

impl<L: Ledger> Engine<L> {
    /// Deletes what no task keeps any longer, beside the engine: the next round does not wait for it.
    pub(super) fn forget_old_rounds(&mut self) {
        let running = self.round.as_ref().map(CoordinatorRound::round);
        let expired = self.retention.expired(running, &mut self.tasks);
        if expired.is_empty() {
            return;
        }
        let blobs = Arc::clone(&self.blobs);
        tokio::task::spawn_blocking(move || forget(expired, blobs.as_ref()));
    }

    /// The same at a start, for what a crash left; most rounds of a long log have no files any more.
    pub(super) fn forget_what_a_crash_left(&mut self) {
        let running = self.round.as_ref().map(CoordinatorRound::round);
        let expired = self.retention.expired(running, &mut self.tasks);
        forget(expired, self.blobs.as_ref());
    }
}
