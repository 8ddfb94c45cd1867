//! The rosters of a log, one after the other, and whether each change was approved by those who had to.
//!
//! Who chooses the roster chooses how many must collude: a coordinator that adds banks of its own, or has others leave, gets past every bound. So a
//! change is proposed in the log, the banks of the roster in force say yes to exactly this proposal, each under its own key, and only then may the new roster
//! follow. Banks and auditors read entries through this same machine.
//!
//! A proposal is approved when
//!
//! * every bank that stays has approved it: none is taken into a roster that its operator did not see;
//! * at least `t` banks of the roster in force have, those that leave included: of two lists that could follow the same roster the honest banks
//!   approve one, and few banks that stay cannot throw the others out.
//!
//! A bank that joins approves by pinning the proposed roster; nobody can make it take part.

use std::collections::BTreeSet;

use crate::crypto::signing::VerifyingKey;
use crate::ids::{BankIndex, Digest};
use crate::log::entry::Entry;
use crate::roster::{Roster, RosterEntry};
use crate::round::params::Thresholds;
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};
use crate::wire::statement::RosterApproval;

/// A change that is proposed and not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Hash of its entry: what is approved.
    pub hash: Digest,
    /// Its number, from 1 in a log.
    pub sequence: u64,
    /// The roster that is to follow the one in force.
    pub roster: Roster,
    /// Banks that have approved it, by their positions in the roster in force.
    pub approved: BTreeSet<BankIndex>,
}

/// What an entry did to the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is about something else, or changes nothing.
    None,
    /// The first roster of the log: nobody was there who could approve it.
    First,
    /// A change is proposed, in place of one that was.
    Proposed,
    /// This bank has approved the open proposal.
    Approved(BankIndex),
    /// The open proposal is withdrawn.
    Withdrawn(Digest),
    /// A proposal, approval or withdrawal that does not count, and why.
    Refused(String),
    /// An approved roster follows this one.
    Changed(Box<Roster>),
    /// Another roster follows that was not approved: the one before it, and what was missing.
    Unapproved(Box<Roster>, String),
}

/// The rosters of a log as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RosterChain {
    in_force: Option<Roster>,
    open: Option<Proposal>,
    /// Number of the last proposal.
    sequence: u64,
}

impl RosterChain {
    /// The last roster in the log.
    pub fn in_force(&self) -> Option<&Roster> {
        self.in_force.as_ref()
    }

    /// The change that is proposed.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.open.as_ref()
    }

    /// The number of the next proposal.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    /// The banks that the open proposal still waits for, by their positions in the roster in force: those that stay and have not approved. Empty if
    /// there is none.
    pub fn missing(&self) -> Vec<BankIndex> {
        let (Some(before), Some(open)) = (&self.in_force, &self.open) else {
            return Vec::new();
        };
        let stays = |bank: &&RosterEntry| stays(bank, &open.roster);
        let stayers = before.banks().iter().filter(stays).map(|bank| bank.index);
        stayers.filter(|bank| !open.approved.contains(bank)).collect()
    }

    /// How many approvals beside those of the banks that stay the open proposal waits for: of banks that leave.
    pub fn missing_of_leavers(&self) -> usize {
        let (Some(before), Some(open)) = (&self.in_force, &self.open) else {
            return 0;
        };
        let all = open.approved.len() + self.missing().len();
        threshold(before).saturating_sub(all)
    }

    /// True if the open proposal has every approval that it takes.
    pub fn is_approved(&self) -> bool {
        self.open.is_some() && self.missing().is_empty() && self.missing_of_leavers() == 0
    }

    /// Takes the next entry in.
    pub fn read(&mut self, entry: &Entry) -> Step {
        match entry {
            Entry::Roster { consortium, banks } => match Roster::new(consortium.as_str(), banks.clone()) {
                Ok(roster) => self.roster(roster),
                // It names no banks that could act under it.
                Err(_) => Step::None,
            },
            Entry::RosterProposal {
                sequence,
                previous,
                banks,
            } => match self.check(*sequence, *previous, banks) {
                Ok(roster) => {
                    self.sequence = *sequence;
                    self.open = Some(Proposal {
                        hash: entry.hash(),
                        sequence: *sequence,
                        roster,
                        approved: BTreeSet::new(),
                    });
                    Step::Proposed
                }
                Err(problem) => Step::Refused(problem),
            },
            Entry::RosterApproval {
                proposal,
                bank,
                signature,
            } => {
                let (proposal, bank) = (*proposal, *bank);
                let Some(open) = self.open.as_mut().filter(|open| open.hash == proposal) else {
                    return Step::Refused(format!("an approval of {proposal}, which is not proposed"));
                };
                let statement = RosterApproval { proposal, bank };
                let key = self.in_force.as_ref().and_then(|roster| roster.bank(bank));
                let signed =
                    key.is_some_and(|entry| VerifyingKey(entry.signing_key).verifies(&statement, signature));
                if !signed {
                    return Step::Refused(format!("a signature that is not bank {bank}'s over the approval"));
                }
                if !open.approved.insert(bank) {
                    return Step::None;
                }
                Step::Approved(bank)
            }
            Entry::RosterWithdrawal { proposal } => match self.open.take_if(|open| open.hash == *proposal) {
                Some(open) => Step::Withdrawn(open.hash),
                None => Step::Refused(format!("{proposal} is withdrawn, which is not proposed")),
            },
            _ => Step::None,
        }
    }

    fn roster(&mut self, roster: Roster) -> Step {
        let Some(before) = self.in_force.take() else {
            self.in_force = Some(roster);
            return Step::First;
        };
        if before == roster {
            self.in_force = Some(before);
            return Step::None;
        }
        self.in_force = Some(before.clone());
        let missing = self.why_not(&roster);
        self.open = None;
        self.in_force = Some(roster);
        match missing {
            None => Step::Changed(Box::new(before)),
            Some(missing) => Step::Unapproved(Box::new(before), missing),
        }
    }

    fn why_not(&self, roster: &Roster) -> Option<String> {
        let Some(open) = self.open.as_ref().filter(|open| open.roster == *roster) else {
            return Some("it is not the one that is proposed".to_owned());
        };
        if self.is_approved() {
            return None;
        }
        let missing: Vec<String> = self.missing().iter().map(ToString::to_string).collect();
        Some(if missing.is_empty() {
            format!(
                "{} banks of the one before have approved it, too few",
                open.approved.len()
            )
        } else {
            format!("it lacks the approval of bank {}", missing.join(", "))
        })
    }

    /// The roster of a proposal that may be made now.
    ///
    /// # Errors
    /// Why it may not be made, in words.
    pub fn check(&self, sequence: u64, previous: Digest, banks: &[RosterEntry]) -> Result<Roster, String> {
        let before = self
            .in_force
            .as_ref()
            .ok_or("a change is proposed before the first roster")?;
        if sequence != self.next_sequence() {
            let expected = self.next_sequence();
            return Err(format!("found proposal {sequence}, expected {expected}"));
        }
        if previous != before.hash() {
            let hash = before.hash();
            return Err(format!("it is to follow roster {previous}, in force is {hash}"));
        }
        let roster = Roster::new(before.consortium(), banks.to_vec()).map_err(|error| error.to_string())?;
        if roster == *before {
            return Err("it is the roster in force".to_owned());
        }
        // Who is who hangs on names and keys: a name under other keys would be another bank in the place of one that banks know.
        for bank in roster.banks() {
            let same = before.banks().iter().filter(|old| {
                old.name == bank.name
                    || old.signing_key == bank.signing_key
                    || old.witness_key == bank.witness_key
                    || old.tls_key == bank.tls_key
            });
            if same.into_iter().any(|old| !is_same(old, bank)) {
                return Err(format!(
                    "bank {:?} has a name or key of a bank of the roster in force, and others beside it; a bank keeps its name and its keys",
                    bank.name
                ));
            }
        }
        Ok(roster)
    }

    /// True if there is nothing to remember beside the roster in force.
    pub(crate) fn is_plain(&self) -> bool {
        self.open.is_none() && self.sequence == 0
    }

    /// What is remembered beside the roster in force.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u64(self.sequence);
        w.list(self.open.iter(), |w, open| {
            w.digest(&open.hash);
            w.bytes(&Entry::from(&open.roster).to_bytes());
            w.list(open.approved.iter(), |w, bank| {
                w.bank(*bank);
            });
        });
    }

    /// What [`RosterChain::write`] wrote, with the roster in force.
    pub(crate) fn read_from(r: &mut Reader<'_>, in_force: Option<Roster>) -> Result<Self, DecodeError> {
        let sequence = r.u64("last proposal")?;
        let open = r.list(40, "open proposal", |r| {
            Ok(Proposal {
                hash: r.digest("proposal")?,
                sequence,
                roster: read_roster(r)?,
                approved: r
                    .list(2, "approved by", |r| r.bank("bank"))?
                    .into_iter()
                    .collect(),
            })
        })?;
        Ok(Self {
            in_force,
            open: open.into_iter().next_back(),
            sequence,
        })
    }

    /// With this roster in force, and nothing else known.
    pub(crate) fn at(in_force: Option<Roster>) -> Self {
        Self {
            in_force,
            ..Self::default()
        }
    }
}

/// A roster in its entry's form.
pub(crate) fn read_roster(r: &mut Reader<'_>) -> Result<Roster, DecodeError> {
    match Entry::from_bytes(r.bytes("roster")?)? {
        Entry::Roster { consortium, banks } => {
            Roster::new(consortium, banks).map_err(|error| DecodeError::value("roster", error.to_string()))
        }
        _ => Err(DecodeError::value("roster", "another entry")),
    }
}

/// True if it is the same bank, wherever it stands.
fn is_same(one: &RosterEntry, other: &RosterEntry) -> bool {
    let other = RosterEntry {
        index: one.index,
        ..other.clone()
    };
    *one == other
}

/// True if this bank is in the other roster too.
pub fn stays(bank: &RosterEntry, roster: &Roster) -> bool {
    roster.named(&bank.name).is_some_and(|other| is_same(bank, other))
}

fn threshold(roster: &Roster) -> usize {
    let banks = u16::try_from(roster.banks().len()).ok();
    let thresholds = banks.and_then(|banks| Thresholds::with_most_colluders(banks).ok());
    thresholds.map_or(usize::MAX, |thresholds| usize::from(thresholds.threshold))
}

#[cfg(test)]
mod tests;
