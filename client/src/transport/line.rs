//! A connection on which the bank is admitted, and the streams beside its messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use veilsum_link::{Connection, RecvHalf, SendHalf, tcp};
use veilsum_protocol::wire::stream::CloseCode;

use super::dial::Dialer;
use super::exit::Exit;
use crate::egress::Ledger;

/// An admitted connection. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) connection: Connection,
    /// For TCP, where each stream is a connection of its own: how to make one, and how many the coordinator takes.
    beside: Option<(Arc<Dialer>, Arc<Semaphore>)>,
    /// Where it is counted what goes out.
    ledger: Ledger,
}

/// A stream beside the messages.
pub(super) struct Stream {
    pub(super) send: Exit,
    pub(super) recv: RecvHalf,
    _place: Option<OwnedSemaphorePermit>,
}

impl Line {
    pub(super) fn new(connection: Connection, dialer: Option<Dialer>, streams: u16, ledger: &Ledger) -> Self {
        let places = Arc::new(Semaphore::new(streams.max(1).into()));
        Self {
            connection,
            beside: dialer.map(|dialer| (Arc::new(dialer), places)),
            ledger: ledger.clone(),
        }
    }

    /// Opens a stream, waiting for a place if need be.
    pub(super) async fn open(&self) -> Result<Stream, String> {
        match (&self.connection, &self.beside) {
            (Connection::Quic(quic), _) => {
                let (send, recv) = quic.open_bi().await.map_err(|error| error.to_string())?;
                Ok(Stream {
                    send: Exit::new(send.into(), &self.ledger),
                    recv: recv.into(),
                    _place: None,
                })
            }
            (Connection::Tcp(_), Some((dialer, places))) => {
                let place = Arc::clone(places).acquire_owned().await;
                let place = place.map_err(|error| error.to_string())?;
                let (stream, remote) = dialer.tcp().await.map_err(|reason| reason.to_string())?;
                let (own, send, recv, work) = tcp::open(stream, remote, dialer.idle());
                let (own, messages) = (Connection::Tcp(own), self.connection.clone());
                tokio::spawn(async move {
                    tokio::pin!(work);
                    tokio::select! {
                        () = &mut work => {}
                        _ = messages.closed() => {
                            own.close(CloseCode::Goodbye, "the session has ended");
                            work.await;
                        }
                    }
                });
                Ok(Stream {
                    send: Exit::new(SendHalf::Tcp(send), &self.ledger),
                    recv: RecvHalf::Tcp(recv),
                    _place: Some(place),
                })
            }
            (Connection::Tcp(_), None) => Err("this connection carries one stream".to_owned()),
        }
    }

    /// A stream that broke on a standing connection means that the connection is no good.
    pub(super) fn give_up(&self) {
        self.connection.close(CloseCode::TooSlow, "a transfer broke off");
    }
}

/// How long the reason of an end may come after the end.
pub(super) const AFTERTHOUGHT: Duration = Duration::from_secs(1);
