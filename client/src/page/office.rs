//! What answers are made from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use veilsum_page::Guard;
use veilsum_protocol::task::Task;

use super::profiler::{Found, Profiler};
use crate::config::Config;
use crate::consent::{Consent, ConsentError};
use crate::egress::{Account, Ledger};
use crate::metrics::Facts;
use crate::participant::{Decision, Latest, Pulse, RoundHistory, RoundSeen, Status, Tasks};

/// How often a page that is open looks for what changes without a word of the loop.
const LOOK: Duration = Duration::from_secs(5);
/// A loop that has not gone round for so many seconds hangs.
const PULSE_S: u64 = 30;

/// What an office is made of.
pub struct Parts {
    /// The bank's configuration.
    pub config: Config,
    /// The daemon's status as it changes.
    pub latest: Latest,
    /// Where it can be seen that its loop goes round.
    pub pulse: Pulse,
    /// What left the bank.
    pub ledger: Ledger,
    /// The rounds that it saw.
    pub history: Arc<Mutex<RoundHistory>>,
    /// Offered and approved tasks.
    pub tasks: Tasks,
    /// The port where browsers come in.
    pub port: u16,
}

/// The daemon as its page sees it.
pub struct Office {
    pub(super) guard: Guard,
    pub(super) config: Config,
    latest: Latest,
    pulse: Pulse,
    ledger: Ledger,
    history: Arc<Mutex<RoundHistory>>,
    tasks: Tasks,
    profiler: Profiler,
    beat: watch::Sender<u64>,
    /// Held while a word on a task is weighed and written: of two at once the second sees what the first did.
    turn: Mutex<()>,
}

/// Why there is nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Starting,
    Stopped,
    Hangs,
}

impl Absent {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Starting => "the daemon is starting: it reads its state",
            Self::Stopped => "the daemon is stopping",
            Self::Hangs => "the daemon's loop has not gone round for 30 s; look at its trace and at its disk",
        }
    }
}

/// What the page shows at one moment.
pub(super) struct View {
    pub(super) status: Arc<Status>,
    pub(super) account: Account,
    /// The earliest first.
    pub(super) rounds: Vec<RoundSeen>,
    /// Offered tasks by their hashes.
    pub(super) offered: BTreeMap<String, Task>,
    /// The operator's word on them, which the daemon takes up a moment after it was said.
    pub(super) decisions: BTreeMap<String, Decision>,
    /// The bank's table, as last looked at, and whether it is being looked at.
    pub(super) found: Option<Arc<Found>>,
    pub(super) is_looking: bool,
    /// The policy's file.
    pub(super) policy: PathBuf,
    /// In Unix milliseconds.
    pub(super) now: u64,
}

/// The time by this machine's clock, in Unix milliseconds.
pub(super) fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Office {
    /// Of a daemon that is about to run. Must be called within a tokio runtime.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            config,
            latest,
            pulse,
            ledger,
            history,
            tasks,
            port,
        } = parts;
        let beat = watch::Sender::new(0);
        let office = Arc::new(Self {
            guard: Guard::new("bank", Duration::from_secs(config.page.session_s.into()), port),
            profiler: Profiler::new(config.clone(), beat.clone()),
            config,
            latest,
            pulse,
            ledger,
            history,
            tasks,
            beat,
            turn: Mutex::default(),
        });
        tokio::spawn(keep_beating(office.latest.clone(), office.beat.clone()));
        office
    }

    /// The word of a new link for one browser.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn link(&self) -> Result<String, String> {
        self.guard.link()
    }

    /// What the daemon said last.
    pub(super) fn status(&self) -> Result<Arc<Status>, Absent> {
        let status = self.latest.borrow().clone().ok_or(Absent::Starting)?;
        if self.latest.has_changed().is_err() {
            return Err(Absent::Stopped);
        }
        Ok(status)
    }

    /// The same, if its loop goes round.
    pub(super) fn healthy(&self) -> Result<Arc<Status>, Absent> {
        let status = self.status()?;
        if self.pulse.last() + PULSE_S < milliseconds() / 1000 {
            return Err(Absent::Hangs);
        }
        Ok(status)
    }

    /// Counts up whenever there may be something new to show.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.beat.subscribe()
    }

    /// What metrics are made from.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            status: self.status().ok(),
            account: self.ledger.account(),
            state: self.config.state.clone(),
        }
    }

    /// Everything.
    pub(super) async fn view(self: &Arc<Self>) -> Result<View, Absent> {
        let status = self.status()?;
        let office = Arc::clone(self);
        let view = spawn_blocking(move || office.read(status)).await;
        view.map_err(|_| Absent::Stopped)
    }

    /// Looks at tasks, or decides on one, as the commands do, by the folder's files as they are now.
    pub(super) async fn consent<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Consent) -> Result<T, ConsentError> + Send + 'static,
    ) -> Result<Result<T, ConsentError>, Absent> {
        let office = Arc::clone(self);
        let asked = spawn_blocking(move || {
            let _turn = office.turn.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&Consent::open(office.config.clone())?)
        });
        asked.await.map_err(|_| Absent::Stopped)
    }

    /// There is something new to show.
    pub(super) fn stir(&self) {
        self.beat.send_modify(|beat| *beat += 1);
    }

    fn read(&self, status: Arc<Status>) -> View {
        // A task that cannot be read is told where the daemon reads it.
        let offered = self.tasks.offered().unwrap_or_default();
        let decisions = offered.iter().filter_map(|task| {
            let hash = task.hash();
            // One that cannot be looked at stops the daemon, which says so.
            let decision = self.tasks.decision(&hash).ok()??;
            Some((hash.to_hex(), decision))
        });
        let decisions = decisions.collect();
        let (found, is_looking) = self.profiler.look();
        View {
            status,
            account: self.ledger.account(),
            rounds: self
                .history
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .rounds(),
            offered: offered
                .into_iter()
                .map(|task| (task.hash().to_hex(), task))
                .collect(),
            decisions,
            found,
            is_looking,
            policy: self.config.data.policy.clone(),
            now: milliseconds(),
        }
    }
}

/// Until the daemon is gone.
async fn keep_beating(mut latest: Latest, beat: watch::Sender<u64>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = latest.changed() => if changed.is_err() {
                return;
            },
            _ = look.tick() => {}
        }
        beat.send_modify(|beat| *beat += 1);
    }
}
