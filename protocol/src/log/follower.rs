//! A reader of the log that keeps up with it: what it has acted on, what it has seen, and what it holds until others have seen it too.

use std::collections::BTreeMap;

use crate::ids::{BankIndex, Digest};
use crate::log::VerifierKey;
use crate::log::checkpoint::VerifiedCheckpoint;
use crate::log::cosignature::{Cosignature, Witnesses};
use crate::log::entry::Entry;
use crate::log::held::Held;
pub use crate::log::held::{Released, WitnessError};
use crate::log::merkle::{CompactRange, leaf_hash};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::{Extension, Leaf};

/// Two notes of the log's key that contradict each other: with them anybody sees that its holder lied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The head that this reader had seen.
    pub seen: String,
    /// The head that it was shown now.
    pub shown: String,
}

/// Why an extension is not one of the log that this reader follows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The checkpoint's note is not the log's.
    #[error("the checkpoint does not verify: {0}")]
    Checkpoint(String),
    /// Leaves are missing before the first one.
    #[error("the extension starts at entry {from}, expected {expected}")]
    Gap {
        /// Where it starts.
        from: u64,
        /// Where this reader stands.
        expected: u64,
    },
    /// The checkpoint is smaller than one that was seen before.
    #[error("the log was rolled back: a checkpoint of {found} entries after one of {seen}")]
    Rollback {
        /// Size now.
        found: u64,
        /// Size before.
        seen: u64,
        /// Both heads.
        evidence: Box<Evidence>,
    },
    /// The leaves do not give the root, of this checkpoint or of one that was seen before.
    #[error("the log forked or an entry was changed: the entries do not give the root signed at size {size}")]
    Fork {
        /// The size of the tree.
        size: u64,
        /// Both heads, if one was seen before.
        evidence: Option<Box<Evidence>>,
    },
    /// An entry is not one.
    #[error("entry {index} cannot be read: {error}")]
    Entry {
        /// Its position.
        index: u64,
        /// What is wrong.
        error: DecodeError,
    },
    /// An entry is longer than the log allows.
    #[error("entry {index} has {bytes} bytes, a log's entry at most {MAX_ENTRY}")]
    LongEntry {
        /// Its position.
        index: u64,
        /// Its length.
        bytes: usize,
    },
    /// The parts of an extension are more than this reader keeps before it sees a checkpoint.
    #[error("{bytes} bytes of entries came without a checkpoint, expected at most {limit}")]
    TooMuchPending {
        /// Bytes with this part.
        bytes: usize,
        /// Bytes that are kept.
        limit: usize,
    },
}

/// An entry that is proven to be in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEntry {
    /// Its position.
    pub index: u64,
    leaf: Digest,
    /// The entry; `None` when only its hash came.
    pub entry: Option<Entry>,
}

impl FollowError {
    /// The signed notes that contradict each other, if it is about such.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Rollback { evidence, .. } => Some(evidence),
            Self::Fork { evidence, .. } => evidence.as_deref(),
            _ => None,
        }
    }
}

impl LoggedEntry {
    /// Its leaf hash.
    pub fn leaf(&self) -> Digest {
        self.leaf
    }
}

/// The state of a reader.
pub struct LogFollower {
    key: VerifierKey,
    acted_on: CompactRange,
    /// What was shown and proven, acted on or not; not part of a snapshot, because the log gives it again.
    verified: CompactRange,
    /// The largest head that was shown, with the log's signature alone.
    seen: Option<VerifiedCheckpoint>,
    held: Held,
    /// Leaves of an extension that comes in parts, until its checkpoint is here.
    parts: Option<Parts>,
    /// [`MAX_PENDING`]; less in tests.
    pending_limit: usize,
}

struct Parts {
    whole: Extension,
    bytes: usize,
}

/// Longest entry in bytes: the length before an entry in a tile is a `u16`.
const MAX_ENTRY: usize = u16::MAX as usize;
/// Most memory that leaves without a checkpoint may take, in bytes: nobody has signed for them yet, so a coordinator could send them for
/// ever. A bank that follows from the start gets the whole log as one extension; a round leaves about 130 KiB of it at 500 banks and
/// 15 KiB at 50, so this is a log of 4,000 rounds there and 35,000 here.
const MAX_PENDING: usize = 512 << 20;

impl LogFollower {
    /// At the start of the log of `key`.
    pub fn new(key: VerifierKey) -> Self {
        Self {
            key,
            acted_on: CompactRange::new(),
            verified: CompactRange::new(),
            seen: None,
            held: Held::default(),
            parts: None,
            pending_limit: MAX_PENDING,
        }
    }

    /// The same for a reader that remembers a head which it had seen before it lost everything else: only a log that goes on from there is
    /// followed, from its start.
    pub fn remembering(key: VerifierKey, seen: &VerifiedCheckpoint) -> Self {
        let seen = Some(seen.bare(&key));
        Self {
            seen,
            ..Self::new(key)
        }
    }

    /// Number of entries that were acted on.
    pub fn size(&self) -> u64 {
        self.acted_on.size()
    }

    /// The largest head that was seen.
    pub fn seen(&self) -> Option<&VerifiedCheckpoint> {
        self.seen.as_ref()
    }

    /// What there is to act on next, of entries that were shown and that too few witnesses have seen so far; `None` while one that was given
    /// out is not acted on yet.
    pub fn shown(&self) -> Option<&Entry> {
        self.held.next().filter(|_| self.held.start() == self.size())
    }

    /// Checks an extension against everything seen so far and holds its entries until [`LogFollower::witnessed`] gives them out. The head
    /// that it leads to may be cosigned once it is durable that it was seen.
    ///
    /// A long extension comes in parts: all but the last have no checkpoint, and lead to no head.
    ///
    /// # Errors
    /// If it is not a continuation of the same log, or has longer entries or more without a checkpoint than a log may. Parts are
    /// dropped then, and nothing else is changed.
    pub fn verify(&mut self, extension: &Extension) -> Result<Option<&VerifiedCheckpoint>, FollowError> {
        let parts = self.parts.take();
        check_lengths(extension)?;
        let parts = parts.filter(|parts| continues(&parts.whole, extension));
        if !extension.checkpoint.is_empty() {
            let Some(mut parts) = parts else {
                return self.verify_whole(extension);
            };
            parts.join(extension, self.pending_limit)?;
            parts.whole.checkpoint.clone_from(&extension.checkpoint);
            return self.verify_whole(&parts.whole);
        }
        // The first part, or the first after a new connection, starts anew.
        let mut parts = parts.unwrap_or_else(|| Parts::starting(extension.from));
        parts.join(extension, self.pending_limit)?;
        self.parts = Some(parts);
        Ok(None)
    }

    fn verify_whole(&mut self, extension: &Extension) -> Result<Option<&VerifiedCheckpoint>, FollowError> {
        let checkpoint = VerifiedCheckpoint::parse(extension.checkpoint.as_bytes(), &self.key)
            .map_err(|error| FollowError::Checkpoint(error.to_string()))?
            .bare(&self.key);
        let evidence = self.seen.as_ref().map(|seen| {
            Box::new(Evidence {
                seen: seen.note().as_str().to_owned(),
                shown: checkpoint.note().as_str().to_owned(),
            })
        });
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        let again = extension.from <= self.size();
        let start = if again { &self.acted_on } else { &self.verified };
        if extension.from > start.size() {
            return Err(FollowError::Gap {
                from: extension.from,
                expected: start.size(),
            });
        }
        let seen = self.seen.as_ref().map(VerifiedCheckpoint::checkpoint);
        if let (Some(seen), Some(evidence)) = (seen, &evidence)
            && size < seen.size
        {
            return Err(FollowError::Rollback {
                found: size,
                seen: seen.size,
                evidence: evidence.clone(),
            });
        }
        let mut range = start.clone();
        let mut entries = Vec::new();
        let mut bytes = 0usize;
        for (index, leaf) in (extension.from..).zip(&extension.leaves) {
            if index < start.size() {
                continue;
            }
            let logged = match leaf {
                Leaf::Hash(hash) => LoggedEntry {
                    index,
                    leaf: *hash,
                    entry: None,
                },
                Leaf::Entry(bytes) => {
                    let entry =
                        Entry::from_bytes(bytes).map_err(|error| FollowError::Entry { index, error })?;
                    LoggedEntry {
                        index,
                        leaf: leaf_hash(bytes),
                        entry: Some(entry),
                    }
                }
            };
            range.append_leaf_hash(logged.leaf);
            if let Some(seen) = seen
                && range.size() == seen.size
                && range.root() != seen.root
            {
                let size = seen.size;
                return Err(FollowError::Fork { size, evidence });
            }
            let memory = memory(leaf);
            bytes = bytes.saturating_add(memory);
            entries.push((logged, memory));
        }
        if range.size() != size || range.root() != root {
            return Err(FollowError::Fork { size, evidence });
        }
        let kept = if again { 0 } else { self.held.bytes() };
        let (bytes_in_all, limit) = (kept.saturating_add(bytes), self.pending_limit);
        if bytes_in_all > limit {
            return Err(FollowError::TooMuchPending {
                bytes: bytes_in_all,
                limit,
            });
        }
        if again {
            self.held = Held::behind(&self.acted_on);
        }
        self.held.push(entries, checkpoint.clone());
        self.verified = range;
        Ok(Some(self.seen.insert(checkpoint)))
    }

    /// Gives out the entries under the head of `size` entries that were not acted on yet, in order, if `needed` of the witnesses have
    /// cosigned it. The caller puts them behind those that it still has, acts on each and then calls [`LogFollower::acted_on`] with it.
    /// After a reconnection entries may be given out again that were not acted on. `own` are the entries whose receipts are wanted, by
    /// their leaf hashes.
    ///
    /// # Errors
    /// [`WitnessError`] if the head is larger than any that was shown here, or too few have cosigned it. Nothing is changed then. Of an older
    /// head whose entries are out, or come again under a later one, nothing is given out.
    pub fn witnessed(
        &mut self,
        size: u64,
        cosignatures: &[(BankIndex, Cosignature)],
        witnesses: &Witnesses,
        needed: usize,
        own: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Released, WitnessError> {
        if self
            .seen
            .as_ref()
            .is_none_or(|seen| seen.checkpoint().size < size)
        {
            return Err(WitnessError::UnknownHead { size });
        }
        // Everything under it is out. Those who cosigned it may be witnesses of the roster before.
        if size <= self.held.start() {
            return Ok(Released::default());
        }
        self.held.release(size, cosignatures, witnesses, needed, own)
    }

    /// Moves on past `entry`.
    ///
    /// # Panics
    /// If it is not the next one: the caller handles entries in the order in which they were verified.
    pub fn acted_on(&mut self, entry: &LoggedEntry) {
        assert_eq!(entry.index, self.acted_on.size(), "entries are acted on in order");
        self.acted_on.append_leaf_hash(entry.leaf);
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(&self.acted_on.to_bytes());
        w.list(self.seen.iter(), |w, head| {
            w.text(head.note().as_str());
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>, key: VerifierKey) -> Result<Self, DecodeError> {
        let acted_on = CompactRange::from_bytes(r.bytes("log position")?)
            .map_err(|error| DecodeError::value("log position", error.to_string()))?;
        let seen = r.list(4, "checkpoint seen", |r| {
            VerifiedCheckpoint::parse(r.text("checkpoint seen")?.as_bytes(), &key)
                .map_err(|error| DecodeError::value("checkpoint seen", error.to_string()))
        })?;
        Ok(Self {
            verified: acted_on.clone(),
            held: Held::behind(&acted_on),
            acted_on,
            seen: seen.into_iter().next_back().map(|head| head.bare(&key)),
            key,
            parts: None,
            pending_limit: MAX_PENDING,
        })
    }
}

fn end(whole: &Extension) -> u64 {
    whole
        .from
        .saturating_add(u64::try_from(whole.leaves.len()).unwrap_or(u64::MAX))
}

fn continues(whole: &Extension, part: &Extension) -> bool {
    part.from == end(whole)
}

fn check_lengths(extension: &Extension) -> Result<(), FollowError> {
    for (at, leaf) in (0..).zip(&extension.leaves) {
        match leaf {
            Leaf::Entry(entry) if entry.len() > MAX_ENTRY => {
                return Err(FollowError::LongEntry {
                    // Nobody has compared `from` with the log yet.
                    index: extension.from.saturating_add(at),
                    bytes: entry.len(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a leaf takes while it waits.
fn memory(leaf: &Leaf) -> usize {
    match leaf {
        Leaf::Entry(entry) => size_of::<Leaf>() + entry.len(),
        Leaf::Hash(_) => size_of::<Leaf>(),
    }
}

impl Parts {
    fn starting(from: u64) -> Self {
        Self {
            whole: Extension {
                from,
                leaves: Vec::new(),
                checkpoint: String::new(),
            },
            bytes: 0,
        }
    }

    /// Puts a part behind those that came before.
    fn join(&mut self, part: &Extension, limit: usize) -> Result<(), FollowError> {
        let bytes = self.bytes.saturating_add(part.leaves.iter().map(memory).sum());
        if bytes > limit {
            return Err(FollowError::TooMuchPending { bytes, limit });
        }
        self.bytes = bytes;
        self.whole.leaves.extend_from_slice(&part.leaves);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
