//! The next round, prepared while the banks train for the one that is open.

use std::ops::Range;

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::round::ahead::Ahead;
use veilsum_protocol::round::coordinator::{Event, Phase};
use veilsum_protocol::wire::message::Bundle;

use super::driver::Engine;
use super::ports::{Fault, Ledger};

/// When the next round is asked for.
const OPEN: Range<Phase> = Phase::Ready..Phase::Closed;

impl<L: Ledger> Engine<L> {
    /// Asks the open round's banks to prepare the next one, if its task has another step. Nothing of it is durable here: after a restart
    /// the banks are asked again, and say again what they said.
    pub(super) fn prepare_ahead(&mut self) {
        if self.round.is_none() && self.tasks.current().is_none() {
            // Nobody knows whether a round follows; when one does, the banks say again what they said.
            self.ahead = None;
        }
        let Some(machine) = self
            .round
            .as_ref()
            .filter(|machine| OPEN.contains(&machine.phase()))
        else {
            return;
        };
        // The open round may be the last before its task rests, and the next one another task's.
        let open = machine.plan().task;
        let goes_on = self.tasks.current().is_some_and(|task| {
            let record = &task.record;
            record.step + u32::from(record.task == open) < record.steps
        });
        if !goes_on {
            return;
        }
        let (epoch, next) = (machine.plan().epoch, Round(self.last_round.0 + 1));
        let ahead = self.ahead.get_or_insert_with(|| Ahead::new(epoch, next));
        for bank in machine
            .bundles()
            .keys()
            .filter(|bank| self.sessions.is_up(**bank))
        {
            if let Some(ask) = ahead.ask(*bank) {
                self.outbox.send(*bank, ask);
            }
        }
    }

    /// A bank prepared the open round or the next one.
    pub(super) fn bundle(&mut self, bank: BankIndex, bundle: Box<Bundle>) -> Result<(), Fault> {
        let round = bundle.header.claim().round;
        let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.round() == round) else {
            if self.ahead.is_none() && round.0 == self.last_round.0 + 1 {
                // Asked for before its task was paused: it will be asked for again.
                return Ok(());
            }
            return self.round_event(Some(bank), Event::Bundle(bank, bundle));
        };
        if let Err(rejection) = ahead.bundle(bank, *bundle, &self.roster) {
            self.reject(bank, rejection);
        }
        Ok(())
    }
}
