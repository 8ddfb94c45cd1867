//! How many bytes go out on a connection in all, with what TLS and QUIC add to what is counted at the [exit](super::exit).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use veilsum_link::Transport;

use crate::egress::Ledger;

/// A connection that stands is told of so often.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// A TCP connection, from its first byte of TLS to its last.
#[derive(Debug)]
pub(super) struct Counted<S> {
    stream: S,
    ledger: Ledger,
    /// Bytes that the ledger does not have yet.
    untold: u64,
    told: Instant,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, ledger: &Ledger) -> Self {
        Self {
            stream,
            ledger: ledger.clone(),
            untold: 0,
            told: Instant::now(),
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.untold = self
            .untold
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.told.elapsed() >= EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.ledger
            .framed(Transport::Tcp, std::mem::take(&mut self.untold));
        self.told = Instant::now();
    }
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        self.tell();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.wrote(count);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        if let Poll::Ready(Ok(count)) = written {
            self.wrote(count);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A QUIC connection whose handshake is done; of its last words, some may go out when they are not counted any more.
#[derive(Debug)]
pub(super) struct Datagrams {
    connection: quinn::Connection,
    ledger: Ledger,
    told: u64,
}

impl Datagrams {
    pub(super) fn new(connection: quinn::Connection, ledger: &Ledger) -> Self {
        Self {
            connection,
            ledger: ledger.clone(),
            told: 0,
        }
    }

    pub(super) fn tell(&mut self) {
        let sent = self.connection.stats().udp_tx.bytes;
        self.ledger
            .framed(Transport::Quic, sent.saturating_sub(self.told));
        self.told = sent;
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn what_a_connection_took_is_told_when_it_ends() {
        let ledger = Ledger::in_memory();
        let (here, mut there) = tokio::io::duplex(64);
        let mut counted = Counted::new(here, &ledger);
        counted.write_all(&[1; 40]).await.unwrap();
        assert_eq!(ledger.account().totals.framed(), 0);
        drop(counted);
        assert_eq!(ledger.account().totals.framed(), 40);
        let mut got = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut there, &mut got)
            .await
            .unwrap();
        assert_eq!(got.len(), 40);
    }
}
