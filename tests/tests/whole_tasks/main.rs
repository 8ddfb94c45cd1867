//! Tasks that do more than train a fixed number of rounds, played by real processes over loopback from enrolment to audit.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod preparation;
mod resumed;
mod scene;
mod stopping;
