//! The daemon's loop against a log and a link that the test writes.

#![allow(clippy::unwrap_used)]

mod contributions;
mod following;
mod own_parts;
mod scene;
