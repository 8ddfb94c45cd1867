//! The status for all who watch, computed once for all of them and at most a few times a second: a hundred watchers cost the engine what one
//! costs, and none costs it nothing.

use std::sync::Arc;

use tokio::sync::watch;
use veilsum_protocol::ids::Millis;

use super::driver::Engine;
use super::ports::Ledger;
use super::status::Status;

/// Between two statuses, in milliseconds.
const INTERVAL: u64 = 250;

/// The latest status; none before the first.
pub type Latest = watch::Receiver<Option<Arc<Status>>>;

/// Where watchers subscribe.
#[derive(Clone)]
pub struct Feed(watch::Sender<Option<Arc<Status>>>);

impl Feed {
    /// Watches from now on. The engine sends the next status at the next thing that it does; whoever wants one at once asks it for the
    /// status, after this call, and finds none here any more that is older than the answer.
    pub fn subscribe(&self) -> Latest {
        self.0.subscribe()
    }
}

/// The engine's side.
pub(super) struct Broadcast {
    sender: watch::Sender<Option<Arc<Status>>>,
    sent: Millis,
    due: Option<Millis>,
}

impl Broadcast {
    pub(super) fn new() -> Self {
        Self {
            sender: watch::Sender::new(None),
            sent: Millis(0),
            due: None,
        }
    }

    /// When a status that was held back is sent.
    pub(super) fn due(&self) -> Option<Millis> {
        self.due
    }
}

impl<L: Ledger> Engine<L> {
    /// Where the status can be watched.
    pub fn feed(&self) -> Feed {
        Feed(self.broadcast.sender.clone())
    }

    /// Tells the watchers, if there are any and the last time is long enough ago.
    pub(super) fn broadcast_status(&mut self) {
        if self.broadcast.sender.receiver_count() == 0 {
            self.broadcast.due = None;
            return;
        }
        let now = self.clock.now();
        let next = Millis(self.broadcast.sent.0.saturating_add(INTERVAL));
        if next > now {
            self.broadcast.due = Some(next);
            return;
        }
        self.status_for_all();
    }

    /// The status for one who asks. Those who watch get it as well: what was held back for them until now would otherwise be shown after it.
    pub(super) fn status_for_all(&mut self) -> Status {
        let status = self.status();
        if self.broadcast.sender.receiver_count() > 0 {
            self.broadcast.due = None;
            self.broadcast.sent = self.clock.now();
            self.broadcast.sender.send_replace(Some(Arc::new(status.clone())));
        }
        status
    }
}
