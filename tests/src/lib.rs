//! Whole systems: real processes over loopback in the tests of this crate, and whole rounds in memory in [`stage`], which the tests of
//! the protocol and the examples play on. [`hostile`] is every way into the protocol's values, for tests and fuzzers.

#[cfg(feature = "browser")]
pub mod browser;
pub mod hostile;
#[cfg(feature = "peer")]
pub mod peer;
#[cfg(feature = "relay")]
pub mod relay;
pub mod stage;
