//! The operator's side: it keeps the log, the store and the blobs, and is trusted for availability alone.

pub mod atomic_file;
pub mod engine;
pub mod log;
pub mod store;
