//! What a bank keeps of the last opened round, whether it takes part or not: enough to know that its result is certified.

use std::collections::BTreeMap;

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest};
use crate::log::entry::{Entry, RoundOpen, RoundResult};
use crate::log::roster_chain::read_roster;
use crate::roster::Roster;
use crate::round::active::{survivor_statement, valid_signatures};
use crate::round::checks::Check;
use crate::round::context::Context;
use crate::round::params::Thresholds;
use crate::round::released::SummedStep;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::message::Rejection;

/// The last opened round, as the log tells it.
pub(super) struct Watch {
    open: RoundOpen,
    /// In force when the round was opened, and for its signatures; `None` if the log had named no roster.
    roster: Option<Roster>,
    cohort: Option<Vec<BankIndex>>,
    survivors: Option<BTreeMap<BankIndex, Digest>>,
    certified: bool,
}

impl Watch {
    pub(super) fn new(open: RoundOpen, roster: Option<Roster>) -> Self {
        Self {
            open,
            roster,
            cohort: None,
            survivors: None,
            certified: false,
        }
    }

    pub(super) fn open(&self) -> &RoundOpen {
        &self.open
    }

    /// Takes note of an entry of the round. The first cohort and the first list of survivors count. True if the list is certified with
    /// it.
    pub(super) fn note(&mut self, entry: &Entry) -> bool {
        if entry.round() != Some(self.open.round) {
            return false;
        }
        match entry {
            Entry::Cohort { banks, .. } if self.cohort.is_none() => self.cohort = Some(banks.clone()),
            Entry::Survivors { list, .. } if self.survivors.is_none() => {
                self.survivors = Some(list.iter().copied().collect());
            }
            Entry::Certificate { signatures, .. } if !self.certified => {
                self.certified = self.is_certificate(signatures).unwrap_or(false);
                return self.certified;
            }
            _ => {}
        }
        false
    }

    fn is_certificate(&self, signatures: &[(BankIndex, Signature)]) -> Option<bool> {
        let (roster, cohort, survivors) = (
            self.roster.as_ref()?,
            self.cohort.as_ref()?,
            self.survivors.as_ref()?,
        );
        let banks = u16::try_from(roster.banks().len()).ok()?;
        let rules = Thresholds::with_most_colluders(banks).ok()?;
        let context = Context::of(&self.open, cohort);
        let statement = survivor_statement(context, self.open.round, survivors);
        let inside = survivors.keys().all(|bank| cohort.contains(bank));
        let enough = survivors.len() >= usize::from(rules.min_survivors);
        let valid = || valid_signatures(roster, survivors, &statement, signatures);
        Some(self.open.thresholds == rules && inside && enough && valid() >= usize::from(rules.threshold))
    }

    /// True if `banks` is the round's first cohort in the log.
    pub(super) fn is_first_cohort(&self, banks: &[BankIndex]) -> bool {
        self.cohort.as_deref() == Some(banks)
    }

    /// The round's first list of survivors in the log.
    pub(super) fn survivors(&self) -> Option<&BTreeMap<BankIndex, Digest>> {
        self.survivors.as_ref()
    }

    /// True if `list` is the round's first list of survivors in the log.
    pub(super) fn is_first_list(&self, list: &[(BankIndex, Digest)]) -> bool {
        self.survivors().is_some_and(|first| is_list(first, list))
    }

    /// The certified sum, if the bank with this signing key is in it.
    pub(super) fn certified_with(&self, signing_key: &[u8; 32]) -> Option<SummedStep> {
        let (roster, survivors) = (self.roster.as_ref()?, self.survivors.as_ref()?);
        let own = |bank: &BankIndex| {
            let entry = roster.bank(*bank);
            entry.is_some_and(|entry| entry.signing_key == *signing_key)
        };
        let is_in = self.certified && survivors.keys().any(own);
        SummedStep::of(&self.open, roster, survivors.keys()).filter(|_| is_in)
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
        let Some(survivors) = self.survivors.as_ref().filter(|_| self.certified) else {
            return refuse("the log holds no certificate of it");
        };
        if usize::from(result.survivors) != survivors.len() {
            return refuse("the number of survivors is not the certified one");
        }
        Ok(())
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&self.open.to_bytes());
        w.list(self.roster.iter(), write_roster);
        w.list(self.cohort.iter(), |w, banks| {
            w.list(banks.iter(), |w, bank| {
                w.bank(*bank);
            });
        });
        w.list(self.survivors.iter(), |w, list| {
            w.list(list.iter(), |w, (bank, hash)| {
                w.bank(*bank).digest(hash);
            });
        });
        w.u8(u8::from(self.certified));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let open = RoundOpen::from_bytes(r.bytes("round open")?)?;
        let mut watch = Self::new(open, r.list(4, "roster", read_roster)?.pop());
        let cohort = |r: &mut Reader<'_>| r.list(2, "cohort", |r| r.bank("bank"));
        watch.cohort = r.list(4, "cohort", cohort)?.pop();
        let survivors =
            |r: &mut Reader<'_>| r.list(34, "survivors", |r| Ok((r.bank("bank")?, r.digest("hash")?)));
        let list = r.list(4, "survivors", survivors)?.pop();
        watch.survivors = list.map(|list| list.into_iter().collect());
        watch.certified = r.u8("certified")? == 1;
        Ok(watch)
    }
}

/// True if the map is made of this list.
pub(super) fn is_list(map: &BTreeMap<BankIndex, Digest>, list: &[(BankIndex, Digest)]) -> bool {
    map.iter()
        .map(|(bank, hash)| (*bank, *hash))
        .eq(list.iter().copied())
}

pub(super) fn write_roster(w: &mut Writer, roster: &Roster) {
    w.bytes(&Entry::from(roster).to_bytes());
}
