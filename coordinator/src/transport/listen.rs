//! The endpoint: who may knock, how often, and with what.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::stream::{ALPN, CloseCode};

use super::ports::{Inbound, PublicBlobs, UploadGate};
use super::session::{self, Hall, close, identify};
use super::spool::Spool;
use crate::config::Limits;
use crate::enrol::{EnrolError, inspect, keyfile};
use crate::remedy;

/// Bytes that are kept of a peer that is not yet accepted. An honest first flight has one certificate and fits in 4 KiB.
const INCOMING_BUFFER: u64 = 16 << 10;

/// Unread bytes that a connection can pin before its control stream is admitted: room for the frame that opens it.
const DOOR_WINDOW: u32 = 4 << 10;

/// How long banks may take to notice that the coordinator goes away.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the listener did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Certificate, key or authority cannot be used.
    #[error(transparent)]
    Identity(#[from] EnrolError),
    /// They are readable, but do not work together.
    #[error("TLS: {0}")]
    Tls(String),
    /// The address cannot be bound.
    #[error(
        "cannot listen on UDP {address}: {error}; stop the program that has the port, or set another `listen` in coordinator.toml"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The spool cannot be made or made durable.
    #[error("{}: the spool of uploads cannot be kept: {error}{}", folder.display(), remedy::of_disk(error))]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// The coordinator's certificate and key, and the authority that banks' certificates come from.
pub struct ServerIdentity {
    /// PEM.
    pub certificate: Vec<u8>,
    /// The certificate's private key.
    pub key: PrivateKeyDer<'static>,
    /// PEM.
    pub ca: Vec<u8>,
}

impl ServerIdentity {
    /// Reads certificate and key; `ca` is the authority's certificate of the consortium file.
    ///
    /// # Errors
    /// [`EnrolError`] with the file at fault.
    pub fn load(certificate: &Path, key: &Path, ca: &str) -> Result<Self, EnrolError> {
        let error = |error| EnrolError::File {
            path: certificate.to_owned(),
            error,
        };
        Ok(Self {
            certificate: std::fs::read(certificate).map_err(error)?,
            key: PrivateKeyDer::Pkcs8(keyfile::read_pkcs8(key)?.to_vec().into()),
            ca: ca.as_bytes().to_vec(),
        })
    }
}

/// What the sessions work with.
pub struct Services {
    /// The banks that are admitted.
    pub roster: Arc<Roster>,
    /// Which uploads are welcome.
    pub gate: Arc<dyn UploadGate>,
    /// What may be fetched.
    pub blobs: Arc<dyn PublicBlobs>,
    /// Folder of uploads.
    pub spool: PathBuf,
}

/// A bound endpoint.
pub struct Listener {
    endpoint: Endpoint,
    limits: Limits,
}

/// QUIC and TLS as the coordinator speaks them. What each limit costs in memory stands at [`Limits`].
///
/// # Errors
/// [`TransportError::Tls`] when certificate, key and authority do not work together.
pub fn server_config(identity: &ServerIdentity, limits: &Limits) -> Result<ServerConfig, TransportError> {
    let tls = |error: String| TransportError::Tls(error);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = inspect::roots(&identity.ca).map_err(tls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| tls(error.to_string()))?;
    let chain = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| tls(format!("the coordinator's certificate: {error}")))?;
    let mut crypto = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain, identity.key.clone_key())
        })
        .map_err(|error| tls(format!("the coordinator's certificate and key: {error}")))?;
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: every connection shows its certificate anew, so that an expired one is noticed.
    crypto.send_tls13_tickets = 0;
    crypto.session_storage = Arc::new(NoServerSessionStorage {});
    let crypto = QuicServerConfig::try_from(crypto).map_err(|error| tls(error.to_string()))?;

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

impl Listener {
    /// Binds the UDP address. Banks are served from [`Self::serve`] on.
    ///
    /// # Errors
    /// [`TransportError::Bind`] or [`TransportError::Tls`]. Must be called within a tokio runtime.
    pub fn bind(
        listen: SocketAddr,
        identity: &ServerIdentity,
        limits: &Limits,
    ) -> Result<Self, TransportError> {
        let config = server_config(identity, limits)?;
        let endpoint = std::net::UdpSocket::bind(listen)
            .and_then(|socket| {
                let runtime = quinn::default_runtime()
                    .ok_or_else(|| std::io::Error::other("not called within a tokio runtime"))?;
                Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)
            })
            .map_err(|error| TransportError::Bind {
                address: listen,
                error,
            })?;
        Ok(Self {
            endpoint,
            limits: limits.clone(),
        })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Serves banks until `stop` is ready, and tells the engine what happens through `inbound`. When that is full, banks wait.
    ///
    /// # Errors
    /// [`TransportError::Spool`]: the disk cannot be trusted any more. Peers never make this return.
    pub async fn serve<M, O>(
        self,
        services: Services,
        inbound: mpsc::Sender<Inbound<M, O>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), TransportError>
    where
        M: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        let Services {
            roster,
            gate,
            blobs,
            spool: folder,
        } = services;
        let spool_error = |error| TransportError::Spool {
            folder: folder.clone(),
            error,
        };
        let spool = Spool::open(&folder).map_err(spool_error)?;
        let (failed, mut failure) = mpsc::channel(1);
        let uploading = roster
            .banks()
            .iter()
            .map(|bank| (bank.index, tokio::sync::Mutex::default()))
            .collect();
        let hall = Arc::new(Hall {
            roster,
            limits: self.limits.clone(),
            gate,
            blobs,
            spool,
            inbound,
            failed,
            next_session: AtomicU64::new(1),
            current: Mutex::default(),
            waiting: Mutex::default(),
            uploading,
        });
        let handshakes = Arc::new(Semaphore::new(self.limits.max_handshakes));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                Some(error) = failure.recv() => break Err(spool_error(error)),
                Some(_) = connections.join_next() => {}
                incoming = self.endpoint.accept() => {
                    let Some(incoming) = incoming else { break Ok(()) };
                    if let Some((incoming, place)) = admit(incoming, &handshakes) {
                        connections.spawn(connection(Arc::clone(&hall), incoming, place));
                    }
                }
            }
        };
        self.endpoint.close(
            VarInt::from_u32(CloseCode::Goodbye.number()),
            b"the coordinator is stopping",
        );
        let farewell = async {
            while connections.join_next().await.is_some() {}
            self.endpoint.wait_idle().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
        ended
    }
}

/// Sends a peer away that may not be where it says, or that comes when too many are at the door.
fn admit(incoming: Incoming, handshakes: &Arc<Semaphore>) -> Option<(Incoming, OwnedSemaphorePermit)> {
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

async fn connection<M, O>(hall: Arc<Hall<M, O>>, incoming: Incoming, place: OwnedSemaphorePermit)
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
    match identify(&connection, &hall.roster) {
        Ok(bank) => {
            drop(place);
            session::run(hall, connection, bank).await;
        }
        Err(reason) => {
            tracing::warn!(%remote, reason, "a peer is refused");
            close(&connection, CloseCode::NotInRoster, &reason);
        }
    }
}
