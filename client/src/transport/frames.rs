//! Frames over a stream, each under a deadline.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use veilsum_link::RecvHalf;
use veilsum_protocol::wire::frame::{FrameError, decode, encode_frame};
use veilsum_protocol::wire::outbound::Departure;

use super::exit::Exit;

/// Why a stream ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamEnd {
    /// The connection or the stream broke; a new one may do better.
    #[error("{0}")]
    Broken(String),
    /// The coordinator sent what is not in the protocol.
    #[error("the coordinator broke the protocol: {0}")]
    Offence(String),
    /// The bank's own message does not fit.
    #[error("a message to the coordinator cannot be sent: {0}")]
    Unsendable(FrameError),
}

impl StreamEnd {
    pub(super) fn broken(error: impl ToString) -> Self {
        Self::Broken(error.to_string())
    }

    pub(super) fn offence(error: impl ToString) -> Self {
        Self::Offence(error.to_string())
    }
}

/// Waits for something that moves bytes, at most `stall`.
pub(super) async fn moving<T, E: ToString>(
    stall: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StreamEnd> {
    match timeout(stall, work).await {
        Ok(done) => done.map_err(StreamEnd::broken),
        Err(_) => Err(StreamEnd::Broken(format!(
            "{what} did not move for {} s",
            stall.as_secs()
        ))),
    }
}

/// Reads and decodes one message. The wait for its first byte is bounded by `first`, if at all; from then on the whole frame must come
/// within `stall`. Memory is taken as bytes arrive.
pub(super) async fn read_message<T: DeserializeOwned>(
    recv: &mut RecvHalf,
    limit: usize,
    first: Option<Duration>,
    stall: Duration,
) -> Result<T, StreamEnd> {
    let mut start = [0; 1];
    let begin = recv.read_exact(&mut start);
    match first {
        Some(deadline) => moving(deadline, "the coordinator's answer", begin).await?,
        None => begin.await.map_err(StreamEnd::broken)?,
    }
    let rest = recv.read_frame(start[0], limit);
    let body = moving(stall, "a message of the coordinator", rest)
        .await?
        .map_err(StreamEnd::offence)?;
    decode(&body, limit).map_err(StreamEnd::offence)
}

/// Encodes and sends one message; the coordinator must take it within `stall`. The message is encoded at once, so that what waits is
/// bytes alone.
pub(super) fn write_message<'a, T: Serialize>(
    send: &'a mut Exit,
    message: &T,
    departure: Departure,
    limit: usize,
    stall: Duration,
) -> impl Future<Output = Result<(), StreamEnd>> + Send + use<'a, T> {
    let frame = encode_frame(message, limit).map_err(StreamEnd::Unsendable);
    async move {
        let frame = frame?;
        send.send(departure, &frame, "a message to the coordinator", stall)
            .await
    }
}
