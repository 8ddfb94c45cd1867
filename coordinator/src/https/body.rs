//! The body of an answer: a short text, or a part of a file that is read as the peer takes it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead as _, ReadBuf};

/// Bytes that are read at once: the memory that one answer takes, whatever the length of the file.
const CHUNK: usize = 64 << 10;

/// A text or a file.
#[derive(Debug)]
pub(super) enum Content {
    /// The whole text, or nothing more.
    Text(Bytes),
    /// So many bytes of the file, from where it stands.
    File {
        /// The file.
        file: File,
        /// Bytes that are still to be read.
        left: u64,
    },
}

impl Content {
    /// No body.
    pub(super) fn nothing() -> Self {
        Self::Text(Bytes::new())
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let mut chunk = vec![0; usize::try_from(*left).unwrap_or(CHUNK).min(CHUNK)];
                let mut buffer = ReadBuf::new(&mut chunk);
                let read = ready!(Pin::new(file).poll_read(context, &mut buffer));
                let filled = buffer.filled().len();
                if let Err(error) = read {
                    return Poll::Ready(Some(Err(error)));
                }
                if filled == 0 {
                    // The length is promised already: the peer sees a broken connection, and asks again.
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                chunk.truncate(filled);
                *left = left.saturating_sub(u64::try_from(filled).unwrap_or(u64::MAX));
                Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::File { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => u64::try_from(text.len()).unwrap_or(u64::MAX),
            Self::File { left, .. } => *left,
        })
    }
}
