//! Peers that come by TLS on TCP. Each stream is a connection of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use veilsum_link::socket::{self, Buffers};
use veilsum_link::{Connection, RecvHalf, SendHalf, tcp};
use veilsum_protocol::wire::stream::ALPN;

use super::session::{self, Hall, identify};
use super::visitors::Visitors;
use crate::config::Limits;

/// How long a peer that is refused in the handshake has to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long nothing is accepted after the system refused to, for want of file descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// Smallest buffer of a connection.
const LEAST: u32 = 4 << 10;

/// A connection's share of what one bank may pin: it has one for its messages, one for each stream, and as many at the door.
fn share(limits: &Limits) -> Buffers {
    let connections = limits.streams.saturating_add(1).saturating_mul(2);
    let share = |window: u32| window.checked_div(connections).unwrap_or(window).max(LEAST);
    Buffers {
        receive: share(limits.connection_window_bytes),
        send: share(limits.send_window_bytes),
    }
}

/// Binds the TCP address. Must be called within a tokio runtime.
pub(super) fn bind(listen: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    TcpListener::from_std(socket::listener(listen, share(limits))?)
}

/// The next peer. Nothing that the system says ends the wait.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a TCP connection cannot be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// A place for the handshake, if there is one.
pub(super) fn admit(remote: SocketAddr, handshakes: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let place = Arc::clone(handshakes).try_acquire_owned().ok();
    if place.is_none() {
        tracing::warn!(%remote, "too many handshakes at once; a peer is refused");
    }
    place
}

/// Who may come to the one port, each with the TLS that it is met with.
#[derive(Clone)]
pub(super) struct Doors {
    /// Banks, which show a certificate; none before there is a roster.
    pub(super) banks: Option<Arc<ServerConfig>>,
    /// Those who ask to be enrolled.
    pub(super) visitors: Arc<Visitors>,
}

/// A bank's connection after its handshake. Whoever asks to be enrolled is dealt with here.
pub(super) async fn meet(
    doors: Doors,
    stream: TcpStream,
    remote: SocketAddr,
    limits: &Limits,
    place: OwnedSemaphorePermit,
) -> Option<(TlsStream<TcpStream>, OwnedSemaphorePermit)> {
    let idle = Duration::from_secs(limits.idle_s.into());
    if let Err(error) = socket::lively(&stream, idle) {
        tracing::warn!(%remote, %error, "a TCP connection cannot be set up");
        return None;
    }
    let allowed = Duration::from_secs(limits.handshake_s.into());
    let deadline = Instant::now() + allowed;
    let late = || tracing::info!(%remote, seconds = allowed.as_secs(), "a handshake took too long");
    let mut hello = std::pin::pin!(LazyConfigAcceptor::new(Acceptor::default(), stream));
    let start = match timeout_at(deadline, hello.as_mut()).await {
        Ok(Ok(start)) => start,
        Ok(Err(error)) => {
            tracing::info!(%remote, %error, "a handshake failed");
            if let Some(stream) = hello.take_io() {
                linger(stream).await;
            }
            return None;
        }
        Err(_) => {
            late();
            return None;
        }
    };
    if let Some(config) = doors.visitors.config(&start.client_hello()) {
        doors.visitors.serve(start, config, remote, place).await;
        return None;
    }
    let config = doors.banks.unwrap_or_else(|| doors.visitors.config_for_others());
    match timeout_at(deadline, start.into_stream(config).into_fallible()).await {
        Ok(Ok(stream)) => Some((stream, place)),
        Ok(Err((error, stream))) => {
            tracing::info!(%remote, %error, "a handshake failed");
            linger(stream).await;
            None
        }
        Err(_) => {
            late();
            None
        }
    }
}

pub(super) async fn serve<M, O>(
    hall: Arc<Hall<M, O>>,
    doors: Doors,
    stream: TcpStream,
    remote: SocketAddr,
    place: OwnedSemaphorePermit,
) where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let idle = Duration::from_secs(hall.limits.idle_s.into());
    let Some((stream, place)) = meet(doors, stream, remote, &hall.limits, place).await else {
        return;
    };
    let (_, tls) = stream.get_ref();
    let identified = if tls.alpn_protocol() == Some(ALPN) {
        identify(tls.peer_certificates().and_then(|chain| chain.first()), &hall)
    } else {
        return tracing::info!(%remote, "a peer names no version of the protocol");
    };
    let (connection, send, recv, work) = tcp::open(stream, remote, idle);
    let connection = Connection::Tcp(connection);
    match identified {
        Ok(bank) => {
            drop(place);
            let halves = (SendHalf::Tcp(send), RecvHalf::Tcp(recv));
            let served = session::serve_tcp(Arc::clone(&hall), connection.clone(), halves, bank);
            let carried = async {
                tokio::pin!(work);
                tokio::select! {
                    () = &mut work => return,
                    _ = connection.closed() => {}
                }
                if let Some(_place) = hall.farewell(bank) {
                    work.await;
                }
            };
            tokio::join!(served, carried);
        }
        Err((code, reason)) => {
            tracing::warn!(%remote, reason, "a peer is refused");
            connection.close(code, &reason);
            work.await;
        }
    }
}

/// Reads on for a moment: a connection that is dropped with unread bytes is reset, and the peer may lose the alert that says why.
pub(crate) async fn linger(mut stream: impl AsyncRead + Unpin) {
    let mut scrap = [0; 1024];
    let _ = timeout(FAREWELL, async {
        while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
}
