//! Whole rounds in memory: real machines on both sides, a bad network, banks and a coordinator that die.

#![allow(
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::type_complexity,
    unreachable_pub
)]

mod consortium;
mod crash;
mod dropout;
mod honest;
mod ledger;
mod liars;
mod node;
mod office;
mod refusals;
mod shares;
mod simulation;
mod sizes;
mod sums;
mod world;
