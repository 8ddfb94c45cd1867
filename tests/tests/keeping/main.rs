//! Keeping a consortium running, as real processes over loopback: certificates that expire, backups that are put back, daemons that are replaced
//! while rounds go on, and two daemons with one identity.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod archives;
mod backups;
mod renewal;
mod scene;
mod twice;
mod upgrade;
