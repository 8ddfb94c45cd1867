//! Peers that come by QUIC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use veilsum_link::Connection;

use super::listen::TransportError;
use super::session::{self, Hall, identify};
use super::tls::{ServerIdentity, tls_config};
use crate::config::Limits;

/// Bytes that are kept of a peer that is not yet accepted. An honest first flight has one certificate and fits in 4 KiB.
const INCOMING_BUFFER: u64 = 16 << 10;

/// Unread bytes that a connection can pin before its control stream is admitted: room for the frame that opens it.
const DOOR_WINDOW: u32 = 4 << 10;

/// QUIC as the coordinator speaks it. What each limit costs in memory stands at [`Limits`].
///
/// # Errors
/// [`TransportError::Tls`] when certificate, key and authority do not work together.
pub fn server_config(identity: &ServerIdentity, limits: &Limits) -> Result<ServerConfig, TransportError> {
    let crypto = QuicServerConfig::try_from(tls_config(identity)?)
        .map_err(|error| TransportError::Tls(error.to_string()))?;

    let idle = u32::saturating_mul(limits.idle_s, 1000);
    let mut transport = TransportConfig::default();
    transport
        // The control stream and the others. Each open stream costs some hundred bytes beside its share of the window.
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams.saturating_add(1)))
        // Not part of the protocol.
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        // Unread bytes that a bank can pin: one stream, and all of them, which have `connection_window_bytes` once it is admitted.
        .stream_receive_window(VarInt::from_u32(limits.stream_window_bytes))
        .receive_window(VarInt::from_u32(DOOR_WINDOW))
        // Unacknowledged bytes that a bank can pin.
        .send_window(limits.send_window_bytes.into())
        // Handshake bytes out of order: a certificate and little else.
        .crypto_buffer_size(16 << 10)
        // How long all of this can be pinned by a bank that has gone. Banks keep the connection alive.
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let handshakes = u64::try_from(limits.max_handshakes).unwrap_or(u64::MAX);
    config
        .transport_config(Arc::new(transport))
        .max_incoming(limits.max_handshakes)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(handshakes.saturating_mul(INCOMING_BUFFER));
    Ok(config)
}

/// Binds the UDP address. Must be called within a tokio runtime.
pub(super) fn bind(listen: SocketAddr, config: ServerConfig) -> std::io::Result<Endpoint> {
    let socket = std::net::UdpSocket::bind(listen)?;
    let runtime =
        quinn::default_runtime().ok_or_else(|| std::io::Error::other("not called within a tokio runtime"))?;
    Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)
}

/// Sends a peer away that may not be where it says, or that comes when too many are at the door.
pub(super) fn admit(
    incoming: Incoming,
    handshakes: &Arc<Semaphore>,
) -> Option<(Incoming, OwnedSemaphorePermit)> {
    if !incoming.remote_address_validated() {
        // One more round trip, and in return no memory and no reply of any size for forged addresses.
        if let Err(error) = incoming.retry() {
            error.into_incoming().refuse();
        }
        return None;
    }
    match Arc::clone(handshakes).try_acquire_owned() {
        Ok(place) => Some((incoming, place)),
        Err(_) => {
            tracing::warn!(remote = %incoming.remote_address(), "too many handshakes at once; a peer is refused");
            incoming.refuse();
            None
        }
    }
}

pub(super) async fn serve<M, O>(hall: Arc<Hall<M, O>>, incoming: Incoming, place: OwnedSemaphorePermit)
where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let remote = incoming.remote_address();
    let deadline = Duration::from_secs(hall.limits.handshake_s.into());
    let handshake = async { incoming.accept()?.await };
    let connection = match timeout(deadline, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::info!(%remote, %error, "a handshake failed"),
        Err(_) => return tracing::info!(%remote, seconds = deadline.as_secs(), "a handshake took too long"),
    };
    let chain = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = chain.as_ref().and_then(|chain| chain.first());
    match identify(certificate, &hall) {
        Ok(bank) => {
            drop(place);
            session::serve_quic(hall, connection, bank).await;
        }
        Err((code, reason)) => {
            tracing::warn!(%remote, reason, "a peer is refused");
            Connection::Quic(connection).close(code, &reason);
        }
    }
}
