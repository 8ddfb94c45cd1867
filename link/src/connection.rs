//! A connection over either way, and why it ended.

use std::fmt;
use std::net::SocketAddr;

use quinn::{ConnectionError, TransportErrorCode, VarInt};
use veilsum_protocol::wire::stream::{CloseCode, REASON_LIMIT};

use crate::tcp::Tcp;

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// TLS 1.3 over TCP.
    Tcp,
}

impl Transport {
    /// The protocol that a firewall sees.
    pub fn carrier(self) -> &'static str {
        match self {
            Self::Quic => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str(match self {
            Self::Quic => "QUIC",
            Self::Tcp => "TCP",
        })
    }
}

/// Why a connection ended. Texts of the peer are as it sent them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The peer closed it on purpose.
    #[error("closed by the peer: {reason} (code {code})")]
    Closed {
        /// A number of [`CloseCode`], or one that this version does not know.
        code: u64,
        /// The reason, with at most [`REASON_LIMIT`] bytes on TCP.
        reason: String,
    },
    /// The peer's TLS refused it with this alert (RFC 8446, section 6).
    #[error("TLS alert {0} of the peer")]
    Alert(u8),
    /// This side's TLS refused the peer.
    #[error("{text}")]
    Refused {
        /// The alert that the peer got.
        alert: u8,
        /// What is wrong with it.
        text: String,
    },
    /// The peer takes no more connections now.
    #[error("the peer takes no more connections now")]
    Full,
    /// The peer does not keep to the protocol below the frames.
    #[error("{0}")]
    Violation(String),
    /// This side closed it.
    #[error("closed by this side")]
    Here,
    /// The network, or the peer without a word.
    #[error("{0}")]
    Lost(String),
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::ApplicationClosed(close) => Self::Closed {
                code: close.error_code.into_inner(),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionError::TransportError(inner) => match tls_alert(inner.code) {
                Some(alert) => Self::Refused {
                    alert,
                    text: inner.reason.clone(),
                },
                None => Self::Lost(error.to_string()),
            },
            ConnectionError::ConnectionClosed(close) => match tls_alert(close.error_code) {
                Some(alert) => Self::Alert(alert),
                None if close.error_code == TransportErrorCode::CONNECTION_REFUSED => Self::Full,
                None => Self::Violation(error.to_string()),
            },
            ConnectionError::LocallyClosed => Self::Here,
            other => Self::Lost(other.to_string()),
        }
    }
}

/// The TLS alert in a QUIC error code: 0x0100 to 0x01ff (RFC 9001, section 4.8).
fn tls_alert(code: TransportErrorCode) -> Option<u8> {
    u8::try_from(u64::from(code).checked_sub(0x100)?).ok()
}

/// A connection. Clones are the same connection.
#[derive(Debug, Clone)]
pub enum Connection {
    /// QUIC: it carries all streams.
    Quic(quinn::Connection),
    /// TLS on TCP: it carries one stream.
    Tcp(Tcp),
}

impl Connection {
    /// The way that it goes.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Quic(_) => Transport::Quic,
            Self::Tcp(_) => Transport::Tcp,
        }
    }

    /// Whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Quic(one), Self::Quic(other)) => one.stable_id() == other.stable_id(),
            (Self::Tcp(one), Self::Tcp(other)) => one.is(other),
            _ => false,
        }
    }

    /// The peer's address.
    pub fn remote_address(&self) -> SocketAddr {
        match self {
            Self::Quic(connection) => connection.remote_address(),
            Self::Tcp(connection) => connection.remote_address(),
        }
    }

    /// Closes it with a code and a reason that the peer can show. The first call counts.
    pub fn close(&self, code: CloseCode, reason: &str) {
        match self {
            Self::Quic(connection) => {
                let end = reason.floor_char_boundary(REASON_LIMIT);
                connection.close(VarInt::from_u32(code.number()), &reason.as_bytes()[..end]);
            }
            Self::Tcp(connection) => connection.close(code, reason),
        }
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> End {
        match self {
            Self::Quic(connection) => connection.closed().await.into(),
            Self::Tcp(connection) => connection.closed().await,
        }
    }

    /// Why it has ended; `None` while it stands.
    pub fn end(&self) -> Option<End> {
        match self {
            Self::Quic(connection) => connection.close_reason().map(End::from),
            Self::Tcp(connection) => connection.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_from_other_codes() {
        assert_eq!(tls_alert(TransportErrorCode::crypto(48)), Some(48));
        assert_eq!(tls_alert(TransportErrorCode::CONNECTION_REFUSED), None);
    }

    #[test]
    fn an_idle_end_is_a_loss_and_an_own_close_is_known() {
        assert!(matches!(End::from(ConnectionError::TimedOut), End::Lost(_)));
        assert_eq!(End::from(ConnectionError::LocallyClosed), End::Here);
    }
}
