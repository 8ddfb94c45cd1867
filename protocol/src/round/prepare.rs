//! Prepare: what a bank leaves with its peers before a round, so that the round survives its own absence.
//!
//! Each bank draws two secrets. `b_i` lies behind its self-mask and is given back when the bank survived; `sigma_i` lies behind the
//! recovery blob, which holds the bank's mask bases of this round alone, and is given back when it dropped out. Every peer gets
//! one Shamir share of each, sealed under the pair's key. The bank signs one header over all of it.
//!
//! The header also commits to every pair's mask base. The peer knows the base and compares before any mask is made (C-208), so a blob
//! that opens to other bases than the peers' own never spoils a sum: it fails the commitment, and the round ends.
//!
//! It commits to every share as well. Whoever opens a parcel compares (C-207), and the coordinator compares what is released (C-706):
//! so it is known whether a bank released another share than it got, or the dealer dealt shares that do not fit each other.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::crypto::entropy::Entropy;
use crate::crypto::secret::Secret;
use crate::crypto::signing::{SigningKey, VerifyingKey};
use crate::crypto::{aead, kdf};
use crate::epoch::keyring::RoundKeys;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::merkle::{leaf_hash, root_of};
use crate::log::proof::InclusionProof;
use crate::round::checks::Check;
use crate::round::context::{SecretKind, commitment, pair_base_commitment, share_commitment};
use crate::round::params::Thresholds;
use crate::secagg::shamir::{Polynomial, SecretScalar};
use crate::wire::canonical::Writer;
use crate::wire::message::{Bundle, Delivery, Parcel, Rejection};
use crate::wire::signed::Signed;
use crate::wire::statement::BundleHeader;

/// The shares that a bank holds of one bank's two secrets.
#[derive(Debug)]
pub struct HeldShares {
    /// Of `b_j`.
    pub self_mask: SecretScalar,
    /// Of `sigma_j`.
    pub recovery: SecretScalar,
}

impl HeldShares {
    /// What is sealed into a parcel.
    fn plain(&self) -> Zeroizing<[u8; 64]> {
        let mut plain = Zeroizing::new([0; 64]);
        let (self_mask, recovery) = plain.split_at_mut(32);
        self_mask.copy_from_slice(self.self_mask.to_secret().expose());
        recovery.copy_from_slice(self.recovery.to_secret().expose());
        plain
    }

    /// Commitments to both, as the parcel of `dealer` for `receiver` names them.
    fn commitments(&self, dealer: Place, receiver: BankIndex) -> (Digest, Digest) {
        let of =
            |kind, share| share_commitment(dealer.epoch, dealer.round, dealer.bank, receiver, kind, share);
        (
            of(SecretKind::SelfMask, &self.self_mask),
            of(SecretKind::Recovery, &self.recovery),
        )
    }
}

/// What a bank keeps of its own preparation until the round is closed.
#[derive(Debug)]
pub struct Prepared {
    /// `b_i`.
    pub self_mask: SecretScalar,
    /// `beta_ij` by peer.
    pub bases: BTreeMap<BankIndex, Secret>,
    /// Keys that open the peers' parcels, by peer; dropped as soon as they are opened.
    pub openers: BTreeMap<BankIndex, Secret>,
    /// Its shares of its own secrets.
    pub own_shares: HeldShares,
}

/// Where a preparation belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The epoch.
    pub epoch: Epoch,
    /// The round.
    pub round: Round,
    /// The bank that prepares.
    pub bank: BankIndex,
}

/// Prepares a round with the keys that were taken from the chains for it. The keys that seal are gone when this returns.
pub fn prepare<E: Entropy>(
    place: Place,
    thresholds: &Thresholds,
    keys: BTreeMap<BankIndex, RoundKeys>,
    key: &SigningKey,
    entropy: &mut E,
) -> (Prepared, Bundle) {
    let self_mask = SecretScalar::random(entropy);
    let recovery = SecretScalar::random(entropy);
    let self_mask_polynomial = Polynomial::sharing(&self_mask, thresholds.threshold, entropy);
    let recovery_polynomial = Polynomial::sharing(&recovery, thresholds.threshold, entropy);
    let shares_for = |bank| HeldShares {
        self_mask: self_mask_polynomial.share(bank),
        recovery: recovery_polynomial.share(bank),
    };
    let mut parcels = Vec::new();
    // All of it at once: a vector that grows leaves its old places behind unwiped.
    let mut blob = Zeroizing::new(Vec::with_capacity(32 * keys.len()));
    for receiver in (1..=thresholds.banks).filter_map(BankIndex::new) {
        let shares = shares_for(receiver);
        let (sealed, pair_base) = match keys.get(&receiver) {
            Some(RoundKeys { base, send, .. }) => {
                blob.extend_from_slice(base.expose());
                (
                    aead::seal(
                        send,
                        entropy,
                        &parcel_place(place, receiver),
                        shares.plain().as_ref(),
                    ),
                    pair_base_commitment(place.epoch, place.round, place.bank, receiver, base),
                )
            }
            // Its own place: nothing is sent, but what it keeps is committed to all the same.
            None => (Vec::new(), Digest([0; 32])),
        };
        let (self_mask_share, recovery_share) = shares.commitments(place, receiver);
        parcels.push(Parcel {
            sealed,
            pair_base,
            self_mask_share,
            recovery_share,
        });
    }
    let recovery_blob = aead::seal(&blob_key(&recovery), entropy, &blob_place(place), &blob);
    let header = BundleHeader {
        epoch: place.epoch,
        round: place.round,
        bank: place.bank,
        parcels: parcels_root(&parcels),
        recovery_blob: Digest::of(&recovery_blob),
        self_mask: commitment(
            place.epoch,
            place.round,
            place.bank,
            SecretKind::SelfMask,
            &self_mask,
        ),
        recovery: commitment(
            place.epoch,
            place.round,
            place.bank,
            SecretKind::Recovery,
            &recovery,
        ),
    };
    let own_shares = shares_for(place.bank);
    let (mut bases, mut openers) = (BTreeMap::new(), BTreeMap::new());
    for (peer, keys) in keys {
        bases.insert(peer, keys.base);
        openers.insert(peer, keys.receive);
    }
    let bundle = Bundle {
        header: Signed::sign(key, header),
        parcels,
        recovery_blob,
    };
    (
        Prepared {
            self_mask,
            bases,
            openers,
            own_shares,
        },
        bundle,
    )
}

/// The coordinator's check of a bundle before it is logged and passed on.
///
/// # Errors
/// C-702 or C-705.
pub fn check_bundle(
    bundle: &Bundle,
    place: Place,
    banks: u16,
    signing_key: &VerifyingKey,
) -> Result<(), Rejection> {
    let header = bundle
        .header
        .open(signing_key)
        .ok_or_else(|| Rejection::new(Check::Signature, "under the bundle"))?;
    let malformed = |what: &str| Err(Rejection::new(Check::Malformed, format!("bundle: {what}")));
    if (header.epoch, header.round, header.bank) != (place.epoch, place.round, place.bank) {
        return malformed("it is for another round or bank");
    }
    if bundle.parcels.len() != usize::from(banks) {
        return malformed("it has not one parcel per bank");
    }
    let sealed_bytes = 64 + aead::OVERHEAD;
    let own_place = usize::from(place.bank.get()) - 1;
    let right_size = |(at, parcel): (usize, &Parcel)| {
        parcel.sealed.len() == if at == own_place { 0 } else { sealed_bytes }
    };
    if !bundle.parcels.iter().enumerate().all(right_size) {
        return malformed("a parcel has a wrong length");
    }
    if bundle.recovery_blob.len() != 32 * (usize::from(banks) - 1) + aead::OVERHEAD {
        return malformed("the recovery blob has a wrong length");
    }
    if parcels_root(&bundle.parcels) != header.parcels
        || Digest::of(&bundle.recovery_blob) != header.recovery_blob
    {
        return malformed("its parts are not the ones that the header names");
    }
    Ok(())
}

/// The part of a checked bundle that goes to `receiver`.
pub fn delivery(bundle: &Bundle, receiver: BankIndex) -> Option<Delivery> {
    let at = usize::from(receiver.get()) - 1;
    let proof = InclusionProof::build(&leaves(&bundle.parcels), u64::try_from(at).ok()?).ok()?;
    Some(Delivery {
        header: bundle.header,
        parcel: bundle.parcels.get(at)?.clone(),
        path: proof.path,
    })
}

/// What a receiver needs to check a delivery.
pub struct Receiver<'a> {
    /// This bank.
    pub bank: BankIndex,
    /// Number of banks in the roster.
    pub banks: u16,
    /// What it keeps of its own preparation.
    pub prepared: &'a Prepared,
}

/// Opens a peer's delivery. `sender` says whose it must be; `manifest` is the hash that the log names for the sender's bundle.
///
/// # Errors
/// C-206 if it is not what the sender signed, C-207 if it does not open or a share is not canonical or not the one that the sender
/// committed to, C-208 if the sender committed to another mask base.
pub fn open_delivery(
    receiver: &Receiver<'_>,
    sender: Place,
    signing_key: &VerifyingKey,
    manifest: &Digest,
    delivery: &Delivery,
) -> Result<HeldShares, Rejection> {
    let about = format!("from bank {}", sender.bank);
    let origin = || Rejection::new(Check::ParcelOrigin, about.clone());
    let header = delivery.header.open(signing_key).ok_or_else(origin)?;
    let right_place = (header.epoch, header.round, header.bank) == (sender.epoch, sender.round, sender.bank);
    let proof = InclusionProof {
        index: u64::from(receiver.bank.get()) - 1,
        tree_size: u64::from(receiver.banks),
        path: delivery.path.clone(),
    };
    let proven = proof.verify(&leaf(&delivery.parcel), &header.parcels).is_ok();
    if !right_place || delivery.header.hash() != *manifest || !proven {
        return Err(origin());
    }
    let content = || Rejection::new(Check::ParcelContent, about.clone());
    let opener = receiver.prepared.openers.get(&sender.bank).ok_or_else(content)?;
    let base = receiver.prepared.bases.get(&sender.bank).ok_or_else(content)?;
    if delivery.parcel.pair_base
        != pair_base_commitment(sender.epoch, sender.round, sender.bank, receiver.bank, base)
    {
        return Err(Rejection::new(Check::PairBase, about));
    }
    let plain = aead::open(
        opener,
        &parcel_place(sender, receiver.bank),
        &delivery.parcel.sealed,
    )
    .map_err(|_| content())?;
    let (self_mask, recovery) = plain.split_first_chunk::<32>().ok_or_else(content)?;
    let recovery = <[u8; 32]>::try_from(recovery).map_err(|_| content())?;
    let shares = HeldShares {
        self_mask: SecretScalar::from_canonical(*self_mask).ok_or_else(content)?,
        recovery: SecretScalar::from_canonical(recovery).ok_or_else(content)?,
    };
    let committed = (delivery.parcel.self_mask_share, delivery.parcel.recovery_share);
    if shares.commitments(sender, receiver.bank) != committed {
        return Err(content());
    }
    Ok(shares)
}

/// The mask bases in a recovery blob, once the recovery secret is known. Each is compared with the commitment in the bundle.
///
/// # Errors
/// C-706 if the blob does not open or does not hold what the bundle commits to.
pub fn open_recovery_blob(
    place: Place,
    bundle: &Bundle,
    recovery: &SecretScalar,
) -> Result<BTreeMap<BankIndex, Secret>, Rejection> {
    let bad = || {
        Rejection::new(
            Check::Commitment,
            format!("the recovery blob of bank {}", place.bank),
        )
    };
    let plain =
        aead::open(&blob_key(recovery), &blob_place(place), &bundle.recovery_blob).map_err(|_| bad())?;
    let peers = (1u16..)
        .filter_map(BankIndex::new)
        .zip(&bundle.parcels)
        .filter(|(peer, _)| *peer != place.bank);
    let (bases, rest) = plain.as_chunks::<32>();
    if !rest.is_empty() || bases.len() + 1 != bundle.parcels.len() {
        return Err(bad());
    }
    let mut opened = BTreeMap::new();
    for ((peer, parcel), base) in peers.zip(bases) {
        let base = Secret::from_bytes(*base);
        if pair_base_commitment(place.epoch, place.round, place.bank, peer, &base) != parcel.pair_base {
            return Err(bad());
        }
        opened.insert(peer, base);
    }
    Ok(opened)
}

/// Root of the tree over a bundle's parcels, which its header names.
pub fn parcels_root(parcels: &[Parcel]) -> Digest {
    root_of(&leaves(parcels))
}

fn leaves(parcels: &[Parcel]) -> Vec<Digest> {
    parcels.iter().map(leaf).collect()
}

fn leaf(parcel: &Parcel) -> Digest {
    leaf_hash(
        &Writer::domain("parcel")
            .bytes(&parcel.sealed)
            .digest(&parcel.pair_base)
            .digest(&parcel.self_mask_share)
            .digest(&parcel.recovery_share)
            .finish(),
    )
}

fn parcel_place(sender: Place, receiver: BankIndex) -> Vec<u8> {
    let mut w = Writer::domain("parcel-place");
    sender.write(&mut w);
    w.bank(receiver).finish()
}

fn blob_place(place: Place) -> Vec<u8> {
    let mut w = Writer::domain("recovery-blob");
    place.write(&mut w);
    w.finish()
}

fn blob_key(recovery: &SecretScalar) -> Secret {
    kdf::derive(
        b"",
        recovery.to_secret().expose(),
        b"veilsum/v1/recovery-blob-key\0",
    )
}

impl Place {
    fn write(&self, w: &mut Writer) {
        self.epoch.write(w);
        self.round.write(w);
        w.bank(self.bank);
    }
}

#[cfg(test)]
pub(super) mod tests;
