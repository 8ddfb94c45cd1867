//! What the daemon tells its operator: lines as things happen, and the status file for those who ask later.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::Metrics;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::Notice;
use veilsum_protocol::wire::message::ToCoordinator;

use super::driver::Known;
use super::durable::FileError;
use super::status::Status;
use super::wait::Wait;
use crate::peer_text::shown;

/// Takes one line, without its end.
pub type Say = Box<dyn FnMut(&str) + Send>;

/// The latest status for who watches; none before the first.
pub type Latest = watch::Receiver<Option<Arc<Status>>>;

/// Lines and status.
pub struct Voice {
    say: Say,
    path: PathBuf,
    /// The present status.
    pub(super) status: Status,
    written: Status,
    last: String,
    feed: watch::Sender<Option<Arc<Status>>>,
    pulse: Pulse,
}

/// When the daemon's loop last went round, in Unix seconds: a loop that hangs is told from one that has nothing to do.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// When it last went round, in Unix seconds; 0 before the first time.
    pub fn last(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Voice {
    /// Lines to `say`, the status to the file `path`.
    pub fn new(say: Say, path: PathBuf, status: Status) -> Self {
        Self {
            say,
            path,
            status,
            written: Status::default(),
            last: String::new(),
            feed: watch::Sender::default(),
            pulse: Pulse::default(),
        }
    }

    /// Says where the bank's page is served.
    pub fn serves(&mut self, address: SocketAddr) {
        self.mention(&format!(
            "the bank's page is at http://{address}; `veilsum-client page` lets a browser in. Metrics are at http://{address}/metrics"
        ));
        self.status.page = Some(address.to_string());
    }

    /// Where it can be seen that the loop goes round.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// The status as it changes.
    pub fn watch(&self) -> Latest {
        self.feed.subscribe()
    }

    /// Says what the daemon does or waits for; the same twice in a row is said once.
    pub(super) fn tell(&mut self, round: Option<Round>, text: &str) {
        let line = match round {
            Some(round) => format!("round {round}: {text}"),
            None => text.to_owned(),
        };
        if line != self.last {
            (self.say)(&line);
            self.last = line;
        }
        self.status.round = round.map(|round| round.0);
        self.status.doing = text.to_owned();
        self.status.wait = None;
    }

    /// Says what the daemon waits for, and until when.
    pub(super) fn wait(&mut self, round: Option<Round>, text: &str, wait: Wait) {
        self.tell(round, text);
        self.status.wait = Some(wait);
    }

    /// Says something that is not about what the daemon does now.
    pub(super) fn mention(&mut self, text: &str) {
        if text != self.last {
            (self.say)(text);
            self.last = text.to_owned();
        }
    }

    /// Writes the status if it is another than before.
    pub(super) fn publish(&mut self, now: u64) -> Result<(), FileError> {
        self.pulse.0.store(now, Ordering::Relaxed);
        self.status.written_at = self.written.written_at;
        if self.status != self.written {
            self.status.written_at = now;
            self.status.write(&self.path)?;
            self.written = self.status.clone();
            self.feed.send_replace(Some(Arc::new(self.status.clone())));
        }
        Ok(())
    }
}

/// What a notice of the protocol means for the operator.
pub(super) fn notice(notice: &Notice) -> (Option<Round>, String) {
    match notice {
        Notice::Armed(epoch) => (
            None,
            format!("key epoch {epoch}: keys with all banks are confirmed; waiting for a round"),
        ),
        Notice::NotApproved(task) => (
            None,
            format!(
                "a round was opened for task {task:?}, which is not approved here; this bank stays out. To take part: veilsum-client task approve {task:?}"
            ),
        ),
        Notice::TaskRefused(round, task) => (
            Some(*round),
            format!("this bank sits the round out, the others go on: it refuses task {task:?}"),
        ),
        Notice::Refused(rejection) => (
            None,
            format!(
                "REFUSED, and the round is not gone along with: {}",
                shown(&rejection.to_string())
            ),
        ),
        Notice::Rejected(rejection) => (
            None,
            format!(
                "the coordinator did not accept a message of this bank: {}",
                shown(&rejection.to_string())
            ),
        ),
        // The driver has more to say of these.
        Notice::RosterProposed(_)
        | Notice::RosterWithdrawn(_)
        | Notice::RosterNotProposed(_)
        | Notice::RosterChanged(_)
        | Notice::RosterLeft => (None, "the roster is about to change".to_owned()),
        Notice::Aborted(round, reason) => (
            Some(*round),
            format!(
                "ended without a result: {}; waiting for the next attempt",
                reason.words()
            ),
        ),
    }
}

/// What a sent message means for the operator, where it means anything.
pub(super) fn sent(message: &ToCoordinator) -> Option<(Option<Round>, String)> {
    Some(match message {
        ToCoordinator::EpochKeys(keys) => (
            None,
            format!(
                "key epoch {}: keys made; waiting for those of the other banks",
                keys.claim().epoch
            ),
        ),
        ToCoordinator::Approval(approval) => (
            None,
            format!(
                "approval of task {:?} sent; waiting for a round",
                approval.claim().task
            ),
        ),
        ToCoordinator::Refusal(refusal) => (
            None,
            format!(
                "refusal of task {:?} sent ({})",
                refusal.claim().task,
                refusal.claim().reason.words()
            ),
        ),
        ToCoordinator::RosterApproval(_) => (
            None,
            "approval of the proposed roster sent; waiting until every bank that stays has approved it"
                .to_owned(),
        ),
        ToCoordinator::Ready { statement, .. } => (
            Some(statement.claim().round),
            "ready; waiting for the other banks".to_owned(),
        ),
        ToCoordinator::Confirm { round, .. } => (
            Some(*round),
            "the list of updates is confirmed; waiting for the other banks' signatures".to_owned(),
        ),
        ToCoordinator::Release { round, .. } => {
            (Some(*round), "shares released; waiting for the sum".to_owned())
        }
        _ => return None,
    })
}

/// The beginning of a round in words.
pub(super) fn opened(open: &RoundOpen, task: &str, steps: u32) -> String {
    let again = match open.attempt {
        0 => String::new(),
        tries => format!(", attempt {}", tries.saturating_add(1)),
    };
    format!(
        "open: step {} of {steps} of {task} ({}{again})",
        open.step.saturating_add(1),
        open.kind.name()
    )
}

/// An entry of the open round in words, where it means anything.
pub(super) fn entry(entry: &Entry) -> Option<(Option<Round>, String)> {
    match entry {
        Entry::Cohort { round, banks } => Some((Some(*round), format!("{} banks take part", banks.len()))),
        _ => None,
    }
}

/// A derived result of a task in words. `next`: the state that it led to. `cohort`: how many banks took part, if known.
pub(super) fn derived(
    result: &RoundResult,
    known: &Known,
    next: &TaskState,
    cohort: Option<usize>,
) -> String {
    let of = cohort.map(|cohort| format!(" of {cohort}")).unwrap_or_default();
    let banks = format!("{}{of} banks'", result.survivors);
    let model = known.plan.train_round(result.step);
    let figures = result
        .metrics
        .as_ref()
        .map(|metrics| format!("; model {model} before it: {}", figures(metrics)));
    let figures = figures.unwrap_or_default();
    match result.kind {
        RoundKind::Support => format!("{banks} sums are in; which cells have support derived and checked"),
        RoundKind::Vocabulary => {
            format!("{banks} sums are in; the values that enough banks have derived and checked")
        }
        RoundKind::Statistics => {
            format!("{banks} sums are in; the inputs' moments derived and checked")
        }
        RoundKind::Train => format!(
            "{banks} updates are in the sum; model {} derived and checked{figures}{}",
            model.saturating_add(1),
            ending(next, known.task.rounds)
        ),
        RoundKind::Evaluate => {
            let judged = result.metrics.as_ref().map(|metrics| {
                let kept = next.trained(&known.plan);
                format!("; model {kept}: {}", self::figures(metrics))
            });
            format!("{banks} scores are in{}", judged.unwrap_or_default())
        }
    }
}

/// What a task with early stopping has come to, if its training is over.
fn ending(state: &TaskState, rounds: u32) -> String {
    match state.stopping.as_ref().and_then(|stopping| stopping.end) {
        None => String::new(),
        Some(end) if end.rounds < rounds => format!(
            "; training ends early, after {} of {rounds} rounds: the best was model {}, which is kept",
            end.rounds, end.kept
        ),
        Some(end) => format!("; model {} is kept", end.kept),
    }
}

fn figures(metrics: &Metrics) -> String {
    format!(
        "{} on {} held-out rows of all banks",
        metrics.words(),
        metrics.rows
    )
}

/// A length for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn the_same_line_is_said_once_and_the_status_is_written_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let say: Say = Box::new(move |line| heard.lock().unwrap().push(line.to_owned()));
        let mut voice = Voice::new(say, path.clone(), Status::default());
        voice.tell(Some(Round(7)), "ready");
        voice.tell(Some(Round(7)), "ready");
        voice.tell(None, "waiting");
        assert_eq!(*lines.lock().unwrap(), ["round 7: ready", "waiting"]);
        voice.publish(10).unwrap();
        voice.publish(11).unwrap();
        assert_eq!(Status::read(&path).unwrap().unwrap().written_at, 10);
        voice.tell(Some(Round(8)), "ready");
        voice.publish(12).unwrap();
        let status = Status::read(&path).unwrap().unwrap();
        assert_eq!((status.written_at, status.round), (12, Some(8)));
    }

    #[test]
    fn what_the_coordinator_says_does_not_steer_the_terminal() {
        use veilsum_protocol::round::checks::Check;
        use veilsum_protocol::wire::message::Rejection;
        let detail = "\u{1b}[2J\u{1b}[31mALL WELL\n".to_owned() + &"x".repeat(1 << 22);
        for made in [Notice::Rejected, Notice::Refused] {
            let (_, text) = notice(&made(Rejection::new(Check::Version, detail.clone())));
            assert!(!text.contains(char::is_control), "{text:?}");
            assert!(text.contains("[2J[31mALL WELL "), "{text:?}");
            assert!(text.chars().count() < 700, "{} characters", text.chars().count());
        }
    }

    #[test]
    fn lengths_are_readable() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(12_345), "12.3 kB");
        assert_eq!(size(4_000_000), "4.0 MB");
    }
}
