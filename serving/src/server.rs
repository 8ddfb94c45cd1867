//! The listeners of REST and gRPC, and their connections.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::callers::Peer;
use crate::service::Serving;
use crate::{grpc, rest};

/// Longest head of a request in bytes, and most header lines.
const HEAD_BYTES: usize = 16 << 10;
const HEAD_LINES: usize = 64;
/// The head of the next request must have come in this time.
const IDLE: Duration = Duration::from_secs(60);
/// A handshake of TLS must be over in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After an accept that failed, because the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);
/// Calls of gRPC at once on a connection.
const STREAMS: u32 = 256;

/// Gives the name of the caller whose certificates these are, its own first, or nothing if it may not ask.
pub type CallerOf = dyn Fn(&[CertificateDer<'static>]) -> Option<String> + Send + Sync;

/// How connections are encrypted.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, and whose certificates are asked for. ALPN is set here.
    pub config: Arc<ServerConfig>,
    /// Who has a client certificate that `config` took. Without it no certificate counts, and callers need keys.
    pub caller: Option<Arc<CallerOf>>,
}

/// Bound addresses.
pub struct Server {
    serving: Serving,
    rest: StdListener,
    grpc: Option<StdListener>,
    tls: Option<Tls>,
}

#[derive(Clone, Copy)]
enum Transport {
    Rest,
    Grpc,
}

impl Server {
    /// Binds the addresses of the settings. Requests are answered from [`Self::serve`] on.
    ///
    /// # Errors
    /// What the system says; and an address beyond loopback where neither keys nor certificates say who asks.
    pub fn bind(serving: &Serving, tls: Option<Tls>) -> io::Result<Self> {
        let settings = serving.settings();
        let guarded = serving.callers().has_keys() || tls.as_ref().is_some_and(|tls| tls.caller.is_some());
        let bind = |key: &str, address: SocketAddr| {
            if !guarded && !address.ip().is_loopback() {
                let words = format!(
                    "{key}: found {address}, expected a loopback address; without keys or client certificates anybody could ask, so set keys first"
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
            }
            let listener = StdListener::bind(address)
                .map_err(|error| io::Error::new(error.kind(), format!("{key}: {address}: {error}")))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok(Self {
            rest: bind("listen", settings.listen)?,
            grpc: settings
                .grpc_listen
                .map(|address| bind("grpc_listen", address))
                .transpose()?,
            serving: serving.clone(),
            tls,
        })
    }

    /// The address of REST.
    ///
    /// # Errors
    /// What the system says.
    pub fn rest_addr(&self) -> io::Result<SocketAddr> {
        self.rest.local_addr()
    }

    /// The address of gRPC, if it is served.
    ///
    /// # Errors
    /// What the system says.
    pub fn grpc_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.grpc.as_ref().map(StdListener::local_addr).transpose()
    }

    /// Takes requests until `stop` is ready; then no new ones, and those under way have as long as the settings say. Peers never end it.
    ///
    /// # Errors
    /// If the runtime does not take the listeners.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (stopped, stopping) = watch::channel(false);
        let rest = TcpListener::from_std(self.rest)?;
        let grpc = self.grpc.map(TcpListener::from_std).transpose()?;
        let tls = |protocol: &[u8]| self.tls.as_ref().map(|tls| tls.speaking(protocol));
        let mut listening = JoinSet::new();
        listening.spawn(listen(
            self.serving.clone(),
            rest,
            Transport::Rest,
            tls(b"http/1.1"),
            stopping.clone(),
        ));
        if let Some(grpc) = grpc {
            listening.spawn(listen(
                self.serving.clone(),
                grpc,
                Transport::Grpc,
                tls(b"h2"),
                stopping.clone(),
            ));
        }
        self.serving.take(true);
        stop.await;
        // Those that have come are answered; what asks whether the server is ready hears that it is not.
        let _ = stopped.send(true);
        while listening.join_next().await.is_some() {}
        self.serving.take(false);
        Ok(())
    }
}

impl Tls {
    fn speaking(&self, protocol: &[u8]) -> (TlsAcceptor, Option<Arc<CallerOf>>) {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.to_vec()];
        (TlsAcceptor::from(Arc::new(config)), self.caller.clone())
    }
}

type Acceptor = Option<(TlsAcceptor, Option<Arc<CallerOf>>)>;

async fn listen(
    serving: Serving,
    listener: TcpListener,
    transport: Transport,
    acceptor: Acceptor,
    mut stopping: watch::Receiver<bool>,
) {
    let most = serving.settings().max_connections;
    let farewell = Duration::from_millis(serving.settings().farewell_ms);
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = until_stop(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Err(error) => {
                    tracing::debug!(%error, "a connection of an application could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
                // Without a place it is hung up on.
                Ok((stream, _)) => if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                    let (serving, acceptor, stopping) = (serving.clone(), acceptor.clone(), stopping.clone());
                    connections.spawn(async move {
                        serving.meters().connected(1);
                        meet(&serving, stream, transport, acceptor, stopping).await;
                        serving.meters().connected(-1);
                        drop(place);
                    });
                } else {
                    tracing::warn!("applications hold {most} connections already; max_connections allows no more");
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(farewell, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn meet(
    serving: &Serving,
    stream: TcpStream,
    transport: Transport,
    acceptor: Acceptor,
    stopping: watch::Receiver<bool>,
) {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let Some((acceptor, caller_of)) = acceptor else {
        return converse(serving, Peer::Nobody, stream, transport, stopping).await;
    };
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "an application's handshake failed"),
        Err(_) => return tracing::debug!("an application's handshake took too long"),
    };
    let peer = match (caller_of, stream.get_ref().1.peer_certificates()) {
        (None, _) => Peer::Nobody,
        (Some(_), None) => Peer::Uncertified,
        (Some(caller_of), Some(certificates)) => {
            caller_of(certificates).map_or(Peer::Stranger, Peer::Certified)
        }
    };
    converse(serving, peer, stream, transport, stopping).await;
}

async fn until_stop(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone says the same.
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Answers requests on a connection until either side ends it. When `stopping` is true, the one under way is the last.
async fn converse<I>(
    serving: &Serving,
    peer: Peer,
    stream: I,
    transport: Transport,
    mut stopping: watch::Receiver<bool>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let peer = Arc::new(peer);
    let serving = serving.clone();
    macro_rules! until_over {
        ($connection:expr) => {{
            let connection = $connection;
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = until_stop(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection of an application broke off");
            }
        }};
    }
    match transport {
        Transport::Rest => {
            let service = service_fn(move |request| {
                let (serving, peer) = (serving.clone(), Arc::clone(&peer));
                async move { Ok::<_, Infallible>(rest::answer::answer(&serving, &peer, request).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_buf_size(HEAD_BYTES)
                .max_headers(HEAD_LINES);
            until_over!(http.serve_connection(stream, service));
        }
        Transport::Grpc => {
            let service = service_fn(move |request| {
                let (serving, peer) = (serving.clone(), Arc::clone(&peer));
                async move { Ok::<_, Infallible>(grpc::answer(&serving, &peer, request).await) }
            });
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(16 << 10)
                .keep_alive_interval(IDLE)
                .keep_alive_timeout(HANDSHAKE);
            until_over!(http.serve_connection(stream, service));
        }
    }
}
