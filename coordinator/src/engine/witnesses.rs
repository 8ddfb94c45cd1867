//! The banks as witnesses of the log: they are shown one head after the other, and the next when enough have cosigned the last.
//!
//! Entries that are committed meanwhile wait and come under the next head together. So a phase costs one exchange of cosignatures, not one for
//! every update that arrives; and what every bank acts on was seen by `t` of them.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{BankIndex, Millis};
use veilsum_protocol::log::{Cosignature, VerifiedCheckpoint, Witnesses};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::message::Rejection;

use super::driver::Engine;
use super::ports::{Fault, Ledger};

/// The head that banks are shown, and who has cosigned it.
pub(super) struct Witnessing {
    witnesses: Witnesses,
    needed: usize,
    shown: Option<Shown>,
    /// Size of the log up to the last entry that banks act on.
    news: u64,
    /// Since when the log has entries behind that, on which nobody acts.
    waiting: Option<Millis>,
}

/// How long an entry that no bank acts on (an update that arrived, a share, an acknowledgement) waits for others to share a head with, while a
/// round is open.
const PATIENCE: Millis = Millis(1000);

struct Shown {
    head: VerifiedCheckpoint,
    /// Exactly as many as it takes, once there are so many.
    cosignatures: BTreeMap<BankIndex, Cosignature>,
}

impl Shown {
    /// What banks are told.
    fn list(&self) -> Vec<(BankIndex, Cosignature)> {
        self.cosignatures
            .iter()
            .map(|(bank, one)| (*bank, *one))
            .collect()
    }
}

impl Witnessing {
    /// Goes on from the published head, if enough banks of this roster have cosigned it, in a log of `size` entries.
    pub(super) fn new(
        roster: &Roster,
        published: Option<&VerifiedCheckpoint>,
        size: u64,
    ) -> Result<Self, Fault> {
        let banks = u16::try_from(roster.banks().len()).map_err(Fault::new)?;
        let thresholds = Thresholds::with_most_colluders(banks).map_err(Fault::new)?;
        let mut witnessing = Self {
            witnesses: Witnesses::of(roster),
            needed: usize::from(thresholds.threshold),
            shown: None,
            // Whatever no head covers yet may be what the banks wait for.
            news: size,
            waiting: None,
        };
        witnessing.shown = published.map(|head| Shown {
            cosignatures: witnessing.witnesses.cosignatures(head.note()),
            head: head.clone(),
        });
        Ok(witnessing)
    }

    /// The log has so many entries now. `is_news`: banks act on one of those that came with it.
    pub(super) fn logged(&mut self, size: u64, is_news: bool, now: Millis) {
        if is_news {
            self.news = size;
            self.waiting = None;
        } else {
            self.waiting.get_or_insert(now);
        }
    }

    /// When entries that no bank acts on have waited long enough.
    pub(super) fn next_look(&self) -> Option<Millis> {
        self.waiting
            .map(|since| Millis(since.0.saturating_add(PATIENCE.0)))
    }

    fn is_witnessed(&self, shown: &Shown) -> bool {
        shown.cosignatures.len() >= self.needed
    }
}

impl<L: Ledger> Engine<L> {
    /// Shows the connected banks the newest head when the one before it is cosigned by enough, and tells them who has cosigned.
    pub(super) fn extend_log(&mut self) -> Result<(), Fault> {
        let witnessing = &mut self.witnessing;
        let settled = witnessing
            .shown
            .as_ref()
            .is_none_or(|shown| witnessing.is_witnessed(shown));
        let size = witnessing
            .shown
            .as_ref()
            .map_or(0, |shown| shown.head.checkpoint().size);
        // A head costs every bank a durable write and an exchange; nothing in the round waits for what nobody acts on.
        let is_due = self.round.is_none()
            || witnessing.news > size
            || witnessing.next_look().is_some_and(|at| at <= self.clock.now());
        if settled && is_due {
            self.ledger.write_tiles()?;
        }
        if let Some(newest) = self.ledger.head().filter(|_| settled && is_due)
            && newest.checkpoint().size > size
        {
            witnessing.waiting = None;
            witnessing.shown = Some(Shown {
                head: newest.clone(),
                cosignatures: BTreeMap::new(),
            });
        }
        let Some(shown) = &witnessing.shown else {
            return Ok(());
        };
        self.sessions.show(&shown.head, &self.ledger)?;
        if witnessing.is_witnessed(shown) {
            let cosignatures = shown.list();
            self.sessions.tell(shown.head.checkpoint().size, &cosignatures);
        }
        Ok(())
    }

    /// A bank has seen a head. With the last one that it takes the head is published, and then everybody is told.
    pub(super) fn cosignature(
        &mut self,
        bank: BankIndex,
        size: u64,
        cosignature: Cosignature,
    ) -> Result<(), Fault> {
        let witnessing = &mut self.witnessing;
        let Some(shown) = &mut witnessing.shown else {
            return Ok(());
        };
        let is_late = shown.head.checkpoint().size != size
            || shown.cosignatures.len() >= witnessing.needed
            || shown.cosignatures.contains_key(&bank);
        if is_late {
            return Ok(());
        }
        if !witnessing
            .witnesses
            .verifies(bank, &cosignature, shown.head.note().text())
        {
            let detail = format!("the cosignature under the head of {size} entries");
            self.reject(bank, Rejection::new(Check::Signature, detail));
            return Ok(());
        }
        shown.cosignatures.insert(bank, cosignature);
        if shown.cosignatures.len() < witnessing.needed {
            return Ok(());
        }
        let cosignatures = shown.list();
        let head = witnessing.witnesses.add(&shown.head, &cosignatures);
        self.ledger.publish(head)?;
        // Those who were shown it are told before they are shown the next.
        self.sessions.tell(size, &cosignatures);
        self.extend_log()?;
        self.forget_old_rounds()
    }
}
