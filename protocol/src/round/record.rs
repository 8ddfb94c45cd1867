//! The coordinator's journal of a round: every accepted input, so that a machine can be built again from them.

use serde::{Deserialize, Serialize};

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Epoch, Millis, Round};
use crate::log::entry::{AbortReason, RoundOpen, RoundResult};
use crate::round::params::{RoundKind, Thresholds};
use crate::task::Deadlines;
use crate::wire::canonical::Canonical;
use crate::wire::message::Bundle;
use crate::wire::signed::Signed;
use crate::wire::statement::{Ready, Release, Trailer};

/// What a round is opened for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundPlan {
    /// The armed epoch.
    pub epoch: Epoch,
    /// Its key directory.
    pub directory: Digest,
    /// The round.
    pub round: Round,
    /// The task.
    pub task: Digest,
    /// What is computed.
    pub kind: RoundKind,
    /// Step of the task.
    pub step: u32,
    /// Tries of this step before this one.
    pub attempt: u32,
    /// Hash of the task state.
    pub state: Digest,
    /// Hash of the task's last `Result` entry.
    pub last_result: Digest,
    /// Hash of the layout.
    pub layout: Digest,
    /// Lanes of a contribution.
    pub lanes: u64,
    /// `p`.
    pub digit_bits: u8,
    /// The consortium's thresholds.
    pub thresholds: Thresholds,
    /// Banks that are asked: they approved the task, and have the epoch's keys.
    pub approved: Vec<BankIndex>,
    /// True if the round needs all of them: in an earlier try of the step shares left for exactly these.
    pub whole: bool,
    /// How long each phase may last.
    pub limits: Limits,
}

/// How long each phase may last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Prepare.
    pub prepare_s: u32,
    /// Ready.
    pub ready_s: u32,
    /// Collect.
    pub collect_s: u32,
    /// Confirm.
    pub confirm_s: u32,
    /// Unmask.
    pub unmask_s: u32,
    /// Acknowledge.
    pub ack_s: u32,
    /// How long a bank that lost its connection is waited for before the phase goes on without it, if it can.
    pub reconnect_grace_s: u32,
}

impl Limits {
    /// From the task's deadlines and the coordinator's own grace.
    pub fn new(deadlines: &Deadlines, reconnect_grace_s: u32) -> Self {
        Self {
            prepare_s: deadlines.prepare_s,
            ready_s: deadlines.ready_s,
            collect_s: deadlines.collect_s,
            confirm_s: deadlines.confirm_s,
            unmask_s: deadlines.unmask_s,
            ack_s: deadlines.ack_s,
            reconnect_grace_s,
        }
    }
}

/// A value that travels in its canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Form<T>(pub T);

impl<T: Canonical> Serialize for Form<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_bytes().serialize(serializer)
    }
}

impl<'de, T: Canonical> Deserialize<'de> for Form<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::from_bytes(&Vec::<u8>::deserialize(deserializer)?)
            .map(Form)
            .map_err(serde::de::Error::custom)
    }
}

/// One accepted input or decision. Applying all of a round's records in order gives its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The round began.
    Started {
        /// What for.
        plan: Box<RoundPlan>,
        /// When.
        at: Millis,
    },
    /// A bank prepared.
    Prepared(BankIndex, Box<Bundle>),
    /// The manifest is fixed and the round open.
    Opened {
        /// The entry.
        open: Form<RoundOpen>,
        /// When.
        at: Millis,
    },
    /// A bank is ready.
    Ready {
        /// What it signed.
        statement: Signed<Ready>,
        /// Peers whose parcels were bad.
        complaints: Vec<BankIndex>,
    },
    /// The cohort is fixed.
    Cohort {
        /// The banks.
        banks: Vec<BankIndex>,
        /// When.
        at: Millis,
    },
    /// A masked update is stored.
    Masked(Signed<Trailer>),
    /// The list of survivors is fixed: all whose updates are stored.
    Survivors {
        /// When.
        at: Millis,
    },
    /// A survivor signed the list.
    Confirmed(BankIndex, Signature),
    /// Enough did.
    Certified {
        /// When.
        at: Millis,
    },
    /// A bank released its shares.
    Released(Signed<Release>),
    /// The sum is published.
    Published {
        /// The entry.
        result: Form<RoundResult>,
        /// When.
        at: Millis,
    },
    /// A bank derived the next state.
    Acknowledged(BankIndex),
    /// The round ended with its result, or without.
    Closed(Option<AbortReason>),
}
