//! The section `[auditors]`: the door at which log and archive are read.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::enrol::readers::AUDITORS_FILE;

/// Where auditors read log and archive over HTTPS, and what they may use. Banks are let in as well.
///
/// A connection pins its socket's buffers, 64 KiB for TLS, 64 KiB that were read from the disk and 16 KiB for a request's head. All of them
/// share one thread, which rounds do not use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auditors {
    /// Address of the HTTPS server, by TCP; an empty text is no server.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
    /// The list of admitted auditors. It is read again at every request.
    pub admitted: PathBuf,
    /// Connections that may be open at once (1 to 1024).
    pub max_connections: usize,
    /// Of them, connections of one certificate's key (1 to `max_connections`).
    pub max_connections_each: usize,
    /// Connections that may be in the handshake at once (1 to 1024), or be refused.
    pub max_handshakes: usize,
    /// A handshake must be done in this many seconds (1 to 120).
    pub handshake_s: u32,
    /// The head of the next request must have come in this many seconds (1 to 600), or the connection is closed.
    pub idle_s: u32,
    /// A peer that takes nothing of an answer for this many seconds (1 to 600) is dropped.
    pub stall_s: u32,
}

impl Default for Auditors {
    fn default() -> Self {
        Self {
            listen: None,
            admitted: AUDITORS_FILE.into(),
            max_connections: 32,
            max_connections_each: 8,
            max_handshakes: 16,
            handshake_s: 10,
            idle_s: 30,
            stall_s: 30,
        }
    }
}

impl Auditors {
    /// Key, value, least and most.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 6] {
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let connections = size(self.max_connections);
        [
            ("auditors.max_connections", connections, 1, 1024),
            (
                "auditors.max_connections_each",
                size(self.max_connections_each),
                1,
                connections,
            ),
            ("auditors.max_handshakes", size(self.max_handshakes), 1, 1024),
            ("auditors.handshake_s", self.handshake_s.into(), 1, 120),
            ("auditors.idle_s", self.idle_s.into(), 1, 600),
            ("auditors.stall_s", self.stall_s.into(), 1, 600),
        ]
    }
}

/// An address, or an empty text for none.
pub(super) fn address_or_none<'a, D: Deserializer<'a>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        D::Error::custom(format!(
            "found {text:?}, expected an address with a port such as \"0.0.0.0:7444\", or \"\" for none"
        ))
    })
}

/// The section as `init` writes it.
pub(super) fn template() -> String {
    let Auditors {
        listen: _,
        admitted,
        max_connections,
        max_connections_each,
        max_handshakes,
        handshake_s,
        idle_s,
        stall_s,
    } = Auditors::default();
    format!(
        r#"[auditors]                         # log and archive over HTTPS, to admitted auditors and to banks
listen = ""                        # TCP, such as "0.0.0.0:7444"; empty: off
admitted = {admitted:?}         # written by enrol; who is deleted there is refused at once
max_connections = {max_connections}
max_connections_each = {max_connections_each}           # of one certificate's key
max_handshakes = {max_handshakes}
handshake_s = {handshake_s}
idle_s = {idle_s}                        # the next request must have come
stall_s = {stall_s}                       # a reader that takes nothing is dropped
"#
    )
}
