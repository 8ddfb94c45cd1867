//! The entries of the log: what happened, as digests and signatures, never blobs.

mod form;

use serde::{Deserialize, Serialize};

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use crate::model::Metrics;
use crate::roster::{Roster, RosterEntry};
use crate::round::params::{RoundKind, Thresholds};
use crate::wire::canonical::Canonical;

/// The round is open: what is computed, from what, under which rules. Part of the round's context, so a bank that holds
/// another one makes masks that do not cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundOpen {
    /// Key epoch.
    pub epoch: Epoch,
    /// Number of the round.
    pub round: Round,
    /// Hash of the task.
    pub task: Digest,
    /// What is computed.
    pub kind: RoundKind,
    /// Step of the task, from 0.
    pub step: u32,
    /// Tries of this step before this one.
    pub attempt: u32,
    /// Hash of the task state that every bank derived.
    pub state: Digest,
    /// Hash of the last `Result` entry of the task; zeros before the first.
    pub last_result: Digest,
    /// Hash of the layout of the contributions.
    pub layout: Digest,
    /// Hash of the key directory of the epoch.
    pub directory: Digest,
    /// Hash of the `PrepareManifest` entry.
    pub manifest: Digest,
    /// The consortium's thresholds.
    pub thresholds: Thresholds,
    /// `p`, bits of a digit.
    pub digit_bits: u8,
    /// `b`, bits of a lane of the ring.
    pub ring_bits: u8,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Until when the coordinator waits for banks to be ready.
    pub ready_until: Timestamp,
}

/// The published outcome of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundResult {
    /// The round.
    pub round: Round,
    /// Hash of its [`RoundOpen`].
    pub open: Digest,
    /// What was computed.
    pub kind: RoundKind,
    /// Step of the task.
    pub step: u32,
    /// Hash of the blob of summed lanes.
    pub sum: Digest,
    /// Number of survivors in the sum.
    pub survivors: u16,
    /// Sum of the weights; 0 when the kind has none.
    pub weight: u64,
    /// Hash of the state that follows.
    pub next_state: Digest,
    /// The consortium's metrics of the state before; none in a statistics round.
    pub metrics: Option<Metrics>,
}

/// Why a round ended without a result. The numbers are part of the log's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum AbortReason {
    /// Too few banks prepared in time.
    TooFewPrepared,
    /// Too few banks were ready in time.
    TooFewReady,
    /// Too few updates arrived in time.
    TooFewUpdates,
    /// Too few banks signed the list of survivors.
    TooFewConfirmations,
    /// Too few banks released shares.
    TooFewShares,
    /// The shares do not give the secrets that were committed to.
    BadShares,
    /// The sum is not one of honest contributions.
    BadSum,
    /// The operator stopped the task.
    Stopped,
    /// The coordinator could not go on after a restart.
    Restarted,
}

impl AbortReason {
    const ALL: [Self; 9] = [
        Self::TooFewPrepared,
        Self::TooFewReady,
        Self::TooFewUpdates,
        Self::TooFewConfirmations,
        Self::TooFewShares,
        Self::BadShares,
        Self::BadSum,
        Self::Stopped,
        Self::Restarted,
    ];

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        let at = Self::ALL.iter().position(|reason| *reason == self);
        // ALL names every variant and has fewer than 255.
        at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooFewPrepared => "too few banks prepared in time",
            Self::TooFewReady => "too few banks were ready in time",
            Self::TooFewUpdates => "too few updates arrived in time",
            Self::TooFewConfirmations => "too few banks signed the list of survivors",
            Self::TooFewShares => "too few banks released their shares",
            Self::BadShares => "the shares do not give the committed secrets",
            Self::BadSum => "the sum is not one of honest contributions",
            Self::Stopped => "the task was stopped",
            Self::Restarted => "the coordinator could not go on after a restart",
        }
    }
}

impl TryFrom<u8> for AbortReason {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::from_number(number).ok_or_else(|| format!("abort reason {number} is unknown"))
    }
}

impl From<AbortReason> for u8 {
    fn from(reason: AbortReason) -> u8 {
        reason.number()
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The banks of the consortium from here on.
    Roster {
        /// The consortium's name.
        consortium: String,
        /// Every bank, by position.
        banks: Vec<RosterEntry>,
    },
    /// A task was offered.
    Task {
        /// Its name.
        name: String,
        /// SHA-256 of its canonical text.
        task: Digest,
    },
    /// A bank's operator approved a task.
    TaskApproval {
        /// The task.
        task: Digest,
        /// The bank.
        bank: BankIndex,
        /// Over [`Approval`](crate::wire::statement::Approval).
        signature: Signature,
    },
    /// The keys of an epoch.
    KeyDirectory {
        /// The epoch.
        epoch: Epoch,
        /// Hash of the roster entry.
        roster: Digest,
        /// Hash of the directory.
        directory: Digest,
        /// First round of the epoch.
        first_round: Round,
    },
    /// Who prepared a round, with what.
    PrepareManifest {
        /// The epoch.
        epoch: Epoch,
        /// The round.
        round: Round,
        /// Hash of every bundle, by position.
        bundles: Vec<(BankIndex, Digest)>,
    },
    /// A round begins.
    RoundOpen(RoundOpen),
    /// Who takes part (`U2`).
    Cohort {
        /// The round.
        round: Round,
        /// The banks, by position.
        banks: Vec<BankIndex>,
    },
    /// A masked update arrived.
    Masked {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// SHA-256 of the packed vector.
        hash: Digest,
        /// Its length in bytes.
        length: u64,
        /// Over [`Trailer`](crate::wire::statement::Trailer).
        signature: Signature,
    },
    /// Whose updates are summed (`U3`).
    Survivors {
        /// The round.
        round: Round,
        /// Bank and hash of its update, by position.
        list: Vec<(BankIndex, Digest)>,
    },
    /// Enough survivors signed that list.
    Certificate {
        /// The round.
        round: Round,
        /// Over [`SurvivorList`](crate::wire::statement::SurvivorList), by position.
        signatures: Vec<(BankIndex, Signature)>,
    },
    /// A bank released its shares.
    Release {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// SHA-256 of the released shares' canonical form with the bank's signature behind it.
        body: Digest,
    },
    /// The sum is published.
    Result(RoundResult),
    /// A bank derived the same state.
    Ack {
        /// The round.
        round: Round,
        /// The bank.
        bank: BankIndex,
        /// Hash of the state that the bank derived.
        state: Digest,
        /// Over [`Derived`](crate::wire::statement::Derived).
        signature: Signature,
    },
    /// The round ended without a result.
    Abort {
        /// The round.
        round: Round,
        /// Why.
        reason: AbortReason,
        /// True if shares may have left a bank: the same updates must not be sent again.
        after_release: bool,
    },
    /// Another roster is proposed. The one in force stays until banks have approved it and it is logged as a [`Entry::Roster`].
    RosterProposal {
        /// Number of the proposal in this log, from 1.
        sequence: u64,
        /// Hash of the roster in force, which it is to follow.
        previous: Digest,
        /// Every bank that is proposed, by position. The consortium's name stays.
        banks: Vec<RosterEntry>,
    },
    /// A bank's operator approved a proposed roster.
    RosterApproval {
        /// Hash of the proposal's entry.
        proposal: Digest,
        /// The bank, by its position in the roster in force.
        bank: BankIndex,
        /// Over [`RosterApproval`](crate::wire::statement::RosterApproval).
        signature: Signature,
    },
    /// A proposal is withdrawn: its approvals count for nothing any more.
    RosterWithdrawal {
        /// Hash of the proposal's entry.
        proposal: Digest,
    },
}

impl From<&Roster> for Entry {
    fn from(roster: &Roster) -> Self {
        Self::Roster {
            consortium: roster.consortium().to_owned(),
            banks: roster.banks().to_vec(),
        }
    }
}

impl Roster {
    /// Hash of the roster's log entry: what a bank pins.
    pub fn hash(&self) -> Digest {
        Entry::from(self).hash()
    }
}

impl Entry {
    /// The round that the entry belongs to, if to any.
    pub fn round(&self) -> Option<Round> {
        match self {
            Self::Roster { .. }
            | Self::Task { .. }
            | Self::TaskApproval { .. }
            | Self::KeyDirectory { .. }
            | Self::RosterProposal { .. }
            | Self::RosterApproval { .. }
            | Self::RosterWithdrawal { .. } => None,
            Self::PrepareManifest { round, .. }
            | Self::Cohort { round, .. }
            | Self::Masked { round, .. }
            | Self::Survivors { round, .. }
            | Self::Certificate { round, .. }
            | Self::Release { round, .. }
            | Self::Ack { round, .. }
            | Self::Abort { round, .. } => Some(*round),
            Self::RoundOpen(open) => Some(open.round),
            Self::Result(result) => Some(result.round),
        }
    }

    /// True if banks need the whole entry to take part; the others travel to them as leaf hashes.
    pub fn concerns_banks(&self) -> bool {
        !matches!(
            self,
            Self::Masked { .. } | Self::Release { .. } | Self::Ack { .. } | Self::TaskApproval { .. }
        )
    }
}
