//! Reads a published round log and checks it. It trusts nothing but the keys that the auditor pinned.

pub mod cli;
mod durable;
pub mod enrol;
pub mod evidence;
pub mod fetch;
pub mod mirror;
pub mod source;
pub mod verify;

pub use verify::{Audit, AuditError, Progress, Told, tell_round, verify};
