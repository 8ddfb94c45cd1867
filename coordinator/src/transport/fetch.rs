//! A fetch stream: one public blob.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use veilsum_link::SendHalf;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::stream::{FetchReply, STREAM_FRAME_LIMIT};

use super::frames::{StreamEnd, moving, write_message};
use super::ports::PublicBlobs;
use super::upload::on_disk;

/// Bytes that are read at once. While one such part is sent the next is read: two of them are the memory that one fetch takes beside the
/// connection's window.
const CHUNK: u64 = 128 << 10;

/// Sends a blob, or that there is none.
pub(super) async fn serve(
    blobs: Arc<dyn PublicBlobs>,
    hash: Digest,
    send: &mut SendHalf,
    stall: Duration,
) -> Result<(), StreamEnd> {
    let Some((file, length)) = on_disk(move || blobs.open(hash)).await? else {
        write_message(send, &FetchReply::NoSuchBlob, STREAM_FRAME_LIMIT, stall).await?;
        return moving(stall, "a blob", send.finish()).await;
    };
    write_message(send, &FetchReply::Blob { length }, STREAM_FRAME_LIMIT, stall).await?;
    let mut left = length;
    let mut reading = spawn_blocking(move || read(file, left));
    while left > 0 {
        let (file, chunk) = reading.await.map_err(StreamEnd::lost)?;
        let chunk = match chunk {
            Ok(chunk) if !chunk.is_empty() => chunk,
            other => {
                // The bank sees a short stream, does not believe it, and asks again.
                tracing::error!(%hash, left, result = ?other.map(|_| "end of file"), "a blob cannot be read");
                return Err(StreamEnd::lost("the blob cannot be read"));
            }
        };
        left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        reading = spawn_blocking(move || read(file, left));
        moving(stall, "a blob", send.write_all(&chunk)).await?;
    }
    moving(stall, "a blob", send.finish()).await
}

fn read(mut file: File, left: u64) -> (File, io::Result<Vec<u8>>) {
    let most = left.min(CHUNK);
    let mut chunk = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let read = file.by_ref().take(most).read_to_end(&mut chunk);
    (file, read.map(|_| chunk))
}
