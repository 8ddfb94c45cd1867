//! What a bank keeps of the last opened round, whether it takes part or not: enough to know that its result is certified.

use std::collections::BTreeMap;

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Round};
use crate::log::entry::{Entry, RoundOpen, RoundResult};
use crate::roster::Roster;
use crate::round::active::{survivor_statement, valid_signatures};
use crate::round::checks::Check;
use crate::round::context::Context;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::Rejection;

/// The last opened round, as the log tells it.
pub(super) struct Watch {
    open: RoundOpen,
    cohort: Vec<BankIndex>,
    survivors: BTreeMap<BankIndex, Digest>,
    certified: bool,
}

impl Watch {
    pub(super) fn new(open: RoundOpen) -> Self {
        Self {
            open,
            cohort: Vec::new(),
            survivors: BTreeMap::new(),
            certified: false,
        }
    }

    pub(super) fn open(&self) -> &RoundOpen {
        &self.open
    }

    /// Takes note of an entry of the round. The first cohort and the first list of survivors count.
    pub(super) fn note(&mut self, roster: &Roster, entry: &Entry) {
        if entry.round() != Some(self.open.round) {
            return;
        }
        match entry {
            Entry::Cohort { banks, .. } if self.cohort.is_empty() => self.cohort.clone_from(banks),
            Entry::Survivors { list, .. } if self.survivors.is_empty() => {
                self.survivors = list.iter().copied().collect();
            }
            Entry::Certificate { signatures, .. } => {
                self.certified |= self.is_certificate(roster, signatures)
            }
            _ => {}
        }
    }

    fn is_certificate(&self, roster: &Roster, signatures: &[(BankIndex, Signature)]) -> bool {
        let context = Context::of(&self.open, &self.cohort);
        let statement = survivor_statement(context, self.open.round, &self.survivors);
        let inside = self.survivors.keys().all(|bank| self.cohort.contains(bank));
        let enough = self.survivors.len() >= usize::from(self.open.thresholds.min_survivors);
        let valid = valid_signatures(roster, &self.survivors, &statement, signatures);
        inside && enough && valid >= usize::from(self.open.thresholds.threshold)
    }

    /// The result is of this round and of the certified survivors.
    ///
    /// # Errors
    /// C-502.
    pub(super) fn check_result(&self, result: &RoundResult) -> Result<(), Rejection> {
        let refuse = |detail: &str| {
            Err(Rejection::new(
                Check::Uncertified,
                format!("round {}: {detail}", result.round),
            ))
        };
        if result.round != self.open.round || result.step != self.open.step || result.kind != self.open.kind {
            return refuse("it is not the result of the opened round");
        }
        if !self.certified {
            return refuse("the log holds no certificate of it");
        }
        if usize::from(result.survivors) != self.survivors.len() {
            return refuse("the number of survivors is not the certified one");
        }
        Ok(())
    }

    /// Hash of the list of survivors' positions: who is in the sum, whatever they sent.
    pub(super) fn survivor_set(&self) -> Digest {
        let mut w = Writer::domain("survivor-set");
        w.list(self.survivors.keys(), |w, bank| {
            w.bank(*bank);
        });
        Digest::of(&w.finish())
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&self.open.to_bytes());
        let (round, banks) = (self.open.round, self.cohort.clone());
        w.bytes(&Entry::Cohort { round, banks }.to_bytes());
        let list = self.survivors.iter().map(|(bank, hash)| (*bank, *hash)).collect();
        w.bytes(&Entry::Survivors { round, list }.to_bytes());
        w.u8(u8::from(self.certified));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut watch = Self::new(RoundOpen::from_bytes(r.bytes("round open")?)?);
        if let Entry::Cohort { banks, .. } = Entry::from_bytes(r.bytes("cohort")?)? {
            watch.cohort = banks;
        }
        if let Entry::Survivors { list, .. } = Entry::from_bytes(r.bytes("survivors")?)? {
            watch.survivors = list.into_iter().collect();
        }
        watch.certified = r.u8("certified")? == 1;
        Ok(watch)
    }
}

/// The step whose shares left this bank last, and for whom. The same step may be summed again only over the same banks: two
/// sums over sets that differ by one bank would give that bank away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReleasedStep {
    pub(super) task: Digest,
    pub(super) step: u32,
    pub(super) survivors: Digest,
}

impl ReleasedStep {
    pub(super) fn of(open: &RoundOpen, survivors: Digest) -> Self {
        Self {
            task: open.task,
            step: open.step,
            survivors,
        }
    }

    /// True if a sum over `other` would be a second one of the same step over other banks.
    pub(super) fn forbids(&self, other: &Self) -> bool {
        (self.task, self.step) == (other.task, other.step) && self.survivors != other.survivors
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.digest(&self.task).u32(self.step).digest(&self.survivors);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            task: r.digest("task")?,
            step: r.u32("step")?,
            survivors: r.digest("survivors")?,
        })
    }

    pub(super) fn round_detail(round: Round) -> String {
        format!(
            "round {round}: the same step over other banks would give the difference away; the task cannot go on, start a new one"
        )
    }
}
