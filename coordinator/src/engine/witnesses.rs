//! The banks as witnesses of the log: they are shown one head after the other, and the next when enough have cosigned the last.
//!
//! Entries that are committed meanwhile wait and come under the next head together. So a phase costs one exchange of cosignatures, not one for
//! every update that arrives; and what every bank acts on was seen by `t` of them. A certificate alone does not wait: banks confirmed the list
//! when they were shown it, and the head over both is worth as much as one over each.

use std::collections::BTreeMap;

use veilsum_protocol::ids::{BankIndex, Millis};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{Cosignature, VerifiedCheckpoint, Witnesses};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::message::Rejection;

use super::driver::Engine;
use super::ports::{Fault, Ledger};

/// What came with new entries, as far as the showing of heads goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Nothing that banks act on.
    #[default]
    None,
    /// Something that banks act on.
    Some,
    /// A certificate, among what banks act on.
    Certificate,
}

impl News {
    pub(super) fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Certificate { .. } => Self::Certificate,
            entry if entry.concerns_banks() => Self::Some,
            _ => Self::None,
        }
    }
}

/// The head that banks are shown, and who has cosigned it.
pub(super) struct Witnessing {
    witnesses: Witnesses,
    needed: usize,
    shown: Option<Shown>,
    /// Size of the log up to the last entry that banks act on.
    news: u64,
    /// Size of the log up to the last certificate: a smaller head is not waited for.
    certified: u64,
    /// Since when the log has entries behind that, on which nobody acts.
    waiting: Option<Millis>,
}

/// How long an entry that no bank acts on (an update that arrived, a share, an acknowledgement) waits for others to share a head with, while a
/// round is open.
const PATIENCE: Millis = Millis(10_000);

struct Shown {
    head: VerifiedCheckpoint,
    /// Exactly as many as it takes, once there are so many.
    cosignatures: BTreeMap<BankIndex, Cosignature>,
    is_published: bool,
}

impl Shown {
    fn size(&self) -> u64 {
        self.head.checkpoint().size
    }

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
            certified: 0,
            waiting: None,
        };
        witnessing.shown = published.map(|head| Shown {
            cosignatures: witnessing.witnesses.cosignatures(head.note()),
            head: head.clone(),
            is_published: true,
        });
        Ok(witnessing)
    }

    /// The log has so many entries now; `news` is what came with it.
    pub(super) fn logged(&mut self, size: u64, news: News, now: Millis) {
        if news == News::None {
            self.waiting.get_or_insert(now);
            return;
        }
        self.news = size;
        self.waiting = None;
        if news == News::Certificate {
            self.certified = size;
        }
    }

    /// When entries that no bank acts on have waited long enough.
    pub(super) fn next_look(&self) -> Option<Millis> {
        self.waiting
            .map(|since| Millis(since.0.saturating_add(PATIENCE.0)))
    }

    /// Whether this is the bank's cosignature under the head of `size` entries, which is the one that is shown.
    pub(super) fn is_cosigned(&self, bank: BankIndex, size: u64, cosignature: &Cosignature) -> bool {
        let shown = self.shown.as_ref().filter(|shown| shown.size() == size);
        shown.is_some_and(|shown| {
            self.witnesses
                .verifies(bank, cosignature, shown.head.note().text())
        })
    }

    fn is_witnessed(&self, shown: &Shown) -> bool {
        shown.cosignatures.len() >= self.needed
    }

    /// A certificate came after the head that is shown.
    fn is_replaced(&self, shown: &Shown) -> bool {
        shown.size() < self.certified
    }
}

impl<L: Ledger> Engine<L> {
    /// Publishes the head that is shown when enough have cosigned it, shows the connected banks the newest one then, and tells them who has
    /// cosigned.
    pub(super) fn extend_log(&mut self) -> Result<(), Fault> {
        self.publish_head()?;
        let witnessing = &mut self.witnessing;
        let settled = witnessing
            .shown
            .as_ref()
            .is_none_or(|shown| witnessing.is_witnessed(shown) || witnessing.is_replaced(shown));
        let size = witnessing.shown.as_ref().map_or(0, Shown::size);
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
                is_published: false,
            });
        }
        let Some(shown) = &witnessing.shown else {
            return Ok(());
        };
        self.sessions.show(&shown.head, &self.ledger)?;
        if witnessing.is_witnessed(shown) {
            self.sessions.tell(shown.size(), &shown.list());
        }
        Ok(())
    }

    /// Those who were shown the head are told before they are shown the next. Nobody is told of one that a certificate replaces: the next
    /// covers it.
    fn publish_head(&mut self) -> Result<(), Fault> {
        let witnessing = &mut self.witnessing;
        let Some(shown) = &witnessing.shown else {
            return Ok(());
        };
        if shown.is_published || !witnessing.is_witnessed(shown) || witnessing.is_replaced(shown) {
            return Ok(());
        }
        let cosignatures = shown.list();
        let head = witnessing.witnesses.add(&shown.head, &cosignatures);
        let size = shown.size();
        self.ledger.publish(head)?;
        self.sessions.tell(size, &cosignatures);
        if let Some(shown) = &mut self.witnessing.shown {
            shown.is_published = true;
        }
        self.forget_old_rounds()
    }

    /// A bank has seen a head. What follows from it is done when every input that waits was looked at: a confirmation among them may be the
    /// last that a certificate takes.
    pub(super) fn cosignature(&mut self, bank: BankIndex, size: u64, cosignature: Cosignature) {
        let witnessing = &mut self.witnessing;
        let Some(shown) = &mut witnessing.shown else {
            return;
        };
        let is_late = shown.size() != size
            || shown.cosignatures.len() >= witnessing.needed
            || shown.cosignatures.contains_key(&bank);
        if is_late {
            return;
        }
        if witnessing
            .witnesses
            .verifies(bank, &cosignature, shown.head.note().text())
        {
            shown.cosignatures.insert(bank, cosignature);
            self.observer.cosigned();
        } else {
            let detail = format!("the cosignature under the head of {size} entries");
            self.reject(bank, Rejection::new(Check::Signature, detail));
        }
    }
}
