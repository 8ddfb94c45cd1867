//! Reads a published round log and checks it. It trusts nothing but the keys that the auditor pinned.

pub mod account;
pub mod cli;
mod durable;
mod entry_json;
pub mod evidence;
pub mod export;
pub mod fetch;
pub mod mirror;
pub mod page;
pub mod signer;
pub mod source;
pub mod verify;

pub use verify::{Audit, AuditError, Progress, Told, tell_round, verify};
