//! What is proven to be in the log and not yet seen by enough witnesses: nobody acts on it.

use std::collections::BTreeMap;

use super::checkpoint::VerifiedCheckpoint;
use super::cosignature::{Cosignature, Witnesses};
use super::entry::Entry;
use super::follower::LoggedEntry;
use super::merkle::CompactRange;
use super::proof::Tail;
use super::receipt::Receipt;
use crate::ids::{BankIndex, Digest};
use crate::wire::canonical::Canonical;

/// Why cosignatures release nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// This reader was not shown that head.
    #[error("cosignatures for a head of {size} entries, which was not shown here")]
    UnknownHead {
        /// Its size.
        size: u64,
    },
    /// Too few of them are witnesses' under the head that this reader was shown.
    #[error(
        "{found} valid cosignatures under the head of {size} entries, expected at least {needed}: others may have been shown another log"
    )]
    TooFew {
        /// Size of the head.
        size: u64,
        /// Banks with a valid one.
        found: usize,
        /// Banks that it takes.
        needed: usize,
    },
}

/// Entries that enough witnesses have seen.
#[derive(Debug, Default, PartialEq)]
pub struct Released {
    /// To act on, in order.
    pub entries: Vec<LoggedEntry>,
    /// Of those that the caller named, and of every result.
    pub receipts: Vec<Receipt>,
}

/// Entries in order behind those that were released, and the heads over them.
#[derive(Default)]
pub(super) struct Held {
    before: CompactRange,
    /// Each with the memory that it takes, in bytes.
    entries: Vec<(LoggedEntry, usize)>,
    heads: BTreeMap<u64, VerifiedCheckpoint>,
}

impl Held {
    /// Nothing yet, behind the entries of `before`.
    pub(super) fn behind(before: &CompactRange) -> Self {
        Self {
            before: before.clone(),
            ..Self::default()
        }
    }

    /// Memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Number of entries that were released, acted on or not.
    pub(super) fn start(&self) -> u64 {
        self.before.size()
    }

    /// The first entry here that banks act on.
    pub(super) fn next(&self) -> Option<&Entry> {
        let mut whole = self
            .entries
            .iter()
            .filter_map(|(logged, _)| logged.entry.as_ref());
        whole.find(|entry| entry.concerns_banks())
    }

    /// Takes entries, each with the memory that it takes, which stand behind those that are here, and the head over them.
    pub(super) fn push(&mut self, entries: Vec<(LoggedEntry, usize)>, head: VerifiedCheckpoint) {
        self.entries.extend(entries);
        self.heads.insert(head.checkpoint().size, head);
    }

    /// Gives out what stands under the head of `size` entries, if `needed` of the witnesses have cosigned it.
    pub(super) fn release(
        &mut self,
        size: u64,
        cosignatures: &[(BankIndex, Cosignature)],
        witnesses: &Witnesses,
        needed: usize,
        own: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Released, WitnessError> {
        let Some(head) = self.heads.get(&size) else {
            return Ok(Released::default());
        };
        let valid: BTreeMap<BankIndex, Cosignature> = cosignatures
            .iter()
            .filter(|(bank, cosignature)| witnesses.verifies(*bank, cosignature, head.note().text()))
            .copied()
            .collect();
        if valid.len() < needed {
            let found = valid.len();
            return Err(WitnessError::TooFew { size, found, needed });
        }
        let head = witnesses.add(head, &valid.into_iter().collect::<Vec<_>>());
        let count = usize::try_from(size - self.before.size()).unwrap_or(usize::MAX);
        let later = self.entries.split_off(count.min(self.entries.len()));
        let entries: Vec<LoggedEntry> = std::mem::replace(&mut self.entries, later)
            .into_iter()
            .map(|(logged, _)| logged)
            .collect();
        let leaves: Vec<Digest> = entries.iter().map(LoggedEntry::leaf).collect();
        let receipts = {
            let tail = Tail::new(&self.before, &leaves);
            let receipt = |logged: &LoggedEntry| {
                let bytes = match &logged.entry {
                    Some(result @ Entry::Result(_)) => result.to_bytes(),
                    _ => own.get(&logged.leaf())?.clone(),
                };
                let proof = tail.prove(logged.index).ok()?;
                Some(Receipt::new(bytes, proof, head.note().clone()))
            };
            entries.iter().filter_map(receipt).collect()
        };
        leaves
            .into_iter()
            .for_each(|leaf| self.before.append_leaf_hash(leaf));
        self.heads = self.heads.split_off(&size.saturating_add(1));
        Ok(Released { entries, receipts })
    }
}
