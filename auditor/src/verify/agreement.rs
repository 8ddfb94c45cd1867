//! Whether a log agrees with heads of it that were seen before or elsewhere: a log that shows two of its readers different entries has
//! signed both, and the two signed notes together prove it.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{Checkpoint, VerifiedCheckpoint, VerifierKey};

use super::report::{Check, Ledger, Place};

/// A head of the log that somebody holds, as a signed note that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCheckpoint {
    /// Whose it is, or where it comes from, for messages.
    pub name: String,
    /// The signed note.
    pub note: Vec<u8>,
}

/// What is known of the log beforehand.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The head that this auditor verified last.
    pub last: Option<VerifiedCheckpoint>,
    /// Heads that banks hold, or that others saw.
    pub held: Vec<HeldCheckpoint>,
}

/// Two signed notes that one honest log cannot both have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// What they contradict each other in.
    pub what: String,
    /// The notes.
    pub notes: [VerifiedCheckpoint; 2],
}

/// In what way the heads of one log do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Disagreement {
    /// The log has fewer entries than the other head.
    Shorter {
        /// Entries of the log.
        size: u64,
        /// Entries of the other head.
        other: u64,
    },
    /// Another root at the same size.
    OtherRoot {
        /// The size.
        size: u64,
        /// Root that the log has there.
        found: Digest,
        /// Root of the other head.
        other: Digest,
    },
}

impl Disagreement {
    /// Compares a log's head with another head; `root` is the log's root at the other's size, where it is known.
    pub(crate) fn between(log: &Checkpoint, other: &Checkpoint, root: Option<Digest>) -> Option<Self> {
        let root = root.or_else(|| (log.size == other.size).then_some(log.root));
        match root {
            _ if log.size < other.size => Some(Self::Shorter {
                size: log.size,
                other: other.size,
            }),
            Some(found) if found != other.root => Some(Self::OtherRoot {
                size: other.size,
                found,
                other: other.root,
            }),
            _ => None,
        }
    }

    /// What was found.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Shorter { size, .. } => format!("a log of {size} entries"),
            Self::OtherRoot { size, found, .. } => format!("root {found} at {size} entries"),
        }
    }

    /// What was expected, by `whose` head.
    pub(crate) fn expected(&self, whose: &str) -> String {
        match self {
            Self::Shorter { other, .. } => format!("at least the {other} entries of {whose}"),
            Self::OtherRoot { other, .. } => format!("root {other} of {whose}"),
        }
    }
}

/// Compares the head of the log with everything that is known; `root_at` tells the log's root at a smaller size. Gives the pairs of notes
/// that prove what was found.
pub(crate) fn check(
    known: &Known,
    key: &VerifierKey,
    head: &VerifiedCheckpoint,
    mut root_at: impl FnMut(u64) -> Option<Digest>,
    ledger: &mut Ledger,
) -> Vec<Contradiction> {
    let mut contradictions = Vec::new();
    let mut compare = |check: Check, other: &VerifiedCheckpoint, whose: &str, ledger: &mut Ledger| {
        let (log, theirs) = (head.checkpoint(), other.checkpoint());
        let root = root_at(theirs.size);
        match Disagreement::between(log, theirs, root) {
            None => ledger.pass(check),
            Some(disagreement) => {
                ledger.fail(
                    check,
                    Place::default(),
                    disagreement.found(),
                    disagreement.expected(whose),
                );
                contradictions.push(Contradiction {
                    what: format!("{}, {}", disagreement.found(), disagreement.expected(whose)),
                    notes: [other.clone(), head.clone()],
                });
            }
        }
    };
    if let Some(last) = &known.last {
        compare(
            Check::GrewOnly,
            last,
            "the checkpoint that was verified last",
            ledger,
        );
    }
    for held in &known.held {
        match VerifiedCheckpoint::parse(&held.note, key) {
            Ok(other) => compare(Check::HeldCheckpoints, &other, &held.name, ledger),
            Err(error) => ledger.fail(
                Check::HeldCheckpoints,
                Place::default(),
                format!("{}: {error}", held.name),
                "a checkpoint that the log's key signed",
            ),
        }
    }
    contradictions
}
