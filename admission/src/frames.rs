//! Frames over a blocking stream.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use zeroize::Zeroizing;

use crate::AskError;

pub(crate) fn read_frame<T: DeserializeOwned>(
    stream: &mut impl Read,
    limit: usize,
    broken: &impl Fn(io::Error) -> AskError,
) -> Result<T, AskError> {
    let unreadable = |error: &dyn ToString| AskError::Unreadable(error.to_string());
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).map_err(broken)?;
    let length = body_length(header, limit).map_err(|error| unreadable(&error))?;
    let mut body = Vec::new();
    stream
        .take(u64::try_from(length).unwrap_or(u64::MAX))
        .read_to_end(&mut body)
        .map_err(broken)?;
    if body.len() < length {
        return Err(broken(io::ErrorKind::UnexpectedEof.into()));
    }
    decode(&body, limit).map_err(|error| unreadable(&error))
}

/// The frame may hold the invitation's secret.
pub(crate) fn write_frame<T: Serialize>(
    stream: &mut impl Write,
    message: &T,
    limit: usize,
    broken: &impl Fn(io::Error) -> AskError,
) -> Result<(), AskError> {
    let frame = encode_frame(message, limit)
        .map(Zeroizing::new)
        .map_err(|error| AskError::Unreadable(error.to_string()))?;
    stream.write_all(&frame).map_err(broken)?;
    stream.flush().map_err(broken)
}
