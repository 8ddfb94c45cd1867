//! The daemon's loop: it hands the participant one event after another and does what the participant says, in that order.
//!
//! Everything from the coordinator goes through one queue. While an entry of the log waits for a blob, the participant is given
//! nothing more: later entries rest on what the blob leads to.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::entry::{RoundOpen, RoundResult};
use veilsum_protocol::log::follower::LoggedEntry;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::participant::{Action, Event, Participant};
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::{ToBank, WIRE_VERSION};
use veilsum_protocol::wire::outbound::{OutboundMessage, OutboundUpdate};
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::consent::PolicyWatch;
use crate::desensitise::PolicySource;
use crate::egress::Ledger;
use crate::peer_text::shown;
use crate::renewal::Remark;
use crate::transport::{Event as LinkEvent, Positions};

use super::channel::Channel;
use super::consortium_file::ConsortiumFile;
use super::error::DriverError;
use super::home::Home;
use super::jobs::{self, Base, Derivation, Done};
use super::own;
use super::roster_files::Decision;
use super::round_files::MaskedFile;
use super::scribe::{Model, Scribe};
use super::tasks::parse;
use super::trainer::{News, Order, Trainer};
use super::voice::{self, Voice};
use super::wait::Wait;

pub(super) use self::known::Known;

mod connection;
mod decisions;
mod following;
mod known;
mod news;
mod seen;
mod tasks;
mod tell;

/// Inputs that wait; when there are more, the link waits too.
const QUEUE: usize = 256;

/// The status is written at most so often: in a round it changes with every message, and each writing makes and removes a file.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// How often the policy and the operator's words are looked at.
const LOOK: Duration = Duration::from_millis(500);

enum Input {
    Message(Box<ToBank>),
    Entry(Box<LoggedEntry>),
    Approved(Digest),
    Refused(Digest, RefusalReason),
    Reconsidered(Digest),
    RosterDecided(Digest, Decision),
    News(News),
    Masked(Round, MaskedFile),
}

/// What a driver is made of.
pub struct Parts<C, E> {
    /// The participant, restored.
    pub participant: Participant,
    /// Secret randomness.
    pub entropy: E,
    /// The way to the coordinator.
    pub channel: C,
    /// The daemon's files.
    pub home: Home,
    /// The bank's policy, which says what tasks must keep within.
    pub policy: PolicySource,
    /// The training thread.
    pub trainer: Trainer,
    /// What the operator is told.
    pub voice: Voice,
    /// Names the roster that the bank goes by.
    pub consortium: ConsortiumFile,
    /// Where in the roster the link lets the coordinator have this bank.
    pub positions: Positions,
    /// The account of what leaves, to name tasks in and to tell of a disk that does not take it.
    pub ledger: Ledger,
    /// `host:port` of the coordinator.
    pub address: String,
    /// What happens to the bank's certificate.
    pub certificate: mpsc::UnboundedReceiver<Remark>,
}

/// The loop's state.
pub struct Driver<C, E> {
    parts: Parts<C, E>,
    tasks: BTreeMap<Digest, Known>,
    inputs: VecDeque<Input>,
    actions: VecDeque<Action>,
    /// An entry waits for a blob.
    held: bool,
    connected: bool,
    /// When the status may be written next.
    told: Instant,
    /// The participant asked for a record that is not durable yet.
    unsaved: bool,
    jobs: JoinSet<Result<Done, DriverError>>,
    scribe: Scribe,
    notes: (mpsc::UnboundedSender<String>, mpsc::UnboundedReceiver<String>),
    upload: Option<(Round, AbortHandle)>,
    /// The last round that was closed; files that turn up later for it go at once.
    closed: Round,
    /// Banks of the last cohort.
    cohort: Option<(Round, usize)>,
    /// A result whose task's text was lost and is fetched again.
    deferred: Option<(RoundOpen, RoundResult)>,
    /// The proposal whose refusal was told on this connection.
    refusal_told: Option<Digest>,
    policy: PolicyWatch,
    /// Why tasks are refused, for the bank's own operator.
    refusals: BTreeMap<Digest, String>,
    /// The round that is open, for what is told of it.
    open: Option<seen::OpenRound>,
}

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Takes up where the participant stopped: removes the files of rounds that are over, tells it the saved tasks and the operator's
    /// approvals, and begins what was interrupted.
    ///
    /// # Errors
    /// If the daemon's files cannot be read, or those that are over not removed.
    pub fn start(parts: Parts<C, E>) -> Result<Self, DriverError> {
        let scribe = Scribe::start(parts.home.receipts.clone(), parts.home.models.clone())?;
        let policy = PolicyWatch::new(parts.policy.clone());
        let mut driver = Self {
            parts,
            tasks: BTreeMap::new(),
            inputs: VecDeque::new(),
            actions: VecDeque::new(),
            held: false,
            connected: false,
            told: Instant::now(),
            unsaved: false,
            jobs: JoinSet::new(),
            scribe,
            notes: mpsc::unbounded_channel(),
            upload: None,
            closed: Round(0),
            cohort: None,
            deferred: None,
            refusal_told: None,
            policy,
            refusals: BTreeMap::new(),
            open: None,
        };
        let open = driver.parts.participant.active_round();
        driver.parts.home.rounds.sweep(open)?;
        for task in driver.parts.home.tasks.offered()? {
            driver.learn(task)?;
        }
        driver.step(Event::Started);
        driver.lay_out_roster()?;
        driver.look_at_tasks()?;
        Ok(driver)
    }

    /// Runs until `stop` is done.
    ///
    /// # Errors
    /// [`DriverError`] when the daemon cannot go on.
    pub async fn run(
        mut self,
        mut link: mpsc::Receiver<LinkEvent<ToBank>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), DriverError> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            self.drain().await?;
            let is_told = self.told <= Instant::now();
            if is_told {
                self.publish()?;
                self.told = Instant::now() + TELL_EVERY;
            }
            tokio::select! {
                () = &mut stop => {
                    self.save()?;
                    self.scribe.finish()?;
                    self.parts.voice.tell(None, "stopped by the operator");
                    "stopped".clone_into(&mut self.parts.voice.status.link);
                    return self.publish();
                }
                event = link.recv(), if self.inputs.len() < QUEUE => {
                    self.link(event.ok_or(DriverError::LinkEnded)?).await?;
                }
                news = self.parts.trainer.news() => self.inputs.push_back(Input::News(news?)),
                Some(done) = self.jobs.join_next() => match done {
                    Ok(done) => self.done(done?)?,
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => return Err(DriverError::Work(error.to_string())),
                },
                error = self.scribe.failure() => return Err(error),
                Some(note) = self.notes.1.recv() => self.parts.voice.mention(&shown(&note)),
                Some(remark) = self.parts.certificate.recv() => self.certificate(remark),
                () = sleep_until(self.told), if !is_told => {}
                _ = look.tick() => {
                    self.save()?;
                    self.look_at_tasks()?;
                    self.look_for_roster_decision()?;
                    self.look_at_ledger();
                }
            }
        }
    }

    /// Does everything that can be done now.
    async fn drain(&mut self) -> Result<(), DriverError> {
        while !self.held {
            if let Some(action) = self.actions.pop_front() {
                self.perform(action).await?;
            } else if let Some(input) = self.inputs.pop_front() {
                self.take(input)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, event: Event) {
        let actions = self.parts.participant.handle(event, &mut self.parts.entropy);
        self.actions.extend(actions);
    }

    fn take(&mut self, input: Input) -> Result<(), DriverError> {
        match input {
            Input::Message(message) => match *message {
                ToBank::Witnessed { size, cosignatures } => self.witnessed(size, &cosignatures)?,
                message => {
                    if let ToBank::Welcome { wire, software } = &message {
                        let text = format!("the coordinator runs {}", shown(software));
                        self.parts.voice.mention(&text);
                        if *wire != WIRE_VERSION {
                            self.parts.voice.tell(
                                None,
                                &format!(
                                    "REFUSED: {}: the coordinator speaks version {wire}, this bank version {WIRE_VERSION}; ask its operator which release the consortium runs, and install that",
                                    Check::Version
                                ),
                            );
                        }
                    }
                    self.step(Event::Message(message));
                }
            },
            Input::Entry(logged) => {
                self.narrate(&logged);
                self.step(Event::Entry(*logged));
            }
            Input::Approved(task) => self.step(Event::Approved(task)),
            Input::Refused(task, reason) => self.step(Event::Refused(task, reason)),
            Input::Reconsidered(task) => self.step(Event::Reconsidered(task)),
            Input::RosterDecided(proposal, Decision::Approved) => self.step(Event::RosterApproved(proposal)),
            Input::RosterDecided(proposal, Decision::Refused) => self.step(Event::RosterRefused(proposal)),
            Input::Masked(round, MaskedFile { length, hash }) => {
                self.step(Event::Masked { round, length, hash });
            }
            Input::News(news) => self.news(news)?,
        }
        Ok(())
    }

    async fn perform(&mut self, action: Action) -> Result<(), DriverError> {
        match action {
            // Made durable before anything that leaves this machine or goes from its disk; until then one record stands for several.
            Action::Persist => self.unsaved = true,
            Action::Send(message) => {
                self.save()?;
                self.send(&message).await;
            }
            Action::FetchTask(hash) => self.fetch_task(hash)?,
            Action::Compute(open) => self.compute(&open)?,
            Action::Mask(round, masks) => self.mask(round, masks),
            Action::Upload(update) => {
                self.save()?;
                self.upload(update);
            }
            Action::Derive(open, result) => self.derive(open, result)?,
            Action::Close(round) => {
                self.save()?;
                self.closed = self.closed.max(round);
                if let Some((_, upload)) = self.upload.take_if(|(uploading, _)| *uploading <= round) {
                    upload.abort();
                }
                self.parts.home.rounds.close(round)?;
            }
            Action::Pin(roster) => self.pin(&roster)?,
            Action::Notice(notice) => self.notice(&notice)?,
        }
        Ok(())
    }

    /// The loop itself waits for the disk: nothing may overtake the record.
    fn save(&mut self) -> Result<(), DriverError> {
        if self.unsaved {
            self.parts
                .home
                .state
                .replace(&self.parts.participant.snapshot())?;
            self.unsaved = false;
        }
        Ok(())
    }

    async fn send(&mut self, message: &OutboundMessage) {
        if !self.connected || self.parts.channel.send(message).await.is_err() {
            // The participant says it again when the link is up.
            return;
        }
        if let Some((round, text)) = voice::sent(message.message()) {
            match self.wait_after(message.message()) {
                Some(wait) => self.parts.voice.wait(round, &text, wait),
                None => self.parts.voice.tell(round, &text),
            }
        }
    }

    fn done(&mut self, done: Done) -> Result<(), DriverError> {
        match done {
            Done::Closed => return Err(DriverError::LinkEnded),
            Done::Fetched(hash, text) => {
                self.held = false;
                let parsed = text.and_then(|text| {
                    let task = parse(hash, &text).map_err(|error| error.to_string())?;
                    Ok((task, text))
                });
                match parsed {
                    Ok((task, text)) => {
                        self.parts.home.tasks.save(&hash, &text)?;
                        self.learn(task)?;
                        self.look_at_tasks()?;
                        self.offered(&hash);
                        if let Some((open, result)) = self.deferred.take_if(|(open, _)| open.task == hash) {
                            self.derive(open, result)?;
                        }
                    }
                    Err(problem) if self.deferred.is_some() => {
                        return Err(DriverError::TaskLost { hash, problem });
                    }
                    Err(problem) => {
                        let text = format!(
                            "task {hash:?} is passed over, this bank takes no part in it: {}",
                            shown(&problem)
                        );
                        self.parts.voice.tell(None, &text);
                        self.step(Event::TaskUnreadable(hash));
                    }
                }
            }
            Done::Derived(derivation) => self.derived(*derivation),
            Done::Masked(round, _) if round <= self.closed => {}
            Done::Masked(round, Ok(masked)) => self.inputs.push_back(Input::Masked(round, masked)),
            Done::Masked(round, Err(problem)) => {
                let text = format!("this bank sits the round out, its contribution is gone: {problem}");
                self.parts.voice.tell(Some(round), &text);
            }
            Done::Uploaded(round, length) => {
                self.upload = None;
                let text = format!(
                    "update sent (masked, {}); waiting for the others",
                    voice::size(length)
                );
                let wait = self.wait_for_updates(round);
                self.parts.voice.wait(Some(round), &text, wait);
            }
            Done::NotUploaded(round, problem) => {
                self.upload = None;
                let text = format!("the update was not taken: {}", shown(&problem));
                self.parts.voice.tell(Some(round), &text);
            }
        }
        Ok(())
    }

    /// Tells the participant a task whose text is here.
    fn learn(&mut self, task: Task) -> Result<(), DriverError> {
        let plan = Plan::new(&task);
        let hash = plan.task();
        let initial = TaskState::initial(&task);
        let initial_hash = initial.hash();
        match self.parts.participant.progress(&hash) {
            Some(progress) if progress.step > 0 => {
                self.write_model_again(&task, &plan, progress.step, &progress.state)?;
            }
            _ => drop(self.parts.home.states.save(&initial)?),
        }
        self.step(Event::TaskKnown(Box::new(plan.clone()), initial_hash));
        self.tasks.insert(
            hash,
            Known {
                task: Arc::new(task),
                plan: Arc::new(plan),
                state: None,
            },
        );
        Ok(())
    }

    /// The model of the newest state, if a crash came before it was written.
    fn write_model_again(
        &self,
        task: &Task,
        plan: &Plan,
        step: u32,
        hash: &Digest,
    ) -> Result<(), DriverError> {
        let home = &self.parts.home;
        if home.models.is_of(task, hash) {
            return Ok(());
        }
        let state = home.states.load(&plan.task(), step, hash)?;
        self.scribe.model(Model {
            task: Arc::new(task.clone()),
            version: u64::from(state.trained(plan)),
            personal: own::personal(plan, &state, &home.own),
            state: Arc::new(state),
            hash: *hash,
        });
        Ok(())
    }

    fn fetch_task(&mut self, hash: Digest) -> Result<(), DriverError> {
        if let Some(known) = self.tasks.get(&hash) {
            let task = Task::clone(&known.task);
            return self.learn(task);
        }
        self.fetch_text(hash);
        Ok(())
    }

    fn fetch_text(&mut self, hash: Digest) {
        self.held = true;
        let job = jobs::fetch_task(self.parts.channel.clone(), hash, self.notes.0.clone());
        self.jobs.spawn(job);
    }

    fn compute(&mut self, open: &RoundOpen) -> Result<(), DriverError> {
        if self.sits_out(open)? {
            return Ok(());
        }
        let Some(known) = self.tasks.get_mut(&open.task) else {
            // A restart in an open round whose task's text was lost since.
            self.step(Event::NotComputed(open.round));
            return Ok(());
        };
        let state = known.state_at(&self.parts.home, open)?;
        let doing = format!("computing this bank's part ({})", open.kind.name());
        self.parts.voice.tell(Some(open.round), &doing);
        let order = Order {
            round: open.round,
            kind: open.kind,
            task: known.task.clone(),
            plan: known.plan.clone(),
            state,
        };
        Ok(self.parts.trainer.order(order)?)
    }

    fn mask(&mut self, round: Round, masks: Masks) {
        self.jobs
            .spawn(jobs::mask(self.parts.home.rounds.clone(), round, masks));
    }

    fn upload(&mut self, update: OutboundUpdate) {
        let round = update.round();
        if self
            .upload
            .as_ref()
            .is_some_and(|(uploading, _)| *uploading == round)
        {
            // It goes on by itself with the next connection.
            return;
        }
        let file = self.parts.home.rounds.masked(round);
        let handle = self
            .jobs
            .spawn(jobs::upload(self.parts.channel.clone(), update, file));
        self.upload = Some((round, handle));
    }

    fn derive(&mut self, open: RoundOpen, result: RoundResult) -> Result<(), DriverError> {
        let Some(known) = self.tasks.get_mut(&open.task) else {
            // The participant knows the task, so its text was here; the entry waits until it is here again.
            self.fetch_text(open.task);
            self.deferred = Some((open, result));
            return Ok(());
        };
        let in_sum = self.parts.participant.is_in_sum(result.round);
        let base = Base {
            task: known.task.clone(),
            plan: known.plan.clone(),
            state: known.state_at(&self.parts.home, &open)?,
            open,
            result,
            states: self.parts.home.states.clone(),
            own: self.parts.home.own.clone(),
            in_sum,
        };
        self.held = true;
        self.jobs.spawn(jobs::derive(
            self.parts.channel.clone(),
            base,
            self.notes.0.clone(),
        ));
        Ok(())
    }

    fn derived(&mut self, mut derivation: Derivation) {
        self.held = false;
        let round = derivation.result.round;
        let importance = derivation.importance.take();
        self.saw_result(&derivation.result, derivation.task, importance);
        let known = self.tasks.get_mut(&derivation.task);
        if let (Some(known), Some(next), Some(state)) = (known, derivation.next, derivation.state) {
            let hash = next.hash;
            known.state = Some((hash, state.clone()));
            let cohort = self.cohort.filter(|(of, _)| *of == round).map(|(_, banks)| banks);
            let text = voice::derived(&derivation.result, known, &state, cohort);
            let wait = Wait::endless("the next round is opened");
            self.parts.voice.wait(Some(round), &text, wait);
            self.scribe.model(Model {
                task: known.task.clone(),
                version: u64::from(state.trained(&known.plan)),
                state,
                hash,
                personal: derivation.personal,
            });
        }
        if let Some(objection) = derivation.objection {
            self.parts.voice.mention(&format!("round {round}: {objection}"));
        }
        self.step(Event::Derived {
            round,
            state: derivation.next,
        });
    }
}

/// The time by this machine's clock, in Unix seconds.
fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
