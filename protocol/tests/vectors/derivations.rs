//! `v1/derivations.json`: context, seeds, pair keys, commitments, sealed messages and mask streams from fixed inputs.

use serde_json::{Value, json};
use veilsum_protocol::crypto::prg::MaskStream;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::crypto::{aead, kdf};
use veilsum_protocol::epoch::keyring::{Keyring, PairKeys};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::context::{Context, SecretKind, commitment, pair_base_commitment};
use veilsum_protocol::secagg::shamir::SecretScalar;

use crate::entries::{cohort, cohort_fields, open, open_fields};
use crate::statements::{epoch_keys, epoch_keys_fields};
use crate::{Given, array, bank, frozen};

const BASE: [u8; 32] = [0xba; 32];
/// A reduced scalar.
const SCALAR: [u8; 32] = [0x0c; 32];
const KEY: [u8; 32] = [0xe1; 32];
const SALT: [u8; 16] = [0x5a; 16];

fn hexed(secret: &Secret) -> String {
    hex::encode(secret.expose())
}

fn scalar() -> SecretScalar {
    SecretScalar::from_canonical(SCALAR).unwrap()
}

fn seeds() -> Value {
    let Entry::Cohort { banks, .. } = cohort() else {
        unreachable!("a cohort");
    };
    let context = Context::of(&open(), &banks);
    let base = Secret::from_bytes(BASE);
    let pair = context.pair_seed(bank(1), bank(500), &base);
    assert_eq!(pair, context.pair_seed(bank(500), bank(1), &base));
    json!({
        "round_open": open_fields(),
        "cohort": cohort_fields(),
        "context": context.digest().to_hex(),
        "pair": { "low": 1, "high": 500, "base": hex::encode(BASE), "seed": hexed(&pair) },
        "self": { "bank": 2, "secret": hex::encode(SCALAR), "seed": hexed(&context.self_seed(bank(2), &scalar())) },
    })
}

/// The chain of a pair from its first round, some taken and some stepped over.
fn pair_keys() -> Value {
    let (low, high) = (epoch_keys(1, 3, 4), epoch_keys(2, 5, 6));
    let (directory, mlkem, x25519) = (
        Digest([7; 32]),
        Secret::from_bytes([8; 32]),
        Secret::from_bytes([9; 32]),
    );
    let ciphertext = [10; 1088];
    let ring = |own: &_, peer: &_, of: BankIndex| {
        let keys = PairKeys::derive(&directory, own, peer, &mlkem, &x25519, &ciphertext);
        let mut ring = Keyring::new(Epoch(1), directory, Round(4));
        ring.insert(of, keys);
        ring
    };
    let mut one = ring(&low, &high, bank(2));
    let mut two = ring(&high, &low, bank(1));
    let confirmations = [1, 2].map(|from| one.pair(bank(2)).unwrap().confirmation_of(bank(from)));
    for (from, confirmation) in (1..).zip(&confirmations) {
        assert!(two.pair(bank(1)).unwrap().confirmed_by(bank(from), confirmation));
    }
    let rounds: Vec<Value> = [4, 5, 9]
        .into_iter()
        .map(|round| {
            let ours = &one.take_round(bank(1), Round(round)).unwrap()[&bank(2)];
            let theirs = &two.take_round(bank(2), Round(round)).unwrap()[&bank(1)];
            assert_eq!(
                (&ours.base, &ours.send, &ours.receive),
                (&theirs.base, &theirs.receive, &theirs.send)
            );
            json!({
                "round": round,
                "base": hexed(&ours.base),
                "low_to_high": hexed(&ours.send),
                "high_to_low": hexed(&ours.receive),
            })
        })
        .collect();
    json!({
        "directory": directory.to_hex(),
        "low": epoch_keys_fields(1, 3, 4),
        "high": epoch_keys_fields(2, 5, 6),
        "mlkem": hexed(&mlkem),
        "x25519": hexed(&x25519),
        "ciphertext": ["repeat", 10, 1088],
        "first_round": 4,
        "confirmation_of_low": hex::encode(confirmations[0]),
        "confirmation_of_high": hex::encode(confirmations[1]),
        "rounds": rounds,
    })
}

fn commitments() -> Value {
    let of = |kind| commitment(Epoch(1), Round(8), bank(2), kind, &scalar()).to_hex();
    let pair = |a, b| pair_base_commitment(Epoch(1), Round(8), bank(a), bank(b), &Secret::from_bytes(BASE));
    assert_eq!(pair(2, 3), pair(3, 2));
    json!({
        "epoch": 1,
        "round": 8,
        "bank": 2,
        "secret": hex::encode(SCALAR),
        "self_mask": of(SecretKind::SelfMask),
        "recovery": of(SecretKind::Recovery),
        "pair": { "low": 2, "high": 3, "base": hex::encode(BASE), "commitment": pair(2, 3).to_hex() },
    })
}

fn derived() -> Value {
    let derive = |salt: &[u8], ikm: &[u8], info: &[u8]| {
        let (salt_hex, ikm_hex) = (hex::encode(salt), hex::encode(ikm));
        json!({ "salt": salt_hex, "ikm": ikm_hex, "info": hex::encode(info), "out": hexed(&kdf::derive(salt, ikm, info)) })
    };
    json!([
        derive(b"", &BASE, b"veilsum/v1/recovery-blob-key\0"),
        derive(&SALT, &[&BASE[..], &SCALAR].concat(), b""),
    ])
}

fn sealed() -> Value {
    let key = Secret::from_bytes(KEY);
    let (associated, message) = (
        b"where it belongs".as_slice(),
        b"what it says, over more than one block".as_slice(),
    );
    let sealed = aead::seal(&key, &mut Given(&SALT), associated, message);
    assert_eq!(aead::open(&key, associated, &sealed).unwrap().as_slice(), message);
    let refused = |name: &str, associated: &[u8], sealed: &[u8]| {
        assert!(aead::open(&key, associated, sealed).is_err(), "{name}");
        json!({
            "name": name,
            "associated": hex::encode(associated),
            "sealed": hex::encode(sealed),
            "fails": "tag",
        })
    };
    let flipped = |at: usize| {
        let mut bytes = sealed.clone();
        bytes[at] ^= 1;
        bytes
    };
    json!({
        "key": hex::encode(KEY),
        "salt": hex::encode(SALT),
        "associated": hex::encode(associated),
        "message": hex::encode(message),
        "sealed": hex::encode(&sealed),
        "bad": [
            refused("a flipped bit of the salt", associated, &flipped(0)),
            refused("a flipped bit of the ciphertext", associated, &flipped(16)),
            refused("a flipped bit of the tag", associated, &flipped(sealed.len() - 1)),
            refused("a trailing byte", associated, &[&sealed[..], &[0]].concat()),
            refused("the last byte is missing", associated, &sealed[..sealed.len() - 1]),
            refused("a salt alone", associated, &sealed[..16]),
            refused("another place", b"where it does not", &sealed),
        ],
    })
}

fn streams() -> Value {
    let stream = MaskStream::new(&Secret::from_bytes(KEY));
    let chunks = [0, 1, 1 << 32, u64::MAX].map(|chunk| {
        let mut bytes = [0; 40];
        stream.fill(chunk, &mut bytes);
        json!({ "chunk": chunk, "starts": hex::encode(bytes) })
    });
    json!({ "seed": hex::encode(KEY), "chunks": chunks })
}

/// The field's order, its greatest element, and numbers above: a share has one form.
fn scalars() -> Value {
    let forms = [
        (
            "zero",
            "0000000000000000000000000000000000000000000000000000000000000000",
            true,
        ),
        (
            "order - 1",
            "ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
            true,
        ),
        (
            "order",
            "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
            false,
        ),
        (
            "order + 1",
            "eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
            false,
        ),
        (
            "2^255",
            "0000000000000000000000000000000000000000000000000000000000000080",
            false,
        ),
        (
            "2^256 - 1",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            false,
        ),
    ];
    let checked = forms.map(|(name, bytes, canonical)| {
        assert_eq!(
            SecretScalar::from_canonical(array(bytes)).is_some(),
            canonical,
            "{name}"
        );
        json!({ "name": name, "bytes": bytes, "canonical": canonical })
    });
    json!(checked)
}

#[test]
fn seeds_keys_and_commitments() {
    let found = json!({
        "seeds": seeds(),
        "pair_keys": pair_keys(),
        "commitments": commitments(),
        "derive": derived(),
        "sealed": sealed(),
        "mask_stream": streams(),
        "scalars": scalars(),
    });
    frozen::check("derivations", &found);
}
