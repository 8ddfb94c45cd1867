//! Banks that drop out, in every phase of every round.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use veilsum_coordinator::engine::status::{RoundStatus, Status};

use crate::demo::DemoError;
use crate::demo::consortium::Consortium;

/// Phases in which banks are killed, as the coordinator names them.
const PHASES: [&str; 5] = ["prepare", "ready", "collect", "confirm", "unmask"];

/// Kills a share of the banks that take part, once in every phase of every round, and starts them again when that phase is over.
pub(super) struct Storm {
    percent: usize,
    random: ChaCha8Rng,
    /// Round and phase of the last look.
    at: Option<(u64, String)>,
    /// Killed in this round.
    struck: BTreeSet<String>,
    /// Killed in this phase: they are down.
    down: Vec<String>,
    /// Kills in each of [`PHASES`].
    kills: [usize; PHASES.len()],
}

impl Storm {
    pub(super) fn new(percent: usize, seed: u64) -> Self {
        Self {
            percent,
            random: ChaCha8Rng::seed_from_u64(seed),
            at: None,
            struck: BTreeSet::new(),
            down: Vec::new(),
            kills: [0; PHASES.len()],
        }
    }

    /// How many banks were killed in which phase.
    pub(super) fn kills(&self) -> impl Iterator<Item = (&'static str, usize)> {
        PHASES.into_iter().zip(self.kills)
    }

    /// Does what is due.
    pub(super) fn look(&mut self, consortium: &Consortium, status: &Status) -> Result<(), DemoError> {
        let at = status
            .round
            .as_ref()
            .map(|round| (round.round, round.phase.clone()));
        if at == self.at {
            return Ok(());
        }
        let before = self.at.take();
        for bank in self.down.drain(..) {
            consortium.start_bank(&bank)?;
        }
        if before.map(|(round, _)| round) != at.as_ref().map(|(round, _)| *round) {
            self.struck.clear();
        }
        self.at = at;
        if let Some(round) = &status.round
            && let Some(phase) = PHASES.iter().position(|phase| *phase == round.phase)
            && self.percent > 0
        {
            for bank in self.draw(round, status) {
                consortium.kill(&bank);
                self.kills[phase] += 1;
                self.struck.insert(bank.clone());
                self.down.push(bank);
            }
        }
        Ok(())
    }

    /// The next to fall: of those that take part in the round and were not killed in it yet.
    fn draw(&mut self, round: &RoundStatus, status: &Status) -> Vec<String> {
        let connected = status.banks.iter().filter(|bank| bank.connected);
        let mut standing: Vec<String> = connected
            .map(|bank| bank.name.clone())
            .filter(|bank| !self.struck.contains(bank))
            .filter(|bank| round.cohort.is_empty() || round.cohort.contains(bank))
            .collect();
        let count = standing.len() * self.percent / 100;
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count && !standing.is_empty() {
            let at = usize::try_from(self.random.next_u64() % standing.len() as u64).unwrap_or(0);
            drawn.push(standing.swap_remove(at));
        }
        drawn
    }
}
