//! Unmask on the coordinator's side: from the survivors' shares to the keystreams that are still in the sum.
//!
//! Every share is compared with its dealer's commitment before it counts, so what is recovered from is what was dealt. A secret that
//! does not come out then is the fault of the bank that dealt it, and no other set of shares is tried.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{BankIndex, Epoch, Round};
use crate::log::entry::RoundOpen;
use crate::round::checks::Check;
use crate::round::context::{Context, SecretKind, commitment, share_commitment};
use crate::round::prepare::{Place, open_recovery_blob};
use crate::secagg::mask::Masks;
use crate::secagg::ring::Ring;
use crate::secagg::shamir::{Interpolation, SecretScalar};
use crate::secagg::unmask::Unmask;
use crate::wire::message::{Bundle, Rejection};
use crate::wire::statement::{Release, ReleasedShare};

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
    /// The releases, each signed, for this round, and accepted by [`Recovery::check_release`] and [`Recovery::check_shares`].
    pub releases: &'a BTreeMap<BankIndex, Release>,
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
            let (kind, bytes) = parts(share);
            if (kind == SecretKind::SelfMask) != survivors.contains(bank) {
                return malformed(format!("the share of bank {bank} is of the wrong kind"));
            }
            if SecretScalar::from_canonical(*bytes).is_none() {
                return malformed(format!("the share of bank {bank} is not canonical"));
            }
        }
        Ok(())
    }

    /// Every share is the one that its dealer committed to for the bank that releases it. `bundles`: those of the cohort.
    ///
    /// # Errors
    /// C-706, with the bank that releases and the one whose share it is.
    pub fn check_shares(
        release: &Release,
        epoch: Epoch,
        round: Round,
        bundles: &BTreeMap<BankIndex, Bundle>,
    ) -> Result<(), Rejection> {
        let own_place = usize::from(release.bank.get()) - 1;
        for (dealer, share) in &release.shares {
            let (kind, bytes) = parts(share);
            let fits = || {
                let parcel = bundles.get(dealer)?.parcels.get(own_place)?;
                let committed = match kind {
                    SecretKind::SelfMask => parcel.self_mask_share,
                    SecretKind::Recovery => parcel.recovery_share,
                };
                let share = SecretScalar::from_canonical(*bytes)?;
                let found = share_commitment(epoch, round, *dealer, release.bank, kind, &share);
                (found == committed).then_some(())
            };
            if fits().is_none() {
                let detail = format!(
                    "bank {} released another share of bank {dealer} than it was dealt",
                    release.bank
                );
                return Err(Rejection::new(Check::Commitment, detail));
            }
        }
        Ok(())
    }

    /// Recovers every secret from the first `t` releases by position, and with them what is left of the masks.
    ///
    /// # Errors
    /// C-706 with the bank that dealt shares that do not give its committed secret, or whose recovery blob is bad.
    pub fn run(&self) -> Result<Masks, Rejection> {
        let threshold = usize::from(self.open.thresholds.threshold);
        let set: Vec<BankIndex> = self.releases.keys().copied().take(threshold).collect();
        if set.len() < threshold {
            let detail = format!("{} releases, expected {threshold}", set.len());
            return Err(Rejection::new(Check::Commitment, detail));
        }
        self.masks(&self.secrets(&set)?)
    }

    fn secrets(&self, set: &[BankIndex]) -> Result<BTreeMap<BankIndex, SecretScalar>, Rejection> {
        let interpolation = Interpolation::at_zero(set)
            .ok_or_else(|| Rejection::new(Check::Commitment, "a bank is named twice"))?;
        let mut secrets = BTreeMap::new();
        for (at, bank) in self.cohort.iter().enumerate() {
            let bad = || {
                let detail =
                    format!("bank {bank} dealt shares that do not give the secret that it committed to");
                Rejection::new(Check::Commitment, detail)
            };
            // A checked release has the cohort's order.
            let share_of = |releaser: &BankIndex| {
                let (of, share) = self.releases.get(releaser)?.shares.get(at)?;
                let (_, bytes) = parts(share);
                SecretScalar::from_canonical(*bytes).filter(|_| of == bank)
            };
            let shares: Vec<SecretScalar> =
                set.iter().map(share_of).collect::<Option<_>>().ok_or_else(bad)?;
            let secret = interpolation.combine(shares.iter()).ok_or_else(bad)?;
            let header = self.bundles.get(bank).ok_or_else(bad)?.header.claim();
            let (kind, committed) = if self.survivors.contains(bank) {
                (SecretKind::SelfMask, header.self_mask)
            } else {
                (SecretKind::Recovery, header.recovery)
            };
            if commitment(self.open.epoch, self.open.round, *bank, kind, &secret) != committed {
                return Err(bad());
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

fn parts(share: &ReleasedShare) -> (SecretKind, &[u8; 32]) {
    match share {
        ReleasedShare::SelfMask(bytes) => (SecretKind::SelfMask, bytes),
        ReleasedShare::Recovery(bytes) => (SecretKind::Recovery, bytes),
    }
}

#[cfg(test)]
mod tests;
