//! What a bank's people look at: the page in a real browser and over its own HTTP by hand, metrics, `watch` and `status`, of real daemons.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod decided;
mod roles;
mod scene;
mod seen;
mod watched;
