//! What a bank does when the log says so.

use crate::crypto::entropy::Entropy;
use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Round};
use crate::log::entry::{Entry, RoundOpen, RoundResult};
use crate::round::active::{ActiveRound, Standing};
use crate::round::checks::Check;
use crate::round::params::MAX_JUMP;
use crate::round::participant::{Action, DerivedState, Notice, Participant, Progress, send};
use crate::round::watch::Watch;
use crate::wire::canonical::Canonical;
use crate::wire::message::{Rejection, ToCoordinator};
use crate::wire::outbound::OutboundUpdate;
use crate::wire::signed::Signed;
use crate::wire::statement::Derived;

impl Participant {
    pub(super) fn entry<E: Entropy>(&mut self, entry: Entry, entropy: &mut E) -> Vec<Action> {
        self.note(&entry);
        match entry {
            Entry::Roster { .. }
            | Entry::RosterProposal { .. }
            | Entry::RosterApproval { .. }
            | Entry::RosterWithdrawal { .. } => self.roster_entry(&entry),
            Entry::Task { task, .. } => vec![Action::FetchTask(task)],
            Entry::KeyDirectory { epoch, directory, .. } => {
                self.directories.insert(epoch, directory);
                // Older ones serve nobody: an epoch is set up after the last one. However many are logged, and in whatever order.
                while self.directories.len() > 2 {
                    self.directories.pop_first();
                }
                match self.early_directory.take_if(|early| early.epoch == epoch) {
                    Some(early) => self.directory(early, entropy),
                    None => Vec::new(),
                }
            }
            Entry::PrepareManifest { round, bundles, .. } => {
                let me = self.me;
                // Who refuses a task may have prepared a round of it before. It takes no part either way, and has nothing to object to.
                let is_left_out = bundles.iter().all(|(bank, _)| *bank != me);
                if is_left_out && !self.refused.is_empty() && self.in_slot(round).is_some() {
                    let mut actions = self.end(round);
                    actions.push(Action::Persist);
                    return actions;
                }
                self.in_round(round, |active| {
                    active.accept_manifest(me, &bundles).map(|()| Vec::new())
                })
            }
            Entry::RoundOpen(open) => self.round_open(open),
            Entry::Cohort { round, banks } => {
                let (me, watch) = (self.me, self.watch.as_ref());
                let is_first = watch.is_some_and(|watch| watch.is_first_cohort(&banks));
                self.in_round(round, |active| {
                    if !active.accept_cohort(me, &banks, is_first)? {
                        return Ok(Vec::new());
                    }
                    let masks = active.masks(me).map(|masks| Action::Mask(round, masks));
                    Ok(std::iter::once(Action::Persist).chain(masks).collect())
                })
            }
            Entry::Survivors { round, list } => self.survivors(round, &list),
            Entry::Certificate { round, signatures } => self.certificate(round, &signatures),
            Entry::Result(result) => self.result(result),
            Entry::Abort { round, reason, .. } => {
                let mut actions = self.close(round);
                actions.extend([Action::Persist, Action::Notice(Notice::Aborted(round, reason))]);
                actions
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn in_round(
        &mut self,
        round: Round,
        step: impl FnOnce(&mut ActiveRound) -> Result<Vec<Action>, Rejection>,
    ) -> Vec<Action> {
        let Some(active) = self.in_slot(round) else {
            return Vec::new();
        };
        match step(active) {
            Ok(actions) => actions,
            Err(rejection) => self.refuse_step(rejection, round),
        }
    }

    /// What came second leaves the first in force. Any other failure ends this bank's part in the round for good: what the
    /// coordinator shows it afterwards, in the place of the lie, gets no answer.
    fn refuse_step(&mut self, rejection: Rejection, round: Round) -> Vec<Action> {
        let came_second = matches!(
            rejection.check,
            Check::SecondCohort | Check::SecondSurvivors | Check::SecondRelease
        );
        if came_second {
            return self.refuse(rejection, Some(round));
        }
        let mut actions = self.end(round);
        actions.push(Action::Persist);
        actions.extend(self.refuse(rejection, Some(round)));
        actions
    }

    /// Follows the round, and remembers the sum that this bank's shares may open.
    fn note(&mut self, entry: &Entry) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let is_certified = watch.note(entry);
        let key = self.key.verifying_key();
        let watch = self.watch.as_ref().filter(|_| is_certified);
        // A step that does not go on from this bank's own state is none that it could be asked for again.
        let summed = watch
            .filter(|watch| self.continues(watch.open()))
            .and_then(|watch| watch.certified_with(&key.0));
        if let Some(summed) = summed {
            self.released.remember(summed);
        }
    }

    fn survivors(&mut self, round: Round, list: &[(BankIndex, Digest)]) -> Vec<Action> {
        let standing = standing!(self);
        let is_first = self.watch.as_ref().is_some_and(|watch| watch.is_first_list(list));
        let Some(active) = self.active.as_mut().filter(|active| active.round == round) else {
            return Vec::new();
        };
        match active.accept_survivors(&standing, &self.released, list, is_first) {
            Ok(false) => Vec::new(),
            Ok(true) => {
                let confirm = self.active.as_ref().and_then(|active| self.confirm(active));
                std::iter::once(Action::Persist).chain(confirm).collect()
            }
            Err(rejection) => self.refuse_step(rejection, round),
        }
    }

    fn certificate(&mut self, round: Round, signatures: &[(BankIndex, Signature)]) -> Vec<Action> {
        let standing = standing!(self);
        let watch = self.watch.as_ref().filter(|watch| watch.open().round == round);
        let listed = watch.and_then(Watch::survivors);
        let Some(active) = self.active.as_mut().filter(|active| active.round == round) else {
            return Vec::new();
        };
        match active.accept_certificate(&standing, listed, signatures) {
            Ok(false) => Vec::new(),
            Ok(true) => {
                let (release, summed) = (active.release.clone(), active.summed(&self.roster));
                if let Some(summed) = summed {
                    self.released.remember(summed);
                }
                let release = release.map(|release| send(ToCoordinator::Release { round, release }));
                std::iter::once(Action::Persist).chain(release).collect()
            }
            Err(rejection) => self.refuse_step(rejection, round),
        }
    }

    pub(super) fn confirm(&self, active: &ActiveRound) -> Option<Action> {
        let signature = self.key.sign(&active.survivor_statement()?);
        Some(send(ToCoordinator::Confirm {
            round: active.round,
            signature,
        }))
    }

    fn round_open(&mut self, open: RoundOpen) -> Vec<Action> {
        let round = open.round;
        let last = self.watch.as_ref().map_or(Round(0), |last| last.open().round);
        let reach = last.max(self.last_round).0.saturating_add(MAX_JUMP);
        if round <= last || round.0 > reach {
            let detail =
                format!("found round {round} opened after round {last}, expected a later one up to {reach}");
            return self.refuse(Rejection::new(Check::RoundNotNew, detail), Some(round));
        }
        self.watch = Some(Watch::new(open.clone(), self.chain.in_force().cloned()));
        let is_first_of_epoch = self.epochs.serves(open.epoch);
        // Every earlier round is over for good.
        let mut actions = self.end(Round(round.0.saturating_sub(1)));
        if self.active.as_ref().is_none_or(|active| active.round != round) {
            // Without this bank.
            actions.extend(self.close(round));
            actions.extend(is_first_of_epoch.then_some(Action::Persist));
            return actions;
        }
        self.last_round = self.last_round.max(round);
        actions.extend(self.opened(open));
        actions
    }

    /// The round that this bank prepared is open.
    fn opened(&mut self, open: RoundOpen) -> Vec<Action> {
        let round = open.round;
        if !self.is_pinned_in_force() {
            let detail = "the log's roster is not the one in consortium.toml";
            return self.refuse_step(Rejection::new(Check::Roster, detail), round);
        }
        if !self.approved.contains(&open.task) {
            let rejection = Rejection::new(Check::TaskNotApproved, open.task.to_hex());
            let mut actions = self.refuse_step(rejection, round);
            actions.push(Action::Notice(Notice::NotApproved(open.task)));
            return actions;
        }
        if let Err(rejection) = self.check_step(&open) {
            return self.refuse_step(rejection, round);
        }
        let Some(active) = &mut self.active else {
            return Vec::new();
        };
        let keyring = self.epochs.keyring(open.epoch);
        if let Err(rejection) = active.accept_open(&self.thresholds, keyring, &open) {
            return self.refuse_step(rejection, round);
        }
        self.begin()
    }

    /// The round continues what this bank derived itself, under the task that it approved.
    fn check_step(&self, open: &RoundOpen) -> Result<(), Rejection> {
        let (Some(plan), Some(progress)) = (self.plans.get(&open.task), self.progress.get(&open.task)) else {
            return Err(Rejection::new(
                Check::TaskNotApproved,
                "its text is not known here",
            ));
        };
        if open.state != progress.state
            || open.last_result != progress.last_result
            || open.step != progress.step
        {
            let detail = format!(
                "found state {:?} at step {}, derived {:?} at step {}",
                open.state, open.step, progress.state, progress.step
            );
            return Err(Rejection::new(Check::OtherState, detail));
        }
        let layout = plan.layout(open.kind);
        let rules = plan.kind(open.step) == Some(open.kind)
            && layout.digest() == open.layout
            && layout.digit_bits == open.digit_bits;
        if !rules {
            return Err(Rejection::new(
                Check::RoundRules,
                format!("step {} of the task is another", open.step),
            ));
        }
        Ok(())
    }

    pub(super) fn computed(&mut self, round: Round) -> Vec<Action> {
        let standing = standing!(self);
        let Some(active) = self
            .active
            .as_mut()
            .filter(|active| active.round == round && active.cohort.is_none())
        else {
            return Vec::new();
        };
        active.computed = true;
        let ready = active.ready(&standing);
        let ready = ready.map(|(statement, complaints)| {
            send(ToCoordinator::Ready {
                statement,
                complaints,
            })
        });
        std::iter::once(Action::Persist).chain(ready).collect()
    }

    pub(super) fn masked(&mut self, round: Round, length: u64, hash: Digest) -> Vec<Action> {
        let standing = standing!(self);
        let Some(active) = self.active.as_mut().filter(|active| active.round == round) else {
            return Vec::new();
        };
        match active.sign_trailer(&standing, length, hash) {
            None => Vec::new(),
            Some(trailer) => vec![
                Action::Persist,
                Action::Upload(OutboundUpdate::new(round, trailer)),
            ],
        }
    }

    fn result(&mut self, result: RoundResult) -> Vec<Action> {
        let watch = self
            .watch
            .as_ref()
            .filter(|watch| watch.open().hash() == result.open);
        let Some(watch) = watch.filter(|watch| self.continues(watch.open())) else {
            return self.close(result.round);
        };
        if let Err(rejection) = watch.check_result(&result) {
            let round = result.round;
            let mut actions = self.close(round);
            actions.push(Action::Persist);
            actions.extend(self.refuse(rejection, Some(round)));
            return actions;
        }
        vec![Action::Derive(watch.open().clone(), result)]
    }

    /// True if the round started from where this bank has derived the task to.
    fn continues(&self, open: &RoundOpen) -> bool {
        self.progress.get(&open.task).is_some_and(|progress| {
            (open.step, open.state, open.last_result) == (progress.step, progress.state, progress.last_result)
        })
    }

    pub(super) fn derive(&mut self, round: Round, state: Option<DerivedState>) -> Vec<Action> {
        let derived = self
            .awaited
            .take_if(|logged| matches!(&logged.entry, Some(Entry::Result(result)) if result.round == round));
        let Some(logged) = derived else {
            return Vec::new();
        };
        self.follower.acted_on(&logged);
        let Some(Entry::Result(result)) = logged.entry else {
            return Vec::new();
        };
        let watch = self
            .watch
            .as_ref()
            .filter(|watch| watch.open().hash() == result.open);
        let Some(open) = watch.map(Watch::open) else {
            return Vec::new();
        };
        let Some(progress) = self.progress.get_mut(&open.task) else {
            return Vec::new();
        };
        let mut actions;
        if let Some(derived) = state.filter(|state| state.hash == result.next_state) {
            let state = derived.hash;
            *progress = Progress {
                step: derived.step,
                state,
                last_result: Entry::Result(result).hash(),
            };
            let derived = Signed::sign(
                &self.key,
                Derived {
                    round,
                    bank: self.me,
                    state,
                },
            );
            self.derived = Some(derived);
            actions = self.close(round);
            actions.extend([Action::Persist, send(ToCoordinator::Derived(derived))]);
        } else {
            let state = state.map(|state| state.hash);
            let detail = format!("derived {state:?}, the log says {:?}", result.next_state);
            actions = self.close(round);
            actions.push(Action::Persist);
            actions.extend(self.refuse(Rejection::new(Check::DerivedState, detail), Some(round)));
        }
        actions
    }
}
