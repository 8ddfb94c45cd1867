//! The models in service: real daemons train, a real server answers, and what it answers is what the log proves.
//!
//! The programs must have been built in the same profile: `cargo test --workspace` does, a test alone does not.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "../keeping/scene.rs"]
mod scene;

mod asked;
mod explained;
mod exported;
mod http;
mod monitored;
mod paged;
mod proven;
mod secured;
