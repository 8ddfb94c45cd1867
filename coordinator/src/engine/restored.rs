//! After the store was restored from a backup: nothing new is decided before every bank has cosigned the head that the backup ends with.
//!
//! Banks may have seen more of the log than the backup has. Whatever were signed behind it would then be a second log under the same key, and proof
//! of it in the hands of a bank. A bank cosigns no head that is smaller than one that it has seen, or of another log; so when all of them have
//! cosigned this one, nobody has seen more. Until then nothing is committed but the mark's removal, no round goes on, and messages other than
//! greetings and cosignatures are passed over: banks say again what matters when they come in anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::log::Cosignature;
use veilsum_protocol::round::coordinator::Event;
use veilsum_protocol::wire::message::ToCoordinator;

use super::driver::{Engine, Input};
use super::ports::{Fault, Ledger};
use super::sessions::Sessions;

/// Store key of the mark that `restore` leaves.
pub const RESTORED: &str = "restored";

/// What the mark says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// When the backup was made, Unix seconds.
    pub made_at: i64,
}

impl Mark {
    /// The record.
    ///
    /// # Errors
    /// If it cannot be written, which is a bug.
    pub fn put(&self) -> Result<(String, Vec<u8>), Fault> {
        let text = serde_json::to_vec(self).map_err(Fault::new)?;
        Ok((RESTORED.to_owned(), text))
    }
}

/// Who has been heard of since.
pub(super) struct Restored {
    mark: Mark,
    /// Banks that have cosigned the head.
    agreed: BTreeSet<BankIndex>,
    /// Banks that have acted on more entries than there are.
    beyond: BTreeMap<BankIndex, u64>,
    /// Banks that the operator does not wait for.
    without: BTreeSet<BankIndex>,
}

impl Restored {
    /// What `restore` left in the store, if it did and not all banks have agreed since.
    pub(super) fn read(ledger: &dyn Ledger) -> Result<Option<Self>, Fault> {
        let Some(bytes) = ledger.get(RESTORED)? else {
            return Ok(None);
        };
        let mark = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::new(format!("store key {RESTORED}: {error}")))?;
        Ok(Some(Self {
            mark,
            agreed: BTreeSet::new(),
            beyond: BTreeMap::new(),
            without: BTreeSet::new(),
        }))
    }
}

impl<L: Ledger> Engine<L> {
    /// Lets through what may be dealt with; everything, once all banks have agreed.
    pub(super) fn sift(&mut self, input: Input) -> Result<Option<Input>, Fault> {
        if self.restored.is_none() {
            return Ok(Some(input));
        }
        let refusal = || format!("{}; nothing can be changed until then", self.restored_words());
        match input {
            Input::Disconnected(bank, id) => {
                self.sessions.disconnected(bank, id, self.clock.now());
            }
            Input::Message(bank, id, message, _room) if self.sessions.is_current(bank, id) => {
                match *message {
                    hello @ ToCoordinator::Hello { .. } => self.message(bank, hello)?,
                    ToCoordinator::Cosignature { size, cosignature } => self.agrees(bank, size, cosignature),
                    _ => {}
                }
            }
            Input::Message(..) | Input::Summed(..) => {}
            Input::Uploaded(upload) => {
                // What is not adopted is of no use. That nobody answers tells the bank to try again later.
                let _ = std::fs::remove_file(&upload.path);
            }
            Input::CreateTask(_, answer)
            | Input::StopTask(_, answer)
            | Input::PauseTask(_, answer)
            | Input::ResumeTask(_, answer) => drop(answer.send(Err(refusal()))),
            Input::ProposeRoster(_, _, answer) | Input::WithdrawRoster(answer) => {
                drop(answer.send(Err(refusal())));
            }
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    fn agrees(&mut self, bank: BankIndex, size: u64, cosignature: Cosignature) {
        let whole = size == self.ledger.log_size();
        if whole && self.witnessing.is_cosigned(bank, size, &cosignature) {
            self.agree(bank);
        }
        self.cosignature(bank, size, cosignature);
    }

    /// This bank has seen no more than there is.
    pub(super) fn agree(&mut self, bank: BankIndex) {
        let name = self.name(bank);
        if let Some(restored) = &mut self.restored
            && restored.agreed.insert(bank)
        {
            restored.beyond.remove(&bank);
            tracing::info!("{name} has cosigned the log as it was restored");
        }
    }

    /// This bank has acted on more entries than there are.
    pub(super) fn is_beyond(&mut self, bank: BankIndex, log_size: u64) {
        if let Some(restored) = &mut self.restored {
            restored.beyond.insert(bank, log_size);
        }
    }

    /// The operator does not wait for these banks.
    pub(super) fn go_on_without(&mut self, names: &[String]) -> Result<String, String> {
        let mut banks = BTreeSet::new();
        for name in names {
            let bank = self
                .roster
                .named(name)
                .ok_or_else(|| format!("no bank {name:?} is in the roster"))?;
            banks.insert(bank.index);
        }
        let restored = self
            .restored
            .as_mut()
            .ok_or("this coordinator waits for nobody: its store was not restored, or every bank has cosigned it since")?;
        if let Some((_, size)) = restored.beyond.iter().find(|(bank, _)| banks.contains(bank)) {
            return Err(format!(
                "one of them has acted on {size} entries of the log, and this store has {}: to go on would sign a second log, and that bank could prove it",
                self.ledger.log_size()
            ));
        }
        restored.without.extend(banks);
        Ok(self.restored_words())
    }

    /// Banks that are waited for.
    fn not_agreed(&self) -> Vec<BankIndex> {
        let Some(restored) = &self.restored else {
            return Vec::new();
        };
        let banks = self.roster.banks().iter().map(|entry| entry.index);
        // One that has said that it has seen more is waited for whatever the operator says.
        let may_go_on = |bank: &BankIndex| {
            let unheard = restored.without.contains(bank) && !restored.beyond.contains_key(bank);
            restored.agreed.contains(bank) || unheard
        };
        banks.filter(|bank| !may_go_on(bank)).collect()
    }

    /// Goes on when nobody is waited for. True while somebody is.
    pub(super) fn is_held_back(&mut self) -> Result<bool, Fault> {
        if self.restored.is_none() {
            return Ok(false);
        }
        if !self.not_agreed().is_empty() {
            return Ok(true);
        }
        self.settle()?;
        tracing::info!("every bank has cosigned the log as it was restored: the coordinator goes on");
        self.restored = None;
        self.outbox.delete([RESTORED.to_owned()]);
        // What they said meanwhile was passed over.
        self.sessions = Sessions::default();
        self.restore_round()?;
        self.begin_rosters()?;
        self.round_event(None, Event::Tick)?;
        Ok(false)
    }

    /// What is waited for, while it is.
    pub(super) fn restored_line(&self) -> Option<String> {
        self.restored.as_ref().map(|_| self.restored_words())
    }

    fn restored_words(&self) -> String {
        let Some(restored) = &self.restored else {
            return "every bank has cosigned the log as it was restored".to_owned();
        };
        let size = self.ledger.log_size();
        let made = OffsetDateTime::from_unix_timestamp(restored.mark.made_at)
            .map_or_else(|_| "another time".to_owned(), |at| at.date().to_string());
        let beyond = restored.beyond.iter().map(|(bank, seen)| {
            format!(
                "; {} HAS ACTED ON {seen} ENTRIES: this store is older than what banks have seen and can never go on; restore a newer backup, or begin a new log",
                self.name(*bank)
            )
        });
        format!(
            "restored from a backup of {made} with {size} log entries; every bank must cosign them before anything goes on; waiting for {}, without a time limit{}",
            self.names(&self.not_agreed()).join(", "),
            beyond.collect::<String>()
        )
    }
}
