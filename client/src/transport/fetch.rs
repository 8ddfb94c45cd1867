//! One attempt to fetch a blob.

use std::time::Duration;

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::stream::{FetchReply, STREAM_FRAME_LIMIT, StreamOpen};

use super::frames::{StreamEnd, moving, read_message, write_message};
use super::line::Line;
use super::link::LinkClosed;

const CHUNK: usize = 64 << 10;

/// Why a blob was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The coordinator does not have it.
    #[error("the coordinator has no blob {0}")]
    NoSuchBlob(Digest),
    /// It is larger than the bank expects.
    #[error("blob {hash} has {length} bytes, expected at most {limit}")]
    TooLarge {
        /// The blob.
        hash: Digest,
        /// Its length as announced.
        length: u64,
        /// What was accepted.
        limit: usize,
    },
    /// The bytes that came are another blob's.
    #[error("the coordinator sent a blob of hash {found}, expected {expected}")]
    WrongHash {
        /// SHA-256 of what came.
        found: Digest,
        /// SHA-256 that was asked for.
        expected: Digest,
    },
    /// The coordinator sent what is not in the protocol.
    #[error("the coordinator broke the protocol: {0}")]
    Offence(String),
    /// The link has ended.
    #[error(transparent)]
    Closed(#[from] LinkClosed),
    /// The connection broke; the link goes on by itself and never returns this.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<StreamEnd> for FetchError {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::Broken(text) => Self::Broken(text),
            StreamEnd::Offence(text) => Self::Offence(text),
            StreamEnd::Unsendable(error) => Self::Offence(error.to_string()),
        }
    }
}

pub(super) async fn attempt(
    line: &Line,
    hash: Digest,
    limit: usize,
    stall: Duration,
) -> Result<Vec<u8>, FetchError> {
    let mut stream = moving(stall, "a fetch", line.open()).await?;
    let open = StreamOpen::Fetch { hash };
    write_message(&mut stream.send, &open, (&open).into(), STREAM_FRAME_LIMIT, stall).await?;
    let length = match read_message(&mut stream.recv, STREAM_FRAME_LIMIT, Some(stall), stall).await? {
        FetchReply::Blob { length } => length,
        FetchReply::NoSuchBlob => return Err(FetchError::NoSuchBlob(hash)),
    };
    let Some(whole) = usize::try_from(length).ok().filter(|whole| *whole <= limit) else {
        return Err(FetchError::TooLarge { hash, length, limit });
    };
    // Room for what the bank itself expects at most; the system gives the memory as bytes arrive.
    let mut blob = Vec::with_capacity(whole);
    // Hashed as it arrives, beside what decrypts the next part.
    let mut context = Context::new(&SHA256);
    while blob.len() < whole {
        let (before, most) = (blob.len(), CHUNK.min(whole - blob.len()));
        if moving(stall, "a fetch", stream.recv.read_more(&mut blob, most)).await? == 0 {
            return Err(FetchError::Broken("the blob ended early".to_owned()));
        }
        context.update(&blob[before..]);
    }
    let mut found = Digest([0; 32]);
    found.0.copy_from_slice(context.finish().as_ref());
    if found != hash {
        return Err(FetchError::WrongHash {
            found,
            expected: hash,
        });
    }
    Ok(blob)
}
