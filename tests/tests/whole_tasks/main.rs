//! Tasks that do more than train a fixed number of rounds, played by real processes over loopback from enrolment to audit.
//!
//! The programs must have been built in the same profile: `cargo build --workspace --bins`.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod preparation;
mod resumed;
mod scene;
mod stopping;
