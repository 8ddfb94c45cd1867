//! How old a round is, counted in rounds: what a task's `archive_rounds` is compared with.
//!
//! Coordinator and auditors count alike, and from the log alone. So an auditor can tell what was deleted by the rule from what is missing.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::ids::{Digest, Round};

/// For every round how many later rounds of its task are over: have a result or were aborted.
///
/// A round is its task's from its `RoundOpen` on; one that ended before belongs to no task, and left nothing in the archive.
#[derive(Clone, Debug, Default)]
pub struct RoundAges {
    tasks: BTreeMap<Round, Digest>,
    /// By task, ascending.
    over: BTreeMap<Digest, Vec<Round>>,
}

impl RoundAges {
    /// Takes the next entry of the log in.
    pub fn follow(&mut self, entry: &Entry) {
        match entry {
            Entry::RoundOpen(open) => {
                // A number that is used again is no honest log's; its first opening counts.
                self.tasks.entry(open.round).or_insert(open.task);
            }
            Entry::Result(result) => self.is_over(result.round),
            Entry::Abort { round, .. } => self.is_over(*round),
            _ => {}
        }
    }

    fn is_over(&mut self, round: Round) {
        if let Some(task) = self.tasks.get(&round) {
            let over = self.over.entry(*task).or_default();
            let place = over.partition_point(|earlier| *earlier < round);
            if over.get(place) != Some(&round) {
                over.insert(place, round);
            }
        }
    }

    /// The task that a round was opened for.
    pub fn task(&self, round: Round) -> Option<Digest> {
        self.tasks.get(&round).copied()
    }

    /// How many later rounds of its task are over; 0 for a round that was never opened.
    pub fn of(&self, round: Round) -> usize {
        let over = self.tasks.get(&round).and_then(|task| self.over.get(task));
        over.map_or(0, |over| {
            over.len() - over.partition_point(|earlier| *earlier <= round)
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
    fn a_round_ages_with_each_later_round_of_its_task_that_is_over() {
        let mut ages = RoundAges::default();
        for entry in [open(1, 1), result(1), open(2, 2), result(2), open(3, 1), abort(3)] {
            ages.follow(&entry);
        }
        // Round 5 ended before it was opened: it is no task's.
        for entry in [open(4, 1), result(4), abort(5), open(7, 2), result(7), open(8, 1)] {
            ages.follow(&entry);
        }
        let all = |ages: &RoundAges| [1, 2, 3, 4, 5, 7, 8].map(|round| ages.of(Round(round)));
        assert_eq!(all(&ages), [2, 1, 1, 0, 0, 0, 0]);
        ages.follow(&result(8));
        assert_eq!(all(&ages), [3, 1, 2, 1, 0, 0, 0]);
        assert_eq!(ages.task(Round(3)), Some(Digest([1; 32])));
        assert_eq!(ages.task(Round(5)), None);

        // What is no honest log's: a second end, a second opening, and an end that comes late.
        for entry in [
            result(8),
            abort(8),
            open(2, 1),
            open(6, 1),
            open(9, 1),
            result(9),
            abort(6),
        ] {
            ages.follow(&entry);
        }
        assert_eq!(all(&ages), [5, 1, 4, 3, 0, 0, 1]);
        assert_eq!(ages.task(Round(2)), Some(Digest([2; 32])));
    }
}
