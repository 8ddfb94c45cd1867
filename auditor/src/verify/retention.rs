//! What the archive need not hold any longer: a task says of how many of its last rounds it keeps the files (`archive_rounds`). How old a
//! round is stands in the log, so that what was deleted by this rule is told from what is missing.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use serde::Serialize;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::RoundAges;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;

use super::archive::ArchiveError;
use crate::source::{LogReader, SourceError};

/// What a task lets go of, as far as it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LetGo {
    /// The task's name.
    pub task: String,
    /// Its hash.
    pub hash: String,
    /// Of how many of its last rounds it keeps the files.
    pub archive_rounds: u32,
    /// Its rounds of which files are gone by that rule, in order.
    pub rounds: Vec<u64>,
    /// Those of them with a result: sums that nobody can replay any more from this archive.
    pub sums: usize,
}

impl LetGo {
    fn words(&self) -> String {
        let rounds = match self.rounds.as_slice() {
            [round] => format!("round {round}"),
            [first, .., last] => format!("{} rounds from {first} to {last}", self.rounds.len()),
            [] => "no round".to_owned(),
        };
        format!(
            "replay is no longer possible for {rounds} of task {:?}: the task keeps the files of its last {} (archive_rounds). What the \
             published sums lead to was derived from these",
            self.task, self.archive_rounds
        )
    }
}

/// Whether files of one round may be gone, and whether some are.
#[derive(Debug, Default)]
pub(crate) struct Leave {
    given: bool,
    taken: Cell<bool>,
}

impl Leave {
    /// Why a file is not had; nothing if it is not there and need not be.
    pub(crate) fn refuse(&self, error: &ArchiveError) -> Option<String> {
        if self.given && matches!(error, ArchiveError::Missing { .. }) {
            self.taken.set(true);
            return None;
        }
        Some(error.to_string())
    }

    /// Whether a file was not there.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.get()
    }
}

/// Ages of the rounds of a log, and what the tasks have let go of.
pub(crate) struct Retention<'a> {
    log: &'a LogReader,
    /// By the whole log, which is read for this when a task with a limit comes.
    ages: OnceCell<RoundAges>,
    let_go: BTreeMap<Digest, LetGo>,
}

impl<'a> Retention<'a> {
    pub(crate) fn new(log: &'a LogReader) -> Self {
        Self {
            log,
            ages: OnceCell::new(),
            let_go: BTreeMap::new(),
        }
    }

    /// What may be gone of a round of that task.
    pub(crate) fn leave(&self, task: &Task, round: Round) -> Leave {
        let given = task.archive_rounds.is_some() && !task.archives(self.ages().of(round));
        Leave {
            given,
            taken: Cell::default(),
        }
    }

    fn ages(&self) -> &RoundAges {
        self.ages.get_or_init(|| {
            let mut ages = RoundAges::default();
            // Where the log cannot be read, nothing ages, and the audit comes to the same bundle.
            let _ = each_entry(self.log, |entry| ages.follow(&entry));
            ages
        })
    }

    /// A file of this round was not there.
    pub(crate) fn gone(&mut self, hash: Digest, task: &Task, round: Round, has_result: bool) {
        let let_go = self.let_go.entry(hash).or_insert_with(|| LetGo {
            task: task.name.clone(),
            hash: hash.to_hex(),
            archive_rounds: task.archive_rounds.unwrap_or_default(),
            rounds: Vec::new(),
            sums: 0,
        });
        let_go.rounds.push(round.0);
        let_go.sums += usize::from(has_result);
    }

    /// What the tasks have let go of, with what is said of it.
    pub(crate) fn finish(self, notes: &mut Vec<String>) -> Vec<LetGo> {
        let let_go: Vec<LetGo> = self.let_go.into_values().collect();
        notes.extend(let_go.iter().map(LetGo::words));
        let_go
    }
}

/// Every entry of a log that can be read, in order.
///
/// # Errors
/// If the log cannot be read.
pub(crate) fn each_entry(log: &LogReader, mut take: impl FnMut(Entry)) -> Result<(), SourceError> {
    for bundle in log.bundles() {
        for entry in bundle?.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()) {
            take(entry);
        }
    }
    Ok(())
}
