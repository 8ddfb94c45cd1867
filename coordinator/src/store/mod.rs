//! Where the coordinator keeps what must outlive it.
//!
//! * [`sled`]: the [`Store`](crate::engine::ports::Store) on disk, for production.
//! * [`memory`]: the same contract in memory, for simulated rounds.
//! * [`blobs`]: models, sums and masked updates as files under their hash.

pub mod blobs;
pub mod memory;
pub mod sled;

use crate::atomic_file::WriteError;
use crate::engine::ports::StoreError;

impl From<WriteError> for StoreError {
    fn from(WriteError { action, path, source }: WriteError) -> Self {
        Self::Io { action, path, source }
    }
}
