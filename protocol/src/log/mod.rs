//! The transparency log that auditors read, in the open C2SP formats, so that other people's tools verify it too.
//!
//! A log is a list of entries that only ever grows. Nothing in it is private; the tree sees entries as bytes.
//!
//! * [`entry`]: what the entries say.
//! * [`merkle`]: the tree over the entries and its root (RFC 6962), grown entry by entry from a [`CompactRange`].
//! * [`proof`]: an entry is under a root ([`InclusionProof`]); one root's tree continues another's ([`ConsistencyProof`]).
//! * [`note`]: signed texts (C2SP `signed-note`); [`verifier_key`]: the keys that others pin to check them.
//! * [`checkpoint`]: the signed head of the log: origin, size, root (C2SP `tlog-checkpoint`).
//! * [`cosignature`]: what banks say who have seen a head (C2SP `tlog-cosignature`).
//! * [`ages`]: how old a round is, for what the archive need no longer hold.
//! * [`receipt`]: that an entry is in the log, in a file of its own (C2SP `tlog-proof`).
//! * [`tile`]: the files in which a log is served (C2SP `tlog-tiles`).
//!
//! Trust is a type: an [`UnverifiedNote`] becomes a [`VerifiedCheckpoint`] under a pinned [`VerifierKey`], once.

pub mod ages;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod follower;
mod held;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod roster_chain;
pub mod tile;
pub mod verifier_key;

pub use ages::RoundAges;
pub use checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
pub use cosignature::{Cosignature, WitnessKey, Witnesses, cosignatures_needed};
pub use merkle::{CompactRange, CompactRangeError, empty_root, leaf_hash, node_hash, root_of};
pub use note::{NoteError, UnverifiedNote};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};
pub use receipt::{Receipt, ReceiptError};
pub use roster_chain::RosterChain;
pub use tile::{MAX_ENTRY_BYTES, Tile, TileError, TileKind, tiles_between};
pub use verifier_key::{VerifierKey, VerifierKeyError};
