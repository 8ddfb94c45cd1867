//! What banks seal for each other: a liar signs and seals what it likes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::crypto::{aead, kdf};
use veilsum_protocol::epoch::keyring::RoundKeys;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::{InclusionProof, ProofError};
use veilsum_protocol::round::context::{SecretKind, pair_base_commitment, share_commitment};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::prepare::{
    HeldShares, Place, Prepared, Receiver, check_bundle, delivery, open_delivery, open_recovery_blob,
    parcels_root, prepare,
};
use veilsum_protocol::secagg::shamir::SecretScalar;
use veilsum_protocol::wire::canonical::Writer;
use veilsum_protocol::wire::frame;
use veilsum_protocol::wire::message::{Bundle, Delivery, MESSAGE_LIMIT};
use veilsum_protocol::wire::signed::Signed;

use super::{Decoder, Outcome, decoder};
use crate::stage::consortium::{bank, signing_key};

pub(super) const DECODERS: &[Decoder] = &[
    decoder("sealed message", sealed),
    decoder("shares in a parcel", shares),
    decoder("delivery", opened_delivery).mended(signed_delivery),
    decoder("bases in a recovery blob", bases),
    decoder("bundle", checked_bundle).mended(signed_bundle),
];

const BANKS: u16 = 3;
const EPOCH: Epoch = Epoch(1);
const ROUND: Round = Round(4);
const SEED: u64 = 4;

/// Where bank `own` prepares.
fn at(own: u16) -> Place {
    Place {
        epoch: EPOCH,
        round: ROUND,
        bank: bank(own),
    }
}

/// Bank 1 has prepared; bank 2 gets its parcel.
struct Scene {
    bundle: Bundle,
    /// The secret behind the recovery blob.
    recovery: SecretScalar,
    receiver: Prepared,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let thresholds = Thresholds::with_most_colluders(BANKS).unwrap();
    let prepared = |own: u16| {
        let keys = (1..=BANKS).filter(|peer| *peer != own).map(|peer| {
            let keys = RoundKeys {
                base: pair_base(own, peer),
                send: pair_key(own, peer),
                receive: pair_key(peer, own),
            };
            (bank(peer), keys)
        });
        let entropy = &mut SeededEntropy::new(SEED + u64::from(own));
        let key = signing_key(bank(own));
        prepare(at(own), &thresholds, keys.collect(), &key, entropy)
    };
    // The second secret that it draws.
    let entropy = &mut SeededEntropy::new(SEED + 1);
    SecretScalar::random(entropy);
    Scene {
        bundle: prepared(1).1,
        recovery: SecretScalar::random(entropy),
        receiver: prepared(2).0,
    }
});

fn secret(what: &str, a: u16, b: u16) -> Secret {
    Secret::from_bytes(Digest::of(format!("{what} {a} {b}").as_bytes()).0)
}

fn pair_base(a: u16, b: u16) -> Secret {
    secret("base", a.min(b), a.max(b))
}

/// Seals from `from` to `to`.
fn pair_key(from: u16, to: u16) -> Secret {
    secret("seal", from, to)
}

/// What the associated data of a sealed message names.
fn place(kind: &str, to: Option<u16>) -> Vec<u8> {
    let mut w = Writer::domain(kind);
    EPOCH.write(&mut w);
    ROUND.write(&mut w);
    w.bank(bank(1));
    if let Some(to) = to {
        w.bank(bank(to));
    }
    w.finish()
}

/// Every message draws one salt.
struct Salt([u8; 16]);

impl Entropy for Salt {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }
}

fn seal(key: &Secret, place: &[u8], plain: &[u8]) -> Vec<u8> {
    aead::seal(key, &mut Salt([1; 16]), place, plain)
}

fn blob_key() -> Secret {
    kdf::derive(
        b"",
        SCENE.recovery.to_secret().expose(),
        b"veilsum/v1/recovery-blob-key\0",
    )
}

/// A plain text has one sealed form under a salt, so opening it and sealing it again gives the same.
fn sealed(bytes: &[u8]) -> Outcome {
    let (key, place) = (pair_key(1, 2), place("parcel-place", Some(2)));
    let Ok(plain) = aead::open(&key, &place, bytes) else {
        return Outcome::Refused;
    };
    let salt = bytes.first_chunk().copied();
    Outcome::of(
        bytes,
        salt.map(|salt| aead::seal(&key, &mut Salt(salt), &place, &plain)),
    )
}

fn open(delivery: &Delivery) -> Option<HeldShares> {
    let receiver = Receiver {
        bank: bank(2),
        banks: BANKS,
        prepared: &SCENE.receiver,
    };
    // The log names whatever header the liar signed.
    let manifest = delivery.header.hash();
    let key = signing_key(bank(1)).verifying_key();
    open_delivery(&receiver, at(1), &key, &manifest, delivery).ok()
}

fn shares(bytes: &[u8]) -> Outcome {
    let mut bundle = SCENE.bundle.clone();
    let parcel = &mut bundle.parcels[1];
    parcel.sealed = seal(&pair_key(1, 2), &place("parcel-place", Some(2)), bytes);
    let (halves, _) = bytes.as_chunks::<32>();
    let mut scalars = halves.iter().map(|half| SecretScalar::from_canonical(*half));
    let mut commitment = |kind| {
        let scalar = scalars.next().flatten();
        scalar.map(|scalar| share_commitment(EPOCH, ROUND, bank(1), bank(2), kind, &scalar))
    };
    parcel.self_mask_share = commitment(SecretKind::SelfMask).unwrap_or(Digest([0; 32]));
    parcel.recovery_share = commitment(SecretKind::Recovery).unwrap_or(Digest([0; 32]));
    sign_bundle(&mut bundle);
    let held = open(&delivery(&bundle, bank(2)).unwrap());
    Outcome::of(
        bytes,
        held.map(|held| {
            let [a, b] = [&held.self_mask, &held.recovery].map(SecretScalar::to_secret);
            [*a.expose(), *b.expose()].concat()
        }),
    )
}

fn opened_delivery(bytes: &[u8]) -> Outcome {
    let delivery = frame::decode::<Delivery>(bytes, MESSAGE_LIMIT).ok();
    let opened = delivery.filter(|delivery| open(delivery).is_some());
    Outcome::of(
        bytes,
        opened.map(|delivery| frame::encode(&delivery, MESSAGE_LIMIT).unwrap()),
    )
}

/// A header over whatever parcel and path there are.
fn signed_delivery(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut delivery: Delivery = frame::decode(bytes, MESSAGE_LIMIT).ok()?;
    let proof = InclusionProof {
        index: 1,
        tree_size: u64::from(BANKS),
        path: delivery.path.clone(),
    };
    // A tree of one parcel is that parcel's leaf.
    let leaf = parcels_root(std::slice::from_ref(&delivery.parcel));
    let mut header = *delivery.header.claim();
    if let Err(ProofError::Root { found, .. }) = proof.verify(&leaf, &Digest([0; 32])) {
        header.parcels = found;
    }
    delivery.header = Signed::sign(&signing_key(bank(1)), header);
    frame::encode(&delivery, MESSAGE_LIMIT).ok()
}

fn recovered(bundle: &Bundle) -> Option<BTreeMap<BankIndex, Secret>> {
    open_recovery_blob(at(1), bundle, &SCENE.recovery).ok()
}

fn bases(bytes: &[u8]) -> Outcome {
    let mut bundle = SCENE.bundle.clone();
    bundle.recovery_blob = seal(&blob_key(), &place("recovery-blob", None), bytes);
    let (bases, _) = bytes.as_chunks::<32>();
    for (peer, base) in (2..=BANKS).zip(bases) {
        let base = Secret::from_bytes(*base);
        bundle.parcels[usize::from(peer) - 1].pair_base =
            pair_base_commitment(EPOCH, ROUND, bank(1), bank(peer), &base);
    }
    let opened = recovered(&bundle);
    Outcome::of(
        bytes,
        opened.map(|bases| bases.values().flat_map(|base| *base.expose()).collect()),
    )
}

fn checked_bundle(bytes: &[u8]) -> Outcome {
    let Ok(bundle) = frame::decode::<Bundle>(bytes, MESSAGE_LIMIT) else {
        return Outcome::Refused;
    };
    let key = signing_key(bank(1)).verifying_key();
    let checked = check_bundle(&bundle, at(1), BANKS, &key).is_ok();
    for receiver in 1..=BANKS + 1 {
        let sent = delivery(&bundle, bank(receiver));
        assert!(!checked || sent.is_some() == (receiver <= BANKS));
    }
    recovered(&bundle);
    Outcome::of(
        bytes,
        checked.then(|| frame::encode(&bundle, MESSAGE_LIMIT).unwrap()),
    )
}

fn sign_bundle(bundle: &mut Bundle) {
    let mut header = *bundle.header.claim();
    header.parcels = parcels_root(&bundle.parcels);
    header.recovery_blob = Digest::of(&bundle.recovery_blob);
    bundle.header = Signed::sign(&signing_key(bank(1)), header);
}

fn signed_bundle(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bundle = frame::decode(bytes, MESSAGE_LIMIT).ok()?;
    sign_bundle(&mut bundle);
    frame::encode(&bundle, MESSAGE_LIMIT).ok()
}

/// Good bytes for the decoders above, which no round of the world gives away.
pub(super) fn good() -> Vec<Vec<u8>> {
    let scene = &*SCENE;
    let delivery = delivery(&scene.bundle, bank(2)).unwrap();
    let held = open(&delivery).unwrap();
    let [a, b] = [&held.self_mask, &held.recovery].map(SecretScalar::to_secret);
    let bases = recovered(&scene.bundle).unwrap();
    vec![
        delivery.parcel.sealed.clone(),
        [*a.expose(), *b.expose()].concat(),
        bases.values().flat_map(|base| *base.expose()).collect(),
        frame::encode(&delivery, MESSAGE_LIMIT).unwrap(),
        frame::encode(&scene.bundle, MESSAGE_LIMIT).unwrap(),
    ]
}
