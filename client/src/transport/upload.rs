//! One attempt to upload a file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use veilsum_protocol::ids::Round;
use veilsum_protocol::wire::frame::frame_bytes;
use veilsum_protocol::wire::outbound::{Departure, OutboundKind};
use veilsum_protocol::wire::stream::{Rejected, STREAM_FRAME_LIMIT, StreamOpen, TRAILER_LIMIT, UploadReply};

use super::exit::Parts;
use super::frames::{StreamEnd, moving, read_message, write_message};
use super::line::Line;
use super::link::LinkClosed;

/// Bytes that are read at once.
const CHUNK: u64 = 128 << 10;

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
    let own = path.to_owned();
    let opened = on_disk(move || File::open(own).and_then(|file| Ok((file.metadata()?.len(), file))));
    let (length, mut file) = opened.await.map_err(failed)?;
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
    let file = on_disk(move || file.seek(SeekFrom::Start(offset)).map(|_| file));
    let file = file.await.map_err(failed)?;
    let vector = Departure::of(OutboundKind::MaskedVector).in_round(round);
    copy(file, stream.send.begin(vector, length - offset), stall, failed).await?;
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

/// Begins work on the disk, off the threads that serve the network.
fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> {
    let work = spawn_blocking(work);
    async { work.await.map_err(io::Error::other)? }
}

/// Sends the rest of the file. While one part is sent the next is read.
async fn copy(
    file: File,
    mut parts: Parts<'_>,
    stall: Duration,
    failed: impl Fn(io::Error) -> UploadError,
) -> Result<(), UploadError> {
    let next = |file, part, left| on_disk(move || read(file, part, left));
    let mut reading = next(file, Vec::new(), parts.left());
    let mut sent = Vec::new();
    while parts.left() > 0 {
        let (file, part) = reading.await.map_err(&failed)?;
        let left = parts.left().saturating_sub(part.len() as u64);
        reading = next(file, sent, left);
        parts.send(&part, "an upload", stall).await?;
        sent = part;
    }
    Ok(())
}

/// Reads the next part of what is `left`, in place of what `part` held.
fn read(mut file: File, mut part: Vec<u8>, left: u64) -> io::Result<(File, Vec<u8>)> {
    part.clear();
    let most = left.min(CHUNK);
    part.reserve_exact(usize::try_from(most).unwrap_or_default());
    file.by_ref().take(most).read_to_end(&mut part)?;
    if part.is_empty() && left > 0 {
        return Err(io::Error::other("it became shorter while it was sent"));
    }
    Ok((file, part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_read_to_its_length_and_a_shorter_one_is_noticed() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10]).unwrap();
        file.rewind().unwrap();
        let (file, part) = read(file, vec![1; 3], 4).unwrap();
        assert_eq!(part, [7; 4]);
        let (file, part) = read(file, part, 8).unwrap();
        assert_eq!(part, [7; 6]);
        let told = read(file, part, 2).unwrap_err().to_string();
        assert_eq!(told, "it became shorter while it was sent");
    }
}
