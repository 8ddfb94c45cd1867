//! A [`Store`] in memory, for simulated rounds.
//!
//! Trusted for what the engine needs to go on, like every store. It is lost with the process: nothing that the outside
//! world has seen may depend on it.

use std::collections::BTreeMap;

use crate::engine::ports::{Commit, Store, StoreError, View};

/// Records, entries and head in memory. A clone is a copy of this moment, as a crash would leave it behind.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<String, Vec<u8>>,
    entries: Vec<Vec<u8>>,
    checkpoint: Option<String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        commit.check()?;
        self.records.extend(commit.puts.iter().cloned());
        for key in &commit.deletes {
            self.records.remove(key);
        }
        self.entries.extend(commit.entries.iter().cloned());
        if let Some(checkpoint) = &commit.checkpoint {
            self.checkpoint = Some(checkpoint.clone());
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.get(key).cloned())
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from_prefix = self.records.range(prefix.to_owned()..);
        let matching = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        Ok(matching
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn log_size(&self) -> Result<u64, StoreError> {
        Ok(self.entries.len() as u64)
    }

    fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let position = |number: u64| usize::try_from(number).ok();
        let range = position(from)
            .zip(position(to))
            .and_then(|(from, to)| self.entries.get(from..to));
        let size = self.entries.len() as u64;
        range
            .map(<[_]>::to_vec)
            .ok_or(StoreError::NoSuchEntries { from, to, size })
    }

    fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(self.checkpoint.clone())
    }

    fn view(&self) -> Result<View, StoreError> {
        let copy = self.clone();
        Ok(View {
            records: self.scan("")?,
            log_size: self.log_size()?,
            checkpoint: self.checkpoint()?,
            entries: Box::new(move |from, to| copy.entries(from, to)),
        })
    }
}
