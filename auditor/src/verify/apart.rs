//! Checks of a round that need no other round, on all cores of the machine. They are those with the signatures, which take nearly all of the
//! time where nothing is replayed.

use std::panic::resume_unwind;
use std::thread;

use veilsum_protocol::roster::Roster;

use super::history::{History, RoundHistory};
use super::report::Ledger;

/// Makes `check` of every one of these rounds that has a roster. The findings come in the order of the rounds.
pub(crate) fn each(
    history: &History,
    rounds: &[RoundHistory],
    ledger: &mut Ledger,
    check: impl Fn(&RoundHistory, &Roster, &mut Ledger) + Sync,
) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = rounds.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let mut parts = Vec::new();
        for rounds in rounds.chunks(share) {
            let (check, mut part) = (&check, ledger.blank());
            parts.push(scope.spawn(move || {
                for round in rounds {
                    if let Some(roster) = history.roster_at(round.begins_at) {
                        check(round, &roster.value, &mut part);
                    }
                }
                part
            }));
        }
        for part in parts {
            match part.join() {
                Ok(part) => ledger.absorb(part),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
}
