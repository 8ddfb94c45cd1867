//! The bank's side of the connection to the coordinator: QUIC (RFC 9000), or TLS 1.3 on TCP, with the bank's certificate.
//!
//! The coordinator is trusted for availability alone: what it sends is bounded before it is kept, and blobs are taken only if their
//! hash is the one that was asked for.

mod backoff;
mod connect;
mod dial;
mod exit;
mod fetch;
mod framed;
mod frames;
mod line;
mod link;
mod positions;
mod proxy;
mod race;
mod reason;
mod shown;
mod tls;
mod upload;
mod way;

pub use connect::LinkOptions;
pub use dial::reach;
pub use fetch::FetchError;
pub use link::{Event, Link, LinkClosed, NotSent, start};
pub use positions::Positions;
pub use proxy::Proxy;
pub use reason::DownReason;
pub use shown::ShownCertificate;
pub use tls::{client_config, tls_config};
pub use upload::UploadError;
pub use way::Way;
