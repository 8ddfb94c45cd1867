//! A peer that does only what the test says, over either way.

use std::sync::Arc;

use quinn::Endpoint;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{LinkOptions, tls_config};
use veilsum_link::{Connection, End, RecvHalf, SendHalf, tcp};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use veilsum_protocol::wire::stream::{CloseCode, STREAM_FRAME_LIMIT};

use crate::scene::{PATIENCE, soon};

pub(crate) struct Peer {
    pub(crate) connection: Connection,
    halves: Option<(SendHalf, RecvHalf)>,
    _endpoint: Option<Endpoint>,
}

impl Peer {
    /// A handshake as the bank of these options.
    pub(crate) async fn dial(options: &LinkOptions) -> Result<Self, End> {
        Self::dial_with(options, tls_config(options).unwrap()).await
    }

    /// A handshake with other TLS.
    pub(crate) async fn dial_with(options: &LinkOptions, tls: ClientConfig) -> Result<Self, End> {
        if options.limits.transport == LinkTransport::Tcp {
            let stream = soon(TcpStream::connect(&options.address)).await.unwrap();
            let remote = stream.peer_addr().unwrap();
            let name = ServerName::try_from(options.server_name.clone()).unwrap();
            let connecting = TlsConnector::from(Arc::new(tls)).connect(name, stream);
            let stream = soon(connecting).await.map_err(|error| tcp::of_io(&error))?;
            let (connection, send, recv, work) = tcp::open(stream, remote, PATIENCE);
            tokio::spawn(work);
            return Ok(Self {
                connection: Connection::Tcp(connection),
                halves: Some((SendHalf::Tcp(send), RecvHalf::Tcp(recv))),
                _endpoint: None,
            });
        }
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = options.address.parse().unwrap();
        let connecting = endpoint
            .connect_with(config, address, &options.server_name)
            .unwrap();
        let connection = soon(connecting).await.map_err(End::from)?;
        Ok(Self {
            connection: Connection::Quic(connection),
            halves: None,
            _endpoint: Some(endpoint),
        })
    }

    /// Its stream; over QUIC a new one at each call.
    pub(crate) async fn stream(&mut self) -> (SendHalf, RecvHalf) {
        match &self.connection {
            Connection::Quic(quic) => {
                let (send, recv) = quic.open_bi().await.unwrap();
                (send.into(), recv.into())
            }
            Connection::Tcp(_) => self.halves.take().unwrap(),
        }
    }

    /// Why the coordinator ended the connection.
    pub(crate) async fn closed(&self) -> End {
        soon(self.connection.closed()).await
    }

    /// The code with which it did.
    pub(crate) async fn close_code(&self) -> Option<CloseCode> {
        match self.closed().await {
            End::Closed { code, .. } => CloseCode::from_number(code),
            other => panic!("{other}"),
        }
    }
}

/// Why the coordinator refused a peer, wherever in the handshake it did.
pub(crate) async fn refusal(options: &LinkOptions) -> End {
    match Peer::dial(options).await {
        Ok(peer) => peer.closed().await,
        Err(end) => end,
    }
}

pub(crate) async fn read<T: serde::de::DeserializeOwned>(recv: &mut RecvHalf) -> T {
    let mut header = [0; HEADER];
    soon(recv.read_exact(&mut header)).await.unwrap();
    let mut body = vec![0; body_length(header, STREAM_FRAME_LIMIT).unwrap()];
    soon(recv.read_exact(&mut body)).await.unwrap();
    decode(&body, STREAM_FRAME_LIMIT).unwrap()
}

pub(crate) async fn write<T: serde::Serialize>(send: &mut SendHalf, message: &T) {
    soon(send.write_all(&encode_frame(message, STREAM_FRAME_LIMIT).unwrap()))
        .await
        .unwrap();
}
