//! The engine as its store left it.

use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::coordinator::{CoordinatorRound, Event};
use veilsum_protocol::round::record::Record;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame;

use super::broadcast::Broadcast;
use super::consents::Refusals;
use super::driver::{Clock, Engine, Parts};
use super::observer::Observer;
use super::outbox::Outbox;
use super::ports::{Fault, Ledger};
use super::restored::Restored;
use super::retention::Retention;
use super::roster::Rosters;
use super::sessions::Sessions;
use super::tasks::TaskBook;
use super::timeline::Timeline;
use super::witnesses::Witnessing;
use super::{epochs, rounds};

impl<L: Ledger> Engine<L> {
    /// Reads rosters, tasks, epoch and the open round's journal. The roster in `parts` is the first of a new log; later ones come by changes that banks
    /// approve.
    ///
    /// # Errors
    /// If the store or a blob cannot be read, or the roster in `parts` is none that the log had.
    pub fn recover(parts: Parts<L>) -> Result<Self, Fault> {
        let Parts {
            ledger,
            blobs,
            roster,
            membership,
            gate,
            reconnect_grace_s,
            set_up_limit_s,
            inputs,
        } = parts;
        let restored = Restored::read(&ledger)?;
        let (rosters, roster) = Rosters::load(&ledger, roster)?;
        let witnessing = Witnessing::new(&roster, ledger.published(), ledger.log_size())?;
        let tasks = TaskBook::load(&ledger, blobs.as_ref())?;
        let armed = match ledger.get(epochs::ARMED)? {
            None => None,
            Some(bytes) => Some(KeyDirectory::from_bytes(&bytes).map_err(Fault::new)?),
        };
        let last_epoch = Epoch(number(&ledger, epochs::LAST)?);
        let last_round = Round(number(&ledger, rounds::LAST)?);
        let mut engine = Self {
            ledger,
            blobs,
            roster,
            rosters,
            membership,
            gate,
            reconnect_grace_s,
            set_up_limit_s,
            inputs,
            clock: Clock::start(),
            sessions: Sessions::default(),
            witnessing,
            outbox: Outbox::default(),
            tasks,
            retention: Retention::default(),
            armed,
            set_up: None,
            set_up_until: None,
            held_up: None,
            last_epoch,
            round: None,
            ahead: None,
            last_round,
            next_record: 0,
            summed: None,
            last_result: None,
            assembled: None,
            refusals: Refusals::default(),
            said: String::new(),
            observer: Box::new(()),
            timeline: Timeline::default(),
            broadcast: Broadcast::new(),
            restored,
        };
        engine.read_log()?;
        if engine.restored.is_some() {
            engine.membership.seat(&engine.roster)?;
            engine.settle()?;
            return Ok(engine);
        }
        engine.restore_round()?;
        engine.forget_what_a_crash_left()?;
        engine.begin_rosters()?;
        // A round whose shares were complete sums again without waiting for anybody.
        engine.round_event(None, Event::Tick)?;
        engine.settle()?;
        Ok(engine)
    }

    /// From now on this one is told what happens.
    pub fn observed_by(&mut self, observer: Box<dyn Observer>) {
        self.observer = observer;
    }

    /// What the log names, banks may fetch; and the last result of each task is told.
    fn read_log(&mut self) -> Result<(), Fault> {
        let mut open: Option<(Round, Digest)> = None;
        let size = self.ledger.log_size();
        for from in (0..size).step_by(4096) {
            for bytes in self.ledger.entries(from, size.min(from + 4096))? {
                match Entry::from_bytes(&bytes) {
                    Ok(Entry::Task { task, .. }) => self.blobs.publish(&task),
                    Ok(Entry::RoundOpen(next)) => open = Some((next.round, next.task)),
                    Ok(Entry::Result(result)) => {
                        self.blobs.publish(&result.sum);
                        let line = rounds::result_line(&result);
                        let task = open.filter(|(round, _)| *round == result.round);
                        if let Some(task) = task.and_then(|(_, task)| self.tasks.by_hash(&task)) {
                            task.last = Some(line.clone());
                        }
                        self.last_result = Some(line);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn restore_round(&mut self) -> Result<(), Fault> {
        let journal = self.ledger.scan(rounds::JOURNAL)?;
        self.next_record = u32::try_from(journal.len()).map_err(Fault::new)?;
        let records: Vec<Record> = journal
            .iter()
            .map(|(key, bytes)| {
                frame::decode(bytes, frame::MAX_BODY)
                    .map_err(|error| Fault::new(format!("store key {key}: {error}")))
            })
            .collect::<Result<_, _>>()?;
        self.round = CoordinatorRound::restore(self.roster.clone(), records, self.clock.now());
        if let Some(machine) = &self.round {
            tracing::info!(
                "round {}: goes on in phase {} after a restart",
                machine.round(),
                machine.phase().name()
            );
        }
        Ok(())
    }
}

fn number(ledger: &dyn Ledger, key: &str) -> Result<u64, Fault> {
    let Some(bytes) = ledger.get(key)? else {
        return Ok(0);
    };
    let bytes =
        <[u8; 8]>::try_from(bytes).map_err(|_| Fault::new(format!("store key {key}: not a number")))?;
    Ok(u64::from_be_bytes(bytes))
}
