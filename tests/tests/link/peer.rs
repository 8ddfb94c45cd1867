//! Peers with the files of a bank.

use rustls::ClientConfig;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{LinkOptions, tls_config};
use veilsum_link::{End, Transport};
pub(crate) use veilsum_tests::peer::{Call, Peer, read, write};

/// The call of a bank with these options.
pub(crate) fn call(options: &LinkOptions) -> Call {
    call_with(options, tls_config(options).unwrap())
}

fn call_with(options: &LinkOptions, tls: ClientConfig) -> Call {
    Call {
        address: options.address.parse().unwrap(),
        server_name: options.server_name.clone(),
        tls,
    }
}

/// A handshake as the bank of these options.
pub(crate) async fn dial(options: &LinkOptions) -> Result<Peer, End> {
    dial_with(options, tls_config(options).unwrap()).await
}

/// A handshake with other TLS.
pub(crate) async fn dial_with(options: &LinkOptions, tls: ClientConfig) -> Result<Peer, End> {
    let way = match options.limits.transport {
        LinkTransport::Tcp => Transport::Tcp,
        _ => Transport::Quic,
    };
    Peer::dial(way, &call_with(options, tls)).await
}

/// Why the coordinator refused a peer, wherever in the handshake it did.
pub(crate) async fn refusal(options: &LinkOptions) -> End {
    match dial(options).await {
        Ok(peer) => peer.closed().await,
        Err(end) => end,
    }
}
