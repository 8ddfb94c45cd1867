//! Models as libtorch computes them, and as files.

mod network;
mod snapshot;

pub(crate) use network::{Network, Parameters, to_i64};
pub use snapshot::{Snapshot, SnapshotError};
