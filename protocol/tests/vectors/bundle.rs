//! `v1/bundle.json`: what a bank prepares for a round from fixed keys and randomness, and what its peers make of it.
//!
//! The parts of a parcel are those that it serialises, so the file follows them; `oracle.py` names them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::epoch::keyring::RoundKeys;
use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::round::prepare::{
    HeldShares, Place, Prepared, Receiver, check_bundle, delivery, open_delivery, open_recovery_blob, prepare,
};
use veilsum_protocol::secagg::shamir::SecretScalar;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Bundle, Delivery, Rejection};

use crate::{Given, bank, frozen};

const DEALER: u16 = 2;
const ENTROPY: u64 = 77;

fn thresholds() -> Thresholds {
    Thresholds::with_most_colluders(3).unwrap()
}

fn place(position: u16) -> Place {
    Place {
        epoch: Epoch(1),
        round: Round(8),
        bank: bank(position),
    }
}

fn key(position: u16) -> SigningKey {
    SigningKey::generate(&mut Given(&[position as u8; 32]))
}

fn base(a: u16, b: u16) -> [u8; 32] {
    [(16 * a.min(b) + a.max(b)) as u8; 32]
}

fn sealing(from: u16, to: u16) -> [u8; 32] {
    [(0x80 + 16 * from + to) as u8; 32]
}

fn round_keys(own: u16, peer: u16) -> RoundKeys {
    RoundKeys {
        base: Secret::from_bytes(base(own, peer)),
        send: Secret::from_bytes(sealing(own, peer)),
        receive: Secret::from_bytes(sealing(peer, own)),
    }
}

/// What bank `own` prepares, with its keys for `peer` changed.
fn prepared_with(own: u16, change: impl Fn(u16, &mut RoundKeys)) -> (Prepared, Bundle) {
    let mut keys = BTreeMap::new();
    for peer in (1..=3).filter(|peer| *peer != own) {
        let mut of_peer = round_keys(own, peer);
        change(peer, &mut of_peer);
        keys.insert(bank(peer), of_peer);
    }
    let mut entropy = SeededEntropy::new(ENTROPY);
    prepare(place(own), &thresholds(), keys, &key(own), &mut entropy)
}

fn prepared(own: u16) -> (Prepared, Bundle) {
    prepared_with(own, |_, _| {})
}

/// Bank `to` opens what the dealer sent it.
fn opened(to: u16, manifest: &Digest, delivery: &Delivery) -> Result<HeldShares, Rejection> {
    let receiver = Receiver {
        bank: bank(to),
        banks: 3,
        prepared: &prepared(to).0,
    };
    let verifying_key = key(DEALER).verifying_key();
    open_delivery(&receiver, place(DEALER), &verifying_key, manifest, delivery)
}

fn step<T>(found: Result<T, Rejection>) -> String {
    found.map_or_else(
        |rejection| format!("C-{}", rejection.check.number()),
        |_| "nothing".to_owned(),
    )
}

/// Lists of bytes as hexadecimal text, however deep.
fn hexed(value: Value) -> Value {
    let byte = |item: &Value| item.as_u64().and_then(|item| u8::try_from(item).ok());
    match value {
        Value::Array(items) => match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) => json!(hex::encode(bytes)),
            None => items.into_iter().map(hexed).collect(),
        },
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, field)| (key, hexed(field)))
            .collect(),
        other => other,
    }
}

fn deliveries(bundle: &Bundle) -> Value {
    let manifest = bundle.header.hash();
    let of = |to: u16| {
        let delivery = delivery(bundle, bank(to)).unwrap();
        let shares = opened(to, &manifest, &delivery).unwrap();
        let path: Vec<String> = delivery.path.iter().map(|digest| digest.to_hex()).collect();
        json!({
            "to": to,
            "path": path,
            "self_mask": hex::encode(shares.self_mask.to_secret().expose()),
            "recovery": hex::encode(shares.recovery.to_secret().expose()),
        })
    };
    json!([of(1), of(3)])
}

fn bad_deliveries(bundle: &Bundle) -> Value {
    let manifest = bundle.header.hash();
    let good = delivery(bundle, bank(1)).unwrap();
    let refused = |name: &str, manifest: &Digest, delivery: &Delivery, fails: &str| {
        assert_eq!(step(opened(1, manifest, delivery)), fails, "{name}");
        json!({ "name": name, "fails": fails })
    };
    let changed = |change: &dyn Fn(&mut Delivery)| {
        let mut delivery = good.clone();
        change(&mut delivery);
        delivery
    };
    // Whole bundles of a dealer that used other keys than its peer has.
    let of_liar = |change: fn(&mut RoundKeys)| {
        let (_, bundle) = prepared_with(DEALER, |peer, keys| {
            if peer == 1 {
                change(keys);
            }
        });
        (bundle.header.hash(), delivery(&bundle, bank(1)).unwrap())
    };
    let (other_sealing, sealed_elsewhere) = of_liar(|keys| keys.send = Secret::from_bytes([1; 32]));
    let (other_base, based_elsewhere) = of_liar(|keys| keys.base = Secret::from_bytes([1; 32]));
    json!([
        refused(
            "a flipped bit of the sealed shares",
            &manifest,
            &changed(&|d| d.parcel.sealed[20] ^= 1),
            "C-206"
        ),
        refused(
            "another commitment",
            &manifest,
            &changed(&|d| d.parcel.pair_base = Digest([1; 32])),
            "C-206"
        ),
        refused(
            "a path without its end",
            &manifest,
            &changed(&|d| d.path.truncate(1)),
            "C-206"
        ),
        refused(
            "a path with more behind it",
            &manifest,
            &changed(&|d| d.path.push(Digest([1; 32]))),
            "C-206"
        ),
        refused(
            "the parcel for another bank",
            &manifest,
            &delivery(bundle, bank(3)).unwrap(),
            "C-206"
        ),
        refused("another header in the manifest", &Digest([1; 32]), &good, "C-206"),
        refused(
            "sealed under another key",
            &other_sealing,
            &sealed_elsewhere,
            "C-207"
        ),
        refused("another mask base", &other_base, &based_elsewhere, "C-208"),
    ])
}

fn bad_bundles(bundle: &Bundle) -> Value {
    let refused = |name: &str, place: Place, change: &dyn Fn(&mut Bundle), fails: &str| {
        let mut bundle = bundle.clone();
        change(&mut bundle);
        let found = check_bundle(&bundle, place, 3, &key(DEALER).verifying_key());
        assert_eq!(step(found), fails, "{name}");
        json!({ "name": name, "fails": fails })
    };
    let own = place(DEALER);
    let later = Place {
        round: Round(9),
        ..own
    };
    let stranger = || prepared(1).1.header;
    json!([
        refused("none", own, &|_| {}, "nothing"),
        refused(
            "of another bank",
            own,
            &|bundle| bundle.header = stranger(),
            "C-702"
        ),
        refused("for another round", later, &|_| {}, "C-705"),
        refused(
            "a parcel is missing",
            own,
            &|bundle| drop(bundle.parcels.pop()),
            "C-705"
        ),
        refused(
            "two parcels are swapped",
            own,
            &|bundle| bundle.parcels.swap(0, 2),
            "C-705"
        ),
        refused(
            "a parcel in the own place",
            own,
            &|bundle| bundle.parcels.swap(0, 1),
            "C-705"
        ),
        refused(
            "a longer parcel",
            own,
            &|bundle| bundle.parcels[0].sealed.push(0),
            "C-705"
        ),
        refused(
            "a flipped bit of the blob",
            own,
            &|bundle| bundle.recovery_blob[20] ^= 1,
            "C-705"
        ),
        refused(
            "a longer blob",
            own,
            &|bundle| bundle.recovery_blob.push(0),
            "C-705"
        ),
    ])
}

/// The blob opens with the dealer's second secret alone.
fn recovery(bundle: &Bundle) -> Value {
    let mut entropy = SeededEntropy::new(ENTROPY);
    let [self_mask, recovery] = [(); 2].map(|()| SecretScalar::random(&mut entropy));
    let bases = open_recovery_blob(place(DEALER), bundle, &recovery).unwrap();
    for (peer, found) in &bases {
        assert_eq!(found.expose(), &base(DEALER, peer.get()));
    }
    let other_place = Place {
        round: Round(9),
        ..place(DEALER)
    };
    json!({
        "secret": hex::encode(recovery.to_secret().expose()),
        "peers": bases.keys().map(|peer| peer.get()).collect::<Vec<_>>(),
        "bad": [
            { "name": "the other secret", "fails": step(open_recovery_blob(place(DEALER), bundle, &self_mask)) },
            { "name": "another round", "fails": step(open_recovery_blob(other_place, bundle, &recovery)) },
        ],
    })
}

#[test]
fn a_bundle_and_its_deliveries() {
    let (_, bundle) = prepared(DEALER);
    let peer = |peer: u16| {
        json!({
            "peer": peer,
            "base": hex::encode(base(DEALER, peer)),
            "seals": hex::encode(sealing(DEALER, peer)),
        })
    };
    let parcels: Vec<Value> = bundle
        .parcels
        .iter()
        .map(|parcel| hexed(serde_json::to_value(parcel).unwrap()))
        .collect();
    let found = json!({
        "epoch": 1,
        "round": 8,
        "bank": DEALER,
        "banks": 3,
        "threshold": thresholds().threshold,
        "entropy_seed": ENTROPY,
        "signing_seed": hex::encode([DEALER as u8; 32]),
        "peers": [peer(1), peer(3)],
        "header": hex::encode(bundle.header.claim().to_bytes()),
        "signature": hex::encode(bundle.header.signature().0),
        "parcels": parcels,
        "recovery_blob": hex::encode(&bundle.recovery_blob),
        "deliveries": deliveries(&bundle),
        "recovery": recovery(&bundle),
        "bad_deliveries": bad_deliveries(&bundle),
        "bad_bundles": bad_bundles(&bundle),
    });
    assert_eq!(found["recovery"]["bad"][0]["fails"], "C-706");
    assert_eq!(found["recovery"]["bad"][1]["fails"], "C-706");
    frozen::check("bundle", &found);
}
