//! Checks of a round that need no other round, on all cores of the machine. They are those with the signatures, which take nearly all of the
//! time where nothing is replayed.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use veilsum_protocol::roster::Roster;

use super::history::{History, RoundHistory};
use super::report::Ledger;

/// Makes `check` of every round that has a roster, and tells after each how many are done. The findings come in the order of the rounds.
pub(crate) fn each(
    history: &History,
    ledger: &mut Ledger,
    check: impl Fn(&RoundHistory, &Roster, &mut Ledger) + Sync,
    mut done: impl FnMut(usize),
) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = history.rounds.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let mut parts = Vec::new();
        for rounds in history.rounds.chunks(share) {
            let (tell, check, mut part) = (tell.clone(), &check, ledger.blank());
            parts.push(scope.spawn(move || {
                for round in rounds {
                    if let Some(roster) = history.roster_at(round.begins_at) {
                        check(round, &roster.value, &mut part);
                    }
                    // The receiver lives until every sender is gone.
                    let _ = tell.send(());
                }
                part
            }));
        }
        drop(tell);
        (1..).zip(told).for_each(|(number, ())| done(number));
        for part in parts {
            match part.join() {
                Ok(part) => ledger.absorb(part),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
}
