//! How old a round is, counted in rounds: what a task's `archive_rounds` is compared with.
//!
//! Coordinator and auditors count alike, and from the log alone. So an auditor can tell what was deleted by the rule from what is missing.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::ids::{Digest, Round};

/// For every round how many later rounds of its task have a result.
///
/// Aborted rounds make none older: a coordinator aborts as fast as banks prepare, and would push the proof of what it did out of the archive.
/// A result takes a quorum of banks. A round is its task's from its `RoundOpen` on; one that ended before belongs to no task, and left
/// nothing in the archive.
#[derive(Clone, Debug, Default)]
pub struct RoundAges {
    tasks: BTreeMap<Round, Digest>,
    /// Rounds with a result by task, ascending.
    results: BTreeMap<Digest, Vec<Round>>,
}

impl RoundAges {
    /// Takes the next entry of the log in.
    pub fn follow(&mut self, entry: &Entry) {
        match entry {
            Entry::RoundOpen(open) => {
                // A number that is used again is no honest log's; its first opening counts.
                self.tasks.entry(open.round).or_insert(open.task);
            }
            Entry::Result(result) => self.has_result(result.round),
            _ => {}
        }
    }

    fn has_result(&mut self, round: Round) {
        if let Some(task) = self.tasks.get(&round) {
            let results = self.results.entry(*task).or_default();
            let place = results.partition_point(|earlier| *earlier < round);
            if results.get(place) != Some(&round) {
                results.insert(place, round);
            }
        }
    }

    /// The task that a round was opened for.
    pub fn task(&self, round: Round) -> Option<Digest> {
        self.tasks.get(&round).copied()
    }

    /// How many later rounds of its task have a result; 0 for a round that was never opened.
    pub fn of(&self, round: Round) -> usize {
        let results = self.tasks.get(&round).and_then(|task| self.results.get(task));
        results.map_or(0, |results| {
            results.len() - results.partition_point(|earlier| *earlier <= round)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ids::{Epoch, Timestamp};
    use crate::log::entry::{AbortReason, RoundOpen, RoundResult};
    use crate::round::params::{RoundKind, Thresholds};

    const ZEROS: Digest = Digest([0; 32]);

    fn open(round: u64, task: u8) -> Entry {
        Entry::RoundOpen(RoundOpen {
            epoch: Epoch(1),
            round: Round(round),
            task: Digest([task; 32]),
            kind: RoundKind::Train,
            step: 1,
            attempt: 0,
            state: ZEROS,
            last_result: ZEROS,
            layout: ZEROS,
            directory: ZEROS,
            manifest: ZEROS,
            thresholds: Thresholds::with_most_colluders(5).unwrap(),
            digit_bits: 16,
            ring_bits: 19,
            opened_at: Timestamp(1),
            ready_until: Timestamp(2),
        })
    }

    fn result(round: u64) -> Entry {
        Entry::Result(RoundResult {
            round: Round(round),
            open: ZEROS,
            kind: RoundKind::Train,
            step: 1,
            sum: ZEROS,
            survivors: 4,
            weight: 1,
            next_state: ZEROS,
            metrics: None,
        })
    }

    fn abort(round: u64) -> Entry {
        Entry::Abort {
            round: Round(round),
            reason: AbortReason::Restarted,
            after_release: false,
        }
    }

    #[test]
    fn a_round_ages_with_each_later_result_of_its_task_and_with_nothing_else() {
        let mut ages = RoundAges::default();
        for entry in [open(1, 1), result(1), open(2, 2), result(2), open(3, 1), abort(3)] {
            ages.follow(&entry);
        }
        // Round 5 ended before it was opened: it is no task's.
        for entry in [open(4, 1), result(4), abort(5), open(7, 2), result(7), open(8, 1)] {
            ages.follow(&entry);
        }
        let all = |ages: &RoundAges| [1, 2, 3, 4, 5, 7, 8].map(|round| ages.of(Round(round)));
        assert_eq!(all(&ages), [1, 1, 1, 0, 0, 0, 0]);
        ages.follow(&result(8));
        assert_eq!(all(&ages), [2, 1, 2, 1, 0, 0, 0]);
        assert_eq!(ages.task(Round(3)), Some(Digest([1; 32])));
        assert_eq!(ages.task(Round(5)), None);

        for round in 20..40 {
            ages.follow(&open(round, 1));
            ages.follow(&abort(round));
        }
        assert_eq!(all(&ages), [2, 1, 2, 1, 0, 0, 0]);

        // What is no honest log's: a second end, a second opening, and a result that comes late.
        for entry in [
            result(8),
            abort(8),
            open(2, 1),
            open(6, 1),
            open(9, 1),
            result(9),
            result(6),
        ] {
            ages.follow(&entry);
        }
        assert_eq!(all(&ages), [4, 1, 4, 3, 0, 0, 1]);
        assert_eq!(ages.task(Round(2)), Some(Digest([2; 32])));
    }
}
