#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::epoch::keyring::Keyring;
use crate::epoch::keyring::tests::keyrings;
use crate::secagg::shamir::Interpolation;

pub(in crate::round) const ROUND: Round = Round(4);

pub(in crate::round) fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

pub(in crate::round) fn place(position: u16) -> Place {
    Place {
        epoch: Epoch(1),
        round: ROUND,
        bank: bank(position),
    }
}

pub(in crate::round) fn signing_key(position: u16) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(u64::from(position)))
}

pub(in crate::round) struct Side {
    /// Seals for bank 2.
    sealer: Option<Secret>,
    pub(in crate::round) prepared: Prepared,
    pub(in crate::round) bundle: Bundle,
}

/// Five banks that have prepared.
pub(in crate::round) fn sides() -> BTreeMap<BankIndex, Side> {
    let thresholds = Thresholds::with_most_colluders(5).unwrap();
    let side = |(bank, mut keyring): (BankIndex, Keyring)| {
        let keys = keyring.take_round(bank, ROUND).unwrap();
        let sealer = keys
            .get(&BankIndex::new(2).unwrap())
            .map(|keys| keys.send.duplicate());
        let number = bank.get();
        let entropy = &mut SeededEntropy::new(50 + u64::from(number));
        let (prepared, bundle) = prepare(place(number), &thresholds, keys, &signing_key(number), entropy);
        let side = Side {
            sealer,
            prepared,
            bundle,
        };
        (bank, side)
    };
    keyrings(5, Round(1)).into_iter().map(side).collect()
}

/// Bank 2 opens what bank 1 sent it, after `change`.
fn opened(
    sides: &BTreeMap<BankIndex, Side>,
    change: impl FnOnce(&mut Delivery),
) -> Result<HeldShares, Check> {
    let mut parcel = delivery(&sides[&bank(1)].bundle, bank(2)).unwrap();
    change(&mut parcel);
    open(sides, place(1), &parcel)
}

fn open(sides: &BTreeMap<BankIndex, Side>, sender: Place, parcel: &Delivery) -> Result<HeldShares, Check> {
    let side = &sides[&bank(2)];
    let receiver = Receiver {
        bank: bank(2),
        banks: 5,
        prepared: &side.prepared,
    };
    let manifest = sides[&bank(1)].bundle.header.hash();
    open_delivery(
        &receiver,
        sender,
        &signing_key(1).verifying_key(),
        &manifest,
        parcel,
    )
    .map_err(|rejection| rejection.check)
}

#[test]
fn the_parcels_hold_shares_of_both_secrets() {
    let sides = sides();
    let sender = &sides[&bank(1)];
    check_bundle(&sender.bundle, place(1), 5, &signing_key(1).verifying_key()).unwrap();
    let mut shares = vec![sender.prepared.own_shares.self_mask.duplicate()];
    shares.extend((2..=5).map(|receiver| held(&sides, receiver, 1).unwrap().self_mask));
    let banks: Vec<BankIndex> = (1..=4).map(bank).collect();
    let secret = Interpolation::at_zero(&banks)
        .unwrap()
        .combine(shares[..4].iter())
        .unwrap();
    assert_eq!(secret.to_secret(), sender.prepared.self_mask.to_secret());
    assert!(delivery(&sender.bundle, bank(6)).is_none());
}

#[test]
fn c_206_a_parcel_that_its_sender_did_not_sign_for_this_place() {
    let sides = sides();
    assert!(opened(&sides, |_| ()).is_ok());
    let origin = Some(Check::ParcelOrigin);
    assert_eq!(
        opened(&sides, |parcel| parcel.parcel.sealed[20] ^= 1).err(),
        origin
    );
    assert_eq!(
        opened(&sides, |parcel| parcel.parcel.pair_base = Digest([0; 32])).err(),
        origin
    );
    assert_eq!(
        opened(&sides, |parcel| parcel.parcel.self_mask_share = Digest([0; 32])).err(),
        origin
    );
    assert_eq!(
        opened(&sides, |parcel| parcel.parcel.recovery_share = Digest([0; 32])).err(),
        origin
    );
    assert_eq!(
        opened(&sides, |parcel| parcel.path[0] = Digest([0; 32])).err(),
        origin
    );
    assert_eq!(opened(&sides, |parcel| parcel.path.truncate(1)).err(), origin);
    // The parcel for bank 3, with its own right path; bank 3's header; a header that bank 3 signed.
    let other = delivery(&sides[&bank(1)].bundle, bank(3)).unwrap();
    assert_eq!(opened(&sides, |parcel| *parcel = other).err(), origin);
    let other = delivery(&sides[&bank(3)].bundle, bank(2)).unwrap();
    assert_eq!(opened(&sides, |parcel| *parcel = other).err(), origin);
    let forged = |parcel: &mut Delivery| {
        parcel.header = Signed::sign(&signing_key(3), *parcel.header.claim());
    };
    assert_eq!(opened(&sides, forged).err(), origin);
    // Another round.
    let parcel = delivery(&sides[&bank(1)].bundle, bank(2)).unwrap();
    assert_eq!(
        open(
            &sides,
            Place {
                round: Round(5),
                ..place(1)
            },
            &parcel
        )
        .err(),
        origin
    );
}

/// Bank 1 seals something else for bank 2 and signs it as it should.
fn dishonest(sides: &mut BTreeMap<BankIndex, Side>, change: impl FnOnce(&Secret, &mut Parcel)) -> Delivery {
    let side = sides.get_mut(&bank(1)).unwrap();
    change(side.sealer.as_ref().unwrap(), &mut side.bundle.parcels[1]);
    let header = BundleHeader {
        parcels: parcels_root(&side.bundle.parcels),
        ..*side.bundle.header.claim()
    };
    side.bundle.header = Signed::sign(&signing_key(1), header);
    delivery(&side.bundle, bank(2)).unwrap()
}

fn seal(key: &Secret, sender: Place, plain: &[u8]) -> Vec<u8> {
    aead::seal(
        key,
        &mut SeededEntropy::new(8),
        &parcel_place(sender, bank(2)),
        plain,
    )
}

/// Shares below the order of the field, whatever they are worth.
fn other_shares() -> HeldShares {
    let share = |byte| SecretScalar::from_canonical([byte; 32]).unwrap();
    HeldShares {
        self_mask: share(1),
        recovery: share(2),
    }
}

/// Bank 1 deals bank 2 other shares than those of its polynomials, and commits to them: nobody can see that before recovery.
pub(in crate::round) fn deal_inconsistently(sides: &mut BTreeMap<BankIndex, Side>) {
    dishonest(sides, |key, parcel| {
        parcel.sealed = seal(key, place(1), other_shares().plain().as_ref());
        (parcel.self_mask_share, parcel.recovery_share) = other_shares().commitments(place(1), bank(2));
    });
}

/// What bank `receiver` holds of bank `dealer`'s secrets.
pub(in crate::round) fn held(
    sides: &BTreeMap<BankIndex, Side>,
    receiver: u16,
    dealer: u16,
) -> Result<HeldShares, Rejection> {
    let view = Receiver {
        bank: bank(receiver),
        banks: 5,
        prepared: &sides[&bank(receiver)].prepared,
    };
    let bundle = &sides[&bank(dealer)].bundle;
    let parcel = delivery(bundle, bank(receiver)).unwrap();
    let key = signing_key(dealer).verifying_key();
    open_delivery(&view, place(dealer), &key, &bundle.header.hash(), &parcel)
}

#[test]
fn a_bundle_commits_to_every_share_also_to_the_senders_own() {
    // The form of `docs/protocol.md`, laid by hand.
    let form = |receiver: u16, kind: u8, share: &SecretScalar| {
        let mut bytes = b"veilsum/v1/commit-share\0".to_vec();
        bytes.extend(1u64.to_be_bytes());
        bytes.extend(ROUND.0.to_be_bytes());
        bytes.extend(1u16.to_be_bytes());
        bytes.extend(receiver.to_be_bytes());
        bytes.push(kind);
        bytes.extend(share.to_secret().expose());
        Digest::of(&bytes)
    };
    let sides = sides();
    let sender = &sides[&bank(1)];
    for receiver in 1..=5 {
        let opened;
        let shares = if receiver == 1 {
            &sender.prepared.own_shares
        } else {
            opened = held(&sides, receiver, 1).unwrap();
            &opened
        };
        let parcel = &sender.bundle.parcels[usize::from(receiver) - 1];
        assert_eq!(parcel.self_mask_share, form(receiver, 1, &shares.self_mask));
        assert_eq!(parcel.recovery_share, form(receiver, 2, &shares.recovery));
        assert_eq!(parcel.sealed.is_empty(), receiver == 1);
    }
}

#[test]
fn c_207_a_parcel_that_does_not_open_or_holds_no_canonical_shares() {
    let elsewhere = Place {
        round: Round(3),
        ..place(1)
    };
    for (sender, plain) in [
        (place(1), [255; 64].as_slice()),
        (place(1), &[1; 63]),
        (place(1), &[]),
        (elsewhere, &[1; 64]),
    ] {
        let mut sides = sides();
        let parcel = dishonest(&mut sides, |key, parcel| parcel.sealed = seal(key, sender, plain));
        assert_eq!(open(&sides, place(1), &parcel).err(), Some(Check::ParcelContent));
    }
}

#[test]
fn c_207_shares_that_the_sender_did_not_commit_to() {
    let plain = other_shares().plain();
    let committed = other_shares().commitments(place(1), bank(2));
    let opens = |change: &dyn Fn(&mut Parcel)| {
        let mut sides = sides();
        let parcel = dishonest(&mut sides, |key, parcel| {
            parcel.sealed = seal(key, place(1), plain.as_ref());
            (parcel.self_mask_share, parcel.recovery_share) = committed;
            change(parcel);
        });
        open(&sides, place(1), &parcel).map(|_| ())
    };
    assert_eq!(opens(&|_| ()), Ok(()));
    let honest = sides()[&bank(1)].bundle.parcels[1].clone();
    let content = Err(Check::ParcelContent);
    assert_eq!(
        opens(&|parcel| parcel.self_mask_share = honest.self_mask_share),
        content
    );
    assert_eq!(
        opens(&|parcel| parcel.recovery_share = honest.recovery_share),
        content
    );
    // Each for the other kind; those of another receiver, of another dealer and of another round.
    assert_eq!(
        opens(&|parcel| std::mem::swap(&mut parcel.self_mask_share, &mut parcel.recovery_share)),
        content
    );
    let elsewhere = Place {
        round: Round(5),
        ..place(1)
    };
    for (dealer, receiver) in [(place(1), 3), (place(3), 2), (elsewhere, 2)] {
        let other = other_shares().commitments(dealer, bank(receiver));
        assert_eq!(
            opens(&|parcel| (parcel.self_mask_share, parcel.recovery_share) = other),
            content
        );
    }
}

#[test]
fn c_208_a_sender_that_commits_to_another_mask_base() {
    let mut sides = sides();
    let parcel = dishonest(&mut sides, |_, parcel| parcel.pair_base = Digest([9; 32]));
    assert_eq!(open(&sides, place(1), &parcel).err(), Some(Check::PairBase));
}

#[test]
fn c_706_a_recovery_blob_opens_only_with_its_secret_and_only_to_what_was_committed() {
    let mut entropy = SeededEntropy::new(9);
    let mut keyring = keyrings(5, Round(1)).remove(&bank(1)).unwrap();
    let keys = keyring.take_round(bank(1), ROUND).unwrap();
    let bases: BTreeMap<BankIndex, Secret> = keys.into_iter().map(|(peer, keys)| (peer, keys.base)).collect();
    let mut sides = sides();
    let shares: Vec<SecretScalar> = (2..=5)
        .map(|receiver| held(&sides, receiver, 1).unwrap().recovery)
        .collect();
    let banks: Vec<BankIndex> = (2..=5).map(bank).collect();
    let secret = Interpolation::at_zero(&banks)
        .unwrap()
        .combine(shares.iter())
        .unwrap();
    let bundle = &mut sides.get_mut(&bank(1)).unwrap().bundle;
    assert_eq!(open_recovery_blob(place(1), bundle, &secret).unwrap(), bases);

    let check = |bundle: &Bundle, place, secret: &SecretScalar| {
        open_recovery_blob(place, bundle, secret).unwrap_err().check
    };
    assert_eq!(
        check(bundle, place(1), &SecretScalar::random(&mut entropy)),
        Check::Commitment
    );
    assert_eq!(
        check(
            bundle,
            Place {
                round: Round(5),
                ..place(1)
            },
            &secret
        ),
        Check::Commitment
    );
    let plains: [Vec<u8>; 3] = [vec![7; 4 * 32], vec![7; 4 * 32 - 1], vec![7; 3 * 32]];
    for plain in plains {
        bundle.recovery_blob = aead::seal(&blob_key(&secret), &mut entropy, &blob_place(place(1)), &plain);
        assert_eq!(check(bundle, place(1), &secret), Check::Commitment);
    }
}

#[test]
fn c_702_and_c_705_bundles_that_are_not_whole() {
    let sides = sides();
    let key = signing_key(1).verifying_key();
    let refused = |change: fn(&mut Bundle)| {
        let mut bundle = sides[&bank(1)].bundle.clone();
        change(&mut bundle);
        check_bundle(&bundle, place(1), 5, &key).unwrap_err().check
    };
    assert_eq!(refused(|bundle| bundle.recovery_blob[0] ^= 1), Check::Malformed);
    assert_eq!(refused(|bundle| bundle.recovery_blob.push(0)), Check::Malformed);
    assert_eq!(
        refused(|bundle| bundle.parcels[0].sealed.push(0)),
        Check::Malformed
    );
    assert_eq!(
        refused(|bundle| bundle.parcels[3].sealed[0] ^= 1),
        Check::Malformed
    );
    assert_eq!(refused(|bundle| drop(bundle.parcels.pop())), Check::Malformed);
    let bundle = &sides[&bank(1)].bundle;
    let check = |place, key| check_bundle(bundle, place, 5, key).unwrap_err().check;
    assert_eq!(check(place(2), &key), Check::Malformed);
    assert_eq!(check(place(1), &signing_key(2).verifying_key()), Check::Signature);
}
