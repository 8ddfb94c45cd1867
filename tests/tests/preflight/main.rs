//! `preflight` of both programs and what else the command lines have in common, as real processes over loopback: each cause is brought about, and
//! must be named.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used)]

mod bank;
mod clocks;
mod disk;
mod keys;
#[allow(unused)]
#[path = "../enrolment/scene.rs"]
mod office;
mod pipes;
#[allow(unused)]
#[path = "../link/scene.rs"]
mod scene;
mod way;
mod whole;
