//! The log and the blobs beside it, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{Checkpoint, CompactRange, UnverifiedNote, empty_root, leaf_hash};
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
    /// Root by size, from the empty log on.
    roots: Vec<Digest>,
    /// Those that were signed, by size.
    heads: RefCell<BTreeMap<u64, Rc<UnverifiedNote>>>,
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
        if self.roots.is_empty() {
            self.roots.push(self.range.root());
        }
        self.range.append_leaf_hash(leaf_hash(&entry.to_bytes()));
        self.roots.push(self.range.root());
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

    /// Everything from `from` on, under the head of `size` entries, as it travels to a bank.
    pub fn extension(&self, from: u64, size: u64) -> Extension {
        let leaf = |entry: &Entry| {
            let bytes = entry.to_bytes();
            if entry.concerns_banks() {
                Leaf::Entry(bytes)
            } else {
                Leaf::Hash(leaf_hash(&bytes))
            }
        };
        Extension {
            from,
            leaves: self.entries[from as usize..size as usize]
                .iter()
                .map(leaf)
                .collect(),
            checkpoint: self.head(size).as_str().to_owned(),
        }
    }

    /// The signed head over the first `size` entries.
    pub fn head(&self, size: u64) -> Rc<UnverifiedNote> {
        let sign = || {
            let root = self.roots.get(size as usize).copied();
            let checkpoint = Checkpoint {
                origin: LOG.to_owned(),
                size,
                root: root.unwrap_or_else(empty_root),
            };
            let key = log_signing_key();
            let signed = checkpoint.sign(&log_key(), |bytes| key.sign_bytes(bytes).0);
            Rc::new(signed.unwrap().note().clone())
        };
        self.heads.borrow_mut().entry(size).or_insert_with(sign).clone()
    }
}
