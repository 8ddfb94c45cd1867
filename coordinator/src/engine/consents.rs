//! The banks' word on tasks: approvals, which the log keeps, and refusals, which each bank says again on every connection and nobody keeps.
//!
//! Nothing rests on a refusal but whom a round waits for: a bank that refuses takes part in none, whether the coordinator heard of it or not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::Rejection;
use veilsum_protocol::wire::refusal::{Refusal, RefusalReason};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::Approval;

use super::driver::Engine;
use super::ports::{Fault, Ledger};
use super::tasks::TaskRecord;

/// A bank that refuses a task now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBy {
    /// Its name.
    pub bank: String,
    /// Why, in general words; the bank says no more.
    pub reason: RefusalReason,
}

impl RefusedBy {
    /// In words.
    pub fn words(&self) -> String {
        format!("{} refused it ({})", self.bank, self.reason.words())
    }
}

/// Several in one line; empty for none.
pub fn refusals_in_words(refused: &[RefusedBy]) -> String {
    let words: Vec<String> = refused.iter().map(RefusedBy::words).collect();
    words.join(", ")
}

/// Who refuses what, since the banks' last connections.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<Digest, BTreeMap<String, RefusalReason>>);

impl Refusals {
    /// False if the bank said the same before.
    fn said(&mut self, task: Digest, bank: &str, reason: RefusalReason) -> bool {
        self.0.entry(task).or_default().insert(bank.to_owned(), reason) != Some(reason)
    }

    /// True if the bank refused the task until now.
    fn taken_back(&mut self, task: &Digest, bank: &str) -> bool {
        self.0
            .get_mut(task)
            .is_some_and(|banks| banks.remove(bank).is_some())
    }

    /// The bank says all of it again.
    pub(super) fn forget(&mut self, bank: &str) {
        for banks in self.0.values_mut() {
            banks.remove(bank);
        }
    }

    /// Whether the bank refuses the task.
    pub(super) fn has(&self, task: &Digest, bank: &str) -> bool {
        self.0.get(task).is_some_and(|banks| banks.contains_key(bank))
    }
}

impl<L: Ledger> Engine<L> {
    /// A bank's operator approved a task.
    pub(super) fn approval(&mut self, bank: BankIndex, approval: &Signed<Approval>) -> Result<(), Fault> {
        let Some((name, key)) = self.signer(bank) else {
            return Ok(());
        };
        let Some(body) = approval.open(&key).filter(|body| body.bank == bank).copied() else {
            self.reject(bank, Rejection::new(Check::Signature, "under the approval"));
            return Ok(());
        };
        let Some(task) = self.tasks.by_hash(&body.task) else {
            self.reject(
                bank,
                Rejection::new(Check::TaskNotApproved, "the approved task is not known here"),
            );
            return Ok(());
        };
        let was_refused = self.refusals.taken_back(&body.task, &name);
        if !task.record.approved.insert(name.clone()) {
            if was_refused {
                tracing::info!("{name} refuses task {} no more", task.record.name);
            }
            return Ok(());
        }
        tracing::info!("{name} approved task {}", task.record.name);
        let put = task.record.put()?;
        let entry = Entry::TaskApproval {
            task: body.task,
            bank,
            signature: approval.signature(),
        };
        self.outbox.put([put]);
        self.outbox.log(&[entry]);
        Ok(())
    }

    /// A bank refuses a task, also one that it approved before.
    pub(super) fn refusal(&mut self, bank: BankIndex, refusal: &Signed<Refusal>) {
        let Some((name, key)) = self.signer(bank) else {
            return;
        };
        let Some(body) = refusal.open(&key).filter(|body| body.bank == bank).copied() else {
            self.reject(bank, Rejection::new(Check::Signature, "under the refusal"));
            return;
        };
        let Some(task) = self.tasks.by_hash(&body.task) else {
            self.reject(
                bank,
                Rejection::new(Check::TaskNotApproved, "the refused task is not known here"),
            );
            return;
        };
        // Nothing is waited for any more.
        if task.record.status.is_over() {
            return;
        }
        let task_name = task.record.name.clone();
        if self.refusals.said(body.task, &name, body.reason) {
            tracing::warn!("{name} refused task {task_name}: {}", body.reason.words());
        }
    }

    /// Name and key of who signs as a position. A bank that has pinned the coming roster signs as a position of that one, and says all of it again
    /// when that goes.
    fn signer(&self, bank: BankIndex) -> Option<(String, VerifyingKey)> {
        let entry = self.roster.bank(bank).filter(|_| !self.is_changing())?;
        Some((entry.name.clone(), VerifyingKey(entry.signing_key)))
    }

    /// Whether a bank takes part in a task's rounds, as far as it said.
    pub(super) fn takes_part(&self, record: &TaskRecord, bank: &str) -> bool {
        record.approved.contains(bank) && !self.refusals.has(&record.task, bank)
    }

    /// The banks of the roster that refuse a task now, by position.
    pub(super) fn refused_by(&self, record: &TaskRecord) -> Vec<RefusedBy> {
        if record.status.is_over() {
            return Vec::new();
        }
        let Some(reasons) = self.refusals.0.get(&record.task) else {
            return Vec::new();
        };
        let banks = self.roster.banks().iter();
        banks
            .filter_map(|bank| {
                let reason = *reasons.get(&bank.name)?;
                Some(RefusedBy {
                    bank: bank.name.clone(),
                    reason,
                })
            })
            .collect()
    }

    /// The banks of the roster that have neither approved nor refused a task, by position.
    pub(super) fn silent_on(&self, record: &TaskRecord) -> Vec<String> {
        let said: BTreeSet<&str> = self
            .refusals
            .0
            .get(&record.task)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .chain(&record.approved)
            .map(String::as_str)
            .collect();
        let banks = self.roster.banks().iter();
        let silent = banks.filter(|bank| !said.contains(bank.name.as_str()));
        silent.map(|bank| bank.name.clone()).collect()
    }

    /// True if so many banks refuse a task that the others are too few for any round of it.
    pub(super) fn is_out_of_reach(&self, record: &TaskRecord) -> bool {
        let left = self.roster.banks().len() - self.refused_by(record).len();
        self.thresholds()
            .is_ok_and(|thresholds| left < usize::from(thresholds.min_survivors))
    }
}
