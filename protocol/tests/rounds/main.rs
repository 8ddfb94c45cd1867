//! Whole rounds in memory: real machines on both sides, a bad network, banks and a coordinator that die.

#![allow(
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::type_complexity,
    unreachable_pub
)]

mod ahead;
mod changes;
mod confirmations;
mod consents;
mod crash;
mod decoys;
mod dropout;
mod honest;
mod large;
mod liars;
mod models;
mod refusals;
mod repeats;
mod rosters;
mod shares;
mod simulation;
mod sizes;
mod stopping;
mod sums;
mod witnesses;

use veilsum_tests::stage::{consortium, ledger, node, world};
