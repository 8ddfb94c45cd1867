//! When a phase has what it needs, or has waited long enough.

use crate::ids::{BankIndex, Millis};
use crate::log::entry::{AbortReason, Entry, RoundOpen};
use crate::round::coordinator::complaints::{complaints_told, without_complaints};
use crate::round::coordinator::{Action, CoordinatorRound, Phase};
use crate::round::record::{Form, Record};
use crate::round::recover::Recovery;
use crate::secagg::ring::Ring;
use crate::wire::canonical::Canonical;

impl CoordinatorRound {
    /// Moves on when the phase has what it needs, or has waited long enough.
    pub(super) fn advance(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        let expired = self.deadline().is_some_and(|deadline| deadline <= now);
        let grace = self.plan.limits.reconnect_grace_s;
        let is_gone = |bank: &BankIndex| {
            self.lost
                .get(bank)
                .is_some_and(|at| at.plus_seconds(grace) <= now)
        };
        let settled = self.waiting_for().iter().all(is_gone);
        let least = self.least();
        // Without enough banks the phase waits for more until its end, even when all who are connected have answered.
        let enough = |count: usize| expired || (settled && count >= least);
        match self.phase {
            Phase::Prepare if enough(self.bundles.len()) => {
                if self.bundles.len() < least {
                    return self.abort(AbortReason::TooFewPrepared);
                }
                actions.extend(self.open(now));
            }
            Phase::Ready if enough(self.ready.len()) => {
                let cohort = without_complaints(&self.ready, least);
                actions.extend(complaints_told(&self.ready, &cohort).map(Action::Notice));
                if cohort.len() < least {
                    actions.extend(self.abort(AbortReason::TooFewReady));
                    return actions;
                }
                let entry = Entry::Cohort {
                    round: self.plan.round,
                    banks: cohort.clone(),
                };
                actions.push(self.accept(
                    Record::Cohort {
                        banks: cohort,
                        at: now,
                    },
                    vec![entry],
                ));
            }
            Phase::Collect if enough(self.masked.len()) => {
                if self.masked.len() < least {
                    return self.abort(AbortReason::TooFewUpdates);
                }
                let entry = Entry::Survivors {
                    round: self.plan.round,
                    list: self.survivor_list(),
                };
                actions.push(self.accept(Record::Survivors { at: now }, vec![entry]));
            }
            // Not where the last signature is accepted: a restart may come between that record and this one.
            Phase::Confirm if self.confirmed.len() >= usize::from(self.plan.thresholds.threshold) => {
                let entry = Entry::Certificate {
                    round: self.plan.round,
                    signatures: self
                        .confirmed
                        .iter()
                        .map(|(bank, signature)| (*bank, *signature))
                        .collect(),
                };
                actions.push(self.accept(Record::Certified { at: now }, vec![entry]));
            }
            Phase::Confirm if expired => return self.abort(AbortReason::TooFewConfirmations),
            Phase::Unmask => actions.extend(self.recover(expired)),
            Phase::Publish if expired || settled => actions.extend(self.finish()),
            _ => {}
        }
        actions
    }

    fn open(&mut self, now: Millis) -> Vec<Action> {
        let bundles = self
            .bundles
            .iter()
            .map(|(bank, bundle)| (*bank, bundle.header.hash()))
            .collect();
        let manifest = Entry::PrepareManifest {
            epoch: self.plan.epoch,
            round: self.plan.round,
            bundles,
        };
        let ring = Ring::for_sum(self.plan.thresholds.banks, self.plan.digit_bits);
        let open = RoundOpen {
            epoch: self.plan.epoch,
            round: self.plan.round,
            task: self.plan.task,
            kind: self.plan.kind,
            step: self.plan.step,
            attempt: self.plan.attempt,
            state: self.plan.state,
            last_result: self.plan.last_result,
            layout: self.plan.layout,
            directory: self.plan.directory,
            manifest: manifest.hash(),
            thresholds: self.plan.thresholds,
            digit_bits: self.plan.digit_bits,
            ring_bits: ring.map_or(0, Ring::bits),
            opened_at: now.timestamp(),
            ready_until: now.plus_seconds(self.plan.limits.ready_s).timestamp(),
        };
        let entries = vec![manifest, Entry::RoundOpen(open.clone())];
        let mut actions = vec![self.accept(
            Record::Opened {
                open: Form(open),
                at: now,
            },
            entries,
        )];
        actions.extend(
            self.bundles
                .keys()
                .map(|bank| Action::Send(*bank, self.deliveries(*bank))),
        );
        actions
    }

    /// Recovers when `t` banks have released. That runs once, where the last of them is accepted or at the first event after a
    /// restart: either way the phase is over.
    fn recover(&mut self, expired: bool) -> Vec<Action> {
        let threshold = usize::from(self.plan.thresholds.threshold);
        let (Some(open), Some(context)) = (&self.open, self.context()) else {
            return Vec::new();
        };
        if self.releases.len() < threshold {
            return if expired {
                self.abort(AbortReason::TooFewShares)
            } else {
                Vec::new()
            };
        }
        let survivors = self.masked.keys().copied().collect();
        let recovery = Recovery {
            open,
            context,
            cohort: &self.cohort,
            survivors: &survivors,
            bundles: &self.bundles,
            releases: &self.releases,
        };
        match recovery.run() {
            Ok(masks) => {
                self.phase = Phase::Sum;
                vec![Action::Sum(self.survivor_list(), masks)]
            }
            Err(rejection) => {
                let mut actions = vec![Action::Notice(rejection.to_string())];
                actions.extend(self.abort(AbortReason::BadShares));
                actions
            }
        }
    }

    fn finish(&mut self) -> Vec<Action> {
        let Some(next) = self.result.as_ref().map(|result| result.next_state) else {
            return Vec::new();
        };
        vec![
            self.accept(Record::Closed(None), Vec::new()),
            Action::Close(Ok(next)),
        ]
    }

    /// Ends the round without a result; a published one is finished instead.
    pub(super) fn abort(&mut self, reason: AbortReason) -> Vec<Action> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        if self.result.is_some() {
            return self.finish();
        }
        let after_release = self.phase >= Phase::Unmask;
        let entry = Entry::Abort {
            round: self.plan.round,
            reason,
            after_release,
        };
        vec![
            self.accept(Record::Closed(Some(reason)), vec![entry]),
            Action::Close(Err(reason)),
        ]
    }
}
