//! `v1/statements.json`: everything that a bank signs, with its signature.

use std::fmt::Debug;

use serde_json::{Value, json};
use veilsum_protocol::crypto::agreement::AgreementPublic;
use veilsum_protocol::crypto::signing::{Signature, SigningKey};
use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::refusal::{Refusal, RefusalReason};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{
    Approval, BundleHeader, Derived, EpochKeys, Ready, Release, ReleasedShare, RosterApproval, SurvivorList,
    Trailer,
};

use crate::forms::{bad, good, with};
use crate::{Given, bank, frozen};

const SEED: [u8; 32] = [0x5e; 32];

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

pub fn key() -> SigningKey {
    SigningKey::generate(&mut Given(&SEED))
}

pub fn epoch_keys(position: u16, x25519: u8, mlkem: u8) -> EpochKeys {
    EpochKeys {
        epoch: Epoch(1),
        roster: digest(2),
        bank: bank(position),
        public: AgreementPublic {
            x25519: [x25519; 32],
            mlkem: vec![mlkem; 1184],
        },
    }
}

pub fn epoch_keys_fields(position: u16, x25519: u8, mlkem: u8) -> Value {
    json!([
        ["u64", 1],
        ["repeat", 2, 32],
        ["bank", position],
        ["repeat", x25519, 32],
        ["u32", 1184],
        ["repeat", mlkem, 1184]
    ])
}

/// A statement with its signature, which its key must accept.
fn signed<T: Canonical + PartialEq + Debug + Clone>(name: &str, value: &T, fields: &Value) -> Value {
    let mut case = good(name, value, fields);
    let signed = Signed::sign(&key(), value.clone());
    assert_eq!(signed.open(&key().verifying_key()), Some(value), "{name}");
    case["signature"] = json!(hex::encode(signed.signature().0));
    case
}

/// A statement under a signature that the key must not accept for it.
fn unsigned<T: Canonical>(name: &str, body: T, signature: Signature) -> Value {
    let bytes = body.to_bytes();
    let signed = Signed::assemble(body, signature);
    assert!(signed.open(&key().verifying_key()).is_none(), "{name}");
    json!({
        "name": name,
        "kind": T::KIND,
        "form": frozen::shown(&bytes),
        "signature": hex::encode(signature.0),
        "fails": "signature",
    })
}

fn statements() -> Vec<Value> {
    let directory = KeyDirectory {
        epoch: Epoch(1),
        first_round: Round(4),
        keys: vec![Signed::assemble(epoch_keys(1, 3, 4), Signature([9; 64]))],
    };
    vec![
        signed(
            "approval",
            &Approval {
                task: digest(1),
                bank: bank(2),
            },
            &json!([["repeat", 1, 32], ["bank", 2]]),
        ),
        signed(
            "refusal",
            &Refusal {
                task: digest(1),
                bank: bank(2),
                reason: RefusalReason::Columns,
            },
            &json!([["repeat", 1, 32], ["bank", 2], ["u8", 3]]),
        ),
        signed(
            "roster approval",
            &RosterApproval {
                proposal: digest(7),
                bank: bank(2),
            },
            &json!([["repeat", 7, 32], ["bank", 2]]),
        ),
        signed("epoch keys", &epoch_keys(1, 3, 4), &epoch_keys_fields(1, 3, 4)),
        signed(
            "bundle header",
            &BundleHeader {
                epoch: Epoch(1),
                round: Round(8),
                bank: bank(2),
                parcels: digest(3),
                recovery_blob: digest(4),
                self_mask: digest(5),
                recovery: digest(6),
            },
            &json!([
                ["u64", 1],
                ["u64", 8],
                ["bank", 2],
                ["repeat", 3, 32],
                ["repeat", 4, 32],
                ["repeat", 5, 32],
                ["repeat", 6, 32]
            ]),
        ),
        signed(
            "ready",
            &Ready {
                round: Round(8),
                open: digest(2),
                complaints: digest(3),
                bank: bank(4),
            },
            &json!([["u64", 8], ["repeat", 2, 32], ["repeat", 3, 32], ["bank", 4]]),
        ),
        signed(
            "trailer",
            &Trailer {
                context: digest(1),
                bank: bank(2),
                length: 65_536,
                hash: digest(3),
            },
            &json!([["repeat", 1, 32], ["bank", 2], ["u64", 65_536], ["repeat", 3, 32]]),
        ),
        signed(
            "survivor list",
            &SurvivorList {
                context: digest(1),
                survivors: digest(2),
            },
            &json!([["repeat", 1, 32], ["repeat", 2, 32]]),
        ),
        signed(
            "release",
            &release(),
            &json!([
                ["repeat", 1, 32],
                ["bank", 2],
                [
                    "list",
                    [
                        [["bank", 1], ["u8", 1], ["repeat", 3, 32]],
                        [["bank", 3], ["u8", 2], ["repeat", 4, 32]]
                    ]
                ]
            ]),
        ),
        signed(
            "derived",
            &derived(),
            &json!([["u64", 8], ["bank", 2], ["repeat", 3, 32]]),
        ),
        good(
            "key directory",
            &directory,
            &json!([
                ["u64", 1],
                ["u64", 4],
                [
                    "list",
                    [[
                        ["form", "epoch-keys", epoch_keys_fields(1, 3, 4)],
                        ["repeat", 9, 64]
                    ]]
                ]
            ]),
        ),
    ]
}

fn release() -> Release {
    Release {
        context: digest(1),
        bank: bank(2),
        shares: vec![
            (bank(1), ReleasedShare::SelfMask([3; 32])),
            (bank(3), ReleasedShare::Recovery([4; 32])),
        ],
    }
}

fn derived() -> Derived {
    Derived {
        round: Round(8),
        bank: bank(2),
        state: digest(3),
    }
}

fn bad_statements() -> Vec<Value> {
    let (derived_form, release_form) = (derived().to_bytes(), release().to_bytes());
    let keys = epoch_keys(1, 3, 4).to_bytes();
    let mlkem_length_at = -(1184 + 4);
    let sign = |bytes: &[u8]| key().sign_bytes(bytes);
    let mut flipped = key().sign(&derived());
    flipped.0[63] ^= 1;
    let stranger = SigningKey::generate(&mut Given(&[0x5f; 32]));
    let (one, two) = (digest(1), digest(2));
    let list = SurvivorList {
        context: one,
        survivors: two,
    };
    vec![
        bad::<Derived>(
            "a trailing byte",
            &[&derived_form[..], &[0]].concat(),
            "not canonical, 1 left over",
        ),
        bad::<Derived>(
            "the last byte is missing",
            &derived_form[..derived_form.len() - 1],
            "short: state",
        ),
        bad::<Derived>(
            "another statement",
            &Approval {
                task: digest(3),
                bank: bank(2),
            }
            .to_bytes(),
            "domain",
        ),
        bad::<Derived>("bank 0", &with(&derived_form, -34, &[0, 0]), "value: bank"),
        bad::<Release>(
            "2^32 - 1 shares",
            &with(&release_form, -74, &u32::MAX.to_be_bytes()),
            "short: shares",
        ),
        bad::<Release>(
            "a share of kind 3",
            &with(&release_form, -33, &[3]),
            "value: kind of share",
        ),
        bad::<EpochKeys>(
            "an ML-KEM key of 1,183 bytes",
            &with(&keys, mlkem_length_at, &1183u32.to_be_bytes()),
            "value: ML-KEM key",
        ),
        bad::<EpochKeys>(
            "an ML-KEM key of 2^32 - 1 bytes",
            &with(&keys, mlkem_length_at, &u32::MAX.to_be_bytes()),
            "short: ML-KEM key",
        ),
        unsigned("a flipped bit of the signature", derived(), flipped),
        unsigned("a stranger's signature", derived(), stranger.sign(&derived())),
        unsigned(
            "a signature over the fields alone",
            derived(),
            sign(&derived_form[b"veilsum/v1/derived\0".len()..]),
        ),
        unsigned(
            "a signature over the same fields of another kind",
            derived(),
            sign(
                &[
                    b"veilsum/v1/approval\0",
                    &derived_form[b"veilsum/v1/derived\0".len()..],
                ]
                .concat(),
            ),
        ),
        unsigned(
            "a signature over swapped fields",
            SurvivorList {
                context: two,
                survivors: one,
            },
            key().sign(&list),
        ),
    ]
}

#[test]
fn statements_and_signatures() {
    let found = json!({ "key": hex::encode(SEED), "good": statements(), "bad": bad_statements() });
    frozen::check("statements", &found);
}
