//! `v1/masks.json`: digits of real values, and masked, packed vectors of three banks, with what takes the masks off again.

use serde_json::{Value, json};
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::{Masks, Sign, mask_and_pack};
use veilsum_protocol::secagg::pack::{PackError, pack, unpack};
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;

use crate::{bank, frozen};

const BANKS: u16 = 3;

fn self_seed(position: u16) -> Secret {
    Secret::from_bytes([position as u8; 32])
}

/// Both of a pair have the same.
fn pair_seed(a: u16, b: u16) -> Secret {
    Secret::from_bytes([(16 * a.min(b) + a.max(b)) as u8; 32])
}

fn masked(ring: Ring, digit_bits: u8, position: u16, lanes: &[u32]) -> Vec<u8> {
    let mut masks = Masks::new(ring);
    masks.push(&self_seed(position), Sign::Plus);
    for peer in (1..=BANKS).filter(|peer| *peer != position) {
        masks.push(
            &pair_seed(position, peer),
            Sign::of_pair(bank(position), bank(peer)),
        );
    }
    let digits = Digits::from_lanes(digit_bits, lanes.to_vec()).unwrap();
    let mut out = Vec::new();
    mask_and_pack::<()>(&masks, &digits, |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    out
}

/// The vectors of all banks, whose sum without the self masks must be the sum of the digits.
fn vectors(digit_bits: u8) -> Value {
    let ring = Ring::for_sum(BANKS, digit_bits).unwrap();
    let greatest = (1u32 << digit_bits) - 1;
    let lanes_of = |position: u16| {
        let at = u32::from(position);
        vec![0, greatest, at, greatest - 7 * at, (at * 0x9e37) & greatest]
    };
    let mut accumulator = Accumulator::new(ring, 5);
    let mut off = Masks::new(ring);
    let mut banks = Vec::new();
    for position in 1..=BANKS {
        let (lanes, vector) = (
            lanes_of(position),
            masked(ring, digit_bits, position, &lanes_of(position)),
        );
        accumulator.add(&vector).unwrap();
        off.push(&self_seed(position), Sign::Minus);
        banks.push(json!({ "bank": position, "digits": lanes, "vector": hex::encode(vector) }));
    }
    accumulator.apply(&off);
    let sum = accumulator.into_lanes();
    let plain: Vec<u32> = (0..5)
        .map(|lane| (1..=BANKS).map(|position| lanes_of(position)[lane]).sum())
        .collect();
    assert_eq!(sum, plain);
    let mut packed = Vec::new();
    pack(ring, &sum, &mut packed);
    json!({
        "digit_bits": digit_bits,
        "ring_bits": ring.bits(),
        "banks": banks,
        "sum": sum,
        "packed_sum": hex::encode(packed),
    })
}

/// A vector that goes on in a second chunk of the stream, one keystream over it.
fn long() -> Value {
    let ring = Ring::for_sum(BANKS, 8).unwrap();
    let lanes: Vec<u32> = (0..ring.chunk_lanes() as u32 + 5)
        .map(|lane| lane % 251)
        .collect();
    let mut masks = Masks::new(ring);
    masks.push(&self_seed(1), Sign::Minus);
    let mut vector = Vec::new();
    let digits = Digits::from_lanes(8, lanes.clone()).unwrap();
    mask_and_pack::<()>(&masks, &digits, |bytes| {
        vector.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    json!({
        "digit_bits": 8,
        "ring_bits": ring.bits(),
        "seed": hex::encode(self_seed(1).expose()),
        "sign": "-",
        "lanes": lanes.len(),
        "lane_is": "its position modulo 251",
        "ends": hex::encode(&vector[vector.len() - 16..]),
        "sha256": Digest::of(&vector).to_hex(),
    })
}

fn digits() -> Value {
    let (range, scale) = (1.5f32, 0.3f64);
    let values = [0.0f32, 1.5, -1.5, 7.0, -7.0, 0.1, -0.1, 1e-9, 0.75];
    let cases = [2u8, 8, 16, 20].map(|digit_bits| {
        let mut digits = Digits::with_capacity(digit_bits, values.len());
        digits
            .push_reals(&values, range, scale, &mut SeededEntropy::new(5))
            .unwrap();
        json!({ "digit_bits": digit_bits, "digits": digits.lanes() })
    });
    let bits = |value: f32| hex::encode(value.to_bits().to_be_bytes());
    json!({
        "entropy_seed": 5,
        "values": values.map(bits),
        "range": bits(range),
        "scale": hex::encode(scale.to_bits().to_be_bytes()),
        "cases": cases,
    })
}

/// Packed bytes that are no vector of two lanes of 10 bits.
fn bad() -> Value {
    let ring = Ring::for_sum(BANKS, 8).unwrap();
    let refused = |name: &str, packed: &[u8], fails: &str| {
        let step = match unpack(ring, packed, 2, |_| {}).unwrap_err() {
            PackError::Length { .. } => "length",
            PackError::Filling => "filling",
        };
        assert_eq!(step, fails, "{name}");
        json!({ "name": name, "ring_bits": ring.bits(), "lanes": 2, "packed": hex::encode(packed), "fails": fails })
    };
    json!([
        refused("the last byte is missing", &[0xff, 0xff], "length"),
        refused("a trailing byte", &[0xff, 0xff, 0x0f, 0], "length"),
        refused("the first filling bit is set", &[0xff, 0xff, 0x1f], "filling"),
        refused("the last filling bit is set", &[0xff, 0xff, 0x8f], "filling"),
    ])
}

#[test]
fn digits_and_masked_vectors() {
    let seeds = |pairs: &[(u16, u16)]| -> Vec<Value> {
        let seed = |(a, b): &(u16, u16)| json!({ "low": a, "high": b, "seed": hex::encode(pair_seed(*a, *b).expose()) });
        pairs.iter().map(seed).collect()
    };
    let selves: Vec<String> = (1..=BANKS)
        .map(|position| hex::encode(self_seed(position).expose()))
        .collect();
    let found = json!({
        "self_seeds": selves,
        "pair_seeds": seeds(&[(1, 2), (1, 3), (2, 3)]),
        "two_bytes_a_lane": vectors(8),
        "four_bytes_a_lane": vectors(20),
        "two_chunks": long(),
        "digits": digits(),
        "bad": bad(),
    });
    frozen::check("masks", &found);
}
