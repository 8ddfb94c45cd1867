//! The bank's certificate, and TLS and QUIC with it.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, IdleTimeout, TransportConfig, VarInt};
use rustls::client::Resumption;
use veilsum_protocol::wire::stream::ALPN;

use super::connect::LinkOptions;
use super::reason::DownReason;
use super::shown::Shower;
use crate::enrol::inspect;

/// TLS as the bank speaks it, by either way.
///
/// # Errors
/// [`DownReason::OwnCertificate`] or [`DownReason::Local`] when certificate, key and authority do not work together.
pub fn tls_config(options: &LinkOptions) -> Result<rustls::ClientConfig, DownReason> {
    let roots = inspect::roots(&options.ca_pem).map_err(DownReason::Local)?;
    let shower =
        Shower::new(options.certificate.clone(), &options.key_pkcs8).map_err(DownReason::OwnCertificate)?;
    let mut crypto =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| DownReason::Local(error.to_string()))?
            .with_root_certificates(roots)
            .with_client_cert_resolver(shower);
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    crypto.resumption = Resumption::disabled();
    Ok(crypto)
}

/// QUIC as the bank speaks it. What each limit costs in memory stands at [`Link`](crate::config::Link).
///
/// # Errors
/// As [`tls_config`].
pub fn client_config(options: &LinkOptions) -> Result<ClientConfig, DownReason> {
    let crypto = QuicClientConfig::try_from(tls_config(options)?)
        .map_err(|error| DownReason::Local(error.to_string()))?;
    let limits = &options.limits;
    let idle = u32::saturating_mul(limits.idle_s, 1000);
    let mut transport = TransportConfig::default();
    transport
        // The coordinator opens no streams.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        // Unread bytes that the coordinator can pin: one stream, and all of them.
        .stream_receive_window(VarInt::from_u32(limits.stream_window_bytes))
        .receive_window(VarInt::from_u32(limits.stream_window_bytes.saturating_mul(8)))
        // Unacknowledged bytes of an upload.
        .send_window(limits.send_window_bytes.into())
        .crypto_buffer_size(16 << 10)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        // Keeps address translation on the way open, and tells a silent coordinator from a dead one.
        .keep_alive_interval(Some(Duration::from_millis(u64::from(idle) / 3)));
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
