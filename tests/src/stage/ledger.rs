//! The log and the blobs beside it, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{Checkpoint, CompactRange, leaf_hash};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Extension, Leaf};

use crate::stage::consortium::{LOG, log_key, log_signing_key};

/// Blobs by hash; what a bank fetches comes from here.
pub type Blobs = Rc<RefCell<BTreeMap<Digest, Vec<u8>>>>;

/// What a lying coordinator logs in the place of an entry.
pub type Rewrite = Box<dyn FnMut(&Entry) -> Option<Vec<Entry>>>;

#[derive(Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    range: CompactRange,
    pub rewrite: Option<Rewrite>,
    /// Other logs of the same key, each shown to one bank alone.
    pub forks: BTreeMap<BankIndex, Log>,
}

impl Log {
    pub fn append(&mut self, entry: Entry) {
        for fork in self.forks.values_mut() {
            fork.append(entry.clone());
        }
        match self.rewrite.as_mut().and_then(|rewrite| rewrite(&entry)) {
            Some(others) => others.into_iter().for_each(|other| self.push(other)),
            None => self.push(entry),
        }
    }

    fn push(&mut self, entry: Entry) {
        self.range.append_leaf_hash(leaf_hash(&entry.to_bytes()));
        self.entries.push(entry);
    }

    /// A bank sees another log from here on, in which other entries stand in the place of some.
    pub fn fork(&mut self, bank: BankIndex, rewrite: Rewrite) {
        let mut fork = Self::default();
        self.entries.iter().cloned().for_each(|entry| fork.push(entry));
        fork.rewrite = Some(rewrite);
        self.forks.insert(bank, fork);
    }

    pub fn shown_to(&self, bank: BankIndex) -> &Self {
        self.forks.get(&bank).unwrap_or(self)
    }

    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Everything from `from` on as it travels to a bank.
    pub fn extension(&self, from: u64) -> Extension {
        let leaf = |entry: &Entry| {
            let bytes = entry.to_bytes();
            if entry.concerns_banks() {
                Leaf::Entry(bytes)
            } else {
                Leaf::Hash(leaf_hash(&bytes))
            }
        };
        let checkpoint = Checkpoint {
            origin: LOG.to_owned(),
            size: self.size(),
            root: self.range.root(),
        };
        let key = log_signing_key();
        let signed = checkpoint
            .sign(&log_key(), |bytes| key.sign_bytes(bytes).0)
            .unwrap();
        Extension {
            from,
            leaves: self.entries[from as usize..].iter().map(leaf).collect(),
            checkpoint: signed.note().as_str().to_owned(),
        }
    }
}
