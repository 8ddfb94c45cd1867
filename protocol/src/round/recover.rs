//! Unmask on the coordinator's side: from the survivors' shares to the keystreams that are still in the sum.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::BankIndex;
use crate::log::entry::RoundOpen;
use crate::round::checks::Check;
use crate::round::context::{Context, SecretKind, commitment};
use crate::round::prepare::{Place, open_recovery_blob};
use crate::secagg::mask::Masks;
use crate::secagg::ring::Ring;
use crate::secagg::shamir::{Interpolation, SecretScalar};
use crate::secagg::unmask::Unmask;
use crate::wire::message::{Bundle, Rejection};
use crate::wire::statement::{Release, ReleasedShare};

/// Sets of `t` releases that are tried when shares are bad, at most.
const MAX_SETS: usize = 2_000;

/// Everything that is known when enough banks have released their shares.
pub struct Recovery<'a> {
    /// The open round.
    pub open: &'a RoundOpen,
    /// Its context.
    pub context: Context,
    /// `U2`.
    pub cohort: &'a [BankIndex],
    /// `U3`.
    pub survivors: &'a BTreeSet<BankIndex>,
    /// The bundles of the cohort.
    pub bundles: &'a BTreeMap<BankIndex, Bundle>,
    /// The releases, each signed and for this round.
    pub releases: &'a BTreeMap<BankIndex, Release>,
}

/// What recovery found.
pub struct Recovered {
    /// The keystreams to take off the sum.
    pub masks: Masks,
    /// Banks whose releases had to be set aside.
    pub set_aside: Vec<BankIndex>,
}

impl Recovery<'_> {
    /// A release is well formed: one share for each bank of the cohort, in order, of the right kind, canonical.
    ///
    /// # Errors
    /// C-705.
    pub fn check_release(
        release: &Release,
        cohort: &[BankIndex],
        survivors: &BTreeSet<BankIndex>,
    ) -> Result<(), Rejection> {
        let malformed = |what: String| Err(Rejection::new(Check::Malformed, format!("release: {what}")));
        if !release.shares.iter().map(|(bank, _)| bank).eq(cohort) {
            return malformed("it has not one share per bank of the cohort".to_owned());
        }
        for (bank, share) in &release.shares {
            let (bytes, survived) = match share {
                ReleasedShare::SelfMask(bytes) => (bytes, true),
                ReleasedShare::Recovery(bytes) => (bytes, false),
            };
            if survived != survivors.contains(bank) {
                return malformed(format!("the share of bank {bank} is of the wrong kind"));
            }
            if SecretScalar::from_canonical(*bytes).is_none() {
                return malformed(format!("the share of bank {bank} is not canonical"));
            }
        }
        Ok(())
    }

    /// Recovers every secret. When the first `t` releases do not give the committed secrets, other sets of `t` are tried.
    ///
    /// # Errors
    /// C-706 if no set of `t` releases gives them, or a recovery blob is bad.
    pub fn run(&self) -> Result<Recovered, Rejection> {
        let threshold = usize::from(self.open.thresholds.threshold);
        let releasers: Vec<BankIndex> = self.releases.keys().copied().collect();
        let mut failed = Rejection::new(Check::Commitment, "too few releases");
        for left_out in subsets(&releasers, releasers.len().saturating_sub(threshold)).take(MAX_SETS) {
            let set: Vec<BankIndex> = releasers
                .iter()
                .copied()
                .filter(|bank| !left_out.contains(bank))
                .take(threshold)
                .collect();
            if set.len() < threshold {
                continue;
            }
            match self.secrets(&set) {
                Ok(secrets) => {
                    return Ok(Recovered {
                        masks: self.masks(&secrets)?,
                        set_aside: left_out,
                    });
                }
                Err(rejection) => failed = rejection,
            }
        }
        Err(failed)
    }

    fn secrets(&self, set: &[BankIndex]) -> Result<BTreeMap<BankIndex, SecretScalar>, Rejection> {
        let bad = |bank: BankIndex| {
            Rejection::new(
                Check::Commitment,
                format!("bank {bank}'s secret from the shares of {set:?}"),
            )
        };
        let interpolation = Interpolation::at_zero(set)
            .ok_or_else(|| Rejection::new(Check::Commitment, "a bank is named twice"))?;
        let mut secrets = BTreeMap::new();
        for bank in self.cohort {
            let share_of = |releaser: &BankIndex| {
                let release = self.releases.get(releaser)?;
                let (_, share) = release.shares.iter().find(|(of, _)| of == bank)?;
                let (ReleasedShare::SelfMask(bytes) | ReleasedShare::Recovery(bytes)) = share;
                SecretScalar::from_canonical(*bytes)
            };
            let shares: Vec<SecretScalar> = set
                .iter()
                .map(share_of)
                .collect::<Option<_>>()
                .ok_or_else(|| bad(*bank))?;
            let secret = interpolation.combine(shares.iter()).ok_or_else(|| bad(*bank))?;
            let header = self.bundles.get(bank).ok_or_else(|| bad(*bank))?.header.claim();
            let (kind, committed) = if self.survivors.contains(bank) {
                (SecretKind::SelfMask, header.self_mask)
            } else {
                (SecretKind::Recovery, header.recovery)
            };
            if commitment(self.open.epoch, self.open.round, *bank, kind, &secret) != committed {
                return Err(bad(*bank));
            }
            secrets.insert(*bank, secret);
        }
        Ok(secrets)
    }

    fn masks(&self, secrets: &BTreeMap<BankIndex, SecretScalar>) -> Result<Masks, Rejection> {
        let ring = Ring::for_sum(self.open.thresholds.banks, self.open.digit_bits)
            .ok_or_else(|| Rejection::new(Check::RoundRules, "the ring is out of range"))?;
        let mut unmask = Unmask::new(ring);
        for (bank, secret) in secrets {
            if self.survivors.contains(bank) {
                unmask.survivor(&self.context.self_seed(*bank, secret));
                continue;
            }
            let missing = || Rejection::new(Check::Commitment, format!("bank {bank} has no bundle"));
            let place = Place {
                epoch: self.open.epoch,
                round: self.open.round,
                bank: *bank,
            };
            let bases = open_recovery_blob(place, self.bundles.get(bank).ok_or_else(missing)?, secret)?;
            for survivor in self.survivors {
                let base = bases.get(survivor).ok_or_else(missing)?;
                unmask.dropped_pair(*survivor, *bank, &self.context.pair_seed(*survivor, *bank, base));
            }
        }
        Ok(unmask.into_masks())
    }
}

/// Every subset of `items` with at most `most` members, small ones first.
fn subsets(items: &[BankIndex], most: usize) -> impl Iterator<Item = Vec<BankIndex>> + '_ {
    (0..=most).flat_map(move |size| Combinations {
        items,
        at: (0..size).collect(),
        done: size > items.len(),
    })
}

struct Combinations<'a> {
    items: &'a [BankIndex],
    at: Vec<usize>,
    done: bool,
}

impl Iterator for Combinations<'_> {
    type Item = Vec<BankIndex>;

    fn next(&mut self) -> Option<Vec<BankIndex>> {
        if self.done {
            return None;
        }
        let now = self
            .at
            .iter()
            .filter_map(|at| self.items.get(*at).copied())
            .collect();
        let last = self.items.len();
        let movable = (0..self.at.len())
            .rev()
            .find(|place| self.at[*place] < last - (self.at.len() - place));
        match movable {
            None => self.done = true,
            Some(place) => {
                let from = self.at[place] + 1;
                for (offset, at) in self.at[place..].iter_mut().enumerate() {
                    *at = from + offset;
                }
            }
        }
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn subsets_are_all_of_them_small_ones_first() {
        let banks: Vec<_> = (1..=3).map(|bank| BankIndex::new(bank).unwrap()).collect();
        let found: Vec<Vec<u16>> = subsets(&banks, 2)
            .map(|set| set.iter().map(|bank| bank.get()).collect())
            .collect();
        assert_eq!(
            found,
            [
                vec![],
                vec![1],
                vec![2],
                vec![3],
                vec![1, 2],
                vec![1, 3],
                vec![2, 3]
            ]
        );
    }
}
