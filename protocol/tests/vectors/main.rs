//! Primitives and formats against values that this code did not compute.
//!
//! | what | where |
//! | --- | --- |
//! | HKDF-SHA-256, X25519, ML-KEM-768, Ed25519, AES-256, Shamir shares: published vectors and Wycheproof | one file a primitive |
//! | the tree of the log, signed notes | `src/log/merkle.rs`, `src/log/note.rs` |
//! | our own forms, frozen | `v1/*.json` |
//!
//! A file of `v1/` is made in memory and compared; one that is missing, differs or is not made by any test is a failure.
//! After a change of a form that is meant:
//!
//! ```text
//! VEILSUM_FREEZE=1 cargo test -p veilsum-protocol --test vectors
//! python3 protocol/tests/vectors/oracle.py
//! ```
//!
//! The first writes the files anew. The second, which shares no code with the crate, computes what stands in them again from
//! their inputs: canonical forms, seeds, commitments, signatures, mask streams, masked vectors, sealed bundles.

#![allow(
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::type_complexity,
    unreachable_pub
)]

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::BankIndex;

mod aes256;
mod bundle;
mod derivations;
mod ed25519;
mod entries;
mod forms;
mod frames;
mod frozen;
mod hkdf;
mod masks;
mod mlkem;
mod round;
mod shamir;
mod statements;
mod x25519;

use veilsum_tests::stage::{office, world};

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

/// Gives bytes that were chosen, once.
struct Given<'a>(&'a [u8]);

impl Entropy for Given<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        let (now, later) = self.0.split_at(bytes.len());
        bytes.copy_from_slice(now);
        self.0 = later;
    }
}
