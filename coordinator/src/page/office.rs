//! What answers are made from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use veilsum_page::Guard;

use crate::admin::{ask_engine, ask_status};
use crate::engine::broadcast::{Feed, Latest};
use crate::engine::driver::Input;
use crate::engine::status::Status;
use crate::history::{History, RoundHistory, TaskHistory};
use crate::metrics::Meters;

/// An engine that does not answer for so long is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon as the page sees it, from before its store is open until it stops.
pub struct Office {
    pub(super) guard: Guard,
    pub(super) meters: Meters,
    /// When the coordinator's certificate expires, in Unix seconds.
    pub(super) expires: AtomicI64,
    state: Mutex<State>,
    log: Mutex<Log>,
}

/// Where the daemon stands.
#[derive(Clone)]
enum State {
    Starting,
    Serving(mpsc::Sender<Input>, Feed),
    Stopping,
}

/// The published log, read up to some size.
struct Log {
    history: History,
    read: Option<u64>,
    told: Arc<Told>,
}

/// What it tells.
#[derive(Default)]
pub(super) struct Told {
    /// Every task with its results.
    pub(super) tasks: Vec<TaskHistory>,
    /// The last rounds, oldest first.
    pub(super) rounds: Vec<RoundHistory>,
}

/// Why there is no answer from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Starting,
    Stopping,
    Silent,
}

impl Absent {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Starting => "the coordinator is starting: it reads its store and its log",
            Self::Stopping => "the coordinator is stopping",
            Self::Silent => {
                "the coordinator's engine has not answered for 5 s; look at its trace and at its disk"
            }
        }
    }
}

impl Office {
    /// The coordinator's certificate was replaced by one that expires then, in Unix seconds.
    pub fn certificate_expires(&self, at: i64) {
        self.expires.store(at, Ordering::Relaxed);
    }

    /// Of a daemon that is about to open its store. A browser that comes in by a link stays so many seconds; `port` is where it comes in.
    pub fn new(session_s: u32, port: u16, meters: Meters, history: History, expires: i64) -> Arc<Self> {
        Arc::new(Self {
            guard: Guard::new("operator", Duration::from_secs(session_s.into()), port),
            meters,
            expires: AtomicI64::new(expires),
            state: Mutex::new(State::Starting),
            log: Mutex::new(Log {
                history,
                read: None,
                told: Arc::default(),
            }),
        })
    }

    /// The engine runs.
    pub fn opens(&self, inputs: mpsc::Sender<Input>, feed: Feed) {
        self.set(State::Serving(inputs, feed));
    }

    /// It is about to stop.
    pub fn closes(&self) {
        self.set(State::Stopping);
    }

    /// The word of a new link for one browser.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn link(&self) -> Result<String, String> {
        self.guard.link()
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn engine(&self) -> Result<(mpsc::Sender<Input>, Feed), Absent> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match state {
            State::Starting => Err(Absent::Starting),
            State::Serving(inputs, feed) => Ok((inputs, feed)),
            State::Stopping => Err(Absent::Stopping),
        }
    }

    /// How the consortium stands.
    pub(super) async fn status(&self) -> Result<Status, Absent> {
        let (inputs, _) = self.engine()?;
        match timeout(PATIENCE, ask_status(&inputs)).await {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(Absent::Stopping),
            Err(_) => Err(Absent::Silent),
        }
    }

    /// Tells the engine something, and gives what it says.
    pub(super) async fn tell<T>(
        &self,
        question: impl FnOnce(tokio::sync::oneshot::Sender<T>) -> Input,
    ) -> Result<T, Absent> {
        let (inputs, _) = self.engine()?;
        match timeout(PATIENCE, ask_engine(&inputs, question)).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Absent::Stopping),
            Err(_) => Err(Absent::Silent),
        }
    }

    /// The status as it changes.
    pub(super) fn watch(&self) -> Result<Latest, Absent> {
        Ok(self.engine()?.1.subscribe())
    }

    /// What the published log tells up to `published` entries at least.
    pub(super) async fn told(self: &Arc<Self>, published: u64) -> Arc<Told> {
        let office = Arc::clone(self);
        let read = spawn_blocking(move || office.read(published));
        read.await.unwrap_or_default()
    }

    fn read(&self, published: u64) -> Arc<Told> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.read.is_some_and(|read| read >= published) {
            return Arc::clone(&log.told);
        }
        let Log { history, read, told } = &mut *log;
        match history.follow() {
            // The checkpoint file may be a step behind; the next look reads on.
            Ok(()) => *read = Some(published),
            // A log without a checkpoint has not begun; anything else is told where auditors are.
            Err(problem) => tracing::debug!("the page has nothing new of the log: {problem}"),
        }
        *told = Arc::new(Told {
            tasks: history.tasks().to_vec(),
            rounds: history.rounds().cloned().collect(),
        });
        Arc::clone(told)
    }
}
