//! Key epochs: when a new one is needed, and carrying out its set-up.

use veilsum_protocol::epoch::coordinator::{EpochAction, EpochCoordinator};
use veilsum_protocol::ids::{BankIndex, Epoch, Round};
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::ToCoordinator;

use super::driver::Engine;
use super::ports::{Fault, Ledger};

/// Store key of the armed epoch's directory.
pub(super) const ARMED: &str = "epoch/armed";
/// How long a set-up may take while the last epoch's keys serve, in seconds.
const SET_UP_LIMIT_S: u32 = 60;
/// Store key of the last epoch's number.
pub(super) const LAST: &str = "epoch/last";

impl<L: Ledger> Engine<L> {
    /// Sets up an epoch when none is armed and every bank is there to agree on keys.
    pub(super) fn start_epoch_if_needed(&mut self) -> Result<(), Fault> {
        let all_here = self
            .roster
            .banks()
            .iter()
            .all(|entry| self.sessions.is_up(entry.index));
        if (self.armed.is_some() && !self.rekey) || self.set_up.is_some() || self.round.is_some() || !all_here
        {
            return Ok(());
        }
        self.rekey = false;
        self.set_up_until = Some(self.clock.now().plus_seconds(SET_UP_LIMIT_S));
        self.last_epoch = Epoch(self.last_epoch.0 + 1);
        let number = (LAST.to_owned(), self.last_epoch.0.to_be_bytes().to_vec());
        self.ledger.commit(vec![number], Vec::new(), Vec::new())?;
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

    /// Gives a set-up up that some bank holds up, when the last epoch's keys still serve the others.
    pub(super) fn limit_set_up(&mut self) {
        let late = self.set_up_until.is_some_and(|until| until <= self.clock.now());
        if let (Some(machine), Some(_), true) = (&self.set_up, &self.armed, late) {
            tracing::warn!(
                "key epoch {} is given up: it waited for {}; rounds go on under the last one",
                machine.epoch(),
                self.names(&machine.waiting_for()).join(", ")
            );
            self.set_up = None;
            self.set_up_until = None;
        }
    }

    /// What a bank that said hello needs of the epoch. A bank without the armed epoch's keys (it was set up anew, or lost
    /// its state) makes a new epoch necessary; the round in progress goes on without it.
    pub(super) fn epoch_hello(&mut self, bank: BankIndex, armed: Option<Epoch>) -> Result<(), Fault> {
        if let Some(machine) = &self.set_up {
            let actions = machine.connected(bank);
            return self.epoch_actions(actions);
        }
        let current = self.armed.as_ref().map(|directory| directory.epoch);
        if let (Some(current), true) = (current, armed < current) {
            tracing::warn!(
                "{} has no keys for epoch {current}; a new epoch is set up as soon as every bank is connected and no round is open",
                self.name(bank)
            );
            // The others' keys serve until the new ones are armed: one bank alone cannot stop the rounds.
            self.rekey = true;
        }
        Ok(())
    }

    pub(super) fn epoch_message(&mut self, bank: BankIndex, message: ToCoordinator) -> Result<(), Fault> {
        let Some(machine) = &mut self.set_up else {
            return Ok(());
        };
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
                EpochAction::Log(entry) => {
                    self.ledger
                        .commit(Vec::new(), Vec::new(), vec![entry.to_bytes()])?;
                    // Banks compare what follows with the log, so the entry reaches them first.
                    self.sessions.extend_log(&self.ledger)?;
                }
                EpochAction::Send(bank, message) => self.sessions.send(bank, message),
                EpochAction::Armed(directory) => {
                    let put = (ARMED.to_owned(), directory.to_bytes());
                    // For those who verify the log later; the entry names its hash.
                    self.blobs.put(&directory.to_bytes())?;
                    self.ledger.commit(vec![put], Vec::new(), Vec::new())?;
                    tracing::info!(
                        "key epoch {} is armed: every pair of banks has confirmed its keys",
                        directory.epoch
                    );
                    self.armed = Some(*directory);
                    self.set_up = None;
                    self.set_up_until = None;
                }
            }
        }
        Ok(())
    }
}
