//! Room for the bodies of all requests together: a limit for each alone would let many fill the memory.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// Bytes that bodies may take.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

/// What a request has taken of the room. It is given back when the last copy is dropped.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Counts what comes of a body as taken.
    pub(crate) fn measured<B>(&self, body: B, taken: &Taken) -> Measured<B> {
        Measured {
            body: Box::pin(body),
            room: self.clone(),
            taken: taken.clone(),
        }
    }
}

/// A body whose bytes are counted as they come.
pub(crate) struct Measured<B> {
    body: Pin<Box<B>>,
    room: Room,
    taken: Taken,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum Trouble<E> {
    /// There is no room for it now; the status is for tonic, which looks for one among the causes.
    Full(Status),
    /// It broke off.
    Broken(E),
}

impl<E: fmt::Display> fmt::Display for Trouble<E> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(status) => to.write_str(status.message()),
            Self::Broken(error) => error.fmt(to),
        }
    }
}

impl<E: Error + 'static> Error for Trouble<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full(status) => Some(status),
            Self::Broken(error) => Some(error),
        }
    }
}

/// What is said where there is no room.
pub(crate) const FULL: &str =
    "requests that are under way fill the memory that is set for them; ask again later, or with fewer rows";

impl<B: Body<Data = Bytes>> Body for Measured<B> {
    type Data = Bytes;
    type Error = Trouble<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        this.body.as_mut().poll_frame(context).map(|frame| {
            Some(match frame? {
                Ok(frame) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    let more = u32::try_from(bytes)
                        .ok()
                        .and_then(|bytes| Arc::clone(&this.room.0).try_acquire_many_owned(bytes).ok());
                    match more {
                        Some(more) => {
                            let mut taken = this.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
                            match taken.as_mut() {
                                Some(taken) => taken.merge(more),
                                None => *taken = Some(more),
                            }
                            Ok(frame)
                        }
                        None => Err(Trouble::Full(Status::unavailable(FULL))),
                    }
                }
                Err(error) => Err(Trouble::Broken(error)),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
