//! Preparing the next round while the one before is under way: what a bank leaves with its peers depends on epoch and round alone, so it
//! can be asked for before anybody knows the round's task and state.
//!
//! Nothing of it is durable at the coordinator. After a restart it asks again, and a bank says again what it said.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::signing::VerifyingKey;
use crate::ids::{BankIndex, Epoch, Round};
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::round::prepare::{Place, check_bundle};
use crate::wire::message::{Bundle, Rejection, ToBank};

/// Bundles for a round that has not started.
#[derive(Debug)]
pub struct Ahead {
    epoch: Epoch,
    round: Round,
    asked: BTreeSet<BankIndex>,
    bundles: BTreeMap<BankIndex, Bundle>,
}

impl Ahead {
    /// For the round that follows, if it runs under `epoch`.
    pub fn new(epoch: Epoch, round: Round) -> Self {
        Self {
            epoch,
            round,
            asked: BTreeSet::new(),
            bundles: BTreeMap::new(),
        }
    }

    /// The round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// True if it serves a round of this number under this epoch.
    pub fn serves(&self, epoch: Epoch, round: Round) -> bool {
        (self.epoch, self.round) == (epoch, round)
    }

    /// What to send to a bank that was not asked since it is connected; `None` if it was, or its bundle is here.
    pub fn ask(&mut self, bank: BankIndex) -> Option<ToBank> {
        let is_new = !self.bundles.contains_key(&bank) && self.asked.insert(bank);
        is_new.then_some(ToBank::PrepareAsk {
            epoch: self.epoch,
            round: self.round,
        })
    }

    /// The bank's connection is gone: it is asked again over the next.
    pub fn lost(&mut self, bank: BankIndex) {
        self.asked.remove(&bank);
    }

    /// A bank prepared.
    ///
    /// # Errors
    /// C-701 from a bank that was not asked, C-703 for a second bundle, C-702 and C-705 as in the round itself.
    pub fn bundle(&mut self, bank: BankIndex, bundle: Bundle, roster: &Roster) -> Result<(), Rejection> {
        if let Some(first) = self.bundles.get(&bank) {
            return if *first == bundle {
                Ok(())
            } else {
                Err(Rejection::new(Check::SecondMessage, "the first one counts"))
            };
        }
        if !self.asked.contains(&bank) {
            let detail = format!("round {} was not asked to be prepared", self.round);
            return Err(Rejection::new(Check::Phase, detail));
        }
        let entry = roster
            .bank(bank)
            .ok_or_else(|| Rejection::new(Check::Roster, bank.to_string()))?;
        let place = Place {
            epoch: self.epoch,
            round: self.round,
            bank,
        };
        let banks = u16::try_from(roster.banks().len())
            .map_err(|_| Rejection::new(Check::Roster, "too many banks"))?;
        check_bundle(&bundle, place, banks, &VerifyingKey(entry.signing_key))?;
        self.bundles.insert(bank, bundle);
        Ok(())
    }

    /// The bundles, each checked.
    pub fn into_bundles(self) -> BTreeMap<BankIndex, Bundle> {
        self.bundles
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::round::active::tests::roster;
    use crate::round::prepare::tests::{ROUND, bank, sides};

    #[test]
    fn a_bank_is_asked_once_a_connection_until_its_bundle_is_here() {
        let mut ahead = Ahead::new(Epoch(1), ROUND);
        let sides = sides();
        let bundle = || sides[&bank(1)].bundle.clone();
        let refused =
            |ahead: &mut Ahead, from, bundle| ahead.bundle(bank(from), bundle, &roster()).unwrap_err().check;
        assert_eq!(refused(&mut ahead, 1, bundle()), Check::Phase, "nobody asked");
        assert!(ahead.ask(bank(1)).is_some());
        assert!(ahead.ask(bank(1)).is_none());
        ahead.lost(bank(1));
        assert!(ahead.ask(bank(1)).is_some());

        ahead.bundle(bank(1), bundle(), &roster()).unwrap();
        ahead.bundle(bank(1), bundle(), &roster()).unwrap();
        let mut other = bundle();
        other.recovery_blob[0] ^= 1;
        assert_eq!(refused(&mut ahead, 1, other), Check::SecondMessage);
        ahead.lost(bank(1));
        assert!(ahead.ask(bank(1)).is_none(), "its bundle is here");
        assert_eq!(ahead.into_bundles().into_keys().collect::<Vec<_>>(), [bank(1)]);
    }

    #[test]
    fn a_bundle_is_checked_before_it_is_kept() {
        let sides = sides();
        let refused = |ahead: &mut Ahead, bundle: Bundle| {
            ahead.ask(bank(2));
            ahead.bundle(bank(2), bundle, &roster()).unwrap_err().check
        };
        let mut ahead = Ahead::new(Epoch(1), ROUND);
        let from_another = sides[&bank(1)].bundle.clone();
        assert_eq!(refused(&mut ahead, from_another), Check::Signature);
        let mut broken = sides[&bank(2)].bundle.clone();
        broken.recovery_blob[0] ^= 1;
        assert_eq!(refused(&mut ahead, broken), Check::Malformed);
        let mut later = Ahead::new(Epoch(1), Round(ROUND.0 + 1));
        assert_eq!(
            refused(&mut later, sides[&bank(2)].bundle.clone()),
            Check::Malformed
        );
        assert!(ahead.into_bundles().is_empty());
    }
}
