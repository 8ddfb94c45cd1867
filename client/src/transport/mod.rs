//! The bank's side of the connection to the coordinator: QUIC (RFC 9000) with TLS 1.3 and the bank's certificate.
//!
//! The coordinator is trusted for availability alone: what it sends is bounded before it is kept, and blobs are taken only if their
//! hash is the one that was asked for.

mod backoff;
mod connect;
mod fetch;
mod frames;
mod link;
mod upload;

pub use connect::{DownReason, LinkOptions, client_config};
pub use fetch::FetchError;
pub use link::{Event, Link, LinkClosed, NotSent, start};
pub use upload::UploadError;
