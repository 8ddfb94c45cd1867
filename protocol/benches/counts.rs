//! The protocol's hot arithmetic on fixed inputs, one operation a process, for `scripts/instruction-counts` to count its instructions.
//!
//! Without an argument it names the operations.
#![allow(missing_docs, clippy::unwrap_used)]
use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::{CompactRange, ConsistencyProof, InclusionProof, leaf_hash};
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::{Masks, Sign, mask_and_pack};
use veilsum_protocol::secagg::pack;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::secagg::shamir::{Interpolation, Polynomial, SecretScalar};
use veilsum_protocol::secagg::unmask::Unmask;

const LANES: usize = 100_000;
const ROSTER: u16 = 500;
const THRESHOLD: u16 = 334;
const SECRETS: usize = 10;
const LEAVES: u64 = 4_096;
const ENTRY_BYTES: usize = 256;
/// Neither a power of two nor near one: the proofs have as many hashes as they can.
const INNER: u64 = 2_731;

const OPERATIONS: &[(&str, fn())] = &[
    ("mask-20-bits", || mask(16, 20)),
    ("mask-16-bits", || mask(12, 16)),
    ("pack", pack),
    ("fold", fold),
    ("strip", strip),
    ("quantise", quantise),
    ("shamir-share", shamir_share),
    ("shamir-interpolate", shamir_interpolate),
    ("shamir-combine", shamir_combine),
    ("merkle-append", merkle_append),
    ("merkle-inclusion", merkle_inclusion),
    ("merkle-consistency", merkle_consistency),
    ("merkle-verify", merkle_verify),
];

fn main() -> ExitCode {
    // `cargo bench` passes an option of its own.
    let Some(wanted) = env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        OPERATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    match OPERATIONS.iter().find(|(name, _)| *name == wanted) {
        Some((_, run)) => {
            run();
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("counts: no operation {wanted:?}; without an argument it names them all");
            ExitCode::FAILURE
        }
    }
}

/// What is counted: callgrind is told to count between entering and leaving it, so it must stay a function of its own.
#[inline(never)]
fn measured<T>(operation: impl FnOnce() -> T) -> T {
    black_box(operation())
}

fn lanes(ring: Ring) -> Vec<u32> {
    let mut entropy = SeededEntropy::new(1);
    let mut bytes = vec![0; 4 * LANES];
    entropy.fill(&mut bytes);
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes) & ring.mask())
        .collect()
}

fn packed(ring: Ring) -> Vec<u8> {
    let mut packed = Vec::new();
    pack::pack(ring, &lanes(ring), &mut packed);
    packed
}

fn mask(digit_bits: u8, ring_bits: u8) {
    let ring = Ring::for_sum(16, digit_bits).unwrap();
    assert_eq!(ring.bits(), ring_bits);
    let digits = lanes(ring)
        .iter()
        .map(|lane| lane & ((1 << digit_bits) - 1))
        .collect();
    let digits = Digits::from_lanes(digit_bits, digits).unwrap();
    let mut entropy = SeededEntropy::new(2);
    let mut masks = Masks::new(ring);
    for sign in [Sign::Plus, Sign::Minus].into_iter().cycle().take(16) {
        masks.push(&entropy.secret(), sign);
    }
    let mut bytes = 0;
    measured(|| {
        mask_and_pack::<()>(&masks, &digits, |chunk| {
            bytes += black_box(chunk).len();
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(bytes, ring.packed_bytes(LANES));
}

fn pack() {
    let ring = Ring::for_sum(16, 16).unwrap();
    let lanes = lanes(ring);
    let mut packed = Vec::with_capacity(ring.packed_bytes(LANES));
    measured(|| pack::pack(ring, black_box(&lanes), &mut packed));
    assert_eq!(packed.len(), ring.packed_bytes(LANES));
}

fn fold() {
    let ring = Ring::for_sum(16, 16).unwrap();
    let packed = packed(ring);
    let mut sum = Accumulator::new(ring, LANES);
    measured(|| sum.add(black_box(&packed))).unwrap();
    assert_eq!(sum.into_lanes(), lanes(ring));
}

/// 13 survivors, and one that dropped out: 26 streams.
fn strip() {
    let ring = Ring::for_sum(14, 16).unwrap();
    let dropout = BankIndex::new(14).unwrap();
    let mut entropy = SeededEntropy::new(3);
    let mut unmask = Unmask::new(ring);
    for survivor in (1..14).filter_map(BankIndex::new) {
        unmask.survivor(&entropy.secret());
        unmask.dropped_pair(survivor, dropout, &entropy.secret());
    }
    let masks = unmask.into_masks();
    assert_eq!(masks.len(), 26);
    let mut sum = Accumulator::new(ring, LANES);
    sum.add(&packed(ring)).unwrap();
    measured(|| sum.apply(black_box(&masks)));
    black_box(sum.into_lanes());
}

fn quantise() {
    let values: Vec<f32> = lanes(Ring::for_sum(16, 16).unwrap())
        .iter()
        // From -1.31 to 1.31: about a quarter is clamped.
        .map(|lane| (*lane as f32 - 524_288.0) / 400_000.0)
        .collect();
    let mut digits = Digits::with_capacity(16, LANES);
    let mut entropy = SeededEntropy::new(4);
    measured(|| digits.push_reals(black_box(&values), 1.0, 0.5, &mut entropy)).unwrap();
    assert_eq!(digits.lanes().len(), LANES);
}

fn banks(count: u16) -> Vec<BankIndex> {
    (1..=count).filter_map(BankIndex::new).collect()
}

fn shamir_share() {
    let mut entropy = SeededEntropy::new(5);
    let secret = SecretScalar::random(&mut entropy);
    let polynomial = Polynomial::sharing(&secret, THRESHOLD, &mut entropy);
    let banks = banks(ROSTER);
    let shares = measured(|| {
        let shares = black_box(&banks).iter().map(|bank| polynomial.share(*bank));
        shares.collect::<Vec<_>>()
    });
    assert_eq!(shares.len(), usize::from(ROSTER));
}

fn shamir_interpolate() {
    let banks = banks(THRESHOLD);
    measured(|| Interpolation::at_zero(black_box(&banks))).unwrap();
}

fn shamir_combine() {
    let mut entropy = SeededEntropy::new(6);
    let interpolation = Interpolation::at_zero(&banks(THRESHOLD)).unwrap();
    let shares: Vec<Vec<SecretScalar>> = (0..SECRETS)
        .map(|_| {
            let shares = (0..THRESHOLD).map(|_| SecretScalar::random(&mut entropy));
            shares.collect()
        })
        .collect();
    let secrets = measured(|| {
        let secrets = black_box(&shares)
            .iter()
            .map(|shares| interpolation.combine(shares.iter()));
        secrets.collect::<Option<Vec<_>>>()
    });
    assert_eq!(secrets.unwrap().len(), SECRETS);
}

fn entries() -> Vec<[u8; ENTRY_BYTES]> {
    let mut entropy = SeededEntropy::new(7);
    (0..LEAVES)
        .map(|_| {
            let mut entry = [0; ENTRY_BYTES];
            entropy.fill(&mut entry);
            entry
        })
        .collect()
}

fn leaves() -> Vec<Digest> {
    entries().iter().map(|entry| leaf_hash(entry)).collect()
}

fn append(leaves: impl Iterator<Item = Digest>) -> Digest {
    let mut tree = CompactRange::new();
    leaves.for_each(|leaf| tree.append_leaf_hash(leaf));
    tree.root()
}

fn merkle_append() {
    let entries = entries();
    let root = measured(|| append(black_box(&entries).iter().map(|entry| leaf_hash(entry))));
    assert_eq!(root, append(leaves().into_iter()));
}

fn merkle_inclusion() {
    let leaves = leaves();
    let proof = measured(|| InclusionProof::build(black_box(&leaves), INNER)).unwrap();
    assert_eq!(proof.path.len(), 12);
}

fn merkle_consistency() {
    let leaves = leaves();
    let proof = measured(|| ConsistencyProof::build(black_box(&leaves), INNER)).unwrap();
    assert_eq!(proof.path.len(), 13);
}

/// One proof of each kind.
fn merkle_verify() {
    let leaves = leaves();
    let inner = usize::try_from(INNER).unwrap();
    let inclusion = InclusionProof::build(&leaves, INNER).unwrap();
    let consistency = ConsistencyProof::build(&leaves, INNER).unwrap();
    let old_root = append(leaves[..inner].iter().copied());
    let new_root = append(leaves.iter().copied());
    measured(|| {
        inclusion.verify(&leaves[inner], black_box(&new_root))?;
        consistency.verify(&old_root, black_box(&new_root))
    })
    .unwrap();
}
