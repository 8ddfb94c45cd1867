//! Enrolment by invitation, as real processes over loopback.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used)]

mod operators;
mod refusals;
mod renewal;
mod roles;
mod scene;
mod whole;
