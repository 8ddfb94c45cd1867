//! Peers of another version.

use std::sync::Arc;

use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{DownReason, Event, tls_config};
use veilsum_coordinator::transport::tls_config as server_tls;
use veilsum_link::End;

use crate::peer::dial_with;
use crate::scene::{Bank, Scene, over_both, soon};

over_both! {
    a_bank_of_another_version_is_refused_in_the_handshake,
    a_coordinator_of_another_version_is_named_so,
}

const OTHER: &[u8] = b"veilsum/2";

async fn a_bank_of_another_version_is_refused_in_the_handshake(way: LinkTransport) {
    let scene = Scene::over(way);
    let server = scene.listen();
    let options = scene.options(1, server.address);
    let mut tls = tls_config(&options).unwrap();
    tls.alpn_protocols = vec![OTHER.to_vec()];
    // no_application_protocol (RFC 7301, section 3.2).
    assert_eq!(dial_with(&options, tls).await.err(), Some(End::Alert(120)));
}

async fn a_coordinator_of_another_version_is_named_so(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut tls = server_tls(&scene.identity()).unwrap();
    tls.alpn_protocols = vec![OTHER.to_vec()];
    let address = "127.0.0.1:0".parse().unwrap();
    let mut bank = match way {
        LinkTransport::Tcp => {
            let listener = TcpListener::bind(address).await.unwrap();
            let bank = Bank::start(scene.options(1, listener.local_addr().unwrap()));
            let acceptor = TlsAcceptor::from(Arc::new(tls));
            let (stream, _) = soon(listener.accept()).await.unwrap();
            assert!(soon(acceptor.accept(stream)).await.is_err());
            bank
        }
        _ => {
            let crypto = QuicServerConfig::try_from(tls).unwrap();
            let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
            let endpoint = Endpoint::server(config, address).unwrap();
            let bank = Bank::start(scene.options(1, endpoint.local_addr().unwrap()));
            let incoming = soon(endpoint.accept()).await.unwrap();
            let refused = async { incoming.accept()?.await };
            assert!(soon(refused).await.is_err());
            bank
        }
    };
    match bank.next().await {
        Event::Down { reason, .. } => {
            assert_eq!(reason, DownReason::OtherVersion);
            let said = reason.to_string();
            let part = "the coordinator speaks another version; this client speaks veilsum/1";
            assert!(said.contains(part), "{said}");
        }
        other => panic!("{other:?}"),
    }
}
