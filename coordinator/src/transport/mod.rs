//! The coordinator's side of the connections: QUIC (RFC 9000), or TLS 1.3 on TCP, with mandatory client certificates. By TCP also those who ask to be
//! enrolled, who have none yet: `visitors.rs`.
//!
//! Nothing that a peer sends stops the listener. A peer that breaks the rules, or is slow, loses its own connection; what it can
//! pin in memory is bounded by [`crate::config::Limits`].

mod fetch;
mod frames;
mod listen;
mod listen_quic;
mod listen_tcp;
mod pace;
mod ports;
mod seats;
mod session;
mod shown;
mod spool;
mod tls;
mod upload;
mod visitors;

pub use listen::{Listener, Services, TransportError, serve_desk};
pub use listen_quic::server_config;
pub(crate) use listen_tcp::{accept, linger};
pub use ports::{Inbound, NotDelivered, PublicBlobs, Room, SessionHandle, UploadGate, Uploaded};
pub use seats::{Seats, SeenBank};
pub use shown::ShownCertificate;
pub use tls::{ServerIdentity, tls_config};
