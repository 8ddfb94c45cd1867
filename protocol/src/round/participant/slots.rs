//! The rounds that a bank holds something of: the one that is under way or next, and those ahead of it.
//!
//! What a bank prepares depends on epoch and round alone, so the coordinator may ask for it while the round before is under way. Until
//! the log opens a round ahead, nothing of it is used; then it takes the place of the round before, which is over for good.

use crate::crypto::entropy::Entropy;
use crate::ids::{Epoch, Round};
use crate::round::active::{ActiveRound, Standing};
use crate::round::checks::Check;
use crate::round::params::MAX_JUMP;
use crate::round::participant::{Action, Notice, Participant, send};
use crate::round::prepare::{Place, prepare};
use crate::wire::message::{Delivery, Rejection, ToCoordinator};

/// Most rounds ahead. One is enough while the bank keeps up with the log; the request for the second may overtake the entries that end
/// the round that is under way here and open the first.
const MOST_AHEAD: usize = 2;

impl Participant {
    /// What this bank holds of a round.
    pub(super) fn in_slot(&mut self, round: Round) -> Option<&mut ActiveRound> {
        let slots = self.active.iter_mut().chain(self.ahead.iter_mut());
        slots
            .into_iter()
            .map(AsMut::as_mut)
            .find(|slot| slot.round == round)
    }

    pub(super) fn prepare<E: Entropy>(&mut self, epoch: Epoch, round: Round, entropy: &mut E) -> Vec<Action> {
        let has_begun = round <= self.last_round;
        if let Some(held) = self
            .in_slot(round)
            .filter(|held| has_begun || held.epoch() == epoch)
        {
            return vec![send(ToCoordinator::Bundle(Box::new(held.bundle.clone())))];
        }
        let reach = self.last_round.0.saturating_add(MAX_JUMP);
        if has_begun || round.0 > reach {
            let detail = format!(
                "found round {round}, expected one after {} up to {reach}",
                self.last_round
            );
            return self.refuse(Rejection::new(Check::RoundNotNew, detail), Some(round));
        }
        let Some(keyring) = self.epochs.keyring_mut(epoch) else {
            return self.refuse(
                Rejection::new(Check::EpochKeysMissing, format!("epoch {epoch}")),
                Some(round),
            );
        };
        let next = keyring.next_round();
        let Some(keys) = keyring.take_round(self.me, round) else {
            let detail = format!("round {round} is out of reach of the key chain, which stands at {next}");
            return self.refuse(Rejection::new(Check::RoundNotNew, detail), Some(round));
        };
        self.epochs.serves(epoch);
        let place = Place {
            epoch,
            round,
            bank: self.me,
        };
        let (prepared, bundle) = prepare(place, &self.thresholds, keys, &self.key, entropy);
        let prepared = Box::new(ActiveRound::new(round, prepared, bundle.clone()));
        // What was prepared for it under other keys is void.
        self.ahead.retain(|slot| slot.round != round);
        // The round before may be under way, and its end comes with the log.
        if self.active.as_ref().is_some_and(|active| active.round < round) {
            self.ahead.push(prepared);
            self.ahead.sort_unstable_by_key(|slot| slot.round);
            // Those that were passed that far are not opened any more.
            let passed = self.ahead.len().saturating_sub(MOST_AHEAD);
            self.ahead.drain(..passed);
        } else {
            if self.active.is_none() {
                self.last_round = round;
            }
            self.active = Some(prepared);
        }
        vec![Action::Persist, send(ToCoordinator::Bundle(Box::new(bundle)))]
    }

    pub(super) fn deliveries(&mut self, round: Round, deliveries: Vec<Delivery>) -> Vec<Action> {
        if let Some(prepared) = self
            .in_slot(round)
            .filter(|prepared| prepared.deliveries.is_none())
        {
            prepared.deliveries = Some(deliveries);
        }
        self.begin()
    }

    /// The round is open and the parcels are here: compute.
    pub(super) fn begin(&mut self) -> Vec<Action> {
        let Some(active) = &mut self.active else {
            return Vec::new();
        };
        if !active.open_parcels(&standing!(self)) {
            return Vec::new();
        }
        let open = active.open.clone();
        let mut actions = vec![Action::Persist];
        if open
            .as_ref()
            .is_some_and(|open| self.refused.contains_key(&open.task))
        {
            active.sits_out = true;
            let round = active.round;
            actions.push(send(ToCoordinator::SitsOut { round }));
            let task = open.map(|open| Notice::TaskRefused(round, open.task));
            actions.extend(task.map(Action::Notice));
        } else {
            actions.extend(open.map(Action::Compute));
        }
        actions
    }

    /// Ends this bank's part in every round up to `round`. A number from the log counts as far as a round that this bank was in or saw
    /// opened: one that nobody opened must not keep it out of all that follow.
    pub(super) fn close(&mut self, round: Round) -> Vec<Action> {
        let opened = self.watch.as_ref().map(|watch| watch.open().round);
        let known = opened.map_or(self.last_round, |opened| opened.max(self.last_round));
        self.end(round.min(known))
    }

    /// Ends this bank's part in every round up to `round`, one that is only prepared included. The next that it holds takes its place.
    pub(super) fn end(&mut self, round: Round) -> Vec<Action> {
        self.last_round = self.last_round.max(round);
        let slots = self.active.take().into_iter().chain(self.ahead.drain(..));
        let (ended, mut left): (Vec<_>, Vec<_>) = slots.partition(|slot| slot.round <= round);
        self.ahead = left.split_off(left.len().min(1));
        self.active = left.pop();
        ended.iter().map(|ended| Action::Close(ended.round)).collect()
    }
}
