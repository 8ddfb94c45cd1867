//! The one exit: what may leave a bank.
//!
//! The bank's transport takes [`Outbound`] and nothing else, and only this crate makes one. Whatever is derived from data leaves
//! as a masked vector; everything else in the list has a content that no data decides.

use crate::ids::{Digest, Epoch, Round};
use crate::wire::message::{ToCoordinator, WIRE_VERSION};
use crate::wire::signed::Signed;
use crate::wire::statement::Trailer;
use crate::wire::stream::StreamOpen;

pub use kind::OutboundKind;

mod kind;

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

/// What something that leaves a bank is, for the bank's own account of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// What it is.
    pub kind: OutboundKind,
    /// The round that it is of, if it is of one.
    pub round: Option<Round>,
    /// The task that it names.
    pub task: Option<Digest>,
}

impl Departure {
    /// Of a kind, about nothing.
    pub fn of(kind: OutboundKind) -> Self {
        Self {
            kind,
            round: None,
            task: None,
        }
    }

    /// The same, of a round.
    #[must_use]
    pub fn in_round(self, round: Round) -> Self {
        Self {
            round: Some(round),
            ..self
        }
    }
}

impl From<&ToCoordinator> for Departure {
    fn from(message: &ToCoordinator) -> Self {
        use OutboundKind as Kind;
        match message {
            ToCoordinator::Hello { .. } => Self::of(Kind::Hello),
            ToCoordinator::EpochKeys(_) => Self::of(Kind::EpochKeys),
            ToCoordinator::PairCiphertexts { .. } => Self::of(Kind::PairCiphertexts),
            ToCoordinator::PairConfirmations { .. } => Self::of(Kind::PairConfirmations),
            ToCoordinator::Armed { .. } => Self::of(Kind::Armed),
            ToCoordinator::Approval(approval) => Self {
                task: Some(approval.claim().task),
                ..Self::of(Kind::Approval)
            },
            ToCoordinator::Refusal(refusal) => Self {
                task: Some(refusal.claim().task),
                ..Self::of(Kind::Refusal)
            },
            ToCoordinator::Bundle(bundle) => Self::of(Kind::Bundle).in_round(bundle.header.claim().round),
            ToCoordinator::Ready { statement, .. } => Self::of(Kind::Ready).in_round(statement.claim().round),
            ToCoordinator::Confirm { round, .. } => Self::of(Kind::Confirm).in_round(*round),
            ToCoordinator::Release { round, .. } => Self::of(Kind::Release).in_round(*round),
            ToCoordinator::Derived(derived) => Self::of(Kind::Derived).in_round(derived.claim().round),
            ToCoordinator::Objection { round, .. } => Self {
                round: *round,
                ..Self::of(Kind::Objection)
            },
            ToCoordinator::SitsOut { round } => Self::of(Kind::SitsOut).in_round(*round),
            ToCoordinator::Cosignature { .. } => Self::of(Kind::Cosignature),
            ToCoordinator::RosterApproval(_) => Self::of(Kind::RosterApproval),
            ToCoordinator::RosterRefusal { .. } => Self::of(Kind::RosterRefusal),
            ToCoordinator::RosterPinned { .. } => Self::of(Kind::RosterPinned),
        }
    }
}

impl From<&StreamOpen> for Departure {
    fn from(open: &StreamOpen) -> Self {
        match open {
            StreamOpen::Control => Self::of(OutboundKind::StreamHead),
            StreamOpen::Upload { round, .. } => Self::of(OutboundKind::StreamHead).in_round(*round),
            StreamOpen::Fetch { .. } => Self::of(OutboundKind::FetchRequest),
        }
    }
}

/// Reads the bytes behind an upload; `None` if they are no trailer.
pub fn decode_trailer(bytes: &[u8]) -> Option<Signed<Trailer>> {
    Signed::from_bytes(bytes)
}
