//! The two doors at one address: UDP for QUIC, TCP for TLS.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Endpoint, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::stream::CloseCode;

use super::pace::Pace;
use super::ports::{Inbound, PublicBlobs, UploadGate};
use super::seats::Seats;
use super::session::Hall;
use super::spool::Spool;
use super::tls::{ServerIdentity, tls_config};
use super::{listen_quic, listen_tcp};
use crate::config::Limits;
use crate::enrol::EnrolError;
use crate::remedy;

const STOPPING: &str = "the coordinator is stopping";

/// Ports that are tried when the system chooses: one that is free for UDP may be taken for TCP.
const CHOICES: u32 = 16;

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
        "cannot listen on {protocol} {address}: {error}; stop the program that has the port, or set another `listen` in coordinator.toml"
    )]
    Bind {
        /// UDP or TCP.
        protocol: &'static str,
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

/// What the sessions work with.
pub struct Services {
    /// The banks that are admitted.
    pub seats: Arc<Seats>,
    /// Which uploads are welcome.
    pub gate: Arc<dyn UploadGate>,
    /// What may be fetched.
    pub blobs: Arc<dyn PublicBlobs>,
    /// Folder of uploads.
    pub spool: PathBuf,
}

/// A bound address.
pub struct Listener {
    endpoint: Endpoint,
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    limits: Limits,
}

impl Listener {
    /// Binds the address for UDP and for TCP, with the same port. Banks are served from [`Self::serve`] on.
    ///
    /// # Errors
    /// [`TransportError::Bind`] or [`TransportError::Tls`]. Must be called within a tokio runtime.
    pub fn bind(
        listen: SocketAddr,
        identity: &ServerIdentity,
        limits: &Limits,
    ) -> Result<Self, TransportError> {
        let config = listen_quic::server_config(identity, limits)?;
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(identity)?));
        let failed = |protocol| {
            move |error| TransportError::Bind {
                protocol,
                address: listen,
                error,
            }
        };
        let mut tries = if listen.port() == 0 { CHOICES } else { 1 };
        loop {
            let endpoint = listen_quic::bind(listen, config.clone()).map_err(failed("UDP"))?;
            let address = endpoint.local_addr().map_err(failed("UDP"))?;
            tries -= 1;
            match listen_tcp::bind(address, limits) {
                Err(error) if tries == 0 => return Err(failed("TCP")(error)),
                Err(_) => {}
                Ok(tcp) => {
                    return Ok(Self {
                        endpoint,
                        tcp,
                        acceptor,
                        limits: limits.clone(),
                    });
                }
            }
        }
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
            seats,
            gate,
            blobs,
            spool: folder,
        } = services;
        let spool_error = |error| TransportError::Spool {
            folder: folder.clone(),
            error,
        };
        let spool = Arc::new(Spool::open(&folder).map_err(spool_error)?);
        let (failed, mut failure) = mpsc::channel(1);
        let next_session = Arc::new(AtomicU64::new(1));
        let mut changes = seats.changes();
        let hall_of = |roster: Arc<Roster>| {
            let banks: Vec<BankIndex> = roster.banks().iter().map(|bank| bank.index).collect();
            let uploading = banks.iter().map(|bank| (*bank, tokio::sync::Mutex::default()));
            let places = |number| {
                banks
                    .iter()
                    .map(move |bank| (*bank, Arc::new(Semaphore::new(number))))
            };
            Arc::new(Hall {
                roster_hash: roster.hash(),
                roster,
                seats: Arc::clone(&seats),
                limits: self.limits.clone(),
                gate: Arc::clone(&gate),
                blobs: Arc::clone(&blobs),
                spool: Arc::clone(&spool),
                inbound: inbound.clone(),
                failed: failed.clone(),
                next_session: Arc::clone(&next_session),
                current: Mutex::default(),
                waiting: Mutex::default(),
                uploading: uploading.collect(),
                paces: banks
                    .iter()
                    .map(|bank| (*bank, Mutex::new(Pace::new(Instant::now()))))
                    .collect(),
                rooms: places(self.limits.message_bytes).collect(),
                farewells: places(Hall::<M, O>::most_farewells(&self.limits)).collect(),
            })
        };
        let roster = Arc::clone(&changes.borrow_and_update());
        let mut hall = hall_of(roster);
        // For each way its own: who crowds one of them does not shut the other.
        let handshakes = || Arc::new(Semaphore::new(self.limits.max_handshakes));
        let (by_udp, by_tcp) = (handshakes(), handshakes());
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                Some(error) = failure.recv() => break Err(spool_error(error)),
                Some(_) = connections.join_next() => {}
                // The seats are kept by this function's caller, too.
                Ok(()) = changes.changed() => {
                    let roster = Arc::clone(&changes.borrow_and_update());
                    hall.clear(&roster);
                    hall = hall_of(roster);
                }
                incoming = self.endpoint.accept() => {
                    let Some(incoming) = incoming else { break Ok(()) };
                    if let Some((incoming, place)) = listen_quic::admit(incoming, &by_udp) {
                        connections.spawn(listen_quic::serve(Arc::clone(&hall), incoming, place));
                    }
                }
                (socket, remote) = listen_tcp::accept(&self.tcp) => {
                    if let Some(place) = listen_tcp::admit(remote, &by_tcp) {
                        let (hall, acceptor) = (Arc::clone(&hall), self.acceptor.clone());
                        connections.spawn(listen_tcp::serve(hall, acceptor, socket, remote, place));
                    }
                }
            }
        };
        self.endpoint
            .close(VarInt::from_u32(CloseCode::Goodbye.number()), STOPPING.as_bytes());
        hall.close_all(CloseCode::Goodbye, STOPPING);
        let farewell = async {
            while connections.join_next().await.is_some() {}
            self.endpoint.wait_idle().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
        ended
    }
}
