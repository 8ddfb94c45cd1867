//! The two doors at one address: UDP for QUIC, TCP for TLS.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Endpoint, ServerConfig, VarInt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, interval, sleep, timeout};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::stream::CloseCode;

use super::listen_tcp::Doors;
use super::pace::Pace;
use super::ports::{Inbound, PublicBlobs, UploadGate};
use super::seats::Seats;
use super::session::Hall;
use super::spool::Spool;
use super::tls::{ServerIdentity, tls_config};
use super::visitors::Visitors;
use super::{listen_quic, listen_tcp};
use crate::config::Limits;
use crate::enrol::EnrolError;
use crate::enrol::desk::Desk;
use crate::remedy;

const STOPPING: &str = "the coordinator is stopping";

/// Ports that are tried when the system chooses: one that is free for UDP may be taken for TCP.
const CHOICES: u32 = 16;

/// Between two looks at the list of revoked keys: after so long a connection that stands is closed.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks whether a port is free again.
const BETWEEN: Duration = Duration::from_millis(10);

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
    doors: Doors,
    limits: Limits,
}

impl Listener {
    /// Binds the address for UDP and for TCP, with the same port. Banks, and by TCP those who ask at the desk to be enrolled, are served from
    /// [`Self::serve`] on.
    ///
    /// # Errors
    /// [`TransportError::Bind`] or [`TransportError::Tls`]. Must be called within a tokio runtime.
    pub fn bind(
        listen: SocketAddr,
        identity: &ServerIdentity,
        limits: &Limits,
        desk: Desk,
    ) -> Result<Self, TransportError> {
        let config = listen_quic::server_config(identity, limits)?;
        let doors = Doors {
            banks: Some(Arc::new(tls_config(identity)?)),
            visitors: Visitors::new(identity, desk)?,
        };
        let (endpoint, tcp) = bind_both(listen, &config, limits)?;
        Ok(Self {
            endpoint,
            tcp,
            doors,
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
        let revoked = self.doors.visitors.revoked();
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
                revoked: revoked.clone(),
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
        let mut look = interval(LOOK);
        tokio::pin!(stop);
        let ended = loop {
            tokio::select! {
                () = &mut stop => break Ok(()),
                _ = look.tick() => {
                    let (hall, revoked) = (Arc::clone(&hall), revoked.clone());
                    // A list that cannot be read is told to whoever comes next.
                    connections.spawn(async move {
                        if let Ok(Ok(keys)) = spawn_blocking(move || revoked.all()).await {
                            hall.close_revoked(&keys);
                        }
                    });
                }
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
                        let (hall, doors) = (Arc::clone(&hall), self.doors.clone());
                        connections.spawn(listen_tcp::serve(hall, doors, socket, remote, place));
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

/// The same port for UDP and for TCP.
fn bind_both(
    listen: SocketAddr,
    config: &ServerConfig,
    limits: &Limits,
) -> Result<(Endpoint, TcpListener), TransportError> {
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
            Ok(tcp) => return Ok((endpoint, tcp)),
        }
    }
}

/// Waits until the port is free again for UDP: quinn lets go of its socket on a task of its own, a moment after the endpoint is dropped, and whoever
/// serves next binds it.
async fn let_go(endpoint: Endpoint) {
    let Ok(address) = endpoint.local_addr() else {
        return;
    };
    drop(endpoint);
    let free = async {
        while std::net::UdpSocket::bind(address).is_err() {
            sleep(BETWEEN).await;
        }
    };
    let _ = timeout(FAREWELL, free).await;
}

/// Serves those who ask to be enrolled, by TCP, until `stop` is ready: there is no roster yet. By UDP everybody is refused, and learns so that UDP gets
/// here (`veilsum-client preflight`). Gives the address that is bound to `bound`.
///
/// # Errors
/// [`TransportError::Bind`] or [`TransportError::Tls`]. Peers never make this return.
pub async fn serve_desk(
    listen: SocketAddr,
    identity: &ServerIdentity,
    limits: &Limits,
    desk: Desk,
    bound: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), TransportError> {
    let config = listen_quic::server_config(identity, limits)?;
    let doors = Doors {
        banks: None,
        visitors: Visitors::new(identity, desk)?,
    };
    let (endpoint, tcp) = bind_both(listen, &config, limits)?;
    bound(tcp.local_addr().map_err(|error| TransportError::Bind {
        protocol: "TCP",
        address: listen,
        error,
    })?);
    let handshakes = Arc::new(Semaphore::new(limits.max_handshakes));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            Some(incoming) = endpoint.accept() => incoming.refuse(),
            (socket, remote) = listen_tcp::accept(&tcp) => {
                if let Some(place) = listen_tcp::admit(remote, &handshakes) {
                    let (doors, limits) = (doors.clone(), limits.clone());
                    connections.spawn(async move {
                        drop(listen_tcp::meet(doors, socket, remote, &limits, place).await);
                    });
                }
            }
        }
    }
    // Those who are being answered get their answer; everybody else asks again.
    drop(tcp);
    let farewell = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(FAREWELL, farewell).await;
    let_go(endpoint).await;
    Ok(())
}
