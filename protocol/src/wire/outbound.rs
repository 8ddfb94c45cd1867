//! The one exit: what may leave a bank.
//!
//! The bank's transport takes [`Outbound`] and nothing else, and only this crate makes one. Whatever is derived from data leaves
//! as a masked vector; everything else in the list has a content that no data decides.

use crate::ids::{Digest, Epoch, Round};
use crate::wire::message::{ToCoordinator, WIRE_VERSION};
use crate::wire::signed::Signed;
use crate::wire::statement::Trailer;

/// Something that may leave a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// A control message.
    Message(OutboundMessage),
    /// A masked vector, which the bank holds as a file.
    MaskedUpdate(OutboundUpdate),
}

/// A control message that the participant made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMessage(ToCoordinator);

impl OutboundMessage {
    pub(crate) fn new(message: ToCoordinator) -> Self {
        Self(message)
    }

    /// The first message of a connection.
    pub fn hello(software: &str, log_size: u64, armed: Vec<Epoch>) -> Self {
        Self(ToCoordinator::Hello {
            wire: WIRE_VERSION,
            software: software.to_owned(),
            log_size,
            armed,
        })
    }

    /// The message for the wire.
    pub fn message(&self) -> &ToCoordinator {
        &self.0
    }
}

/// A masked vector with its signed trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundUpdate {
    round: Round,
    trailer: Signed<Trailer>,
}

impl OutboundUpdate {
    pub(crate) fn new(round: Round, trailer: Signed<Trailer>) -> Self {
        Self { round, trailer }
    }

    /// The round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Bytes of the packed vector.
    pub fn length(&self) -> u64 {
        self.trailer.claim().length
    }

    /// SHA-256 of the packed vector.
    pub fn hash(&self) -> Digest {
        self.trailer.claim().hash
    }

    /// The trailer frame: canonical statement and signature.
    pub fn trailer_bytes(&self) -> Vec<u8> {
        self.trailer.to_bytes()
    }
}

/// Reads the bytes behind an upload; `None` if they are no trailer.
pub fn decode_trailer(bytes: &[u8]) -> Option<Signed<Trailer>> {
    Signed::from_bytes(bytes)
}
