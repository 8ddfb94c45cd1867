//! The banks that are connected, and how much of the log each was sent.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Millis};
use veilsum_protocol::log::entry::Entry as LogEntry;
use veilsum_protocol::log::{Cosignature, VerifiedCheckpoint, leaf_hash};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::{Extension, Leaf, ToBank};

use super::ports::{Fault, Ledger};

/// Entries that are read from the store at a time.
const BATCH: usize = 1024;
/// Bytes of one part of the log: an eighth of the smallest allowance for a message that a default configuration has.
const PART_BYTES: usize = 512 * 1024;
/// Bytes of a leaf beside its content.
const LEAF_OVERHEAD: usize = 16;

/// Where messages for one connected bank go.
pub trait Outlet: Send {
    /// True if the bank's position goes by the roster with this hash.
    fn goes_by(&self, roster: &Digest) -> bool;

    /// Queues a message; false if the session has ended or its queue is full, which ends it.
    fn send(&self, message: ToBank) -> bool;
}

struct Session {
    id: u64,
    outlet: Box<dyn Outlet>,
    software: String,
    /// How much of the log was sent; `None` before the bank said hello.
    log_sent: Option<u64>,
    /// Size of the last head that was shown.
    head_shown: u64,
    /// Size of the last head whose cosignatures were sent.
    head_told: u64,
    /// Epochs that the bank says it has keys for.
    epochs: BTreeSet<Epoch>,
}

/// Every bank's session.
#[derive(Default)]
pub(super) struct Sessions {
    open: BTreeMap<BankIndex, Session>,
    lost: BTreeMap<BankIndex, Millis>,
}

impl Sessions {
    /// A control stream is up. Nothing is sent before the bank's hello.
    pub(super) fn connected(&mut self, bank: BankIndex, id: u64, outlet: Box<dyn Outlet>) {
        self.open.insert(
            bank,
            Session {
                id,
                outlet,
                software: String::new(),
                log_sent: None,
                head_shown: 0,
                head_told: 0,
                epochs: BTreeSet::new(),
            },
        );
    }

    /// The bank said hello, has acted on `log_size` entries and has keys for `epochs`.
    ///
    /// A second hello in a session changes nothing: each costs the coordinator a walk through the log. False then.
    pub(super) fn greeted(
        &mut self,
        bank: BankIndex,
        software: String,
        log_size: u64,
        epochs: BTreeSet<Epoch>,
    ) -> bool {
        let Some(session) = self
            .open
            .get_mut(&bank)
            .filter(|session| session.log_sent.is_none())
        else {
            return false;
        };
        session.software = software;
        session.log_sent = Some(log_size);
        session.epochs = epochs;
        self.lost.remove(&bank);
        true
    }

    /// A control stream is gone; true if it was the bank's current one and the bank had said hello.
    pub(super) fn disconnected(&mut self, bank: BankIndex, id: u64, now: Millis) -> bool {
        let Some(session) = self.open.get(&bank).filter(|session| session.id == id) else {
            return false;
        };
        let greeted = session.log_sent.is_some();
        self.open.remove(&bank);
        self.lost.insert(bank, now);
        greeted
    }

    /// True if message `id` of `bank` belongs to its current session.
    pub(super) fn is_current(&self, bank: BankIndex, id: u64) -> bool {
        self.open.get(&bank).is_some_and(|session| session.id == id)
    }

    /// Banks that said hello.
    pub(super) fn banks(&self) -> impl Iterator<Item = BankIndex> {
        self.open
            .iter()
            .filter(|(_, session)| session.log_sent.is_some())
            .map(|(bank, _)| *bank)
    }

    /// True if the bank said hello and is still there.
    pub(super) fn is_up(&self, bank: BankIndex) -> bool {
        self.open
            .get(&bank)
            .is_some_and(|session| session.log_sent.is_some())
    }

    /// The bank said that it is armed for `epoch`.
    pub(super) fn armed(&mut self, bank: BankIndex, epoch: Epoch) {
        if let Some(session) = self.open.get_mut(&bank) {
            session.epochs.insert(epoch);
        }
    }

    /// True if the bank is there and says that it has keys for `epoch`.
    pub(super) fn has_keys(&self, bank: BankIndex, epoch: Epoch) -> bool {
        self.open
            .get(&bank)
            .is_some_and(|session| session.log_sent.is_some() && session.epochs.contains(&epoch))
    }

    /// What software a connected bank runs.
    pub(super) fn software(&self, bank: BankIndex) -> Option<&str> {
        self.open.get(&bank).map(|session| session.software.as_str())
    }

    /// When the bank was lost, if it was.
    pub(super) fn lost_at(&self, bank: BankIndex) -> Option<Millis> {
        self.lost.get(&bank).copied()
    }

    /// Queues a message. A bank that does not take it is noticed by its connection's end.
    pub(super) fn send(&self, bank: BankIndex, message: ToBank) {
        if let Some(session) = self.open.get(&bank)
            && !session.outlet.send(message)
        {
            tracing::warn!(
                bank = bank.get(),
                "a message could not be queued; the bank must connect again"
            );
        }
    }

    /// Shows every connected bank that did not see it the log up to this head.
    pub(super) fn show(&mut self, head: &VerifiedCheckpoint, ledger: &dyn Ledger) -> Result<(), Fault> {
        let size = head.checkpoint().size;
        // Nearly always all banks stand at the same entry.
        let mut made: BTreeMap<u64, Vec<Extension>> = BTreeMap::new();
        for session in self.open.values_mut().filter(|session| session.head_shown < size) {
            let Some(sent) = session.log_sent.filter(|sent| *sent <= size) else {
                continue;
            };
            let parts = match made.entry(sent) {
                Entry::Occupied(parts) => parts.into_mut(),
                Entry::Vacant(place) => place.insert(extension(ledger, sent, head)?),
            };
            if parts
                .iter()
                .all(|part| session.outlet.send(ToBank::Log(part.clone())))
            {
                session.log_sent = Some(size);
                session.head_shown = size;
            }
        }
        Ok(())
    }

    /// Tells every bank that was shown the head of `size` entries who has cosigned it, once.
    pub(super) fn tell(&mut self, size: u64, cosignatures: &[(BankIndex, Cosignature)]) {
        let told = |session: &&mut Session| session.head_shown == size && session.head_told < size;
        for session in self.open.values_mut().filter(told) {
            let message = ToBank::Witnessed {
                size,
                cosignatures: cosignatures.to_vec(),
            };
            if session.outlet.send(message) {
                session.head_told = size;
            }
        }
    }
}

/// The log from `from` up to the head in parts that fit into messages; the last has the checkpoint.
fn extension(ledger: &dyn Ledger, from: u64, head: &VerifiedCheckpoint) -> Result<Vec<Extension>, Fault> {
    let size = head.checkpoint().size;
    let mut parts = Vec::new();
    let mut part = Extension {
        from,
        leaves: Vec::new(),
        checkpoint: String::new(),
    };
    let mut bytes = 0;
    for batch in (from..size).step_by(BATCH) {
        for (index, entry) in (batch..).zip(ledger.entries(batch, size.min(batch + BATCH as u64))?) {
            let leaf = leaf(&entry);
            bytes += match &leaf {
                Leaf::Entry(entry) => entry.len(),
                Leaf::Hash(_) => 32,
            } + LEAF_OVERHEAD;
            if bytes > PART_BYTES && !part.leaves.is_empty() {
                let next = Extension {
                    from: index,
                    leaves: Vec::new(),
                    checkpoint: String::new(),
                };
                parts.push(std::mem::replace(&mut part, next));
                bytes = 0;
            }
            part.leaves.push(leaf);
        }
    }
    head.note().as_str().clone_into(&mut part.checkpoint);
    parts.push(part);
    Ok(parts)
}

fn leaf(bytes: &[u8]) -> Leaf {
    match LogEntry::from_bytes(bytes) {
        Ok(entry) if !entry.concerns_banks() => Leaf::Hash(leaf_hash(bytes)),
        _ => Leaf::Entry(bytes.to_vec()),
    }
}
