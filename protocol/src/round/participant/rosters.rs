//! Changes of the roster: the operator's word on a proposal, and the approved roster that takes the place of the pinned one.
//!
//! A bank goes by no roster that its operator did not see. It pins the first from its own file; every later one follows by a change that it finds
//! approved in the log, by itself among others, for a bank that stays has to approve. Nobody but its operator makes it sign that.

use crate::ids::{BankIndex, Digest};
use crate::log::cosignature::Witnesses;
use crate::log::entry::Entry;
use crate::log::roster_chain::{Proposal, Step};
use crate::roster::Roster;
use crate::round::checks::Check;
use crate::round::params::{ThresholdError, Thresholds};
use crate::round::participant::{Action, Notice, Participant, send};
use crate::wire::message::{Rejection, ToCoordinator};
use crate::wire::signed::Signed;
use crate::wire::statement::RosterApproval;

impl Participant {
    /// This bank's position in the pinned roster.
    pub fn bank(&self) -> BankIndex {
        self.me
    }

    /// The numbers that the pinned roster's rounds rest on.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// The pinned roster.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// True if the pinned roster is the last one in the log.
    pub fn is_in_force(&self) -> bool {
        self.is_pinned_in_force()
    }

    /// The change that is proposed in the log, as far as this bank has read it.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.chain.proposal()
    }

    /// True if this bank has approved the proposal with this hash, which is open.
    pub fn has_approved(&self, proposal: &Digest) -> bool {
        self.consent == Some(*proposal)
    }

    /// Positions under which the coordinator may know this bank: while a change comes into force it goes by the old roster still.
    pub fn positions(&self) -> Vec<BankIndex> {
        let before = self.followed.as_ref().and_then(|roster| self.position_in(roster));
        std::iter::once(self.me).chain(before).collect()
    }

    /// Goes by this roster, which has this bank at the position.
    pub(in crate::round) fn go_by(&mut self, roster: Roster, me: BankIndex) -> Result<(), ThresholdError> {
        let banks = u16::try_from(roster.banks().len()).map_err(|_| ThresholdError::Banks(u16::MAX))?;
        self.thresholds = Thresholds::with_most_colluders(banks)?;
        self.witnesses = Witnesses::of(&roster);
        self.roster_hash = roster.hash();
        self.roster = roster;
        self.me = me;
        Ok(())
    }

    /// A new roster needs new keys, and ends the rounds of the old one. What the bank has seen, approved, derived and released stays; what it
    /// signed as a position of the old roster does not.
    pub(in crate::round) fn forget_epochs(&mut self) {
        self.epochs = std::mem::take(&mut self.epochs).forgotten();
        self.active = None;
        self.ahead.clear();
        self.derived = None;
        self.early_directory = None;
    }

    pub(in crate::round) fn position_in(&self, roster: &Roster) -> Option<BankIndex> {
        let key = self.key.verifying_key().0;
        let own = roster.banks().iter().find(|bank| bank.signing_key == key);
        own.map(|bank| bank.index)
    }

    pub(super) fn is_pinned_in_force(&self) -> bool {
        self.chain.in_force() == Some(&self.roster)
    }

    /// The operator's yes. It is said once the proposal is the open one of the roster that this bank goes by, and to no other.
    pub(super) fn approve_roster(&mut self, proposal: Digest) -> Vec<Action> {
        let Some(approval) = self.roster_approval(proposal) else {
            return vec![Action::Notice(Notice::RosterNotProposed(proposal))];
        };
        self.consent = Some(proposal);
        vec![Action::Persist, send(ToCoordinator::RosterApproval(approval))]
    }

    pub(super) fn refuse_roster(&mut self, proposal: Digest) -> Vec<Action> {
        let is_open = self.chain.proposal().is_some_and(|open| open.hash == proposal);
        // What was signed cannot be taken back.
        if !is_open || self.has_approved(&proposal) {
            return vec![Action::Notice(Notice::RosterNotProposed(proposal))];
        }
        vec![send(ToCoordinator::RosterRefusal { proposal })]
    }

    fn roster_approval(&self, proposal: Digest) -> Option<Signed<RosterApproval>> {
        let is_open = self.chain.proposal().is_some_and(|open| open.hash == proposal);
        let statement = RosterApproval {
            proposal,
            bank: self.me,
        };
        (is_open && self.is_pinned_in_force()).then(|| Signed::sign(&self.key, statement))
    }

    /// What the coordinator may be waiting for when the connection is new.
    pub(super) fn roster_messages(&self) -> Vec<ToCoordinator> {
        let approval = self.consent.and_then(|proposal| self.roster_approval(proposal));
        let approval = approval.map(ToCoordinator::RosterApproval);
        let pinned = self.followed.is_some().then_some(ToCoordinator::RosterPinned {
            roster: self.roster_hash,
        });
        approval.into_iter().chain(pinned).collect()
    }

    pub(super) fn own_roster_approval(&self) -> Option<Entry> {
        let approval = self.roster_approval(self.consent?)?;
        Some(Entry::RosterApproval {
            proposal: approval.claim().proposal,
            bank: approval.claim().bank,
            signature: approval.signature(),
        })
    }

    /// The bank's own files name the pinned roster, also if a crash came before they did.
    pub(super) fn pin_again(&self) -> Vec<Action> {
        let followed = self.followed.is_some();
        followed
            .then(|| Action::Pin(Box::new(self.roster.clone())))
            .into_iter()
            .collect()
    }

    pub(super) fn roster_entry(&mut self, entry: &Entry) -> Vec<Action> {
        let was_pinned = self.is_pinned_in_force();
        let before = self.chain.proposal().map(|open| open.hash);
        let step = self.chain.read(entry);
        // Rosters before the pinned one are history, and no news for the operator.
        if !was_pinned {
            return Vec::new();
        }
        match step {
            Step::None | Step::First | Step::Approved(_) => Vec::new(),
            Step::Proposed => {
                let replaced = before.map(|before| Action::Notice(Notice::RosterWithdrawn(before)));
                let proposed = self
                    .chain
                    .proposal()
                    .map(|open| Notice::RosterProposed(open.hash));
                replaced.into_iter().chain(proposed.map(Action::Notice)).collect()
            }
            Step::Withdrawn(proposal) => vec![Action::Notice(Notice::RosterWithdrawn(proposal))],
            Step::Refused(problem) => self.refuse(Rejection::new(Check::RosterUnapproved, problem), None),
            Step::Changed(before) => self.changed(*before),
            Step::Unapproved(_, missing) => {
                let mut actions = self.close(self.last_round);
                actions.push(Action::Persist);
                let detail = format!(
                    "{missing}; this bank keeps out of it. Ask the other banks whether they approved it"
                );
                actions.extend(self.refuse(Rejection::new(Check::RosterUnapproved, detail), None));
                actions
            }
        }
    }

    /// An approved roster follows the pinned one. This bank is among those that approved it, or leaves.
    fn changed(&mut self, before: Roster) -> Vec<Action> {
        let mut actions = self.end_all();
        let roster = self.chain.in_force().cloned();
        let place = roster.and_then(|roster| Some((self.position_in(&roster)?, roster)));
        let Some((me, roster)) = place else {
            actions.extend([Action::Persist, Action::Notice(Notice::RosterLeft)]);
            return actions;
        };
        if self.go_by(roster.clone(), me).is_err() {
            // Its size was checked when it was proposed.
            return actions;
        }
        self.forget_epochs();
        self.followed = Some(before);
        self.consent = None;
        actions.push(Action::Persist);
        actions.push(Action::Pin(Box::new(roster)));
        actions.extend(self.roster_messages().into_iter().map(send));
        actions.push(Action::Notice(Notice::RosterChanged(me)));
        actions
    }

    /// Ends every round that this bank holds something of.
    fn end_all(&mut self) -> Vec<Action> {
        // A round that is only prepared ahead has no files, and its number may be used again under other keys.
        let begun = self.active.as_ref().map(|slot| slot.round);
        let begun = begun.filter(|round| *round <= self.last_round);
        self.active = None;
        self.ahead.clear();
        begun.into_iter().map(Action::Close).collect()
    }
}
