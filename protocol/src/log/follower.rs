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
    parts: Option<Extension>,
}

/// Most leaves of an extension that comes in parts: some hundred thousand rounds.
const MAX_LEAVES: usize = 1 << 22;

impl LogFollower {
    /// At the start of the log of `key`.
    pub fn new(key: VerifierKey) -> Self {
        Self {
            key,
            acted_on: CompactRange::new(),
            verified: CompactRange::new(),
            seen: None,
            parts: None,
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
    /// If it is not a continuation of the same log. Nothing is changed then.
    pub fn verify(&mut self, extension: &Extension) -> Result<Vec<LoggedEntry>, FollowError> {
        if extension.checkpoint.is_empty() {
            return self.keep_part(extension).map(|()| Vec::new());
        }
        match self.parts.take() {
            None => self.verify_whole(extension),
            Some(whole) if !continues(&whole, extension) => self.verify_whole(extension),
            Some(mut whole) => {
                join(&mut whole, extension)?;
                whole.checkpoint.clone_from(&extension.checkpoint);
                self.verify_whole(&whole)
            }
        }
    }

    fn keep_part(&mut self, part: &Extension) -> Result<(), FollowError> {
        let mut whole = match self.parts.take() {
            Some(whole) if continues(&whole, part) => whole,
            // The first part, or the first after a new connection.
            _ => Extension {
                from: part.from,
                leaves: Vec::new(),
                checkpoint: String::new(),
            },
        };
        join(&mut whole, part)?;
        self.parts = Some(whole);
        Ok(())
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

/// Puts a part behind those that came before.
fn join(whole: &mut Extension, part: &Extension) -> Result<(), FollowError> {
    if !continues(whole, part) || whole.leaves.len().saturating_add(part.leaves.len()) > MAX_LEAVES {
        return Err(FollowError::Gap {
            from: part.from,
            expected: end(whole),
        });
    }
    whole.leaves.extend_from_slice(&part.leaves);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::SeededEntropy;
    use crate::crypto::signing::SigningKey;
    use crate::log::Checkpoint;

    fn signing_key() -> SigningKey {
        SigningKey::generate(&mut SeededEntropy::new(1))
    }

    fn key() -> VerifierKey {
        VerifierKey::new("demo", signing_key().verifying_key().0).unwrap()
    }

    fn entry(number: u8) -> Vec<u8> {
        let task = Digest([number; 32]);
        Entry::Task {
            name: format!("task-{number}"),
            task,
        }
        .to_bytes()
    }

    /// The log of entries `numbers`, from `from` on.
    fn extension(numbers: std::ops::Range<u8>, from: u64) -> Extension {
        let entries: Vec<Vec<u8>> = numbers.map(entry).collect();
        signed(
            &entries,
            entries[from as usize..]
                .iter()
                .cloned()
                .map(Leaf::Entry)
                .collect(),
            from,
        )
    }

    fn signed(entries: &[Vec<u8>], leaves: Vec<Leaf>, from: u64) -> Extension {
        let mut range = CompactRange::new();
        for bytes in entries {
            range.append_leaf_hash(leaf_hash(bytes));
        }
        let head = Checkpoint {
            origin: "demo".to_owned(),
            size: range.size(),
            root: range.root(),
        };
        let checkpoint = head
            .sign(&key(), |bytes| signing_key().sign_bytes(bytes).0)
            .unwrap();
        Extension {
            from,
            leaves,
            checkpoint: checkpoint.note().as_str().to_owned(),
        }
    }

    /// A reader that acted on entries 0 to 4.
    fn reader() -> LogFollower {
        let mut reader = LogFollower::new(key());
        for logged in reader.verify(&extension(0..5, 0)).unwrap() {
            reader.acted_on(&logged);
        }
        reader
    }

    #[test]
    fn a_long_extension_comes_in_parts_and_starts_again_after_a_break() {
        let whole = extension(0..9, 5);
        let part = |from: u64, leaves: &[Leaf]| Extension {
            from,
            leaves: leaves.to_vec(),
            checkpoint: String::new(),
        };
        let last = Extension {
            from: 8,
            leaves: whole.leaves[3..].to_vec(),
            checkpoint: whole.checkpoint.clone(),
        };
        let mut reader = reader();
        assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
        // The connection broke here; the new one starts from what was acted on.
        assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
        assert_eq!(reader.verify(&part(7, &whole.leaves[2..3])), Ok(Vec::new()));
        let entries = reader.verify(&last).unwrap();
        assert_eq!(
            entries.iter().map(|logged| logged.index).collect::<Vec<_>>(),
            [5, 6, 7, 8]
        );
        // A part in the middle is missing.
        let mut reader = self::reader();
        assert_eq!(reader.verify(&part(5, &whole.leaves[..2])), Ok(Vec::new()));
        assert!(matches!(
            reader.verify(&last),
            Err(FollowError::Gap { from: 8, expected: 5 })
        ));
        // A changed entry shows at the end.
        let mut reader = self::reader();
        let changed = [
            Leaf::Entry(entry(100)),
            whole.leaves[1].clone(),
            whole.leaves[2].clone(),
        ];
        assert_eq!(reader.verify(&part(5, &changed)), Ok(Vec::new()));
        assert_eq!(reader.verify(&last), Err(FollowError::Fork { size: 9 }));
    }

    #[test]
    fn it_follows_and_gives_each_entry_until_it_was_acted_on() {
        let mut reader = reader();
        assert_eq!(reader.size(), 5);
        let ahead = reader.verify(&extension(0..8, 5)).unwrap();
        assert_eq!(
            ahead.iter().map(|logged| logged.index).collect::<Vec<_>>(),
            [5, 6, 7]
        );
        // More of the log while it still acts on these.
        let more = reader.verify(&extension(0..9, 8)).unwrap();
        assert_eq!(more.len(), 1);
        assert_eq!(more[0].index, 8);
        // After a reconnection, from where it stands.
        reader.acted_on(&ahead[0]);
        let again = reader.verify(&extension(0..9, 6)).unwrap();
        assert_eq!(again[..2], ahead[1..]);
        assert_eq!(again[2], more[0]);
        assert_eq!(
            reader.verify(&extension(0..9, 2)).unwrap(),
            again,
            "an overlap is left out"
        );
    }

    #[test]
    fn a_gap_is_refused() {
        let gap = FollowError::Gap { from: 6, expected: 5 };
        assert_eq!(reader().verify(&extension(0..8, 6)), Err(gap));
    }

    #[test]
    fn a_rollback_is_refused_also_of_what_was_only_seen() {
        let mut reader = reader();
        assert_eq!(
            reader.verify(&extension(0..4, 0)),
            Err(FollowError::Rollback { found: 4, seen: 5 })
        );
        reader.verify(&extension(0..9, 5)).unwrap();
        assert_eq!(
            reader.verify(&extension(0..7, 5)),
            Err(FollowError::Rollback { found: 7, seen: 9 })
        );
    }

    #[test]
    fn a_fork_is_refused() {
        let mut reader = reader();
        // Another past than the one that was acted on.
        assert_eq!(
            reader.verify(&extension(1..8, 5)),
            Err(FollowError::Fork { size: 7 })
        );
        // Another continuation than the one that was seen, longer, as long, and after a restart.
        reader.verify(&extension(0..8, 5)).unwrap();
        let entries: Vec<Vec<u8>> = (0..5).chain(50..55).map(entry).collect();
        let other = |size: usize| {
            signed(
                &entries[..size],
                entries[5..size].iter().cloned().map(Leaf::Entry).collect(),
                5,
            )
        };
        assert_eq!(reader.verify(&other(10)), Err(FollowError::Fork { size: 8 }));
        assert_eq!(reader.verify(&other(8)), Err(FollowError::Fork { size: 8 }));
        let mut writer = Writer::domain("reader");
        reader.write(&mut writer);
        let bytes = writer.finish();
        let mut restarted = LogFollower::read(&mut Reader::domain(&bytes, "reader").unwrap(), key()).unwrap();
        assert_eq!((restarted.size(), restarted.seen().unwrap().0), (5, 8));
        assert_eq!(restarted.verify(&other(10)), Err(FollowError::Fork { size: 8 }));
        // A refusal changes nothing: the right log is still followed.
        assert_eq!(restarted.verify(&extension(0..10, 5)).unwrap().len(), 5);
    }

    #[test]
    fn an_altered_missing_or_added_entry_is_refused() {
        let good = extension(0..8, 5);
        for change in [
            (|leaves: &mut Vec<Leaf>| leaves[1] = Leaf::Entry(entry(99))) as fn(&mut Vec<Leaf>),
            |leaves| drop(leaves.remove(1)),
            |leaves| leaves.push(Leaf::Entry(entry(99))),
            |leaves| leaves.swap(0, 1),
            |leaves| leaves[2] = Leaf::Hash(Digest([0; 32])),
        ] {
            let mut bad = good.clone();
            change(&mut bad.leaves);
            let mut reader = reader();
            assert_eq!(reader.verify(&bad), Err(FollowError::Fork { size: 8 }));
            assert_eq!(reader.verify(&good).unwrap().len(), 3);
        }
        let mut bad = good;
        bad.leaves[1] = Leaf::Entry(b"no entry".to_vec());
        assert!(matches!(
            reader().verify(&bad),
            Err(FollowError::Entry { index: 6, .. })
        ));
    }

    #[test]
    fn a_checkpoint_of_another_key_is_refused() {
        let mut stranger = LogFollower::new(VerifierKey::new("demo", [3; 32]).unwrap());
        assert!(matches!(
            stranger.verify(&extension(0..2, 0)),
            Err(FollowError::Checkpoint(_))
        ));
    }

    #[test]
    fn leaf_hashes_stand_for_entries_that_the_reader_need_not_see() {
        let entries: Vec<Vec<u8>> = (0..3).map(entry).collect();
        let leaves = vec![
            Leaf::Hash(leaf_hash(&entries[0])),
            Leaf::Entry(entries[1].clone()),
            Leaf::Hash(leaf_hash(&entries[2])),
        ];
        let mut reader = LogFollower::new(key());
        let logged = reader.verify(&signed(&entries, leaves, 0)).unwrap();
        let is_whole: Vec<bool> = logged.iter().map(|logged| logged.entry.is_some()).collect();
        assert_eq!(is_whole, [false, true, false]);
        for entry in &logged {
            reader.acted_on(entry);
        }
        assert_eq!(reader.verify(&extension(0..5, 3)).unwrap().len(), 2);
    }

    #[test]
    #[should_panic(expected = "in order")]
    fn acting_out_of_order_is_a_bug_of_the_caller() {
        let mut reader = LogFollower::new(key());
        let logged = reader.verify(&extension(0..2, 0)).unwrap();
        reader.acted_on(&logged[1]);
    }
}
