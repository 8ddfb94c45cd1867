//! Whole systems: real processes over loopback in the tests of this crate, and whole rounds in memory in [`stage`], which the tests of
//! the protocol and the examples play on.

#[cfg(feature = "peer")]
pub mod peer;
pub mod stage;
