//! The kinds of what may leave a bank, with a word and a meaning for each.

/// What something that leaves a bank is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboundKind {
    /// The packed masked vector of a round.
    MaskedVector,
    /// The signed statement behind a masked vector.
    Trailer,
    /// The first message of a connection.
    Hello,
    /// The bank's keys of a new epoch.
    EpochKeys,
    /// ML-KEM ciphertexts for peers.
    PairCiphertexts,
    /// Confirmations of the pair keys.
    PairConfirmations,
    /// Every peer confirmed.
    Armed,
    /// The operator approved a task.
    Approval,
    /// The bank refuses a task.
    Refusal,
    /// Sealed shares of the masks' secrets.
    Bundle,
    /// The contribution is computed.
    Ready,
    /// The list of survivors is confirmed.
    Confirm,
    /// The shares that take the sum's mask off.
    Release,
    /// The next state is derived.
    Derived,
    /// The bank refuses a step.
    Objection,
    /// The bank will not be ready for a round.
    SitsOut,
    /// The bank has seen a head of the log.
    Cosignature,
    /// The operator approved a change of the roster.
    RosterApproval,
    /// The operator refused a change of the roster.
    RosterRefusal,
    /// The bank goes by a roster.
    RosterPinned,
    /// How a stream begins.
    StreamHead,
    /// The question for a public file.
    FetchRequest,
}

impl OutboundKind {
    /// All of them, the round's first.
    pub const ALL: [Self; 22] = [
        Self::MaskedVector,
        Self::Trailer,
        Self::Bundle,
        Self::Ready,
        Self::SitsOut,
        Self::Confirm,
        Self::Release,
        Self::Derived,
        Self::Objection,
        Self::Cosignature,
        Self::Approval,
        Self::Refusal,
        Self::EpochKeys,
        Self::PairCiphertexts,
        Self::PairConfirmations,
        Self::Armed,
        Self::RosterApproval,
        Self::RosterRefusal,
        Self::RosterPinned,
        Self::Hello,
        Self::StreamHead,
        Self::FetchRequest,
    ];

    /// Its word in files and metrics, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaskedVector => "masked-vector",
            Self::Trailer => "trailer",
            Self::Hello => "hello",
            Self::EpochKeys => "epoch-keys",
            Self::PairCiphertexts => "pair-ciphertexts",
            Self::PairConfirmations => "pair-confirmations",
            Self::Armed => "armed",
            Self::Approval => "approval",
            Self::Refusal => "refusal",
            Self::Bundle => "bundle",
            Self::Ready => "ready",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Derived => "derived",
            Self::Objection => "objection",
            Self::SitsOut => "sits-out",
            Self::Cosignature => "cosignature",
            Self::RosterApproval => "roster-approval",
            Self::RosterRefusal => "roster-refusal",
            Self::RosterPinned => "roster-pinned",
            Self::StreamHead => "stream-head",
            Self::FetchRequest => "fetch-request",
        }
    }

    /// The kind of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it holds, for the bank's operator.
    pub fn words(self) -> &'static str {
        match self {
            Self::MaskedVector => "the bank's update under masks that cancel only in the sum of the round",
            Self::Trailer => "signature over length and hash of a masked vector",
            Self::Hello => "program version, length of the log, key epochs",
            Self::EpochKeys => "public keys of a new key epoch",
            Self::PairCiphertexts => "ciphertexts for the key agreement with the other banks",
            Self::PairConfirmations => "confirmations that pair keys agree",
            Self::Armed => "keys with all banks are confirmed",
            Self::Approval => "signed approval of a task",
            Self::Refusal => "signed refusal of a task, with a reason in general words",
            Self::Bundle => "shares of the masks' secrets, sealed for the other banks",
            Self::Ready => "signed word that the contribution is computed, and peers whose shares were bad",
            Self::Confirm => "signature over the list of banks in the sum",
            Self::Release => "shares of the masks' secrets, one for each bank of the round",
            Self::Derived => "signed hash of the next model",
            Self::Objection => "number of a check that failed",
            Self::SitsOut => "word that the bank sits a round out, without a reason",
            Self::Cosignature => "signature under a head of the log",
            Self::RosterApproval => "signed approval of a change of the roster",
            Self::RosterRefusal => "refusal of a change of the roster",
            Self::RosterPinned => "hash of the roster that the bank goes by",
            Self::StreamHead => "what a stream is for; of an upload its round and length",
            Self::FetchRequest => "hash of a public file that the bank asks for",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = OutboundKind::ALL.iter().map(|kind| kind.name()).collect();
        let kinds: BTreeSet<OutboundKind> = OutboundKind::ALL.into_iter().collect();
        assert_eq!((words.len(), kinds.len()), (22, 22));
        for kind in OutboundKind::ALL {
            assert_eq!(OutboundKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(OutboundKind::from_name("row"), None);
    }
}
