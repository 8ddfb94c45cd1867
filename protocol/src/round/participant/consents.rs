//! The bank's word on tasks: an approval, which the log keeps, and a refusal, which is said on every connection and kept by nobody.
//!
//! A refusal after an approval takes nothing back: what was signed stands. The bank stays out of the rounds that follow, and says so.

use crate::ids::Digest;
use crate::round::participant::{Action, Participant, send};
use crate::wire::message::ToCoordinator;
use crate::wire::refusal::{Refusal, RefusalReason};
use crate::wire::signed::Signed;
use crate::wire::statement::Approval;

impl Participant {
    /// True if the operator approved `task`, whatever was said since.
    pub fn is_approved(&self, task: &Digest) -> bool {
        self.approved.contains(task)
    }

    /// Why this bank refuses `task`; `None` if it does not. Not part of a snapshot: whoever runs the machine tells it again after a restart.
    pub fn refusal(&self, task: &Digest) -> Option<RefusalReason> {
        self.refused.get(task).copied()
    }

    pub(super) fn approve(&mut self, task: Digest) -> Vec<Action> {
        self.refused.remove(&task);
        self.approved.insert(task);
        vec![
            Action::Persist,
            send(ToCoordinator::Approval(self.approval(task))),
        ]
    }

    pub(super) fn refuse_task(&mut self, task: Digest, reason: RefusalReason) -> Vec<Action> {
        self.refused.insert(task, reason);
        vec![send(ToCoordinator::Refusal(self.signed_refusal(task, reason)))]
    }

    /// Nothing is sent: the coordinator forgets refusals with the connection.
    pub(super) fn reconsider(&mut self, task: Digest) -> Vec<Action> {
        self.refused.remove(&task);
        Vec::new()
    }

    /// What the coordinator may not have heard when the connection is new. Of a task that is refused now no approval is said again.
    pub(super) fn consents(&self) -> Vec<ToCoordinator> {
        let approved = self
            .approved
            .iter()
            .filter(|task| !self.refused.contains_key(task));
        let approvals = approved.map(|task| ToCoordinator::Approval(self.approval(*task)));
        let refused = self.refused.iter();
        let refusals =
            refused.map(|(task, reason)| ToCoordinator::Refusal(self.signed_refusal(*task, *reason)));
        approvals.chain(refusals).collect()
    }

    pub(super) fn approval(&self, task: Digest) -> Signed<Approval> {
        Signed::sign(&self.key, Approval { task, bank: self.me })
    }

    fn signed_refusal(&self, task: Digest, reason: RefusalReason) -> Signed<Refusal> {
        let bank = self.me;
        Signed::sign(&self.key, Refusal { task, bank, reason })
    }
}
