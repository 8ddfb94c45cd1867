//! A stream over a TLS connection on TCP.
//!
//! [`open`] takes the connection over and gives it two halves, a [`Tcp`] to close it with, and the work that drives it. Whatever the
//! halves do, the work reads what the peer sends, so that a close or a silence is noticed; it holds four records beside the one that is read and the
//! one that is taken in parts, and two blocks of four that are to be sent, and then lets the peer, or who sends, wait.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use veilsum_protocol::wire::stream::CloseCode;

use crate::connection::End;
use crate::record::{CODE, HEADER, Kind, PAYLOAD, close, parse, record, records};
use crate::streams::StreamError;

/// Records that came and wait to be taken.
const ARRIVED: usize = 4;

/// Records that are handed on together to be sent: whoever has much to send is woken once for so many.
const BLOCK: usize = 4;

/// How often a side that has nothing to say gives a sign of life: a third of the shortest `idle_s` that a configuration may ask for, so
/// that it suits every peer.
pub const ALIVE: Duration = Duration::from_millis(1600);

/// How long the last words may take to be sent and heard. A side that closed reads on for so long: a TCP connection that is dropped
/// with unread bytes is reset, which can take the last words from the peer.
const FAREWELL: Duration = Duration::from_secs(2);

/// A TLS connection. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Tcp(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    remote: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    end: Option<End>,
    /// What the peer is still to be told.
    last_words: Option<(CloseCode, String)>,
}

impl Tcp {
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.0.remote
    }

    pub(crate) fn close(&self, code: CloseCode, reason: &str) {
        self.0.state.send_if_modified(|state| {
            let first = state.end.is_none();
            if first {
                state.end = Some(End::Here);
                state.last_words = Some((code, reason.to_owned()));
            }
            first
        });
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.0.state.borrow().end.clone()
    }

    pub(crate) async fn closed(&self) -> End {
        let mut state = self.0.state.subscribe();
        // The sender lives as long as `self`.
        match state.wait_for(|state| state.end.is_some()).await {
            Ok(state) => state.end.clone().unwrap_or(End::Here),
            Err(_) => End::Here,
        }
    }

    fn ended(&self, end: End) {
        self.0.state.send_if_modified(|state| {
            let first = state.end.is_none();
            if first {
                state.end = Some(end);
            }
            first
        });
    }

    fn broken(&self) -> StreamError {
        let end = self.end();
        StreamError(end.map_or_else(|| "the connection broke".to_owned(), |end| end.to_string()))
    }
}

/// The half that sends.
#[derive(Debug)]
pub struct TcpSend {
    tcp: Tcp,
    /// `None` finishes the stream.
    queue: mpsc::Sender<Option<Vec<u8>>>,
}

/// The half that receives.
#[derive(Debug)]
pub struct TcpRecv {
    tcp: Tcp,
    /// `None` is the peer's end of the stream.
    arrived: mpsc::Receiver<Option<Bytes>>,
    rest: Bytes,
    finished: bool,
}

impl TcpSend {
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        for part in bytes.chunks(BLOCK * PAYLOAD) {
            // Made when there is room for it.
            let room = self.queue.reserve().await.map_err(|_| self.tcp.broken())?;
            room.send(Some(records(part)));
        }
        Ok(())
    }

    pub(crate) async fn finish(&mut self) -> Result<(), StreamError> {
        self.queue.send(None).await.map_err(|_| self.tcp.broken())
    }

    pub(crate) async fn stopped(&mut self) -> Result<(), StreamError> {
        match self.tcp.closed().await {
            End::Closed { .. } | End::Here => Ok(()),
            other => Err(StreamError(other.to_string())),
        }
    }
}

impl TcpRecv {
    pub(crate) async fn read_more(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<usize, StreamError> {
        let Some(first) = self.read_chunk(most).await? else {
            return Ok(0);
        };
        bytes.extend_from_slice(&first);
        let mut count = first.len();
        while count < most && self.has_more() {
            let more = self.rest.split_to((most - count).min(self.rest.len()));
            bytes.extend_from_slice(&more);
            count += more.len();
        }
        Ok(count)
    }

    /// Whether there are bytes that need not be waited for.
    fn has_more(&mut self) -> bool {
        if self.rest.is_empty() && !self.finished {
            match self.arrived.try_recv() {
                Ok(Some(bytes)) => self.rest = bytes,
                Ok(None) => self.finished = true,
                // Nothing yet, or never again: who asks next is told which.
                Err(_) => {}
            }
        }
        !self.rest.is_empty()
    }

    pub(crate) async fn read_chunk(&mut self, most: usize) -> Result<Option<Bytes>, StreamError> {
        if self.finished {
            return Ok(None);
        }
        if self.rest.is_empty() {
            match self.arrived.recv().await {
                Some(Some(bytes)) => self.rest = bytes,
                Some(None) => {
                    self.finished = true;
                    return Ok(None);
                }
                None => return Err(self.tcp.broken()),
            }
        }
        Ok(Some(self.rest.split_to(most.min(self.rest.len()))))
    }
}

/// Makes a stream of a TLS connection whose handshake is done. Nothing moves unless the work that is returned is polled; it ends
/// a little after the connection.
pub fn open<S>(
    stream: S,
    remote: SocketAddr,
    idle: Duration,
) -> (Tcp, TcpSend, TcpRecv, impl Future<Output = ()> + Send)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let tcp = Tcp(Arc::new(Shared {
        remote,
        state: watch::Sender::new(State::default()),
    }));
    // One block waits while another is written.
    let (queue, queued) = mpsc::channel(1);
    let (arrives, arrived) = mpsc::channel(ARRIVED);
    let send = TcpSend {
        tcp: tcp.clone(),
        queue,
    };
    let recv = TcpRecv {
        tcp: tcp.clone(),
        arrived,
        rest: Bytes::new(),
        finished: false,
    };
    let work = drive(stream, tcp.clone(), queued, arrives, idle);
    (tcp, send, recv, work)
}

async fn drive<S: AsyncRead + AsyncWrite>(
    stream: S,
    tcp: Tcp,
    queued: mpsc::Receiver<Option<Vec<u8>>>,
    arrives: mpsc::Sender<Option<Bytes>>,
    idle: Duration,
) {
    let (mut reader, mut writer) = split(stream);
    let unread = arrives.clone();
    let read = async {
        // Told before the way is closed, so that who finds it closed finds out why.
        let mut arrives = Some(arrives);
        tcp.ended(receive(&mut reader, &mut arrives, &tcp, idle).await);
    };
    let write = transmit(&mut writer, queued, unread, &tcp);
    tokio::pin!(read, write);
    tokio::select! {
        // The writer sees the end, says goodbye and returns.
        () = &mut read => {
            let _ = timeout(FAREWELL, &mut write).await;
        }
        written = &mut write => {
            // The peer may have told why before it stopped reading.
            let heard = timeout(FAREWELL, &mut read).await;
            if let (Err(error), Err(_)) = (written, heard) {
                tcp.ended(End::Lost(error.to_string()));
            }
        }
    }
    tcp.ended(End::Here);
}

/// Reads records until the connection ends, and tells why.
async fn receive<S: AsyncRead>(
    reader: &mut ReadHalf<S>,
    arrives: &mut Option<mpsc::Sender<Option<Bytes>>>,
    tcp: &Tcp,
    idle: Duration,
) -> End {
    loop {
        let (kind, content) = match timeout(idle, next(reader)).await {
            Err(_) => return End::Lost(format!("nothing came for {} s", idle.as_secs())),
            Ok(Err(end)) => return end,
            Ok(Ok(record)) => record,
        };
        let arrival = match kind {
            Kind::Alive => continue,
            Kind::Close => return closed_by_peer(&content),
            Kind::Data => Some(Bytes::from(content)),
            Kind::End => None,
        };
        let last = arrival.is_none();
        let Some(way) = arrives.as_ref() else {
            return End::Violation("data after the end of the stream".to_owned());
        };
        tokio::select! {
            // Not sent when nobody wants it any more; it is read all the same, so that a close is heard.
            _ = way.send(arrival) => {}
            _ = tcp.closed() => {}
        }
        if last {
            *arrives = None;
        }
    }
}

async fn next<S: AsyncRead>(reader: &mut ReadHalf<S>) -> Result<(Kind, Vec<u8>), End> {
    let mut header = [0; HEADER];
    reader
        .read_exact(&mut header)
        .await
        .map_err(|error| of_io(&error))?;
    let (kind, length) = parse(header).map_err(End::Violation)?;
    let mut content = vec![0; length];
    reader
        .read_exact(&mut content)
        .await
        .map_err(|error| of_io(&error))?;
    Ok((kind, content))
}

fn closed_by_peer(content: &[u8]) -> End {
    let Some((code, reason)) = content.split_first_chunk::<CODE>() else {
        return End::Violation("a close without a code".to_owned());
    };
    End::Closed {
        code: u32::from_be_bytes(*code).into(),
        reason: String::from_utf8_lossy(reason).into_owned(),
    }
}

/// Sorts what TLS and TCP say.
pub fn of_io(error: &io::Error) -> End {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => End::Alert((*alert).into()),
        Some(error @ rustls::Error::NoApplicationProtocol) => End::Refused {
            alert: AlertDescription::NoApplicationProtocol.into(),
            text: error.to_string(),
        },
        Some(error @ rustls::Error::InvalidCertificate(_)) => End::Refused {
            alert: AlertDescription::BadCertificate.into(),
            text: error.to_string(),
        },
        Some(error) => End::Violation(format!("what came is not TLS as it should be: {error}")),
        None if error.kind() == io::ErrorKind::UnexpectedEof => End::Lost("the peer hung up".to_owned()),
        None => End::Lost(error.to_string()),
    }
}

/// Writes what is queued until the connection ends, and then the last words. `unread` is closed when nobody receives any more.
async fn transmit<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    mut queued: mpsc::Receiver<Option<Vec<u8>>>,
    unread: mpsc::Sender<Option<Bytes>>,
    tcp: &Tcp,
) -> io::Result<()> {
    let mut unread = Some(unread);
    let mut finished = false;
    while tcp.end().is_none() {
        let bytes = tokio::select! {
            biased;
            _ = tcp.closed() => break,
            next = queued.recv(), if !finished => match next {
                Some(Some(bytes)) => bytes,
                Some(None) => {
                    finished = true;
                    record(Kind::End, &[])
                }
                None => {
                    tcp.close(CloseCode::Goodbye, "the stream was given up");
                    break;
                }
            },
            () = nobody_reads(&unread), if finished => {
                tcp.close(CloseCode::Goodbye, "the stream is done");
                break;
            }
            () = sleep(ALIVE) => record(Kind::Alive, &[]),
        };
        for record in bytes.chunks(HEADER + PAYLOAD) {
            write(writer, record, tcp).await?;
            if tcp.end().is_some() {
                break;
            }
        }
    }
    // The sender that stands for the receiving half must not keep it open.
    unread = None;
    drop(unread);
    let last_words = tcp.0.state.borrow().last_words.clone();
    let farewell = async {
        if let Some((code, reason)) = last_words {
            writer.write_all(&close(code.number(), &reason)).await?;
        }
        writer.shutdown().await
    };
    timeout(FAREWELL, farewell)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

/// A record is written as a whole, even if the connection is closed meanwhile: what follows it must be understood.
async fn write<S: AsyncWrite>(writer: &mut WriteHalf<S>, record: &[u8], tcp: &Tcp) -> io::Result<()> {
    let write = async {
        writer.write_all(record).await?;
        writer.flush().await
    };
    let late = async {
        tcp.closed().await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        biased;
        written = write => written,
        () = late => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn nobody_reads(arrives: &Option<mpsc::Sender<Option<Bytes>>>) {
    if let Some(arrives) = arrives {
        arrives.closed().await;
    }
}

#[cfg(test)]
mod tests;
