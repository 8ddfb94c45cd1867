//! The listener and its connections.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::{Site, answer};

/// Longest head of a request in bytes, and most header lines.
const HEAD_BYTES: usize = 16 << 10;
const HEAD_LINES: usize = 64;
/// The head of the next request must have come in this time.
const IDLE: Duration = Duration::from_secs(60);
/// How long answers that are under way may take when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// After an accept that failed, because the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// A bound address.
#[derive(Debug)]
pub struct Server {
    listener: StdListener,
    max_connections: usize,
}

impl Server {
    /// Binds the address. Requests are answered from [`Self::serve`] on.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: SocketAddr, max_connections: usize) -> io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            max_connections,
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
    /// If the runtime does not take the listener.
    pub async fn serve<S: Site>(self, site: Arc<S>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let places = Arc::new(Semaphore::new(self.max_connections));
        let (stopped, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the {} could not be accepted", S::WORDS.name);
                        tokio::time::sleep(PAUSE).await;
                    }
                    // Without a place it is hung up on; the browser tries again.
                    Ok((stream, _)) => if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let (site, stopping) = (Arc::clone(&site), stopping.clone());
                        connections.spawn(async move {
                            converse(site, stream, stopping).await;
                            drop(place);
                        });
                    } else {
                        tracing::warn!(
                            "the {} is asked for over {} connections already; {} allows no more",
                            S::WORDS.name,
                            self.max_connections,
                            S::WORDS.most
                        );
                    }
                },
            }
        }
        let _ = stopped.send(true);
        let _ = timeout(FAREWELL, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        Ok(())
    }
}

/// Answers requests on a connection, whatever it came through, until either side ends it or `stopping` is true.
pub async fn converse<S, I>(site: Arc<S>, stream: I, mut stopping: watch::Receiver<bool>)
where
    S: Site,
    I: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, std::convert::Infallible>(answer(&site, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // Events have no end of their own: the connection is closed, and the browser tries again.
        _ = stopping.wait_for(|stop| *stop) => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the {} broke off", S::WORDS.name);
    }
}
