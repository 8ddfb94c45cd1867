//! Key epochs: when a new one is needed, and carrying out its set-up.

use veilsum_protocol::epoch::coordinator::{EpochAction, EpochCoordinator};
use veilsum_protocol::ids::{BankIndex, Epoch, Millis, Round};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::ToCoordinator;

use super::driver::Engine;
use super::ports::{Fault, Ledger};

/// Store key of the armed epoch's directory.
pub(super) const ARMED: &str = "epoch/armed";
/// Store key of the last epoch's number.
pub(super) const LAST: &str = "epoch/last";
/// The pause after a set-up that was held up doubles so often at most: a bank that never agrees costs the others one limit in this
/// many times two of them.
const MOST_DOUBLINGS: u32 = 4;

/// A set-up that some banks held up: it was given up, or they lost its keys before it was armed.
pub(super) struct HeldUp {
    epoch: Epoch,
    by: Vec<BankIndex>,
    /// Set-ups in a row that were.
    times: u32,
    /// Rounds that can go on under the armed epoch do so until then.
    pub(super) again_at: Millis,
}

impl<L: Ledger> Engine<L> {
    /// Sets up an epoch when none is armed, or a bank is there that lacks its keys, and every bank is there to agree on new ones.
    pub(super) fn start_epoch_if_needed(&mut self) -> Result<(), Fault> {
        let is_wanted = self.armed.is_none() || !self.without_keys().is_empty();
        if !is_wanted || self.set_up.is_some() || self.round.is_some() || !self.absent().is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let pauses = self.held_up.as_ref().is_some_and(|last| last.again_at > now);
        if pauses && self.keys_serve()? {
            return Ok(());
        }
        self.set_up_until = Some(now.plus_seconds(self.set_up_limit_s));
        self.last_epoch = Epoch(self.last_epoch.0 + 1);
        let number = (LAST.to_owned(), self.last_epoch.0.to_be_bytes().to_vec());
        self.outbox.put([number]);
        tracing::info!(
            "key epoch {}: {} banks agree on pair keys",
            self.last_epoch,
            self.roster.banks().len()
        );
        let first_round = Round(self.last_round.0 + 1);
        let machine = EpochCoordinator::new(self.roster.clone(), self.last_epoch, first_round);
        let banks: Vec<BankIndex> = self.sessions.banks().collect();
        let actions = banks
            .into_iter()
            .flat_map(|bank| machine.connected(bank))
            .collect();
        self.set_up = Some(machine);
        self.epoch_actions(actions)
    }

    /// Gives up a set-up that some bank holds up. The next one has another number, for which a bank that lost its keys makes new ones;
    /// it begins at once, unless rounds can go on meanwhile.
    pub(super) fn limit_set_up(&mut self) {
        let now = self.clock.now();
        if self.set_up_until.is_none_or(|until| until > now) {
            return;
        }
        self.set_up_until = None;
        let Some(machine) = self.set_up.take() else {
            return;
        };
        let waited_for = machine.waiting_for();
        tracing::warn!(
            "key epoch {} is given up: it waited for {}",
            machine.epoch(),
            self.names(&waited_for).join(", ")
        );
        self.was_held_up(machine.epoch(), waited_for);
    }

    fn was_held_up(&mut self, epoch: Epoch, by: Vec<BankIndex>) {
        let times = self.held_up.as_ref().map_or(0, |last| last.times) + 1;
        let doublings = (times - 1).min(MOST_DOUBLINGS);
        let pause = self.set_up_limit_s.saturating_mul(1 << doublings);
        self.held_up = Some(HeldUp {
            epoch,
            by,
            times,
            again_at: self.clock.now().plus_seconds(pause),
        });
    }

    /// What a bank that said hello needs of the epoch. A bank without the armed epoch's keys (it was set up anew, or lost
    /// its state) makes a new epoch necessary; the round in progress goes on without it.
    pub(super) fn epoch_hello(&mut self, bank: BankIndex) -> Result<(), Fault> {
        if let Some(machine) = &self.set_up {
            let actions = machine.connected(bank);
            return self.epoch_actions(actions);
        }
        if let (Some(current), true) = (self.current_epoch(), self.without_keys().contains(&bank)) {
            tracing::warn!(
                "{} has no keys for epoch {current}; a new epoch is set up as soon as every bank is connected and no round is open",
                self.name(bank)
            );
        }
        Ok(())
    }

    pub(super) fn epoch_message(&mut self, bank: BankIndex, message: ToCoordinator) -> Result<(), Fault> {
        let Some(machine) = &mut self.set_up else {
            return Ok(());
        };
        if let ToCoordinator::Armed { epoch } = message
            && epoch == machine.epoch()
        {
            self.sessions.armed(bank, epoch);
        }
        match machine.handle(bank, message) {
            Ok(actions) => self.epoch_actions(actions),
            Err(rejection) => {
                self.reject(bank, rejection);
                Ok(())
            }
        }
    }

    fn epoch_actions(&mut self, actions: Vec<EpochAction>) -> Result<(), Fault> {
        for action in actions {
            match action {
                // Banks compare what follows with the log, which reaches them first.
                EpochAction::Log(entry) => self.outbox.log(&[entry]),
                EpochAction::Send(bank, message) => self.outbox.send(bank, message),
                EpochAction::Armed(directory) => {
                    let put = (ARMED.to_owned(), directory.to_bytes());
                    // For those who verify the log later; the entry names its hash.
                    self.outbox.store(directory.to_bytes());
                    self.outbox.put([put]);
                    tracing::info!(
                        "key epoch {} is armed: every pair of banks has confirmed its keys",
                        directory.epoch
                    );
                    let epoch = directory.epoch;
                    self.armed = Some(*directory);
                    self.set_up = None;
                    self.set_up_until = None;
                    let without = self.without_keys();
                    if without.is_empty() {
                        self.held_up = None;
                    } else {
                        self.was_held_up(epoch, without);
                    }
                }
            }
        }
        Ok(())
    }

    fn current_epoch(&self) -> Option<Epoch> {
        self.armed.as_ref().map(|directory| directory.epoch)
    }

    /// Banks that are not connected.
    pub(super) fn absent(&self) -> Vec<BankIndex> {
        let banks = self.roster.banks().iter().map(|entry| entry.index);
        banks.filter(|bank| !self.sessions.is_up(*bank)).collect()
    }

    /// Connected banks that lack the armed epoch's keys.
    pub(super) fn without_keys(&self) -> Vec<BankIndex> {
        let Some(current) = self.current_epoch() else {
            return Vec::new();
        };
        self.sessions
            .banks()
            .filter(|bank| !self.sessions.has_keys(*bank, current))
            .collect()
    }

    /// True if enough banks for a round are there with the armed epoch's keys: one bank alone cannot stop the rounds.
    fn keys_serve(&self) -> Result<bool, Fault> {
        let Some(current) = self.current_epoch() else {
            return Ok(false);
        };
        let banks = self.sessions.banks();
        let have = banks
            .filter(|bank| self.sessions.has_keys(*bank, current))
            .count();
        Ok(have >= usize::from(self.thresholds()?.min_survivors))
    }

    /// When a set-up that some bank held up is tried again.
    pub(super) fn next_epoch_try(&self) -> Option<Millis> {
        self.held_up.as_ref().map(|last| last.again_at)
    }

    /// What the next epoch waits for, in words; `None` if none is needed.
    pub(super) fn epoch_line(&self) -> Option<String> {
        let last = self.held_up.as_ref().map_or(String::new(), |last| {
            let by = self.names(&last.by).join(", ");
            format!("; key epoch {} was held up by {by}", last.epoch)
        });
        if let Some(machine) = &self.set_up {
            let waiting_for = self.names(&machine.waiting_for()).join(", ");
            return Some(format!(
                "key epoch {}: waiting for {waiting_for}{last}",
                machine.epoch()
            ));
        }
        let absent = self.absent();
        let waiting_for = if absent.is_empty() {
            String::new()
        } else {
            format!(
                "; waiting for {}, without a time limit",
                self.names(&absent).join(", ")
            )
        };
        let Some(current) = self.current_epoch() else {
            let all = self.roster.banks().len();
            return Some(format!(
                "{} of {all} banks are connected, all are needed to set up a key epoch{waiting_for}{last}",
                all - absent.len()
            ));
        };
        let without = self.without_keys();
        (!without.is_empty()).then(|| {
            format!(
                "{} without keys of epoch {current}, all banks are needed to set up a new one{waiting_for}{last}",
                self.names(&without).join(", ")
            )
        })
    }
}
