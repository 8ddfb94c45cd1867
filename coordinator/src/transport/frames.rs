//! Frames and raw bytes over a stream, each under a deadline.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use veilsum_link::{RecvHalf, SendHalf};
use veilsum_protocol::wire::frame::{FrameError, decode, encode_frame};
use veilsum_protocol::wire::stream::CloseCode;

/// Why a stream ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamEnd {
    /// The peer or the network ended it. Nothing more to be said.
    #[error("the stream ended: {0}")]
    Lost(String),
    /// The peer broke the rules and loses its connection.
    #[error("{text}")]
    Offence {
        /// What the peer is told.
        code: CloseCode,
        /// The same in words.
        text: String,
    },
    /// This side's message does not fit: a fault of this program or its configuration.
    #[error("a message to the bank cannot be sent: {0}")]
    Unsendable(FrameError),
    /// The spool cannot be made durable, which nothing here can repair.
    #[error("the spool failed: {0}")]
    Spool(std::io::Error),
}

impl StreamEnd {
    pub(super) fn lost(error: impl ToString) -> Self {
        Self::Lost(error.to_string())
    }

    pub(super) fn violation(text: impl ToString) -> Self {
        Self::Offence {
            code: CloseCode::ProtocolViolation,
            text: text.to_string(),
        }
    }
}

/// Waits for something that moves bytes, at most `stall`.
pub(super) async fn moving<T, E: ToString>(
    stall: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StreamEnd> {
    match timeout(stall, work).await {
        Ok(done) => done.map_err(StreamEnd::lost),
        Err(_) => Err(StreamEnd::Offence {
            code: CloseCode::TooSlow,
            text: format!("{what} did not move for {} s", stall.as_secs()),
        }),
    }
}

/// Reads the body of a frame. The wait for its first byte is bounded by `first`, if at all; from then on the whole frame must come
/// within `stall`. Memory is taken as bytes arrive.
pub(super) async fn read_body(
    recv: &mut RecvHalf,
    limit: usize,
    first: Option<Duration>,
    stall: Duration,
) -> Result<Result<Vec<u8>, FrameError>, StreamEnd> {
    let mut start = [0; 1];
    let begin = recv.read_exact(&mut start);
    match first {
        Some(deadline) => moving(deadline, "the first frame", begin).await?,
        None => begin.await.map_err(StreamEnd::lost)?,
    }
    moving(stall, "a frame", recv.read_frame(start[0], limit)).await
}

/// Reads and decodes one message. Anything else is an offence.
pub(super) async fn read_message<T: DeserializeOwned>(
    recv: &mut RecvHalf,
    limit: usize,
    first: Option<Duration>,
    stall: Duration,
) -> Result<T, StreamEnd> {
    let body = read_body(recv, limit, first, stall)
        .await?
        .map_err(StreamEnd::violation)?;
    decoded(&body, limit)
}

/// Decodes a body. What is no message is an offence.
pub(super) fn decoded<T: DeserializeOwned>(body: &[u8], limit: usize) -> Result<T, StreamEnd> {
    decode(body, limit).map_err(StreamEnd::violation)
}

/// Encodes and sends one message; the peer must take it within `stall`. The message is encoded at once, so that what waits for the
/// peer is bytes alone.
pub(super) fn write_message<'a, T: Serialize>(
    send: &'a mut SendHalf,
    message: &T,
    limit: usize,
    stall: Duration,
) -> impl Future<Output = Result<(), StreamEnd>> + Send + use<'a, T> {
    let frame = encode_frame(message, limit).map_err(StreamEnd::Unsendable);
    async move { moving(stall, "a message to the bank", send.write_all(&frame?)).await }
}
