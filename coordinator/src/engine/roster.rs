//! Changes of the roster: proposed, approved by the banks, logged between two rounds, pinned by every bank that stays, and then in force here.
//!
//! Rounds go on while a change is proposed. It is logged when it has its approvals and every bank of the new roster is there, since new keys take all of
//! them. From then on no round begins: the banks that stay read it under a head that the old roster's witnesses have cosigned, pin it and say so.
//! When the last has, the coordinator goes by it, and every bank connects again under its new position.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::RosterChain;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::roster_chain::{Step, stays};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::roster_change::{RosterChange, thresholds};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::Rejection;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::RosterApproval;

use super::driver::Engine;
use super::epochs;
use super::ports::{Fault, Ledger};
use super::sessions::Sessions;
use super::witnesses::Witnessing;

/// Store key of the hash of the roster that the coordinator goes by.
pub(super) const SEATED: &str = "roster";

/// The rosters of the log, and what is not in the log of the change that is under way.
pub(super) struct Rosters {
    pub(super) chain: RosterChain,
    /// Banks whose operators refused the open proposal.
    refused: BTreeSet<BankIndex>,
    /// Banks that have pinned the roster that is logged and not in force yet.
    pinned: BTreeSet<BankIndex>,
}

/// The roster, for the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RosterView {
    /// The consortium's name.
    pub consortium: String,
    /// Hash of the roster in force.
    pub roster: Digest,
    /// Every bank, by position.
    pub banks: Vec<Member>,
    /// The numbers of its rounds.
    pub thresholds: Option<Thresholds>,
    /// The change that is under way.
    pub proposal: Option<ProposalView>,
}

/// A bank of a roster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What its administrators compare by another channel.
    pub fingerprint: String,
}

impl From<&RosterEntry> for Member {
    fn from(bank: &RosterEntry) -> Self {
        Self {
            name: bank.name.clone(),
            fingerprint: bank.fingerprint(),
        }
    }
}

/// A change that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalView {
    /// Hash of the proposal's entry; none once it is logged as the roster.
    pub proposal: Option<Digest>,
    /// Hash of the roster that is to follow.
    pub roster: Digest,
    /// Who joins.
    pub joins: Vec<Member>,
    /// Names of the banks that leave.
    pub leaves: Vec<String>,
    /// Names of the banks that have approved.
    pub approved: Vec<String>,
    /// Names of the banks that have refused.
    pub refused: Vec<String>,
    /// What it waits for, in words.
    pub waits_for: String,
    /// The change in plain words.
    pub text: String,
    /// The banks of the new roster, as the consortium file has them.
    pub banks: Vec<veilsum_protocol::consortium::ConsortiumBank>,
}

/// A change that is under way, in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalLine {
    /// Hash of the proposal's entry; none once it is logged as the roster and pinned by the banks one after the other.
    pub proposal: Option<Digest>,
    /// Number of banks in the roster that is to follow.
    pub banks: usize,
    /// Who joins.
    pub joins: Vec<Member>,
    /// Names of the banks that leave.
    pub leaves: Vec<String>,
    /// Names of the present banks that have approved.
    pub approved: Vec<String>,
    /// Names of those that have refused.
    pub refused: Vec<String>,
    /// Names of those that have said nothing yet.
    pub silent: Vec<String>,
    /// What it waits for, in words.
    pub waits_for: String,
}

impl Rosters {
    /// As the log has them, with the roster that the coordinator goes by: the one of the hash in its store, or the log's last. `file` is the roster of
    /// the consortium file, which is the first of a new log.
    ///
    /// # Errors
    /// If the file names a roster that was never in force, or the log or store cannot be read.
    pub(super) fn load(ledger: &dyn Ledger, file: Roster) -> Result<(Self, Roster), Fault> {
        let mut chain = RosterChain::default();
        let mut before = Vec::new();
        let size = ledger.log_size();
        for from in (0..size).step_by(4096) {
            for bytes in ledger.entries(from, size.min(from + 4096))? {
                let Ok(entry) = Entry::from_bytes(&bytes) else {
                    continue;
                };
                match chain.read(&entry) {
                    Step::Changed(roster) | Step::Unapproved(roster, _) => before.push(*roster),
                    _ => {}
                }
            }
        }
        let rosters = |chain| Self {
            chain,
            refused: BTreeSet::new(),
            pinned: BTreeSet::new(),
        };
        let Some(last) = chain.in_force().cloned() else {
            return Ok((rosters(chain), file));
        };
        if file != last && !before.contains(&file) {
            return Err(Fault::new(format!(
                "the consortium file names a roster that was never in force in the log (its hash is {}, that of the log's last {}); put the file back, and change the roster with `veilsum-coordinator roster propose`",
                file.hash(),
                last.hash()
            )));
        }
        let seated = ledger.get(SEATED)?;
        let is_seated = |roster: &Roster| seated.as_deref() == Some(roster.hash().0.as_slice());
        // A log of before there were proposals may lack the key.
        let seated = before
            .into_iter()
            .rev()
            .find(|roster| !is_seated(&last) && is_seated(roster));
        let seated = seated.unwrap_or(last);
        Ok((rosters(chain), seated))
    }
}

impl<L: Ledger> Engine<L> {
    /// Logs the first roster of a new log, and has the consortium file and the door follow the roster that the coordinator goes by.
    pub(super) fn begin_rosters(&mut self) -> Result<(), Fault> {
        if self.rosters.chain.in_force().is_none() {
            let entry = Entry::from(&self.roster);
            self.outbox.put([(SEATED.to_owned(), entry.hash().0.to_vec())]);
            self.log_roster_entry(entry);
        }
        self.membership.seat(&self.roster)?;
        self.expect_joining();
        Ok(())
    }

    fn log_roster_entry(&mut self, entry: Entry) -> Step {
        let step = self.rosters.chain.read(&entry);
        self.outbox.log(&[entry]);
        step
    }

    /// The roster that is logged and not in force yet.
    fn coming(&self) -> Option<&Roster> {
        self.rosters
            .chain
            .in_force()
            .filter(|roster| **roster != self.roster)
    }

    /// True while a roster is logged that some bank has not pinned: nothing new begins.
    pub(super) fn is_changing(&self) -> bool {
        self.coming().is_some()
    }

    /// True while the change waits for somebody whose coming is no input of the engine.
    pub(super) fn waits_at_the_door(&self) -> bool {
        self.round.is_none() && self.rosters.chain.is_approved()
    }

    /// One step of a change, if it has come so far.
    pub(super) fn change_roster(&mut self) -> Result<(), Fault> {
        if let Some(roster) = self.coming().cloned() {
            return if self.not_pinned(&roster).is_empty() {
                self.go_by(roster)
            } else {
                Ok(())
            };
        }
        let waits = !self.away().is_empty() || self.witnesses_missing() > 0;
        if self.round.is_some() || !self.rosters.chain.is_approved() || waits {
            return Ok(());
        }
        let Some(roster) = self.rosters.chain.proposal().map(|open| open.roster.clone()) else {
            return Ok(());
        };
        tracing::info!(
            "the roster changes: {} banks have approved it; each pins it before the next round",
            self.roster.banks().len()
        );
        self.set_up = None;
        self.set_up_until = None;
        self.held_up = None;
        self.ahead = None;
        self.assembled = None;
        self.rosters.pinned.clear();
        self.log_roster_entry(Entry::from(&roster));
        self.expect_joining();
        Ok(())
    }

    /// Banks that stay and have not pinned the coming roster.
    fn not_pinned(&self, coming: &Roster) -> Vec<BankIndex> {
        let stayers = self.roster.banks().iter().filter(|bank| stays(bank, coming));
        stayers
            .map(|bank| bank.index)
            .filter(|bank| !self.rosters.pinned.contains(bank))
            .collect()
    }

    /// Names of the banks of the proposed roster that are not there.
    fn away(&self) -> Vec<String> {
        let Some(open) = self.rosters.chain.proposal() else {
            return Vec::new();
        };
        let is_here = |bank: &&RosterEntry| match self.roster.named(&bank.name) {
            Some(now) => self.sessions.is_up(now.index),
            None => self.membership.is_here(bank),
        };
        let away = open.roster.banks().iter().filter(|bank| !is_here(bank));
        away.map(|bank| bank.name.clone()).collect()
    }

    /// How many more of the present banks must be there to cosign the change.
    fn witnesses_missing(&self) -> usize {
        let needed = thresholds(&self.roster).map_or(usize::MAX, |it| usize::from(it.threshold));
        needed.saturating_sub(self.sessions.banks().count())
    }

    /// The coordinator goes by the roster that every bank has pinned.
    fn go_by(&mut self, roster: Roster) -> Result<(), Fault> {
        // What is still to be said belongs to the sessions of the roster before.
        self.settle()?;
        self.outbox.put([(SEATED.to_owned(), roster.hash().0.to_vec())]);
        self.outbox.delete([epochs::ARMED.to_owned()]);
        self.settle()?;
        self.armed = None;
        self.membership.seat(&roster)?;
        self.sessions = Sessions::default();
        self.witnessing = Witnessing::new(&roster, self.ledger.published(), self.ledger.log_size())?;
        self.roster = roster;
        self.rosters.refused.clear();
        self.rosters.pinned.clear();
        self.expect_joining();
        tracing::info!(
            "the roster of {} banks is in force; they connect again and agree on new keys",
            self.roster.banks().len()
        );
        Ok(())
    }

    /// Who joins is told at the door what it waits for.
    fn expect_joining(&self) {
        let coming = self.coming();
        let open = self.rosters.chain.proposal();
        let next = coming.or(open.map(|open| &open.roster));
        let joining: Vec<RosterEntry> = next.map_or_else(Vec::new, |next| {
            RosterChange::new(&self.roster, next).joins().cloned().collect()
        });
        self.membership
            .expect(&joining, &self.roster_line().unwrap_or_default());
    }

    /// What the change that is under way waits for, in words; `None` if there is none.
    pub(super) fn roster_line(&self) -> Option<String> {
        if let Some(coming) = self.coming() {
            let names = self.names(&self.not_pinned(coming));
            return Some(format!(
                "the roster changes to {} banks; waiting until {} have pinned it",
                coming.banks().len(),
                names.join(", ")
            ));
        }
        let open = self.rosters.chain.proposal()?;
        let banks = open.roster.banks().len();
        let missing = self.names(&self.rosters.chain.missing());
        let leavers = self.rosters.chain.missing_of_leavers();
        let mut waits = Vec::new();
        if !missing.is_empty() {
            waits.push(format!("the approval of {}", missing.join(", ")));
        }
        if leavers > 0 {
            waits.push(format!("the approval of {leavers} more of the banks that leave"));
        }
        if waits.is_empty() {
            let away = self.away();
            if !away.is_empty() {
                waits.push(format!("{} to be there", away.join(", ")));
            }
            let missing = self.witnesses_missing();
            if missing > 0 {
                waits.push(format!("{missing} more of the present banks to be there"));
            }
        }
        if waits.is_empty() {
            waits.push("the end of the round".to_owned());
        }
        Some(format!(
            "a roster of {banks} banks is proposed and not in force yet; it waits for {}",
            waits.join(" and ")
        ))
    }

    /// Proposes the roster in force without some banks and with others behind those that stay.
    pub(super) fn propose_roster(
        &mut self,
        add: Vec<RosterEntry>,
        remove: &[String],
    ) -> Result<RosterView, String> {
        if self.is_changing() {
            return Err("another change is coming into force; wait for its end".to_owned());
        }
        if self.rosters.chain.proposal().is_some() {
            return Err("another change is proposed; withdraw it first with `roster withdraw`".to_owned());
        }
        if let Some(unknown) = remove.iter().find(|name| self.roster.named(name).is_none()) {
            return Err(format!(
                "bank {unknown:?} is not in the roster; `roster show` lists the banks"
            ));
        }
        let kept = self.roster.banks().iter();
        let kept = kept.filter(|bank| !remove.contains(&bank.name)).cloned();
        let numbered = |(position, bank): (u16, RosterEntry)| {
            let index = BankIndex::new(position).ok_or("too many banks")?;
            Ok(RosterEntry { index, ..bank })
        };
        let banks: Vec<RosterEntry> = (1..)
            .zip(kept.chain(add))
            .map(numbered)
            .collect::<Result<_, &str>>()?;
        let (sequence, previous) = (self.rosters.chain.next_sequence(), self.roster.hash());
        self.rosters.chain.check(sequence, previous, &banks)?;
        self.rosters.refused.clear();
        self.log_roster_entry(Entry::RosterProposal {
            sequence,
            previous,
            banks,
        });
        self.expect_joining();
        tracing::info!(
            "a change of the roster is proposed; each bank's operator approves it with `veilsum-client roster approve`"
        );
        Ok(self.roster_view())
    }

    /// Withdraws the proposal.
    pub(super) fn withdraw_roster(&mut self) -> Result<RosterView, String> {
        let Some(proposal) = self.rosters.chain.proposal().map(|open| open.hash) else {
            return Err(match self.is_changing() {
                true => "the change is approved and logged; propose another one that undoes it".to_owned(),
                false => "no change is proposed".to_owned(),
            });
        };
        self.rosters.refused.clear();
        self.log_roster_entry(Entry::RosterWithdrawal { proposal });
        self.expect_joining();
        tracing::info!("the proposed change of the roster is withdrawn");
        Ok(self.roster_view())
    }

    /// A bank's operator approved the proposal.
    pub(super) fn roster_approval(&mut self, bank: BankIndex, approval: &Signed<RosterApproval>) {
        if self.is_changing() {
            // It has what it takes, and this bank says again what counts already.
            return;
        }
        if approval.claim().bank != bank {
            self.reject(
                bank,
                Rejection::new(Check::Signature, "under another bank's approval"),
            );
            return;
        }
        let entry = Entry::RosterApproval {
            proposal: approval.claim().proposal,
            bank,
            signature: approval.signature(),
        };
        match self.rosters.chain.read(&entry) {
            Step::Approved(_) => {
                self.rosters.refused.remove(&bank);
                self.outbox.log(&[entry]);
                self.expect_joining();
                let line = self.roster_line().unwrap_or_default();
                tracing::info!("{} approved the change of the roster; {line}", self.name(bank));
            }
            Step::Refused(problem) => {
                self.reject(bank, Rejection::new(Check::RosterUnapproved, problem));
            }
            _ => {}
        }
    }

    pub(super) fn roster_refusal(&mut self, bank: BankIndex, proposal: Digest) {
        let open = self.rosters.chain.proposal();
        let counts = open.is_some_and(|open| open.hash == proposal && !open.approved.contains(&bank));
        if counts && self.rosters.refused.insert(bank) {
            tracing::warn!("{} refused the change of the roster", self.name(bank));
        }
    }

    pub(super) fn roster_pinned(&mut self, bank: BankIndex, roster: Digest) {
        if self.coming().is_some_and(|coming| coming.hash() == roster) {
            self.rosters.pinned.insert(bank);
        }
    }

    /// The change that is under way, for the status.
    pub(super) fn proposal_line(&self) -> Option<ProposalLine> {
        let open = self.rosters.chain.proposal();
        let next = self.coming().or(open.map(|open| &open.roster))?;
        let change = RosterChange::new(&self.roster, next);
        let (mut approved, mut refused, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        // Once it is logged nobody is asked any more.
        for bank in self.roster.banks().iter().filter(|_| open.is_some()) {
            let list = if open.is_some_and(|open| open.approved.contains(&bank.index)) {
                &mut approved
            } else if self.rosters.refused.contains(&bank.index) {
                &mut refused
            } else {
                &mut silent
            };
            list.push(bank.name.clone());
        }
        Some(ProposalLine {
            proposal: open.map(|open| open.hash),
            banks: next.banks().len(),
            joins: change.joins().map(Member::from).collect(),
            leaves: change.leaves().map(|bank| bank.name.clone()).collect(),
            approved,
            refused,
            silent,
            waits_for: self.roster_line().unwrap_or_default(),
        })
    }

    /// The roster and the change that is under way, for the operator.
    pub(super) fn roster_view(&self) -> RosterView {
        let open = self.rosters.chain.proposal();
        let coming = self.coming();
        let next = coming.or(open.map(|open| &open.roster));
        let approved = open.map_or_else(Vec::new, |open| {
            self.names(&open.approved.iter().copied().collect::<Vec<_>>())
        });
        let proposal = next.map(|next| {
            let change = RosterChange::new(&self.roster, next);
            ProposalView {
                proposal: open.map(|open| open.hash),
                roster: next.hash(),
                joins: change.joins().map(Member::from).collect(),
                leaves: change.leaves().map(|bank| bank.name.clone()).collect(),
                approved,
                refused: self.names(&self.rosters.refused.iter().copied().collect::<Vec<_>>()),
                waits_for: self.roster_line().unwrap_or_default(),
                text: change.describe(),
                banks: next.banks().iter().map(Into::into).collect(),
            }
        });
        RosterView {
            consortium: self.roster.consortium().to_owned(),
            roster: self.roster.hash(),
            banks: self.roster.banks().iter().map(Member::from).collect(),
            thresholds: thresholds(&self.roster),
            proposal,
        }
    }
}
