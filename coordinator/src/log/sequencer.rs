//! Gives entries their place in the log and signs the head that covers them, before they are committed.

use thiserror::Error;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::{
    Checkpoint, CheckpointError, CompactRange, MAX_ENTRY_BYTES, VerifiedCheckpoint, VerifierKey, leaf_hash,
};

/// Why entries were not sequenced.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SequenceError {
    /// There is nothing to append.
    #[error("found no entries to append to the log, expected at least one")]
    NoEntries,
    /// An entry does not fit the log's format.
    #[error("log entry {position} of this commit: found {found} bytes, expected at most {MAX_ENTRY_BYTES}")]
    EntryTooLong {
        /// Position in the list, from 0.
        position: usize,
        /// Bytes of the entry.
        found: usize,
    },
    /// The head could not be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The step was prepared at another size of the log.
    #[error(
        "found a step that was prepared at {found} entries, expected one for the log of {expected} entries"
    )]
    OutOfTurn {
        /// Size at which it was prepared.
        found: u64,
        /// Size of the log.
        expected: u64,
    },
}

/// Entries with their place, and the signed head that covers them. Nobody has seen it yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    first: u64,
    entries: Vec<Vec<u8>>,
    range: CompactRange,
    checkpoint: VerifiedCheckpoint,
}

impl Prepared {
    /// Number of the first of the entries, from 0.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The entries, in order: what the commit appends.
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// Size of the log with them.
    pub fn size(&self) -> u64 {
        self.range.size()
    }

    /// Root of the log with them.
    pub fn root(&self) -> Digest {
        self.checkpoint.checkpoint().root
    }

    /// The signed head.
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The signed head as text: what the commit keeps as its checkpoint.
    pub fn note(&self) -> &str {
        self.checkpoint.note().as_str()
    }
}

/// The end of the committed log, and the name under which it is signed.
#[derive(Clone, Debug)]
pub struct Sequencer {
    key: VerifierKey,
    range: CompactRange,
}

impl Sequencer {
    /// Goes on from a committed log; [`recover`](super::recover) makes it from the store.
    pub(super) fn at(key: VerifierKey, range: CompactRange) -> Self {
        Self { key, range }
    }

    /// Number of committed entries.
    pub fn size(&self) -> u64 {
        self.range.size()
    }

    /// Root over the committed entries.
    pub fn root(&self) -> Digest {
        self.range.root()
    }

    /// Appends `entries` in thought and signs the head; `sign` returns the log key's Ed25519 signature over the bytes it is
    /// given. Nothing changes: a step that is not committed is dropped.
    ///
    /// # Errors
    /// No entries, an entry that is too long, or a signature that does not verify under the log's key.
    pub fn prepare(
        &self,
        entries: Vec<Vec<u8>>,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<Prepared, SequenceError> {
        if entries.is_empty() {
            return Err(SequenceError::NoEntries);
        }
        let mut range = self.range.clone();
        for (position, entry) in entries.iter().enumerate() {
            if entry.len() > MAX_ENTRY_BYTES {
                return Err(SequenceError::EntryTooLong {
                    position,
                    found: entry.len(),
                });
            }
            range.append_leaf_hash(leaf_hash(entry));
        }
        let head = Checkpoint {
            origin: self.key.name().to_owned(),
            size: range.size(),
            root: range.root(),
        };
        let checkpoint = head.sign(&self.key, sign)?;
        Ok(Prepared {
            first: self.range.size(),
            entries,
            range,
            checkpoint,
        })
    }

    /// Moves to the end of a step that was committed.
    ///
    /// # Errors
    /// [`SequenceError::OutOfTurn`] if the step was not prepared at this end of the log.
    pub fn advance(&mut self, committed: &Prepared) -> Result<(), SequenceError> {
        if committed.first != self.range.size() {
            return Err(SequenceError::OutOfTurn {
                found: committed.first,
                expected: self.range.size(),
            });
        }
        self.range = committed.range.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::recovery::tests::key_pair;
    use super::*;

    #[test]
    fn a_step_has_the_root_of_the_shared_test_vectors_and_a_head_that_verifies() {
        let (key, sign) = key_pair("log.example", 1);
        let mut sequencer = Sequencer::at(key.clone(), CompactRange::new());
        let first = sequencer
            .prepare(vec![vec![], vec![0x00], vec![0x10]], &sign)
            .unwrap();
        let root = "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77";
        assert_eq!(
            (first.first(), first.size(), first.root().to_hex().as_str()),
            (0, 3, root)
        );
        let head = VerifiedCheckpoint::parse(first.note().as_bytes(), &key).unwrap();
        assert_eq!(
            (head.checkpoint().size, head.checkpoint().root),
            (3, first.root())
        );
        assert_eq!(sequencer.size(), 0, "preparing changes nothing");

        sequencer.advance(&first).unwrap();
        let second = sequencer.prepare(vec![vec![0x20, 0x21]], &sign).unwrap();
        let root = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
        assert_eq!(
            (second.first(), second.size(), second.root().to_hex().as_str()),
            (3, 4, root)
        );
    }

    #[test]
    fn what_cannot_be_an_entry_is_refused() {
        let (key, sign) = key_pair("log.example", 1);
        let sequencer = Sequencer::at(key, CompactRange::new());
        assert_eq!(
            sequencer.prepare(vec![], &sign).unwrap_err(),
            SequenceError::NoEntries
        );
        let error = sequencer
            .prepare(vec![vec![], vec![0; 65_536]], &sign)
            .unwrap_err();
        assert_eq!(
            error,
            SequenceError::EntryTooLong {
                position: 1,
                found: 65_536
            }
        );
    }

    #[test]
    fn the_key_of_another_log_does_not_sign_this_one() {
        let (key, _) = key_pair("log.example", 1);
        let (_, sign) = key_pair("log.example", 2);
        let sequencer = Sequencer::at(key, CompactRange::new());
        assert!(matches!(
            sequencer.prepare(vec![vec![]], &sign),
            Err(SequenceError::Checkpoint(_))
        ));
    }

    #[test]
    fn a_step_is_taken_once_and_in_its_turn() {
        let (key, sign) = key_pair("log.example", 1);
        let mut sequencer = Sequencer::at(key, CompactRange::new());
        let step = sequencer.prepare(vec![vec![]], &sign).unwrap();
        sequencer.advance(&step).unwrap();
        assert_eq!(
            sequencer.advance(&step),
            Err(SequenceError::OutOfTurn {
                found: 0,
                expected: 1
            })
        );
    }
}
