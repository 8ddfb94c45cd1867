//! What a bank does when the log says so.

use crate::crypto::entropy::Entropy;
use crate::ids::{Digest, Round};
use crate::log::entry::{Entry, RoundOpen, RoundResult};
use crate::round::active::{ActiveRound, Standing};
use crate::round::checks::Check;
use crate::round::participant::{Action, Notice, Participant, Progress, send};
use crate::round::watch::{ReleasedStep, Watch};
use crate::wire::canonical::Canonical;
use crate::wire::message::{Rejection, ToCoordinator};
use crate::wire::outbound::OutboundUpdate;
use crate::wire::signed::Signed;
use crate::wire::statement::Derived;

impl Participant {
    pub(super) fn entry<E: Entropy>(&mut self, entry: Entry, entropy: &mut E) -> Vec<Action> {
        if let Some(watch) = &mut self.watch {
            watch.note(&self.roster, &entry);
        }
        match entry {
            Entry::Roster { .. } if entry.hash() != self.roster_hash => {
                let detail = "the coordinator logged another roster; install the new consortium.toml after comparing it";
                self.refuse(Rejection::new(Check::Roster, detail), None)
            }
            Entry::Task { task, .. } => vec![Action::FetchTask(task)],
            Entry::KeyDirectory { epoch, directory, .. } => {
                self.directories.insert(epoch, directory);
                // Older ones serve nobody: an epoch is set up after the last one.
                self.directories
                    .retain(|old, _| old.0.saturating_add(1) >= epoch.0);
                match self.early_directory.take_if(|early| early.epoch == epoch) {
                    Some(early) => self.directory(early, entropy),
                    None => Vec::new(),
                }
            }
            Entry::PrepareManifest { round, bundles, .. } => {
                let me = self.me;
                self.in_round(round, |active| {
                    active.accept_manifest(me, &bundles).map(|()| Vec::new())
                })
            }
            Entry::RoundOpen(open) => self.round_open(open),
            Entry::Cohort { round, banks } => {
                let me = self.me;
                self.in_round(round, |active| {
                    if !active.accept_cohort(me, &banks)? {
                        return Ok(Vec::new());
                    }
                    let masks = active.masks(me).map(|masks| Action::Mask(round, masks));
                    Ok(std::iter::once(Action::Persist).chain(masks).collect())
                })
            }
            Entry::Survivors { round, list } => {
                let me = self.me;
                if let Err(rejection) = self.check_released(round) {
                    return self.refuse(rejection, Some(round));
                }
                let actions = self.in_round(round, |active| {
                    Ok(if active.accept_survivors(me, &list)? {
                        vec![Action::Persist]
                    } else {
                        Vec::new()
                    })
                });
                let confirmed = matches!(actions.first(), Some(Action::Persist));
                let confirm = self
                    .active
                    .as_ref()
                    .filter(|_| confirmed)
                    .and_then(|active| self.confirm(active));
                actions.into_iter().chain(confirm).collect()
            }
            Entry::Certificate { round, signatures } => {
                let standing = standing!(self);
                let Some(active) = self.active.as_mut().filter(|active| active.round == round) else {
                    return Vec::new();
                };
                match active.accept_certificate(&standing, &signatures) {
                    Ok(false) => Vec::new(),
                    Ok(true) => {
                        let release = active.release.clone();
                        if let Some(watch) = &self.watch {
                            let released = ReleasedStep::of(watch.open(), watch.survivor_set());
                            self.released.insert(released.task, released);
                        }
                        let release = release.map(|release| send(ToCoordinator::Release { round, release }));
                        std::iter::once(Action::Persist).chain(release).collect()
                    }
                    Err(rejection) => self.refuse(rejection, Some(round)),
                }
            }
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
        let Some(active) = self.active.as_mut().filter(|active| active.round == round) else {
            return Vec::new();
        };
        match step(active) {
            Ok(actions) => actions,
            Err(rejection) => self.refuse(rejection, Some(round)),
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
        if let Some(last) = self.watch.as_ref().filter(|last| round <= last.open().round) {
            let detail = format!("found round {round} opened after round {}", last.open().round);
            return self.refuse(Rejection::new(Check::RoundNotNew, detail), Some(round));
        }
        self.watch = Some(Watch::new(open.clone()));
        let is_first_of_epoch = self.epochs.serves(open.epoch);
        if self.active.as_ref().is_none_or(|active| active.round != round) {
            // Without this bank; and every earlier round is over for good.
            let mut actions = self.close(round);
            actions.extend(is_first_of_epoch.then_some(Action::Persist));
            return actions;
        }
        if !self.approved.contains(&open.task) {
            let mut actions = self.refuse(
                Rejection::new(Check::TaskNotApproved, open.task.to_hex()),
                Some(round),
            );
            actions.push(Action::Notice(Notice::NotApproved(open.task)));
            return actions;
        }
        if let Err(rejection) = self.check_step(&open) {
            return self.refuse(rejection, Some(round));
        }
        let Some(active) = &mut self.active else {
            return Vec::new();
        };
        let keyring = self.epochs.keyring(open.epoch);
        if let Err(rejection) = active.accept_open(&self.thresholds, keyring, &open) {
            return self.refuse(rejection, Some(round));
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

    /// A step that was summed before is summed again only over the same banks.
    fn check_released(&self, round: Round) -> Result<(), Rejection> {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.open().round == round) else {
            return Ok(());
        };
        let now = ReleasedStep::of(watch.open(), watch.survivor_set());
        match self.released.get(&now.task) {
            Some(before) if before.forbids(&now) => Err(Rejection::new(
                Check::StepReleased,
                ReleasedStep::round_detail(round),
            )),
            _ => Ok(()),
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

    pub(super) fn derive(&mut self, round: Round, state: Option<Digest>) -> Vec<Action> {
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
        if let Some(state) = state.filter(|state| *state == result.next_state) {
            *progress = Progress {
                step: open.step + 1,
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
            let detail = format!("derived {state:?}, the log says {:?}", result.next_state);
            actions = self.close(round);
            actions.push(Action::Persist);
            actions.extend(self.refuse(Rejection::new(Check::DerivedState, detail), Some(round)));
        }
        actions
    }

    pub(super) fn close(&mut self, round: Round) -> Vec<Action> {
        self.last_round = self.last_round.max(round);
        let closed = self.active.take_if(|active| active.round <= round);
        closed.iter().map(|active| Action::Close(active.round)).collect()
    }
}
