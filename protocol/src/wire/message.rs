//! The messages of the control stream.

use serde::{Deserialize, Serialize};

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::log::cosignature::Cosignature;
use crate::round::checks::Check;
use crate::wire::refusal::Refusal;
use crate::wire::signed::Signed;
use crate::wire::statement::{Approval, BundleHeader, Derived, EpochKeys, Ready, Release, RosterApproval};

/// Version of the messages. A peer of another version is refused with both numbers.
pub const WIRE_VERSION: u16 = 1;
/// Greatest size of a control message in bytes: a key directory or a round's deliveries for 500 banks, with room to spare.
pub const MESSAGE_LIMIT: usize = 4 << 20;

/// One sealed parcel of a bundle, for one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The sealed pair of shares; empty in the sender's own place.
    pub sealed: Vec<u8>,
    /// Commitment to the pair's mask base of this round, which the peer knows too; zeros in the sender's own place.
    pub pair_base: Digest,
    /// Commitment to the share of the self-mask secret inside; in the sender's own place, to the one that it keeps.
    pub self_mask_share: Digest,
    /// Commitment to the share of the recovery secret, likewise.
    pub recovery_share: Digest,
}

/// What a bank prepares for a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The signed digests of all the rest.
    pub header: Signed<BundleHeader>,
    /// One parcel per roster position.
    pub parcels: Vec<Parcel>,
    /// The pair bases, sealed under the recovery secret.
    pub recovery_blob: Vec<u8>,
}

/// One bank's parcel on its way to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The sender's signed header.
    pub header: Signed<BundleHeader>,
    /// The parcel for the receiver.
    pub parcel: Parcel,
    /// Merkle path from the parcel to the header's root.
    pub path: Vec<Digest>,
}

/// A leaf of the log on its way to a bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaf {
    /// The whole entry.
    Entry(Vec<u8>),
    /// Its leaf hash alone: the bank needs only to know that it is there.
    Hash(Digest),
}

/// The log from `from` on, up to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Position of the first leaf.
    pub from: u64,
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// The signed checkpoint behind the last of them; empty in all parts of a long extension but the last.
    pub checkpoint: String,
}

/// From a bank to the coordinator. Everything here is public, masked, or of a size and content that no data decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// First message of a connection.
    Hello {
        /// [`WIRE_VERSION`] of the bank.
        wire: u16,
        /// Name and version of its software.
        software: String,
        /// How much of the log the bank has acted on.
        log_size: u64,
        /// The epochs that the bank has keys for.
        armed: Vec<Epoch>,
    },
    /// The bank's keys of a new epoch.
    EpochKeys(Signed<EpochKeys>),
    /// ML-KEM ciphertexts for peers.
    PairCiphertexts {
        /// The epoch.
        epoch: Epoch,
        /// Receiver and ciphertext.
        ciphertexts: Vec<(BankIndex, Vec<u8>)>,
    },
    /// Confirmations of the pair keys.
    PairConfirmations {
        /// The epoch.
        epoch: Epoch,
        /// Receiver and confirmation.
        confirmations: Vec<(BankIndex, [u8; 32])>,
    },
    /// Every peer confirmed.
    Armed {
        /// The epoch.
        epoch: Epoch,
    },
    /// The operator approved a task.
    Approval(Signed<Approval>),
    /// Prepared.
    Bundle(Box<Bundle>),
    /// The contribution is computed.
    Ready {
        /// The signed statement.
        statement: Signed<Ready>,
        /// Peers whose parcels were bad.
        complaints: Vec<BankIndex>,
    },
    /// The list of survivors is confirmed.
    Confirm {
        /// The round.
        round: Round,
        /// Over the `SurvivorList`.
        signature: Signature,
    },
    /// The shares.
    Release {
        /// The round.
        round: Round,
        /// The signed shares.
        release: Signed<Release>,
    },
    /// The next state is derived.
    Derived(Signed<Derived>),
    /// The bank refuses a step.
    Objection {
        /// The check that failed.
        check: Check,
        /// The round, if it is about one.
        round: Option<Round>,
    },
    /// The bank will not be ready for this round. It never says why.
    SitsOut {
        /// The round.
        round: Round,
    },
    /// The bank has seen a head of the log, and none that contradicts it.
    Cosignature {
        /// Number of entries under the head.
        size: u64,
        /// Its cosignature.
        cosignature: Cosignature,
    },
    /// The operator approved the proposed roster.
    RosterApproval(Signed<RosterApproval>),
    /// The operator refused the proposed roster.
    RosterRefusal {
        /// Hash of the proposal's entry.
        proposal: Digest,
    },
    /// The bank goes by this roster from now on, also after a restart.
    RosterPinned {
        /// Hash of the roster's entry.
        roster: Digest,
    },
    /// The bank refuses a task. Said again on every connection while it does; an approval takes its place.
    Refusal(Signed<Refusal>),
}

/// From the coordinator to a bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToBank {
    /// Answer to `Hello`.
    Welcome {
        /// [`WIRE_VERSION`] of the coordinator.
        wire: u16,
        /// Name and version of its software.
        software: String,
    },
    /// The log goes on.
    Log(Extension),
    /// Make keys for a new epoch.
    EpochAsk {
        /// The epoch.
        epoch: Epoch,
    },
    /// All banks' keys.
    Directory(Box<crate::epoch::directory::KeyDirectory>),
    /// Ciphertexts from peers.
    PairCiphertexts {
        /// The epoch.
        epoch: Epoch,
        /// Sender and ciphertext.
        ciphertexts: Vec<(BankIndex, Vec<u8>)>,
    },
    /// Confirmations from peers.
    PairConfirmations {
        /// The epoch.
        epoch: Epoch,
        /// Sender and confirmation.
        confirmations: Vec<(BankIndex, [u8; 32])>,
    },
    /// Prepare a round.
    PrepareAsk {
        /// The epoch.
        epoch: Epoch,
        /// The round.
        round: Round,
    },
    /// The peers' parcels.
    Deliveries {
        /// The round.
        round: Round,
        /// One per peer in the manifest.
        deliveries: Vec<Delivery>,
    },
    /// Something the bank sent was not accepted.
    Rejected(Rejection),
    /// These banks have seen a head of the log.
    Witnessed {
        /// Number of entries under the head.
        size: u64,
        /// Their cosignatures.
        cosignatures: Vec<(BankIndex, Cosignature)>,
    },
}

/// What a peer sent was refused. Not an error of the one who refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{check}: {detail}")]
pub struct Rejection {
    /// The check that failed.
    pub check: Check,
    /// What was found and what was expected.
    pub detail: String,
}

impl Rejection {
    /// A failed check in words.
    pub fn new(check: Check, detail: impl Into<String>) -> Self {
        Self {
            check,
            detail: detail.into(),
        }
    }
}
