//! The two halves of a stream over either way.

use bytes::{Buf as _, Bytes};
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncReadExt as _;
use veilsum_protocol::wire::frame::{FrameError, HEADER, body_length};

use crate::tcp::{TcpRecv, TcpSend};

/// Bytes of a frame that room is made for before they are there.
const PART: usize = 16 << 10;

/// Why a stream ended, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StreamError(pub(crate) String);

impl StreamError {
    fn of(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// The half that sends. Dropping it gives the stream up, unless it was finished.
#[derive(Debug)]
pub enum SendHalf {
    /// A QUIC stream.
    Quic(SendStream),
    /// A TLS connection.
    Tcp(TcpSend),
}

/// The half that receives. Dropping it says that nothing more is wanted.
#[derive(Debug)]
pub enum RecvHalf {
    /// A QUIC stream.
    Quic(RecvStream),
    /// A TLS connection.
    Tcp(TcpRecv),
}

impl From<SendStream> for SendHalf {
    fn from(stream: SendStream) -> Self {
        Self::Quic(stream)
    }
}

impl From<RecvStream> for RecvHalf {
    fn from(stream: RecvStream) -> Self {
        Self::Quic(stream)
    }
}

impl SendHalf {
    /// Hands over all bytes, waiting for the peer to take earlier ones.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        match self {
            Self::Quic(stream) => stream.write_all(bytes).await.map_err(StreamError::of),
            Self::Tcp(stream) => stream.write_all(bytes).await,
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        match self {
            Self::Quic(stream) => stream.finish().map_err(StreamError::of),
            Self::Tcp(stream) => stream.finish().await,
        }
    }

    /// Waits until the peer has everything up to the end, or wants no more.
    ///
    /// # Errors
    /// [`StreamError`] when the connection broke before.
    pub async fn stopped(&mut self) -> Result<(), StreamError> {
        match self {
            Self::Quic(stream) => stream.stopped().await.map(drop).map_err(StreamError::of),
            Self::Tcp(stream) => stream.stopped().await,
        }
    }
}

impl RecvHalf {
    /// The next bytes, at most `most` (at least 1); `None` after the peer's end of the stream.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn read_chunk(&mut self, most: usize) -> Result<Option<Bytes>, StreamError> {
        match self {
            Self::Quic(stream) => match stream.read_chunk(most, true).await {
                Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
                Err(error) => Err(StreamError::of(error)),
            },
            Self::Tcp(stream) => stream.read_chunk(most).await,
        }
    }

    /// Appends what has come to `bytes`, at most `most` bytes (at least 1), and waits for the first of them alone. Gives how many they are: none
    /// after the peer's end of the stream.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn read_more(&mut self, bytes: &mut Vec<u8>, most: usize) -> Result<usize, StreamError> {
        match self {
            Self::Quic(stream) => {
                bytes.reserve(most);
                let mut limited = stream.take(u64::try_from(most).unwrap_or(u64::MAX));
                limited.read_buf(bytes).await.map_err(StreamError::of)
            }
            Self::Tcp(stream) => stream.read_more(bytes, most).await,
        }
    }

    /// Reads the rest of a frame whose first byte is there already, and gives its body, or what is wrong with its length. Memory is taken as bytes
    /// arrive.
    ///
    /// # Errors
    /// [`StreamError`], also when the stream ends within the frame.
    pub async fn read_frame(
        &mut self,
        first: u8,
        limit: usize,
    ) -> Result<Result<Vec<u8>, FrameError>, StreamError> {
        let mut header = [first; HEADER];
        self.read_exact(&mut header[1..]).await?;
        let length = match body_length(header, limit) {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        let mut body = Vec::new();
        while body.len() < length {
            let most = PART.min(length - body.len());
            if self.read_more(&mut body, most).await? == 0 {
                return Err(StreamError::of("the stream ended within a frame"));
            }
        }
        Ok(Ok(body))
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`StreamError`], also when the stream ends before.
    pub async fn read_exact(&mut self, mut bytes: &mut [u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let Some(mut chunk) = self.read_chunk(bytes.len()).await? else {
                return Err(StreamError::of("the stream ended early"));
            };
            let (filled, rest) = bytes.split_at_mut(chunk.len().min(bytes.len()));
            chunk.copy_to_slice(filled);
            bytes = rest;
        }
        Ok(())
    }
}
