//! Enrolment by invitation, as real processes over loopback.
//!
//! The programs must have been built in the same profile: `cargo build --workspace --bins`.
#![allow(clippy::unwrap_used)]

mod operators;
mod refusals;
mod renewal;
mod roles;
mod scene;
mod whole;
