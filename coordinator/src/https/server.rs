//! The listener: connections, their handshakes, and what ends them.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use veilsum_link::socket::{self, Buffers};
use veilsum_protocol::log::VerifierKey;

use super::answer::{Answered, Library, refuse};
use super::body::Content;
use super::door::{Door, Place, Places, Refusal};
use super::named::Named;
use crate::config::Auditors;
use crate::enrol::inspect::{CertificateFacts, facts_of_der};
use crate::enrol::revoked::RevokedList;
use crate::transport::{Seats, ServerIdentity, TransportError, accept, linger, tls_config};

/// Requests come in less than the first; answers move at most the second per round trip.
const BUFFERS: Buffers = Buffers {
    receive: 32 << 10,
    send: 512 << 10,
};

/// Longest head of a request in bytes, and most header lines.
const HEAD_BYTES: usize = 16 << 10;
const HEAD_LINES: usize = 64;

/// Files that are read or looked for at once.
const READS: usize = 8;

/// How long answers that are under way may take when the coordinator stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Longest part of a path that is told in the trace.
const PATH_TOLD: usize = 200;

/// What is served.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The published log.
    pub log: PathBuf,
    /// The coordinator's data, of which `blobs` and `rounds` are served.
    pub data: PathBuf,
}

/// A bound address.
pub struct Server {
    listener: StdListener,
    acceptor: TlsAcceptor,
    limits: Auditors,
    library: Arc<Library>,
}

/// A server at work, on a thread of its own.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<()>,
}

/// What the connections share.
struct Room {
    limits: Auditors,
    library: Arc<Library>,
    places: Arc<Places>,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Server {
    /// Binds `address`. Readers are served from [`Self::start`] on.
    ///
    /// # Errors
    /// [`TransportError::Bind`] or [`TransportError::Tls`].
    pub fn bind(
        address: SocketAddr,
        limits: &Auditors,
        identity: &ServerIdentity,
        seats: Arc<Seats>,
        log_key: VerifierKey,
        folders: Folders,
        revoked: RevokedList,
    ) -> Result<Self, TransportError> {
        let mut tls = tls_config(identity)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = socket::listener(address, BUFFERS).map_err(|error| TransportError::Bind {
            protocol: "TCP",
            address,
            error,
        })?;
        let Folders { log, data } = folders;
        let named = Named::new(log.clone(), log_key, data.join("rounds"));
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            limits: limits.clone(),
            library: Arc::new(Library {
                log,
                data,
                door: Door::new(seats, limits.admitted.clone(), revoked),
                named: Arc::new(Mutex::new(named)),
            }),
        })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready. Peers never end it.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn start(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(READS)
            .thread_name("auditors-disk")
            .build()?;
        let thread = std::thread::Builder::new()
            .name("auditors".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(self.serve(stop)) {
                    tracing::error!(%error, "auditors are not served any more");
                }
                // A disk that hangs must not hold up the end of the daemon.
                runtime.shutdown_background();
            })?;
        Ok(Running { thread })
    }

    async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let handshakes = Arc::new(Semaphore::new(self.limits.max_handshakes));
        let room = Arc::new(Room {
            places: Places::new(self.limits.max_connections, self.limits.max_connections_each),
            library: self.library,
            limits: self.limits,
            answered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        // A long log takes a while to read. Who asks for a blob meanwhile waits; who asks for the log does not.
        let named = Arc::clone(&room.library.named).lock_owned().await;
        spawn_blocking(move || {
            let mut named = named;
            if let Err(problem) = named.follow() {
                tracing::error!("auditors get no blob yet: {problem}");
            }
        });
        let (stopped, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                (stream, remote) = accept(&listener) => {
                    match Arc::clone(&handshakes).try_acquire_owned() {
                        Ok(place) => {
                            let (room, acceptor) = (Arc::clone(&room), self.acceptor.clone());
                            connections.spawn(room.connection(acceptor, stream, remote, place, stopping.clone()));
                        }
                        Err(_) => room.count_refused(remote, "too many handshakes at once"),
                    }
                }
            }
        }
        drop(listener);
        let _ = stopped.send(true);
        let _ = timeout(FAREWELL, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        tracing::info!(
            answered = room.answered.load(Ordering::Relaxed),
            refused = room.refused.load(Ordering::Relaxed),
            "auditors are not served any more"
        );
        Ok(())
    }
}

impl Running {
    /// Waits until it has stopped.
    pub async fn ended(self) {
        let joined = spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread that serves auditors broke down");
        }
    }
}

async fn until(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop too.
    let _ = stopping.wait_for(|stop| *stop).await;
}

type Stream = TlsStream<Pin<Box<TimeoutStream<TcpStream>>>>;

impl Room {
    fn count_refused(&self, remote: SocketAddr, reason: &str) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        tracing::warn!(%remote, reason, refused, "a reader is refused");
    }

    async fn connection(
        self: Arc<Self>,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        remote: SocketAddr,
        handshake: OwnedSemaphorePermit,
        stopping: watch::Receiver<bool>,
    ) {
        let deadline = Duration::from_secs(self.limits.handshake_s.into());
        let Some((stream, certificate)) = self.shake_hands(acceptor, stream, remote, deadline).await else {
            return;
        };
        match self.enter(&certificate).await {
            Ok(place) => {
                drop(handshake);
                self.converse(stream, remote, certificate, stopping).await;
                drop(place);
            }
            Err(refusal) => {
                self.count_refused(remote, refusal.words());
                // It keeps its place in the handshake, and takes none of a reader's.
                let told = self.turn_away(stream, &refusal);
                let _ = timeout(deadline, told).await;
                drop(handshake);
            }
        }
    }

    async fn shake_hands(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        remote: SocketAddr,
        deadline: Duration,
    ) -> Option<(Stream, Arc<CertificateFacts>)> {
        let stall = Duration::from_secs(self.limits.stall_s.into());
        if let Err(error) = socket::lively(&stream, stall) {
            tracing::warn!(%remote, %error, "a connection of a reader cannot be set up");
            return None;
        }
        let mut stream = TimeoutStream::new(stream);
        // What a peer does not take is noticed here, below TLS and HTTP, whichever of them waits.
        stream.set_write_timeout(Some(stall));
        let stream = match timeout(deadline, acceptor.accept(Box::pin(stream)).into_fallible()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                self.count_refused(remote, &format!("the handshake failed: {error}"));
                linger(stream).await;
                return None;
            }
            Err(_) => {
                self.count_refused(remote, "the handshake took too long");
                return None;
            }
        };
        let (_, tls) = stream.get_ref();
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        let facts = match certificate.map(|it| facts_of_der(it)) {
            Some(Ok(facts)) => Arc::new(facts),
            Some(Err(problem)) => {
                self.count_refused(remote, &problem);
                return None;
            }
            None => {
                self.count_refused(remote, "no client certificate");
                return None;
            }
        };
        Some((stream, facts))
    }

    async fn enter(&self, certificate: &Arc<CertificateFacts>) -> Result<Place, Refusal> {
        self.library.who(certificate).await?;
        self.places.take(certificate.tls_key)
    }

    /// Answers requests until the peer or the coordinator ends it.
    async fn converse(
        self: &Arc<Self>,
        stream: Stream,
        remote: SocketAddr,
        certificate: Arc<CertificateFacts>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let service = service_fn(move |request| {
            let (room, certificate) = (Arc::clone(self), Arc::clone(&certificate));
            async move { Ok::<_, io::Error>(room.answer(remote, &certificate, &request).await) }
        });
        let connection = self
            .http(self.limits.idle_s)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = until(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%remote, %error, "a connection of a reader broke off");
        }
    }

    async fn answer<B: hyper::body::Body>(
        &self,
        remote: SocketAddr,
        certificate: &Arc<CertificateFacts>,
        request: &Request<B>,
    ) -> Response<Content> {
        let Answered { response, reader } = self.library.answer(certificate, request).await;
        match &reader {
            Err(refusal) => self.count_refused(remote, refusal.words()),
            Ok(reader) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                let path: String = request.uri().path().chars().take(PATH_TOLD).collect();
                tracing::debug!(
                    reader,
                    method = %request.method(),
                    ?path,
                    status = response.status().as_u16(),
                    "a request"
                );
            }
        }
        response
    }

    /// Answers one request with a refusal.
    async fn turn_away(&self, stream: Stream, refusal: &Refusal) -> Result<(), hyper::Error> {
        let service = service_fn(move |_| async move { Ok::<_, io::Error>(refuse(refusal)) });
        self.http(self.limits.handshake_s)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    fn http(&self, head_s: u32) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(head_s.into()))
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_LINES)
            .half_close(false);
        http
    }
}
