//! Whole rounds in memory: the real machines of both sides, a network that can be bad, banks and a coordinator that die or lie, and a
//! clock that only events move.
//!
//! It checks while it plays: a bank that gives one answer in two forms, or masks other digits under the same masks, ends the run with a
//! panic. That is what it is for, so it unwraps.
#![allow(
    missing_docs,
    reason = "the names say it; nothing but tests and examples reads them"
)]
#![allow(
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::type_complexity,
    clippy::missing_panics_doc
)]

mod answers;
pub mod consortium;
pub mod ledger;
pub mod lies;
pub mod node;
pub mod office;
pub mod rosters;
pub mod witnesses;
pub mod world;
