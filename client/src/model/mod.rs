//! Models as libtorch computes them, and as files.

mod network;
mod snapshot;

pub(crate) use network::Network;
pub use snapshot::{Snapshot, SnapshotError};
