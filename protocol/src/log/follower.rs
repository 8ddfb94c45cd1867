//! A reader of the log that keeps up with it: what it has acted on, and what it has seen.

use crate::ids::Digest;
use crate::log::VerifierKey;
use crate::log::checkpoint::VerifiedCheckpoint;
use crate::log::entry::Entry;
use crate::log::merkle::{CompactRange, leaf_hash};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::{Extension, Leaf};

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
    },
    /// The leaves do not give the root, of this checkpoint or of one that was seen before.
    #[error("the log forked or an entry was changed: the entries do not give the root signed at size {size}")]
    Fork {
        /// The size of the tree.
        size: u64,
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

/// The state of a reader.
pub struct LogFollower {
    key: VerifierKey,
    acted_on: CompactRange,
    /// What was handed out, acted on or not; not part of a snapshot, because the log gives it again.
    verified: CompactRange,
    seen: Option<(u64, Digest)>,
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
            parts: None,
            pending_limit: MAX_PENDING,
        }
    }

    /// Number of entries that were acted on.
    pub fn size(&self) -> u64 {
        self.acted_on.size()
    }

    /// Size and root of the newest checkpoint that was seen.
    pub fn seen(&self) -> Option<(u64, Digest)> {
        self.seen
    }

    /// Checks an extension against everything seen so far and gives its entries that were not acted on yet, in order. The
    /// caller puts them behind those that it still has, acts on each and then calls [`LogFollower::acted_on`] with it. After a
    /// reconnection an extension may give entries again that were handed out but not acted on.
    ///
    /// A long extension comes in parts: all but the last have no checkpoint, and give nothing before it is here.
    ///
    /// # Errors
    /// If it is not a continuation of the same log, or has longer entries or more without a checkpoint than a log may. Parts are
    /// dropped then, and nothing else is changed.
    pub fn verify(&mut self, extension: &Extension) -> Result<Vec<LoggedEntry>, FollowError> {
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
        Ok(Vec::new())
    }

    fn verify_whole(&mut self, extension: &Extension) -> Result<Vec<LoggedEntry>, FollowError> {
        let checkpoint = VerifiedCheckpoint::parse(extension.checkpoint.as_bytes(), &self.key)
            .map_err(|error| FollowError::Checkpoint(error.to_string()))?;
        let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
        let start = if extension.from <= self.size() {
            &self.acted_on
        } else {
            &self.verified
        };
        if extension.from > start.size() {
            return Err(FollowError::Gap {
                from: extension.from,
                expected: start.size(),
            });
        }
        if let Some((seen, _)) = self.seen
            && size < seen
        {
            return Err(FollowError::Rollback { found: size, seen });
        }
        let mut range = start.clone();
        let mut entries = Vec::new();
        let (seen_size, seen_root) = self.seen.unwrap_or((0, Digest([0; 32])));
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
            if range.size() == seen_size && range.root() != seen_root {
                return Err(FollowError::Fork { size: seen_size });
            }
            entries.push(logged);
        }
        if range.size() != size || range.root() != root {
            return Err(FollowError::Fork { size });
        }
        self.seen = Some((size, root));
        self.verified = range;
        Ok(entries)
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
        let (size, root) = self.seen.unwrap_or((0, Digest([0; 32])));
        w.u64(size).digest(&root);
    }

    pub(crate) fn read(r: &mut Reader<'_>, key: VerifierKey) -> Result<Self, DecodeError> {
        let acted_on = CompactRange::from_bytes(r.bytes("log position")?)
            .map_err(|error| DecodeError::value("log position", error.to_string()))?;
        let (size, root) = (r.u64("checkpoint size")?, r.digest("checkpoint root")?);
        Ok(Self {
            key,
            verified: acted_on.clone(),
            acted_on,
            seen: (size > 0).then_some((size, root)),
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
        let held = part.leaves.iter().map(|leaf| match leaf {
            Leaf::Entry(entry) => size_of::<Leaf>() + entry.len(),
            Leaf::Hash(_) => size_of::<Leaf>(),
        });
        let bytes = self.bytes.saturating_add(held.sum());
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
