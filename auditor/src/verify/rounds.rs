//! Rounds through their checks while the log is read, some at a time, so that little of a long log is in memory.

use veilsum_protocol::roster::Roster;

use super::archive::Archive;
use super::history::{History, RoundHistory};
use super::record::RoundRecord;
use super::replay::{Replay, Replayed};
use super::report::Ledger;
use super::{apart, collection, directories, opening, outcome};
use crate::source::LogReader;

/// Entries whose rounds wait for their checks: enough to keep all cores busy, in less than a MiB.
pub(crate) const MOST_WAITING: u64 = 1 << 12;

/// The checks that go from round to round.
pub(crate) struct Rounds<'a> {
    openings: opening::Openings,
    outcomes: outcome::Outcomes,
    replay: Option<Replay<'a>>,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(archive: Option<&'a Archive>, log: &'a LogReader) -> Self {
        Self {
            openings: opening::Openings::default(),
            outcomes: outcome::Outcomes::default(),
            replay: archive.map(|archive| Replay::new(archive, log)),
        }
    }

    /// Checks the next rounds and puts into `history` what remains of them. After each `done` is told how many there are.
    pub(crate) fn check(
        &mut self,
        history: &mut History,
        rounds: Vec<RoundHistory>,
        ledger: &mut Ledger,
        mut done: impl FnMut(usize),
    ) {
        let signed = |round: &RoundHistory, roster: &Roster, ledger: &mut Ledger| {
            collection::check(round, roster, ledger);
            outcome::acks(round, roster, ledger);
        };
        apart::each(history, &rounds, ledger, signed);
        for round in rounds {
            if let Some(roster) = history.roster_at(round.begins_at) {
                self.openings.check(history, &round, roster, ledger);
                let stops_early = match (&mut self.replay, &round.open) {
                    (Some(replay), Some(open)) => replay.stops_early(history, open, ledger),
                    _ => true,
                };
                self.outcomes.check(&round, stops_early, ledger);
            }
            if let Some(replay) = &mut self.replay {
                replay.round(history, &round, ledger);
            }
            history.rounds.push(RoundRecord::from(round));
            done(history.rounds.len());
        }
    }

    /// Checks what needs the whole log. Gives what came of the replay.
    pub(crate) fn finish(self, history: &History, ledger: &mut Ledger) -> Option<Replayed> {
        let replay = self.replay?;
        directories::check(replay.archive(), history, ledger);
        Some(replay.finish(ledger))
    }
}
