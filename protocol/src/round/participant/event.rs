//! What happens to a participant, and what it wants done.

use crate::ids::{Digest, Epoch, Round};
use crate::log::entry::{AbortReason, RoundOpen, RoundResult};
use crate::log::follower::LoggedEntry;
use crate::model::plan::Plan;
use crate::secagg::mask::Masks;
use crate::wire::message::{Rejection, ToBank};
use crate::wire::outbound::{OutboundMessage, OutboundUpdate};

/// Something happened.
#[expect(
    clippy::large_enum_variant,
    reason = "events live for one call and are never stored"
)]
#[derive(Debug)]
pub enum Event {
    /// The daemon started with this machine restored.
    Started,
    /// The control stream is up (again).
    Connected,
    /// A message of the coordinator, other than [`ToBank::Log`], which goes through [`Participant::verify_log`](super::Participant::verify_log).
    Message(ToBank),
    /// The next entry of the log, verified.
    Entry(LoggedEntry),
    /// A task's text was fetched or read again: its plan, and the hash of its initial state.
    TaskKnown(Box<Plan>, Digest),
    /// The bank's operator approved a task.
    Approved(Digest),
    /// The digits of the round are durable.
    Computed(Round),
    /// The masked vector is durable.
    Masked {
        /// The round.
        round: Round,
        /// Bytes of the packed vector.
        length: u64,
        /// SHA-256 of the packed vector.
        hash: Digest,
    },
    /// The next state was derived from the logged sum and is durable.
    Derived {
        /// The round.
        round: Round,
        /// Hash of the derived state; zeros if the sum leads to no state, which is refused as any other wrong one (C-501).
        state: Digest,
    },
}

/// What to do, in this order.
pub enum Action {
    /// Make [`Participant::snapshot`](super::Participant::snapshot) durable before anything that follows.
    Persist,
    /// Send a control message.
    Send(OutboundMessage),
    /// Fetch a task's text and come back with [`Event::TaskKnown`], before the next entry.
    FetchTask(Digest),
    /// Compute the contribution to the round, make its digits durable, come back with [`Event::Computed`].
    Compute(RoundOpen),
    /// Mask the digits, make the packed vector durable, come back with [`Event::Masked`].
    Mask(Round, Masks),
    /// Upload the packed vector with this trailer; again after every reconnection until the round goes on.
    Upload(OutboundUpdate),
    /// Fetch the sum, derive the next state, make it durable, come back with [`Event::Derived`], before the next entry.
    Derive(RoundOpen, RoundResult),
    /// The round is over for this bank: its digits and masked vector can go.
    Close(Round),
    /// Tell the bank's operator.
    Notice(Notice),
}

/// Something that the bank's operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// All pair keys of the epoch are confirmed.
    Armed(Epoch),
    /// A round was opened for a task that nobody approved here.
    NotApproved(Digest),
    /// The coordinator or a peer broke a rule; the bank does not go along.
    Refused(Rejection),
    /// The coordinator refused something that this bank sent.
    Rejected(Rejection),
    /// A round ended without a result.
    Aborted(Round, AbortReason),
}
