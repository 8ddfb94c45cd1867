//! One attempt to upload a file.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use veilsum_protocol::ids::Round;
use veilsum_protocol::wire::frame::frame_bytes;
use veilsum_protocol::wire::outbound::{Departure, OutboundKind};
use veilsum_protocol::wire::stream::{Rejected, STREAM_FRAME_LIMIT, StreamOpen, TRAILER_LIMIT, UploadReply};

use super::exit::Parts;
use super::frames::{StreamEnd, moving, read_message, write_message};
use super::line::Line;
use super::link::LinkClosed;

const CHUNK: usize = 256 << 10;

/// Why an upload did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The coordinator does not take it. Its code tells whether to try again.
    #[error("the coordinator {0}")]
    Rejected(Rejected),
    /// The bank's own file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The trailer is too long.
    #[error("a trailer of {found} bytes, expected at most {TRAILER_LIMIT}")]
    Trailer {
        /// Its length.
        found: usize,
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

impl From<StreamEnd> for UploadError {
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
    round: Round,
    path: &Path,
    trailer: &[u8],
    stall: Duration,
) -> Result<(), UploadError> {
    let failed = |error| UploadError::File {
        path: path.to_owned(),
        error,
    };
    let trailer =
        frame_bytes(trailer, TRAILER_LIMIT).map_err(|_| UploadError::Trailer { found: trailer.len() })?;
    let mut file = File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    let mut stream = moving(stall, "an upload", line.open()).await?;
    let open = StreamOpen::Upload { round, length };
    write_message(&mut stream.send, &open, (&open).into(), STREAM_FRAME_LIMIT, stall).await?;
    // An earlier upload of this bank may have to end first, hence the patience.
    let offset = match read_message(&mut stream.recv, STREAM_FRAME_LIMIT, Some(2 * stall), stall).await? {
        UploadReply::From { offset } if offset <= length => offset,
        UploadReply::Rejected(rejected) => return Err(UploadError::Rejected(rejected)),
        other => {
            return Err(UploadError::Offence(format!(
                "{other:?} to an upload of {length} bytes"
            )));
        }
    };
    file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
    let vector = Departure::of(OutboundKind::MaskedVector).in_round(round);
    copy(
        &mut file,
        stream.send.begin(vector, length - offset),
        stall,
        failed,
    )
    .await?;
    let behind = Departure::of(OutboundKind::Trailer).in_round(round);
    stream.send.send(behind, &trailer, "an upload", stall).await?;
    stream.send.finish("an upload", stall).await?;
    // The coordinator stores, checks and records before it answers; the connection's own deadline tells if it is gone.
    match read_message(&mut stream.recv, STREAM_FRAME_LIMIT, None, stall).await? {
        UploadReply::Stored => Ok(()),
        UploadReply::Rejected(rejected) => Err(UploadError::Rejected(rejected)),
        other @ UploadReply::From { .. } => Err(UploadError::Offence(format!("{other:?} after the trailer"))),
    }
}

async fn copy(
    file: &mut File,
    mut parts: Parts<'_>,
    stall: Duration,
    failed: impl Fn(std::io::Error) -> UploadError,
) -> Result<(), UploadError> {
    let mut buffer = vec![0; CHUNK];
    while parts.left() > 0 {
        let most = usize::try_from(parts.left()).unwrap_or(CHUNK).min(CHUNK);
        let count = file.read(&mut buffer[..most]).await.map_err(&failed)?;
        if count == 0 {
            return Err(failed(std::io::Error::other(
                "it became shorter while it was sent",
            )));
        }
        parts.send(&buffer[..count], "an upload", stall).await?;
    }
    Ok(())
}
