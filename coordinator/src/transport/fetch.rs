//! A fetch stream: one public blob.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use veilsum_link::SendHalf;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::stream::{FetchReply, STREAM_FRAME_LIMIT};

use super::frames::{StreamEnd, moving, write_message};
use super::ports::PublicBlobs;
use super::upload::on_disk;

/// Bytes that are read at once: the memory that one fetch takes beside the connection's window.
const CHUNK: u64 = 64 << 10;

/// Sends a blob, or that there is none.
pub(super) async fn serve(
    blobs: Arc<dyn PublicBlobs>,
    hash: Digest,
    send: &mut SendHalf,
    stall: Duration,
) -> Result<(), StreamEnd> {
    let Some((mut file, length)) = on_disk(move || blobs.open(hash)).await? else {
        write_message(send, &FetchReply::NoSuchBlob, STREAM_FRAME_LIMIT, stall).await?;
        return moving(stall, "a blob", send.finish()).await;
    };
    write_message(send, &FetchReply::Blob { length }, STREAM_FRAME_LIMIT, stall).await?;
    let mut left = length;
    while left > 0 {
        let (returned, chunk) = on_disk(move || {
            let mut chunk = Vec::new();
            let read = file.by_ref().take(left.min(CHUNK)).read_to_end(&mut chunk);
            (file, read.map(|_| chunk))
        })
        .await?;
        file = returned;
        let chunk = match chunk {
            Ok(chunk) if !chunk.is_empty() => chunk,
            other => {
                // The bank sees a short stream, does not believe it, and asks again.
                tracing::error!(%hash, left, result = ?other.map(|_| "end of file"), "a blob cannot be read");
                return Err(StreamEnd::lost("the blob cannot be read"));
            }
        };
        moving(stall, "a blob", send.write_all(&chunk)).await?;
        left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    moving(stall, "a blob", send.finish()).await
}
