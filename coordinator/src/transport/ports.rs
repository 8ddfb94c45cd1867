//! What the transport tells the engine, and what it asks of it.

use std::fs::File;
use std::path::PathBuf;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::wire::stream::Rejected;

/// What happens on the connections, in order for each session. `M` comes from banks, `O` goes to them.
#[derive(Debug)]
pub enum Inbound<M, O> {
    /// A bank is connected. It comes before any other event of its session.
    Connected {
        /// The bank.
        bank: BankIndex,
        /// The way to it. Dropping every clone ends the connection.
        session: SessionHandle<O>,
    },
    /// A message of a bank.
    Message {
        /// The bank.
        bank: BankIndex,
        /// The session that it came over.
        session: u64,
        /// The message, decoded and otherwise unchecked.
        message: M,
        /// To be kept as long as the message waits.
        room: Room,
    },
    /// A whole upload lies durably in the spool and waits for a decision.
    Uploaded(Uploaded),
    /// A session has ended. The bank may have a newer one already: compare the number.
    Disconnected {
        /// The bank.
        bank: BankIndex,
        /// The session that ended.
        session: u64,
    },
}

/// The room that a message takes among those that the engine has not dealt with. One bank has `limits.message_bytes` of it, and sends
/// no more before some is given back by dropping this.
#[derive(Debug)]
pub struct Room {
    pub(super) _bytes: OwnedSemaphorePermit,
}

/// An upload in the spool.
///
/// The bank is told that it is stored only when [`Self::answer`] says so, so the engine can make its record durable first. The same
/// upload may come twice when the answer was lost; the engine then answers the same again.
#[derive(Debug)]
pub struct Uploaded {
    /// The bank.
    pub bank: BankIndex,
    /// The round.
    pub round: Round,
    /// The file, which now belongs to the engine. If this upload is rejected and was not there before, it is removed.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// What the bank said of it: at most 1 KiB, unchecked.
    pub trailer: Vec<u8>,
    /// The engine's decision. Dropping it tells the bank to try again later.
    pub answer: oneshot::Sender<Result<(), Rejected>>,
}

/// The way to a connected bank.
#[derive(Debug)]
pub struct SessionHandle<O> {
    /// Number of the session; a later one has a larger number.
    pub id: u64,
    /// Hash of the roster under which the bank was admitted, and by which its position goes.
    pub roster: Digest,
    /// Messages that wait to be sent.
    pub outbound: mpsc::Sender<O>,
}

impl<O> Clone for SessionHandle<O> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            roster: self.roster,
            outbound: self.outbound.clone(),
        }
    }
}

/// Why a message was not queued for a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// The bank takes messages more slowly than they come (`limits.outbound_messages` are waiting). Drop the handle to be rid of it.
    #[error("the bank is too slow: its queue is full")]
    Full,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}

impl<O> SessionHandle<O> {
    /// Queues a message without waiting, so that no bank can hold up the engine. `Ok` says nothing about its arrival: a bank that
    /// reconnects has to be told again.
    ///
    /// # Errors
    /// [`NotDelivered`].
    pub fn send(&self, message: O) -> Result<(), NotDelivered> {
        self.outbound.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotDelivered::Full,
            mpsc::error::TrySendError::Closed(_) => NotDelivered::Ended,
        })
    }
}

/// Decides which uploads are welcome.
pub trait UploadGate: Send + Sync {
    /// The exact length in bytes of the bank's upload in this round.
    ///
    /// # Errors
    /// Why none is expected: sent to the bank as it is.
    fn expected(&self, bank: BankIndex, round: Round) -> Result<u64, Rejected>;
}

/// Public content-addressed blobs: models, sums, log entries.
pub trait PublicBlobs: Send + Sync {
    /// The blob of this SHA-256 and its length in bytes. The file is read from where it stands. May block on the disk.
    fn open(&self, hash: Digest) -> Option<(File, u64)>;
}
