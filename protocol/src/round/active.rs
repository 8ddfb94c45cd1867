//! The round that a bank takes part in: what it knows, and what it demands before each of its answers.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroize;

use crate::crypto::signing::{Signature, SigningKey, VerifyingKey};
use crate::epoch::keyring::Keyring;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::entry::{Entry, RoundOpen};
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::round::context::Context;
use crate::round::params::Thresholds;
use crate::round::prepare::{HeldShares, Place, Prepared, Receiver, open_delivery};
use crate::round::released::{Released, SummedStep};
use crate::round::watch::is_list;
use crate::secagg::mask::{Masks, Sign};
use crate::secagg::ring::Ring;
use crate::wire::canonical::{Canonical, Writer};
use crate::wire::message::{Bundle, Delivery, Rejection};
use crate::wire::signed::Signed;
use crate::wire::statement::{Ready, Release, ReleasedShare, SurvivorList, Trailer};

/// Everything that this bank knows of one round. It is wiped when the round is closed.
pub struct ActiveRound {
    pub(super) round: Round,
    pub(super) prepared: Prepared,
    pub(super) bundle: Bundle,
    pub(super) manifest: Option<BTreeMap<BankIndex, Digest>>,
    pub(super) open: Option<RoundOpen>,
    pub(super) deliveries: Option<Vec<Delivery>>,
    pub(super) held: BTreeMap<BankIndex, HeldShares>,
    pub(super) complaints: Option<Vec<BankIndex>>,
    pub(super) computed: bool,
    /// The contribution cannot be computed. A restart tries again, so it is not in the snapshot.
    pub(super) sits_out: bool,
    pub(super) cohort: Option<Vec<BankIndex>>,
    pub(super) trailer: Option<Signed<Trailer>>,
    pub(super) survivors: Option<BTreeMap<BankIndex, Digest>>,
    pub(super) release: Option<Signed<Release>>,
}

/// What a bank knows for every round.
pub struct Standing<'a> {
    /// Its position.
    pub me: BankIndex,
    /// The roster that it pinned.
    pub roster: &'a Roster,
    /// The consortium's thresholds.
    pub thresholds: &'a Thresholds,
    /// Its signing key.
    pub key: &'a SigningKey,
}

impl Standing<'_> {
    fn signing_key(&self, bank: BankIndex) -> Option<VerifyingKey> {
        self.roster
            .bank(bank)
            .map(|entry| VerifyingKey(entry.signing_key))
    }
}

impl ActiveRound {
    /// Prepared, and nothing more.
    pub fn new(round: Round, prepared: Prepared, bundle: Bundle) -> Self {
        Self {
            round,
            prepared,
            bundle,
            manifest: None,
            open: None,
            deliveries: None,
            held: BTreeMap::new(),
            complaints: None,
            computed: false,
            sits_out: false,
            cohort: None,
            trailer: None,
            survivors: None,
            release: None,
        }
    }

    /// The epoch under whose keys it is prepared.
    pub fn epoch(&self) -> Epoch {
        self.bundle.header.claim().epoch
    }

    /// The round's context, once the cohort is known.
    pub fn context(&self) -> Option<Context> {
        Some(Context::of(self.open.as_ref()?, self.cohort.as_ref()?))
    }

    /// The manifest names who prepared.
    ///
    /// # Errors
    /// C-205 if this bank's own bundle is missing or another one.
    pub fn accept_manifest(
        &mut self,
        me: BankIndex,
        bundles: &[(BankIndex, Digest)],
    ) -> Result<(), Rejection> {
        if self.manifest.is_some() {
            return Ok(());
        }
        let manifest: BTreeMap<_, _> = bundles.iter().copied().collect();
        if manifest.get(&me) != Some(&self.bundle.header.hash()) {
            return Err(Rejection::new(Check::OwnBundle, format!("round {}", self.round)));
        }
        self.manifest = Some(manifest);
        Ok(())
    }

    /// Checks what concerns this bank's preparation in an opened round; task and state were checked before.
    ///
    /// # Errors
    /// C-204, C-205 or C-209.
    pub fn accept_open(
        &mut self,
        thresholds: &Thresholds,
        keyring: Option<&Keyring>,
        open: &RoundOpen,
    ) -> Result<(), Rejection> {
        let manifest = self.manifest.as_ref().ok_or_else(|| {
            Rejection::new(
                Check::OwnBundle,
                format!("round {} was opened without a manifest", self.round),
            )
        })?;
        let manifest = Entry::PrepareManifest {
            epoch: open.epoch,
            round: open.round,
            bundles: manifest.iter().map(|(bank, hash)| (*bank, *hash)).collect(),
        };
        if manifest.hash() != open.manifest {
            return Err(Rejection::new(
                Check::OwnBundle,
                "the round names another manifest than the log",
            ));
        }
        // The parcels and bases are of the epoch that the round was prepared under.
        let is_own = |keyring: &Keyring| keyring.directory() == open.directory;
        if open.epoch != self.epoch() || !keyring.is_some_and(is_own) {
            return Err(Rejection::new(
                Check::EpochKeysMissing,
                format!("epoch {}", open.epoch),
            ));
        }
        let ring = Ring::for_sum(thresholds.banks, open.digit_bits).map(Ring::bits);
        if open.thresholds != *thresholds || ring != Some(open.ring_bits) {
            let detail = format!(
                "found {:?} and b = {}, expected {thresholds:?} and {ring:?}",
                open.thresholds, open.ring_bits
            );
            return Err(Rejection::new(Check::RoundRules, detail));
        }
        self.open = Some(open.clone());
        Ok(())
    }

    /// Opens the peers' parcels once the round is open and they are here. True when that has just happened. A peer whose parcel is
    /// missing or bad is complained about; the coordinator leaves one of the two out.
    pub fn open_parcels(&mut self, standing: &Standing<'_>) -> bool {
        let (Some(open), Some(manifest), Some(deliveries)) = (&self.open, &self.manifest, &self.deliveries)
        else {
            return false;
        };
        if self.complaints.is_some() {
            return false;
        }
        let receiver = Receiver {
            bank: standing.me,
            banks: open.thresholds.banks,
            prepared: &self.prepared,
        };
        let mut complaints = Vec::new();
        for (sender, hash) in manifest.iter().filter(|(sender, _)| **sender != standing.me) {
            let place = Place {
                epoch: open.epoch,
                round: open.round,
                bank: *sender,
            };
            let opened = standing.signing_key(*sender).and_then(|key| {
                let delivery = deliveries
                    .iter()
                    .find(|delivery| delivery.header.claim().bank == *sender)?;
                open_delivery(&receiver, place, &key, hash, delivery).ok()
            });
            match opened {
                Some(shares) => {
                    self.held.insert(*sender, shares);
                }
                None => complaints.push(*sender),
            }
        }
        self.complaints = Some(complaints);
        self.deliveries = Some(Vec::new());
        self.prepared.openers.clear();
        true
    }

    /// `Ready`, once the contribution is computed and the parcels are open.
    pub fn ready(&self, standing: &Standing<'_>) -> Option<(Signed<Ready>, Vec<BankIndex>)> {
        let (open, complaints) = (self.open.as_ref()?, self.complaints.as_ref()?);
        if !self.computed {
            return None;
        }
        let statement = Ready {
            round: self.round,
            open: open.hash(),
            complaints: complaints_hash(complaints),
            bank: standing.me,
        };
        Some((Signed::sign(standing.key, statement), complaints.clone()))
    }

    /// The cohort completes the context. Only the first cohort of a round counts; `is_first` says whether the log held none before,
    /// taken up here or not.
    ///
    /// # Errors
    /// C-301 or C-302.
    pub fn accept_cohort(
        &mut self,
        me: BankIndex,
        cohort: &[BankIndex],
        is_first: bool,
    ) -> Result<bool, Rejection> {
        let second = || Rejection::new(Check::SecondCohort, format!("round {}", self.round));
        if self.cohort.is_some() {
            return Err(second());
        }
        let bad = |what: &str| {
            Err(Rejection::new(
                Check::Cohort,
                format!("round {}: {what}", self.round),
            ))
        };
        let (Some(open), Some(manifest), Some(complaints)) = (&self.open, &self.manifest, &self.complaints)
        else {
            return Ok(false);
        };
        if !cohort.contains(&me) || !self.computed {
            return Ok(false);
        }
        if !is_first {
            return Err(second());
        }
        if cohort.len() < usize::from(open.thresholds.min_survivors) {
            return bad("it is too small");
        }
        if !cohort.iter().all(|bank| manifest.contains_key(bank)) {
            return bad("a bank in it has not prepared");
        }
        if cohort.iter().any(|bank| complaints.contains(bank)) {
            return bad("a bank in it sent this bank a bad parcel");
        }
        self.cohort = Some(cohort.to_vec());
        Ok(true)
    }

    /// The masks of this bank, once the cohort is known.
    pub fn masks(&self, me: BankIndex) -> Option<Masks> {
        let (open, cohort, context) = (self.open.as_ref()?, self.cohort.as_ref()?, self.context()?);
        let mut masks = Masks::new(Ring::for_sum(open.thresholds.banks, open.digit_bits)?);
        masks.push(&context.self_seed(me, &self.prepared.self_mask), Sign::Plus);
        for peer in cohort.iter().filter(|peer| **peer != me) {
            let base = self.prepared.bases.get(peer)?;
            masks.push(&context.pair_seed(me, *peer, base), Sign::of_pair(me, *peer));
        }
        Some(masks)
    }

    /// Signs for the masked vector. The first one is the only one.
    pub fn sign_trailer(
        &mut self,
        standing: &Standing<'_>,
        length: u64,
        hash: Digest,
    ) -> Option<Signed<Trailer>> {
        if self.trailer.is_none() {
            let trailer = Trailer {
                context: self.context()?.digest(),
                bank: standing.me,
                length,
                hash,
            };
            self.trailer = Some(Signed::sign(standing.key, trailer));
            // The vector is durable: nothing needs to make the masks again.
            self.prepared.bases.clear();
        }
        self.trailer
    }

    /// The list of survivors. Only the first list of a round is ever signed; `is_first` says whether the log held none before, taken up
    /// here or not. Of one that is signed already nothing is new: a list is signed when it is shown, and acted on later.
    ///
    /// # Errors
    /// C-401 to C-404, or C-407 against what was `released`.
    pub fn accept_survivors(
        &mut self,
        standing: &Standing<'_>,
        released: &Released,
        list: &[(BankIndex, Digest)],
        is_first: bool,
    ) -> Result<bool, Rejection> {
        let second = || Rejection::new(Check::SecondSurvivors, format!("round {}", self.round));
        if let Some(signed) = &self.survivors {
            let is_same = is_first && is_list(signed, list);
            return if is_same { Ok(false) } else { Err(second()) };
        }
        let (Some(open), Some(cohort), Some(trailer)) = (&self.open, &self.cohort, &self.trailer) else {
            return Ok(false);
        };
        if !is_first {
            return Err(second());
        }
        let survivors: BTreeMap<_, _> = list.iter().copied().collect();
        match survivors.get(&standing.me) {
            Some(hash) if *hash == trailer.claim().hash => {}
            Some(_) => {
                return Err(Rejection::new(
                    Check::OwnUpdate,
                    "its hash is not the one that was signed",
                ));
            }
            None => return Err(Rejection::new(Check::OwnUpdate, "it is missing")),
        }
        if let Some(outside) = survivors.keys().find(|bank| !cohort.contains(bank)) {
            return Err(Rejection::new(Check::SurvivorsOutside, format!("bank {outside}")));
        }
        if survivors.len() < usize::from(open.thresholds.min_survivors) {
            let detail = format!(
                "found {}, expected at least {}",
                survivors.len(),
                open.thresholds.min_survivors
            );
            return Err(Rejection::new(Check::TooFewSurvivors, detail));
        }
        let summed = SummedStep::of(open, standing.roster, survivors.keys())
            .ok_or_else(|| Rejection::new(Check::SurvivorsOutside, "one is not in the roster"))?;
        released.check(&summed)?;
        self.survivors = Some(survivors);
        Ok(true)
    }

    /// The step and the banks whose sum this bank's shares open.
    pub fn summed(&self, roster: &Roster) -> Option<SummedStep> {
        SummedStep::of(self.open.as_ref()?, roster, self.survivors.as_ref()?.keys())
    }

    /// What the survivors sign.
    pub fn survivor_statement(&self) -> Option<SurvivorList> {
        Some(survivor_statement(
            self.context()?,
            self.round,
            self.survivors.as_ref()?,
        ))
    }

    /// The certificate lets the shares out: for every bank of the cohort exactly one. `listed` is the round's first list of survivors among the
    /// entries that were acted on; a list that was signed and is not there lets nothing out.
    ///
    /// # Errors
    /// C-405, or C-406 if shares left before under another certificate.
    pub fn accept_certificate(
        &mut self,
        standing: &Standing<'_>,
        listed: Option<&BTreeMap<BankIndex, Digest>>,
        signatures: &[(BankIndex, Signature)],
    ) -> Result<bool, Rejection> {
        if self.release.is_some() {
            return Err(Rejection::new(
                Check::SecondRelease,
                format!("round {}", self.round),
            ));
        }
        let (Some(open), Some(cohort), Some(survivors), Some(statement), Some(context)) = (
            &self.open,
            &self.cohort,
            &self.survivors,
            self.survivor_statement(),
            self.context(),
        ) else {
            return Ok(false);
        };
        if listed != Some(survivors) {
            return Ok(false);
        }
        let valid = valid_signatures(standing.roster, survivors, &statement, signatures);
        let needed = usize::from(open.thresholds.threshold);
        if valid < needed {
            let detail = format!("found {valid} valid signatures of survivors, expected {needed}");
            return Err(Rejection::new(Check::Certificate, detail));
        }
        let mut shares = Vec::new();
        for bank in cohort {
            let held = if *bank == standing.me {
                Some(&self.prepared.own_shares)
            } else {
                self.held.get(bank)
            };
            let held =
                held.ok_or_else(|| Rejection::new(Check::ParcelContent, format!("no share of bank {bank}")))?;
            shares.push(if survivors.contains_key(bank) {
                (
                    *bank,
                    ReleasedShare::SelfMask(*held.self_mask.to_secret().expose()),
                )
            } else {
                (
                    *bank,
                    ReleasedShare::Recovery(*held.recovery.to_secret().expose()),
                )
            });
        }
        let release = Release {
            context: context.digest(),
            bank: standing.me,
            shares,
        };
        self.release = Some(Signed::sign(standing.key, release));
        // What was not released must never be: neither a later bug nor a stolen disk finds it here. The vector is uploaded, so the
        // self-mask secret serves nothing any more either.
        self.held.clear();
        self.prepared.own_shares.self_mask.zeroize();
        self.prepared.own_shares.recovery.zeroize();
        self.prepared.self_mask.zeroize();
        Ok(true)
    }
}

/// Survivors whose signature under the list is valid, each counted once.
pub(super) fn valid_signatures(
    roster: &Roster,
    survivors: &BTreeMap<BankIndex, Digest>,
    statement: &SurvivorList,
    signatures: &[(BankIndex, Signature)],
) -> usize {
    let valid = signatures.iter().filter(|(bank, signature)| {
        let entry = roster.bank(*bank).filter(|_| survivors.contains_key(bank));
        entry.is_some_and(|entry| VerifyingKey(entry.signing_key).verifies(statement, signature))
    });
    valid.map(|(bank, _)| *bank).collect::<BTreeSet<_>>().len()
}

/// What the survivors of a round sign.
pub(super) fn survivor_statement(
    context: Context,
    round: Round,
    survivors: &BTreeMap<BankIndex, Digest>,
) -> SurvivorList {
    let list = survivors.iter().map(|(bank, hash)| (*bank, *hash)).collect();
    let entry = Entry::Survivors { round, list };
    SurvivorList {
        context: context.digest(),
        survivors: entry.hash(),
    }
}

/// Hash of a list of complaints, which the signed `Ready` names.
pub fn complaints_hash(complaints: &[BankIndex]) -> Digest {
    let mut w = Writer::domain("complaints");
    w.list(complaints.iter(), |w, bank| {
        w.bank(*bank);
    });
    Digest::of(&w.finish())
}

#[cfg(test)]
pub(super) mod tests;
