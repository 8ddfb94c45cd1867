//! The loop: one input after the other, each carried to its end before the next is looked at.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use veilsum_protocol::epoch::coordinator::EpochCoordinator;
use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Millis, Round};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::ahead::Ahead;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::{CoordinatorRound, Event};
use veilsum_protocol::wire::message::{Rejection, ToBank, ToCoordinator, WIRE_VERSION};
use veilsum_protocol::wire::outbound::decode_trailer;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::Trailer;

use super::broadcast::Broadcast;
use super::consents::Refusals;
use super::epochs::HeldUp;
use super::gate::Gate;
use super::observer::Observer;
use super::outbox::Outbox;
use super::ports::{Blobs, Fault, Ledger, Membership, View};
use super::restored::Restored;
use super::retention::Retention;
use super::roster::{RosterView, Rosters};
use super::sessions::{Outlet, Sessions};
use super::status::{ResultLine, Status, TaskDetail};
use super::tasks::TaskBook;
use super::timeline::Timeline;
use super::witnesses::Witnessing;
use crate::aggregate::{SumError, Summed};

/// Name and version that peers are told.
pub const SOFTWARE: &str = concat!("veilsum-coordinator ", env!("CARGO_PKG_VERSION"));

/// Most epochs that a bank is remembered to have keys for; none needs as many.
const MOST_EPOCHS: usize = 16;

/// Inputs that are dealt with together at most: those that wait share one durable step.
const MOST_TOGETHER: usize = 256;

/// Something that reaches the engine.
pub enum Input {
    /// A bank's control stream is up.
    Connected(BankIndex, u64, Box<dyn Outlet>),
    /// A message on it. The last is dropped when the message was dealt with, which lets the bank send more.
    Message(BankIndex, u64, Box<ToCoordinator>, Box<dyn Send>),
    /// It is gone.
    Disconnected(BankIndex, u64),
    /// A masked vector lies complete and durable in a file of the spool.
    Uploaded(Upload),
    /// The operator asks for the status.
    Status(oneshot::Sender<Status>),
    /// The operator creates a task from this text. The answer is its hash, or what is wrong with it.
    CreateTask(String, oneshot::Sender<Result<Digest, String>>),
    /// The operator stops a task, by name or hash.
    StopTask(String, oneshot::Sender<Result<Digest, String>>),
    /// The operator asks for the roster and the change that is under way.
    Roster(oneshot::Sender<RosterView>),
    /// The operator proposes a roster with these banks and without those of these names. The answer is what is proposed, or why it cannot be.
    ProposeRoster(
        Vec<RosterEntry>,
        Vec<String>,
        oneshot::Sender<Result<RosterView, String>>,
    ),
    /// The operator withdraws the proposal.
    WithdrawRoster(oneshot::Sender<Result<RosterView, String>>),
    /// No further round of a task starts, by name or hash. An open one ends as usual.
    PauseTask(String, oneshot::Sender<Result<Digest, String>>),
    /// Rounds of a paused task start again.
    ResumeTask(String, oneshot::Sender<Result<Digest, String>>),
    /// The operator looks at a task, by name or hash.
    ShowTask(String, oneshot::Sender<Result<Box<TaskDetail>, String>>),
    /// A summation has ended.
    Summed(Round, Box<Result<Summed, SumError>>),
    /// Somebody copies the store. The answer is what it holds, or why it cannot be read.
    View(oneshot::Sender<Result<View, String>>),
    /// After a restore the operator does not wait for the banks of these names. The answer is what is waited for, or why it must be.
    GoOnWithout(Vec<String>, oneshot::Sender<Result<String, String>>),
}

/// A complete upload.
pub struct Upload {
    /// Whose.
    pub bank: BankIndex,
    /// For which round.
    pub round: Round,
    /// Where it lies.
    pub path: std::path::PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub hash: Digest,
    /// The trailer frame.
    pub trailer: Vec<u8>,
    /// Told when the update counts, or why it does not.
    pub answer: oneshot::Sender<Result<(), Rejection>>,
}

/// What the engine works with.
pub struct Parts<L> {
    /// Log and store.
    pub ledger: L,
    /// Content-addressed files.
    pub blobs: Arc<dyn Blobs>,
    /// The banks of the consortium file.
    pub roster: Roster,
    /// The door for banks, and that file.
    pub membership: Arc<dyn Membership>,
    /// Which uploads are welcome; shared with the transport.
    pub gate: Arc<Gate>,
    /// How long a lost bank is waited for, in seconds.
    pub reconnect_grace_s: u32,
    /// How long the banks may take to agree on the keys of an epoch, in seconds.
    pub set_up_limit_s: u32,
    /// Where the engine's own workers put their results.
    pub inputs: mpsc::Sender<Input>,
}

/// The engine.
pub struct Engine<L> {
    pub(super) ledger: L,
    pub(super) blobs: Arc<dyn Blobs>,
    /// The roster that goes.
    pub(super) roster: Roster,
    pub(super) rosters: Rosters,
    pub(super) membership: Arc<dyn Membership>,
    pub(super) gate: Arc<Gate>,
    pub(super) reconnect_grace_s: u32,
    pub(super) set_up_limit_s: u32,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) clock: Clock,
    pub(super) sessions: Sessions,
    pub(super) witnessing: Witnessing,
    pub(super) outbox: Outbox,
    pub(super) tasks: TaskBook,
    pub(super) refusals: Refusals,
    pub(super) retention: Retention,
    /// The armed epoch.
    pub(super) armed: Option<KeyDirectory>,
    /// The epoch being set up.
    pub(super) set_up: Option<EpochCoordinator>,
    /// When a set-up is given up.
    pub(super) set_up_until: Option<Millis>,
    /// The last set-up, if some banks held it up.
    pub(super) held_up: Option<HeldUp>,
    pub(super) last_epoch: Epoch,
    pub(super) round: Option<CoordinatorRound>,
    /// What banks prepared of the round after it.
    pub(super) ahead: Option<Ahead>,
    pub(super) last_round: Round,
    /// Number of the next journal record of the round.
    pub(super) next_record: u32,
    /// The sum that was computed and is about to be published.
    pub(super) summed: Option<Summed>,
    pub(super) last_result: Option<ResultLine>,
    /// Since when the banks that may start a task are as many as they are.
    pub(super) assembled: Option<(usize, Millis)>,
    pub(super) said: String,
    pub(super) observer: Box<dyn Observer>,
    pub(super) timeline: Timeline,
    pub(super) broadcast: Broadcast,
    /// The store was restored from a backup, and not every bank has cosigned it yet.
    pub(super) restored: Option<Restored>,
}

/// Wall clock at the start, moved on by the monotonic one: a clock that is set back stretches no deadline.
pub(super) struct Clock {
    start: Millis,
    since: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            since: Instant::now(),
        }
    }

    /// When the daemon started.
    pub(super) fn started(&self) -> Millis {
        self.start
    }

    pub(super) fn now(&self) -> Millis {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Millis(self.start.0.saturating_add(passed))
    }
}

impl<L: Ledger> Engine<L> {
    /// Runs until `stop` is ready or the inputs end. An unfinished round stays in the journal for the next start.
    ///
    /// # Errors
    /// A [`Fault`] of the coordinator's own disk.
    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Fault> {
        tokio::pin!(stop);
        self.step()?;
        loop {
            let wake = self.next_wake();
            tokio::select! {
                () = &mut stop => return Ok(()),
                () = sleep_until(wake) => self.tick()?,
                input = inputs.recv() => match input {
                    Some(input) => self.inputs(input, &mut inputs)?,
                    None => return Ok(()),
                },
            }
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        let now = self.clock.now();
        let round = self.round.as_ref().and_then(CoordinatorRound::next_deadline);
        let grace = self
            .assembled
            .map(|(_, at)| at.plus_seconds(self.reconnect_grace_s));
        let next = round
            .into_iter()
            .chain(self.set_up_until.filter(|at| *at > now))
            .chain(
                self.held_up
                    .as_ref()
                    .map(|last| last.again_at)
                    .filter(|at| *at > now),
            )
            .chain(grace.filter(|at| self.round.is_none() && *at > now))
            // Who stands at the door is no input.
            .chain(self.waits_at_the_door().then(|| now.plus_seconds(1)))
            .chain(self.witnessing.next_look().filter(|at| *at > now))
            .chain(self.broadcast.due().filter(|at| *at > now))
            .min()?;
        // One millisecond more: a deadline that is rounded down to now would be looked at again and again.
        Some(Duration::from_millis(next.0.saturating_sub(now.0) + 1))
    }

    fn tick(&mut self) -> Result<(), Fault> {
        if self.restored.is_none() {
            self.round_event(None, Event::Tick)?;
        }
        self.step()
    }

    /// Decides on an input and on those that wait behind it, then makes all of it true.
    fn inputs(&mut self, first: Input, waiting: &mut mpsc::Receiver<Input>) -> Result<(), Fault> {
        self.input(first)?;
        for _ in 1..MOST_TOGETHER {
            match waiting.try_recv() {
                Ok(input) => self.input(input)?,
                Err(_) => break,
            }
        }
        self.step()
    }

    fn input(&mut self, input: Input) -> Result<(), Fault> {
        let now = self.clock.now();
        let Some(input) = self.sift(input)? else {
            return Ok(());
        };
        match input {
            Input::Connected(bank, id, outlet) => {
                // What is still to be said belongs to the session before.
                self.settle()?;
                // Admitted just before another roster came into force: it comes again.
                if outlet.goes_by(&self.roster.hash()) {
                    self.sessions.connected(bank, id, outlet);
                }
            }
            Input::Disconnected(bank, id) => {
                if self.sessions.disconnected(bank, id, now) {
                    tracing::info!("{} is gone", self.name(bank));
                    self.round_event(None, Event::Disconnected(bank))?;
                }
            }
            Input::Message(bank, id, message, _room) => {
                if self.sessions.is_current(bank, id) {
                    self.message(bank, *message)?;
                }
            }
            Input::Uploaded(upload) => self.uploaded(upload)?,
            Input::Status(answer) => {
                self.settle()?;
                // Whoever asked may have gone.
                let _ = answer.send(self.status_for_all());
            }
            Input::CreateTask(text, answer) => {
                let created = self.create_task(&text)?;
                self.settle()?;
                let _ = answer.send(created);
            }
            Input::StopTask(name, answer) => {
                let stopped = self.stop_task(&name)?;
                self.settle()?;
                let _ = answer.send(stopped);
            }
            Input::Roster(answer) => {
                self.settle()?;
                let _ = answer.send(self.roster_view());
            }
            Input::ProposeRoster(add, remove, answer) => {
                let proposed = self.propose_roster(add, &remove);
                self.settle()?;
                let _ = answer.send(proposed);
            }
            Input::WithdrawRoster(answer) => {
                let withdrawn = self.withdraw_roster();
                self.settle()?;
                let _ = answer.send(withdrawn);
            }
            Input::PauseTask(name, answer) => {
                let paused = self.pause_task(&name)?;
                self.settle()?;
                let _ = answer.send(paused);
            }
            Input::ResumeTask(name, answer) => {
                let resumed = self.resume_task(&name)?;
                self.settle()?;
                let _ = answer.send(resumed);
            }
            Input::ShowTask(name, answer) => {
                self.settle()?;
                let _ = answer.send(self.show_task(&name));
            }
            Input::Summed(round, result) => self.sum_ended(round, *result)?,
            Input::View(answer) => {
                // All that was decided is in it, or nothing of it was said.
                self.settle()?;
                let _ = answer.send(self.ledger.view().map_err(|fault| fault.to_string()));
            }
            Input::GoOnWithout(names, answer) => drop(answer.send(self.go_on_without(&names))),
        }
        Ok(())
    }

    /// After inputs: start what can be started, and bring everybody up to date.
    fn step(&mut self) -> Result<(), Fault> {
        if !self.is_held_back()? {
            self.limit_set_up();
            self.change_roster()?;
            if !self.is_changing() {
                self.start_epoch_if_needed()?;
                self.start_round_if_possible()?;
                self.prepare_ahead();
            }
        }
        self.settle()?;
        self.say_what_is_waited_for();
        self.broadcast_status();
        Ok(())
    }

    pub(super) fn name(&self, bank: BankIndex) -> String {
        self.roster
            .bank(bank)
            .map_or_else(|| bank.to_string(), |entry| entry.name.clone())
    }

    pub(super) fn names(&self, banks: &[BankIndex]) -> Vec<String> {
        banks.iter().map(|bank| self.name(*bank)).collect()
    }

    pub(super) fn message(&mut self, bank: BankIndex, message: ToCoordinator) -> Result<(), Fault> {
        match message {
            ToCoordinator::Hello {
                wire,
                software,
                log_size,
                armed,
            } => self.hello(bank, wire, software, log_size, &armed),
            ToCoordinator::EpochKeys(_)
            | ToCoordinator::PairCiphertexts { .. }
            | ToCoordinator::PairConfirmations { .. }
            | ToCoordinator::Armed { .. } => self.epoch_message(bank, message),
            ToCoordinator::Approval(approval) => self.approval(bank, &approval),
            ToCoordinator::Refusal(refusal) => {
                self.refusal(bank, &refusal);
                Ok(())
            }
            ToCoordinator::Bundle(bundle) => self.bundle(bank, bundle),
            ToCoordinator::Ready {
                statement,
                complaints,
            } => self.round_event(Some(bank), Event::Ready(bank, statement, complaints)),
            ToCoordinator::Confirm { round, signature } if self.is_open(round) => {
                self.round_event(Some(bank), Event::Confirm(bank, signature))
            }
            ToCoordinator::Release { round, release } if self.is_open(round) => {
                self.round_event(Some(bank), Event::Release(bank, release))
            }
            ToCoordinator::Derived(derived) => self.round_event(Some(bank), Event::Derived(bank, derived)),
            ToCoordinator::Objection { check, round } => {
                let round = round
                    .map(|round| format!(" in round {round}"))
                    .unwrap_or_default();
                tracing::warn!("{} refuses{round}: {check}", self.name(bank));
                Ok(())
            }
            ToCoordinator::RosterApproval(approval) => {
                self.roster_approval(bank, &approval);
                Ok(())
            }
            ToCoordinator::RosterRefusal { proposal } => {
                self.roster_refusal(bank, proposal);
                Ok(())
            }
            ToCoordinator::RosterPinned { roster } => {
                self.roster_pinned(bank, roster);
                Ok(())
            }
            ToCoordinator::Cosignature { size, cosignature } => {
                self.cosignature(bank, size, cosignature);
                Ok(())
            }
            ToCoordinator::SitsOut { round } if self.is_open(round) => {
                tracing::warn!("round {round}: {} sits it out", self.name(bank));
                self.round_event(None, Event::SitsOut(bank))
            }
            // Sent again after a reconnection, for a round that is over.
            ToCoordinator::Confirm { .. } | ToCoordinator::Release { .. } | ToCoordinator::SitsOut { .. } => {
                Ok(())
            }
        }
    }

    fn is_open(&self, round: Round) -> bool {
        self.round
            .as_ref()
            .is_some_and(|machine| machine.round() == round)
    }

    pub(super) fn reject(&mut self, bank: BankIndex, rejection: Rejection) {
        tracing::warn!("{}: {rejection}", self.name(bank));
        self.observer.rejected(rejection.check);
        self.outbox.send(bank, ToBank::Rejected(rejection));
    }

    fn hello(
        &mut self,
        bank: BankIndex,
        wire: u16,
        software: String,
        log_size: u64,
        armed: &[Epoch],
    ) -> Result<(), Fault> {
        if wire != WIRE_VERSION {
            let detail = format!(
                "the bank speaks version {wire}, this coordinator ({SOFTWARE}) version {WIRE_VERSION}"
            );
            self.reject(bank, Rejection::new(Check::Version, detail));
            return Ok(());
        }
        if log_size > self.ledger.log_size() {
            let found = self.ledger.log_size();
            let detail =
                format!("the bank has seen {log_size} entries, this log has {found}: it was set back");
            self.is_beyond(bank, log_size);
            self.reject(bank, Rejection::new(Check::LogFork, detail));
            return Ok(());
        }
        let software: String = software.chars().filter(|c| !c.is_control()).take(64).collect();
        let greeting = format!("{} is connected ({software})", self.name(bank));
        let epochs = armed.iter().copied().take(MOST_EPOCHS).collect();
        if !self.sessions.greeted(bank, software, log_size, epochs) {
            return Ok(());
        }
        tracing::info!("{greeting}");
        self.refusals.forget(&self.name(bank));
        self.sessions.send(
            bank,
            ToBank::Welcome {
                wire: WIRE_VERSION,
                software: SOFTWARE.to_owned(),
            },
        );
        if self.restored.is_some() {
            if self.ledger.head().is_none() {
                self.agree(bank);
            }
            return Ok(());
        }
        self.epoch_hello(bank)?;
        if let Some(ahead) = &mut self.ahead {
            ahead.lost(bank);
        }
        self.round_event(None, Event::Connected(bank))
    }

    fn uploaded(&mut self, upload: Upload) -> Result<(), Fault> {
        let Upload {
            bank,
            round,
            path,
            length,
            hash,
            trailer,
            answer,
        } = upload;
        if self.outbox.adopts(&path) {
            // It came again over another connection, and what is refused now must not take the first one's file away.
            self.settle()?;
        }
        let result = match self.check_upload(bank, round, &path, length, hash, &trailer) {
            Err(rejection) => Err(rejection),
            Ok(trailer) => self.try_round_event(Event::Uploaded(bank, trailer, length, hash))?,
        };
        match &result {
            Ok(()) => {
                self.observer.uploaded(length);
                self.outbox.adopt(path, hash);
            }
            Err(rejection) => {
                tracing::warn!("{}: {rejection}", self.name(bank));
                self.observer.rejected(rejection.check);
                // What is not adopted is of no use; what is left of it costs only its space.
                let _ = std::fs::remove_file(&path);
            }
        }
        self.outbox.answer(answer, result);
        Ok(())
    }

    /// What must hold before an upload is kept. The packed vector must have its one form: set filling bits would stop the sum.
    fn check_upload(
        &self,
        bank: BankIndex,
        round: Round,
        path: &Path,
        length: u64,
        hash: Digest,
        trailer: &[u8],
    ) -> Result<Signed<Trailer>, Rejection> {
        let trailer =
            decode_trailer(trailer).ok_or_else(|| Rejection::new(Check::Malformed, "the trailer is none"))?;
        let machine = self.round.as_ref().filter(|machine| machine.round() == round);
        let machine =
            machine.ok_or_else(|| Rejection::new(Check::Phase, format!("round {round} is over")))?;
        machine.check_upload(bank, &trailer, length, hash)?;
        let last = last_byte(path).map_err(|error| Rejection::new(Check::Upload, error.to_string()))?;
        if !machine.is_filling_clean(last) {
            return Err(Rejection::new(
                Check::Malformed,
                "a filling bit behind the last lane is set",
            ));
        }
        Ok(trailer)
    }
}

fn last_byte(path: &Path) -> std::io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

async fn sleep_until(wake: Option<Duration>) {
    match wake {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
