//! The operator's page: over its own HTTP by hand, and in a real browser, with a real engine behind it and real participants in the same process
//! instead of a network.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub, dead_code)]

#[path = "../engine/bank.rs"]
mod bank;
mod roles;
mod scene;
mod seen;
#[path = "../engine/world.rs"]
mod world;

use veilsum_tests::browser::{self, http};
