//! The coordinator's side of the connections: QUIC (RFC 9000) with TLS 1.3 and mandatory client certificates.
//!
//! Nothing that a peer sends stops the listener. A peer that breaks the rules, or is slow, loses its own connection; what it can
//! pin in memory is bounded by [`crate::config::Limits`].

mod fetch;
mod frames;
mod listen;
mod ports;
mod session;
mod spool;
mod upload;

pub use listen::{Listener, ServerIdentity, Services, TransportError, server_config};
pub use ports::{Inbound, NotDelivered, PublicBlobs, SessionHandle, UploadGate, Uploaded};
