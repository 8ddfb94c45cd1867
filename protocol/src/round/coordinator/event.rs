//! What happens in a round, and what the coordinator's machine wants done.

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest};
use crate::log::entry::{AbortReason, Entry, RoundResult};
use crate::round::record::Record;
use crate::secagg::mask::Masks;
use crate::wire::message::{Bundle, ToBank};
use crate::wire::signed::Signed;
use crate::wire::statement::{Derived, Ready, Release, Trailer};

/// Where a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Banks prepare.
    Prepare,
    /// The round is open; banks compute.
    Ready,
    /// The cohort uploads.
    Collect,
    /// The survivors sign their list.
    Confirm,
    /// They release shares.
    Unmask,
    /// The coordinator sums.
    Sum,
    /// The result is published; banks derive the next state.
    Publish,
    /// Over.
    Closed,
}

impl Phase {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Ready => "ready",
            Self::Collect => "collect",
            Self::Confirm => "confirm",
            Self::Unmask => "unmask",
            Self::Sum => "sum",
            Self::Publish => "publish",
            Self::Closed => "closed",
        }
    }
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// The clock.
    Tick,
    /// A bank's control stream is up.
    Connected(BankIndex),
    /// A bank's control stream is gone.
    Disconnected(BankIndex),
    /// A bank prepared.
    Bundle(BankIndex, Box<Bundle>),
    /// A bank is ready.
    Ready(BankIndex, Signed<Ready>, Vec<BankIndex>),
    /// A masked vector is complete and durable; `length` and `hash` were measured.
    Uploaded(BankIndex, Signed<Trailer>, u64, Digest),
    /// A survivor signed the list.
    Confirm(BankIndex, Signature),
    /// A survivor released its shares.
    Release(BankIndex, Signed<Release>),
    /// The sum is durable and the next state derived.
    Summed(Box<RoundResult>),
    /// The sum is not one of honest contributions.
    SumFailed,
    /// A bank derived the next state.
    Derived(BankIndex, Signed<Derived>),
    /// The operator stops the task.
    Stop,
}

/// What to do, in this order.
pub enum Action {
    /// Make records and log entries durable in one step, before anything that follows.
    Commit(Vec<Record>, Vec<Entry>),
    /// Send to a bank.
    Send(BankIndex, ToBank),
    /// Add up the survivors' vectors, take the masks off, derive the next state, and come back with [`Event::Summed`].
    Sum(Vec<(BankIndex, Digest)>, Masks),
    /// Tell the operator.
    Notice(String),
    /// The round is over: with the hash of the next state, or why without.
    Close(Result<Digest, AbortReason>),
}
