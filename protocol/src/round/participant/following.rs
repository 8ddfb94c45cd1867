//! The log on its way to the machine: what is shown is checked and cosigned, and acted on when enough banks have seen the same.

use crate::ids::{BankIndex, Digest, Timestamp};
use crate::log::cosignature::Cosignature;
use crate::log::entry::Entry;
use crate::log::follower::{FollowError, Released};
use crate::log::leaf_hash;
use crate::round::checks::Check;
use crate::wire::canonical::Canonical;
use crate::wire::message::{Extension, Rejection, ToCoordinator};

use super::{Action, Participant, send};
use crate::round::active::Standing;

impl Participant {
    /// Checks an extension of the log and cosigns the head that it leads to, at `time`: that this bank has seen it, and none that
    /// contradicts it, is durable before it says so (C2SP `tlog-witness`). The entries stay here until [`Participant::witnessed`].
    ///
    /// # Errors
    /// If it is not a continuation of the log that this bank follows (C-601). Where two signed heads contradict each other, both are in
    /// [`FollowError::evidence`], to be kept.
    pub fn verify_log(&mut self, extension: &Extension, time: Timestamp) -> Result<Vec<Action>, FollowError> {
        let Some(head) = self.follower.verify(extension)? else {
            return Ok(Vec::new());
        };
        let cosignature = ToCoordinator::Cosignature {
            size: head.checkpoint().size,
            cosignature: Cosignature::sign(&self.witness_key, head.note().text(), time),
        };
        // The confirmation first: with the last cosignature the coordinator has the last confirmation too.
        let confirmation = self.confirm_shown();
        let actions = std::iter::once(Action::Persist).chain(confirmation);
        Ok(actions.chain([send(cosignature)]).collect())
    }

    /// Confirms the round's first list of survivors with the cosignature of the head that shows it, if everything before it is acted on. A
    /// confirmation holds for the list and its context, whatever log it stands in; no share leaves before the list itself is acted on. What is
    /// wrong with a list is told when it is acted on, so a head that too few see costs no round.
    fn confirm_shown(&mut self) -> Option<Action> {
        let Some(Entry::Survivors { round, list }) = self.follower.shown() else {
            return None;
        };
        let watch = self.watch.as_ref().filter(|watch| watch.open().round == *round)?;
        let is_first = watch.survivors().is_none();
        let active = self.active.as_mut().filter(|active| active.round == *round)?;
        match active.accept_survivors(&standing!(self), &self.released, list, is_first) {
            Ok(true) => self.confirm(self.active.as_ref()?),
            Ok(false) | Err(_) => None,
        }
    }

    /// The cosignatures of other banks under a head that was shown here. With enough of them the caller hands the entries to
    /// [`Participant::handle`], in order and behind those that it still has, and keeps the receipts; after a reconnection some entries
    /// may come again, which changes nothing.
    ///
    /// # Errors
    /// What to do if they are too few, or are for a head that was not shown here (C-602).
    pub fn witnessed(
        &mut self,
        size: u64,
        cosignatures: &[(BankIndex, Cosignature)],
    ) -> Result<Released, Vec<Action>> {
        let own = self.own_entries().into_iter().map(|entry| {
            let bytes = entry.to_bytes();
            (leaf_hash(&bytes), bytes)
        });
        let needed = usize::from(self.thresholds.threshold);
        self.follower
            .witnessed(size, cosignatures, &self.witnesses, needed, &own.collect())
            .map_err(|error| self.refuse(Rejection::new(Check::Witnesses, error.to_string()), None))
    }

    /// The entries that the log should hold of what this bank said last.
    fn own_entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .approved
            .iter()
            .map(|task| Entry::TaskApproval {
                task: *task,
                bank: self.me,
                signature: self.approval(*task).signature(),
            })
            .collect();
        entries.extend(self.derived.map(|derived| Entry::Ack {
            round: derived.claim().round,
            bank: self.me,
            state: derived.claim().state,
            signature: derived.signature(),
        }));
        entries.extend(self.own_roster_approval());
        if let Some(active) = &self.active {
            entries.extend(active.trailer.map(|trailer| Entry::Masked {
                round: active.round,
                bank: self.me,
                hash: trailer.claim().hash,
                length: trailer.claim().length,
                signature: trailer.signature(),
            }));
            entries.extend(active.release.as_ref().map(|release| Entry::Release {
                round: active.round,
                bank: self.me,
                body: Digest::of(&release.to_bytes()),
            }));
        }
        entries
    }
}
