//! Whole rounds in memory: real machines on both sides, a bad network, banks and a coordinator that die.

#![allow(
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::type_complexity,
    unreachable_pub
)]

mod consortium;
mod crash;
mod decoys;
mod dropout;
mod honest;
mod ledger;
mod liars;
mod models;
mod node;
mod office;
mod refusals;
mod repeats;
mod rosters;
mod shares;
mod simulation;
mod sizes;
mod sums;
mod world;
