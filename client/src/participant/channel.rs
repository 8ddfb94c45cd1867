//! The way to the coordinator, as the daemon sees it: what may leave is what the protocol crate made for leaving.

use std::future::Future;
use std::path::Path;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::outbound::{OutboundMessage, OutboundUpdate};

use crate::transport::{FetchError, Link, NotSent, UploadError};

/// A connection that is made again when it breaks.
pub trait Channel: Clone + Send + Sync + 'static {
    /// Queues a message on the present connection.
    ///
    /// # Errors
    /// [`NotSent`] when there is none; whatever still matters is sent again on the next one.
    fn send(&self, message: &OutboundMessage) -> impl Future<Output = Result<(), NotSent>> + Send;

    /// Uploads the masked vector in `file`, and waits until the coordinator has stored it, across breaks of the connection.
    ///
    /// # Errors
    /// [`UploadError`].
    fn upload(
        &self,
        update: &OutboundUpdate,
        file: &Path,
    ) -> impl Future<Output = Result<(), UploadError>> + Send;

    /// Fetches a public blob of at most `limit` bytes, across breaks of the connection. It has the SHA-256 that was asked for.
    ///
    /// # Errors
    /// [`FetchError`].
    fn fetch(&self, hash: Digest, limit: usize) -> impl Future<Output = Result<Vec<u8>, FetchError>> + Send;
}

impl Channel for Link<ToCoordinator> {
    async fn send(&self, message: &OutboundMessage) -> Result<(), NotSent> {
        Link::send(self, message.message().clone()).await
    }

    async fn upload(&self, update: &OutboundUpdate, file: &Path) -> Result<(), UploadError> {
        Link::upload(self, update.round(), file, &update.trailer_bytes()).await
    }

    async fn fetch(&self, hash: Digest, limit: usize) -> Result<Vec<u8>, FetchError> {
        Link::fetch(self, hash, limit).await
    }
}
