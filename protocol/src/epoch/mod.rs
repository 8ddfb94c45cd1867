//! Key epochs: every pair of banks agrees on keys that the coordinator cannot know, away from the rounds.
//!
//! 1. Each bank signs its X25519 and ML-KEM-768 keys.
//! 2. The coordinator logs the hash of all of them, the [`directory`]; a bank accepts it only if it is whole and right.
//! 3. One bank of each pair encapsulates; both derive the pair's keys ([`keyring`]) and confirm them to each other.
//! 4. The chain ratchets: each round takes one mask base per pair, and no key opens an earlier round.

pub mod coordinator;
pub mod directory;
pub mod keyring;
pub mod participant;
