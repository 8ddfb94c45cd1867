//! A peer of the coordinator that does only what the test says, over either way. With feature `peer`, so that the protocol's tests need
//! no network.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use veilsum_link::{Connection, End, RecvHalf, SendHalf, StreamError, Transport, tcp};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use veilsum_protocol::wire::stream::{CloseCode, STREAM_FRAME_LIMIT};

/// Longest that any step of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a step, and fails instead of hanging.
pub async fn soon<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step)
        .await
        .expect("a step took too long")
}

/// Where a coordinator is, and who calls.
#[derive(Clone)]
pub struct Call {
    /// The coordinator.
    pub address: SocketAddr,
    /// The name that its certificate must carry.
    pub server_name: String,
    /// The caller's certificate and trust.
    pub tls: ClientConfig,
}

impl Call {
    /// A TLS connection without anything in it.
    ///
    /// # Errors
    /// What TLS or TCP say.
    pub async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = soon(TcpStream::connect(self.address)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.server_name.clone()).unwrap();
        let connector = TlsConnector::from(Arc::new(self.tls.clone()));
        soon(connector.connect(name, stream)).await
    }
}

/// A connection, and the streams on it.
pub struct Peer {
    /// To close it, or to hear why it was.
    pub connection: Connection,
    halves: Option<(SendHalf, RecvHalf)>,
    _endpoint: Option<Endpoint>,
}

impl Peer {
    /// A handshake.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn dial(way: Transport, call: &Call) -> Result<Self, End> {
        match way {
            Transport::Tcp => Self::by_tcp(call).await,
            Transport::Quic => Self::by_quic(call).await,
        }
    }

    async fn by_tcp(call: &Call) -> Result<Self, End> {
        let stream = call.tls().await.map_err(|error| tcp::of_io(&error))?;
        let (connection, send, recv, work) = tcp::open(stream, call.address, PATIENCE);
        tokio::spawn(work);
        Ok(Self {
            connection: Connection::Tcp(connection),
            halves: Some((SendHalf::Tcp(send), RecvHalf::Tcp(recv))),
            _endpoint: None,
        })
    }

    async fn by_quic(call: &Call) -> Result<Self, End> {
        let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(call.tls.clone()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint
            .connect_with(config, call.address, &call.server_name)
            .unwrap();
        let connection = soon(connecting).await.map_err(End::from)?;
        Ok(Self {
            connection: Connection::Quic(connection),
            halves: None,
            _endpoint: Some(endpoint),
        })
    }

    /// Its stream; over QUIC a new one at each call.
    pub async fn stream(&mut self) -> (SendHalf, RecvHalf) {
        match &self.connection {
            Connection::Quic(quic) => {
                let (send, recv) = quic.open_bi().await.unwrap();
                (send.into(), recv.into())
            }
            Connection::Tcp(_) => self.halves.take().unwrap(),
        }
    }

    /// Why the coordinator ended the connection.
    pub async fn closed(&self) -> End {
        soon(self.connection.closed()).await
    }

    /// The code with which it did.
    pub async fn close_code(&self) -> Option<CloseCode> {
        match self.closed().await {
            End::Closed { code, .. } => CloseCode::from_number(code),
            other => panic!("{other}"),
        }
    }
}

/// The next frame.
pub async fn read<T: DeserializeOwned>(recv: &mut RecvHalf) -> T {
    try_read(recv).await.unwrap()
}

/// The next frame, unless the stream ended before.
///
/// # Errors
/// Why it ended.
pub async fn try_read<T: DeserializeOwned>(recv: &mut RecvHalf) -> Result<T, StreamError> {
    let mut header = [0; HEADER];
    soon(recv.read_exact(&mut header)).await?;
    let mut body = vec![0; body_length(header, STREAM_FRAME_LIMIT).unwrap()];
    soon(recv.read_exact(&mut body)).await?;
    Ok(decode(&body, STREAM_FRAME_LIMIT).unwrap())
}

/// Sends a frame.
pub async fn write<T: Serialize>(send: &mut SendHalf, message: &T) {
    soon(send.write_all(&encode_frame(message, STREAM_FRAME_LIMIT).unwrap()))
        .await
        .unwrap();
}
