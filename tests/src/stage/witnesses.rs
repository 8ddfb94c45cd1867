//! The banks as witnesses of the log, as the coordinator's engine asks them: one head after the other.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{BankIndex, Timestamp};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{Cosignature, UnverifiedNote, Witnesses};
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::message::ToBank;

use crate::stage::consortium::{bank, roster_of, witness_key};
use crate::stage::office::Office;
use crate::stage::world::World;

/// When every cosignature is made.
pub const SEEN_AT: Timestamp = Timestamp(1_700_000_000);

/// The head that banks are shown, and who has cosigned it.
pub struct Witnessing {
    members: Vec<u16>,
    witnesses: Witnesses,
    needed: usize,
    /// Its size; 0 before the first.
    shown: u64,
    cosignatures: BTreeMap<BankIndex, Cosignature>,
    /// Size of the last head that enough have cosigned, and their cosignatures.
    published: (u64, Vec<(BankIndex, Cosignature)>),
    /// Somebody has the witness keys of all banks, and cosigns whatever a lying coordinator shows.
    pub stolen: bool,
}

impl Witnessing {
    pub fn new(members: &[u16]) -> Self {
        let thresholds = Thresholds::with_most_colluders(members.len() as u16).unwrap();
        Self {
            members: members.to_vec(),
            witnesses: Witnesses::of(&roster_of(members)),
            needed: usize::from(thresholds.threshold),
            shown: 0,
            cosignatures: BTreeMap::new(),
            published: (0, Vec::new()),
            stolen: false,
        }
    }

    /// Cosignatures that were not published were in memory alone.
    pub fn restart(&mut self) {
        self.cosignatures.clear();
        self.shown = self.published.0;
    }

    /// Size of the head that banks are to be shown, now that the log has these entries. A certificate does not wait for the head before it.
    fn shown(&mut self, members: &[u16], entries: &[Entry]) -> u64 {
        if self.members != members {
            let (shown, stolen) = (self.shown, self.stolen);
            *self = Self::new(members);
            (self.shown, self.stolen) = (shown, stolen);
        }
        let later = entries.get(self.shown as usize..).unwrap_or_default();
        let is_certified = later
            .iter()
            .any(|entry| matches!(entry, Entry::Certificate { .. }));
        if self.shown == self.published.0 || is_certified {
            self.shown = entries.len() as u64;
            self.cosignatures.clear();
        }
        self.shown
    }

    fn witnessed(&self) -> Option<&[(BankIndex, Cosignature)]> {
        (self.shown == self.published.0).then_some(&self.published.1)
    }
}

/// Every bank's cosignature under a head.
pub fn all_cosign(members: &[u16], note: &UnverifiedNote) -> Vec<(BankIndex, Cosignature)> {
    let cosign = |(position, member): (u16, &u16)| {
        let key = witness_key(bank(*member));
        (bank(position), Cosignature::sign(&key, note.text(), SEEN_AT))
    };
    (1..).zip(members).map(cosign).collect()
}

impl Office {
    /// Size of the head that banks are shown at present.
    pub fn head(&mut self) -> u64 {
        self.witnessing.shown(&self.members, &self.log.entries)
    }

    /// A bank has seen the head. A cosignature under another one is worth nothing, and is let pass: a lying coordinator asks for such.
    pub(super) fn cosigned(&mut self, from: BankIndex, size: u64, cosignature: Cosignature) {
        let shown = self.head();
        let note = self.log.head(shown);
        let witnessing = &mut self.witnessing;
        if size != shown || !witnessing.witnesses.verifies(from, &cosignature, note.text()) {
            return;
        }
        witnessing.cosignatures.insert(from, cosignature);
        if witnessing.published.0 < shown && witnessing.cosignatures.len() >= witnessing.needed {
            let cosignatures = witnessing.cosignatures.iter();
            witnessing.published = (shown, cosignatures.map(|(bank, one)| (*bank, *one)).collect());
        }
    }
}

impl World {
    /// Lets everybody act on what was logged.
    pub fn catch_up(&mut self) {
        self.office_out(Vec::new());
        self.settle();
    }

    /// Shows a connected bank the log up to the head, and tells it who has seen that.
    pub(super) fn push_log(&mut self, bank: BankIndex) {
        let told = self.told.get(&bank).copied().unwrap_or(u64::MAX);
        if told == u64::MAX {
            return;
        }
        // Whoever was shown the last head hears first who has seen it.
        self.tell_witnessed(bank);
        let head = self.office.head();
        if told < head {
            self.told.insert(bank, head);
            let extension = self.office.log.shown_to(bank).extension(told, head);
            self.carry_down(bank, &ToBank::Log(extension));
            self.tell_witnessed(bank);
        }
    }

    fn tell_witnessed(&mut self, bank: BankIndex) {
        let Some(told) = self.told.get(&bank).copied().filter(|told| *told != u64::MAX) else {
            return;
        };
        let heard = self.heard.get(&bank).copied().unwrap_or_default();
        let witnessing = &self.office.witnessing;
        let cosignatures = match witnessing.witnessed() {
            _ if witnessing.stolen => {
                all_cosign(&self.office.members, &self.office.log.shown_to(bank).head(told))
            }
            Some(cosignatures) if witnessing.shown == told => cosignatures.to_vec(),
            _ => return,
        };
        if heard < told {
            self.heard.insert(bank, told);
            let message = ToBank::Witnessed {
                size: told,
                cosignatures,
            };
            self.carry_down(bank, &message);
        }
    }
}
