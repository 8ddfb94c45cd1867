//! The engine with its real ledger, log and blobs, and with real participants in the same process instead of a network.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod bank;
mod consents;
mod epochs;
mod operated;
mod retention;
mod rosters;
mod rounds;
mod versions;
mod world;
