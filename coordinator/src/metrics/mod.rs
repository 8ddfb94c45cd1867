//! What the daemon counts for Prometheus, in the OpenMetrics text format. `docs/metrics.md` lists every name.
//!
//! Counters and histograms are moved while the work is done ([`Observer`]); gauges are set from the latest status when somebody reads them.

mod disk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::Phase;

use crate::engine::observer::Observer;
use crate::engine::status::Status;
use crate::engine::tasks::TaskStatus;

/// What a reader is told of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of phases: from ten milliseconds to a day.
const PHASE_BUCKETS: [f64; 16] = [
    0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 10_800.0, 36_000.0,
    86_400.0,
];
/// Of durable steps: a disk that takes longer than the last is in trouble.
const COMMIT_BUCKETS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 2.0];

type Label<V> = [(&'static str, V); 1];

/// Everything that is counted. Copies share the counts.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    registry: Registry,
    folders: [(&'static str, PathBuf); 2],
    published: Counter,
    failed: Family<Label<&'static str>, Counter>,
    phases: Family<Label<&'static str>, Histogram, fn() -> Histogram>,
    uploads: Counter,
    upload_bytes: Counter,
    fetches: Counter,
    fetched_bytes: Counter,
    rejections: Family<Label<String>, Counter>,
    cosignatures: Counter,
    commits: Histogram,
    banks: Gauge,
    banks_connected: Gauge,
    least_banks: Gauge,
    bank: Family<Label<String>, Gauge>,
    bank_certificate: Family<Label<String>, Gauge<f64, AtomicU64>>,
    replaced: Family<Label<String>, Counter>,
    two_places: Family<Label<String>, Gauge>,
    epoch: Gauge,
    round_open: Gauge,
    tasks: Family<Label<&'static str>, Gauge>,
    step: Family<Label<String>, Gauge>,
    steps: Family<Label<String>, Gauge>,
    entries: Gauge,
    published_entries: Gauge,
    certificate: Gauge<f64, AtomicU64>,
    free: Family<Label<&'static str>, Gauge>,
    size: Family<Label<&'static str>, Gauge>,
}

impl Meters {
    /// Nothing is counted yet. `expires` is when the coordinator's certificate does, `started` when the daemon was started, both in Unix seconds.
    pub fn new(data: PathBuf, log: PathBuf, expires: i64, started: i64) -> Self {
        let phases: fn() -> Histogram = || Histogram::new(PHASE_BUCKETS);
        let mut inner = Inner {
            registry: Registry::with_prefix("veilsum_coordinator"),
            folders: [("data", data), ("log", log)],
            published: Counter::default(),
            failed: Family::default(),
            phases: Family::new_with_constructor(phases),
            uploads: Counter::default(),
            upload_bytes: Counter::default(),
            fetches: Counter::default(),
            fetched_bytes: Counter::default(),
            rejections: Family::default(),
            cosignatures: Counter::default(),
            commits: Histogram::new(COMMIT_BUCKETS),
            banks: Gauge::default(),
            banks_connected: Gauge::default(),
            least_banks: Gauge::default(),
            bank: Family::default(),
            bank_certificate: Family::default(),
            replaced: Family::default(),
            two_places: Family::default(),
            epoch: Gauge::default(),
            round_open: Gauge::default(),
            tasks: Family::default(),
            step: Family::default(),
            steps: Family::default(),
            entries: Gauge::default(),
            published_entries: Gauge::default(),
            certificate: Gauge::default(),
            free: Family::default(),
            size: Family::default(),
        };
        inner.certificate.set(whole(expires));
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(whole(started));
        // An alert on a rate needs the zero from which it grew.
        for reason in REASONS {
            drop(inner.failed.get_or_create(&[("reason", reason_label(reason))]));
        }
        inner.register(start);
        Self(Arc::new(inner))
    }

    /// The coordinator's certificate was replaced by one that expires then, in Unix seconds.
    pub fn certificate_expires(&self, at: i64) {
        self.0.certificate.set(whole(at));
    }

    /// A bank fetches a public file of so many bytes.
    pub fn fetched(&self, bytes: u64) {
        self.0.fetches.inc();
        self.0.fetched_bytes.inc_by(bytes);
    }

    /// All of it as text, with the gauges as of `status`.
    ///
    /// # Errors
    /// If a value cannot be written, which is a bug.
    pub fn text(&self, status: Option<&Status>) -> Result<String, std::fmt::Error> {
        let inner = &self.0;
        if let Some(status) = status {
            inner.set(status);
        }
        for (name, path) in &inner.folders {
            // A disk that does not answer has no figure; the alert on its absence tells.
            if let Ok(space) = disk::space(path) {
                inner
                    .free
                    .get_or_create(&[("folder", *name)])
                    .set(signed(space.free));
                inner
                    .size
                    .get_or_create(&[("folder", *name)])
                    .set(signed(space.size));
            } else {
                inner.free.remove(&[("folder", *name)]);
            }
        }
        let mut text = String::new();
        encode(&mut text, &inner.registry)?;
        Ok(text)
    }
}

impl Inner {
    fn register(&mut self, start: Gauge<f64, AtomicU64>) {
        let all = &mut self.registry;
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        all.register("build", "Version of the coordinator", version);
        all.register_with_unit(
            "start_time",
            "When the coordinator was started, in Unix time",
            Unit::Seconds,
            start,
        );
        all.register(
            "rounds_published",
            "Rounds that ended with a published result",
            self.published.clone(),
        );
        all.register(
            "rounds_failed",
            "Rounds that ended without a result, by reason",
            self.failed.clone(),
        );
        all.register_with_unit(
            "phase_duration",
            "How long phases of rounds took",
            Unit::Seconds,
            self.phases.clone(),
        );
        all.register(
            "uploads",
            "Masked updates of banks that count",
            self.uploads.clone(),
        );
        all.register(
            "upload_bytes",
            "Bytes of masked updates that count",
            self.upload_bytes.clone(),
        );
        all.register(
            "fetches",
            "Public files that banks began to fetch",
            self.fetches.clone(),
        );
        all.register(
            "fetched_bytes",
            "Bytes of public files that banks began to fetch",
            self.fetched_bytes.clone(),
        );
        all.register(
            "rejections",
            "What banks sent and a check refused, by the check's number",
            self.rejections.clone(),
        );
        all.register(
            "cosignatures",
            "Cosignatures of banks under heads of the log",
            self.cosignatures.clone(),
        );
        all.register_with_unit(
            "commit_duration",
            "How long durable steps of the store took, the wait for the disk included",
            Unit::Seconds,
            self.commits.clone(),
        );
        all.register("banks", "Banks in the roster", self.banks.clone());
        all.register(
            "banks_connected",
            "Banks that are connected",
            self.banks_connected.clone(),
        );
        all.register(
            "least_banks",
            "Fewest banks with which a round goes on",
            self.least_banks.clone(),
        );
        all.register(
            "bank_connected",
            "1 if the bank is connected, else 0",
            self.bank.clone(),
        );
        all.register_with_unit(
            "bank_certificate_not_after",
            "When the certificate expires that the bank showed last, in Unix time",
            Unit::Seconds,
            self.bank_certificate.clone(),
        );
        all.register(
            "bank_connections_replaced",
            "Connections of the bank that stood and whose place a newer one with its key took",
            self.replaced.clone(),
        );
        all.register(
            "bank_in_two_places",
            "1 while two daemons run with the bank's identity, else 0",
            self.two_places.clone(),
        );
        all.register(
            "epoch",
            "Number of the armed key epoch, 0 if none is",
            self.epoch.clone(),
        );
        all.register(
            "round_open",
            "1 while a round is open, else 0",
            self.round_open.clone(),
        );
        all.register("tasks", "Tasks, by status", self.tasks.clone());
        all.register("task_step", "Steps of the task that are done", self.step.clone());
        all.register("task_steps", "Steps that the task has", self.steps.clone());
        all.register("log_entries", "Entries in the log", self.entries.clone());
        all.register(
            "log_published_entries",
            "Entries under the published checkpoint, which enough banks have cosigned",
            self.published_entries.clone(),
        );
        all.register_with_unit(
            "certificate_not_after",
            "When the coordinator's certificate expires, in Unix time",
            Unit::Seconds,
            self.certificate.clone(),
        );
        all.register_with_unit(
            "folder_free",
            "Bytes that the coordinator can still write on the folder's disk",
            Unit::Bytes,
            self.free.clone(),
        );
        all.register_with_unit(
            "folder_size",
            "Bytes of the folder's disk in all",
            Unit::Bytes,
            self.size.clone(),
        );
    }

    fn set(&self, status: &Status) {
        let connected = status.banks.iter().filter(|bank| bank.connected).count();
        self.banks.set(signed_count(status.banks.len()));
        self.banks_connected.set(signed_count(connected));
        self.least_banks.set(status.least_banks.into());
        // Who left the roster is told no more.
        self.bank.clear();
        self.bank_certificate.clear();
        self.two_places.clear();
        self.replaced.clear();
        for bank in &status.banks {
            let label = [("bank", bank.name.clone())];
            self.bank.get_or_create(&label).set(bank.connected.into());
            self.two_places
                .get_or_create(&label)
                .set(bank.two_places.is_some().into());
            if let Some(until) = bank.certificate_until {
                self.bank_certificate.get_or_create(&label).set(whole(until));
            }
            // A total, counted from the start elsewhere.
            self.replaced.get_or_create(&label).inc_by(bank.replaced);
        }
        self.epoch.set(signed(status.epoch.unwrap_or(0)));
        self.round_open.set(status.round.is_some().into());
        for name in ["running", "paused", "finished", "stopped"] {
            let tasks = status.tasks.iter();
            let count = tasks.filter(|task| status_label(&task.status) == name).count();
            self.tasks
                .get_or_create(&[("status", name)])
                .set(signed_count(count));
        }
        self.step.clear();
        self.steps.clear();
        // The latest of a name comes last.
        for task in status.tasks.iter().filter(|task| !task.status.is_over()) {
            let label = [("task", task.name.clone())];
            self.step.get_or_create(&label).set(task.step.into());
            self.steps.get_or_create(&label).set(task.steps.into());
        }
        self.entries.set(signed(status.log_size));
        self.published_entries.set(signed(status.published));
    }
}

impl Observer for Meters {
    fn phase_ended(&self, phase: Phase, seconds: f64) {
        self.0
            .phases
            .get_or_create(&[("phase", phase.name())])
            .observe(seconds);
    }

    fn round_ended(&self, outcome: Result<(), AbortReason>) {
        match outcome {
            Ok(()) => self.0.published.inc(),
            Err(reason) => self
                .0
                .failed
                .get_or_create(&[("reason", reason_label(reason))])
                .inc(),
        };
    }

    fn uploaded(&self, bytes: u64) {
        self.0.uploads.inc();
        self.0.upload_bytes.inc_by(bytes);
    }

    fn rejected(&self, check: Check) {
        let label = [("check", format!("C-{}", check.number()))];
        self.0.rejections.get_or_create(&label).inc();
    }

    fn cosigned(&self) {
        self.0.cosignatures.inc();
    }

    fn committed(&self, seconds: f64) {
        self.0.commits.observe(seconds);
    }
}

const REASONS: [AbortReason; 9] = [
    AbortReason::TooFewPrepared,
    AbortReason::TooFewReady,
    AbortReason::TooFewUpdates,
    AbortReason::TooFewConfirmations,
    AbortReason::TooFewShares,
    AbortReason::BadShares,
    AbortReason::BadSum,
    AbortReason::Stopped,
    AbortReason::Restarted,
];

fn status_label(status: &TaskStatus) -> &'static str {
    match status {
        TaskStatus::Running => "running",
        TaskStatus::Paused => "paused",
        TaskStatus::Finished => "finished",
        TaskStatus::Stopped(_) => "stopped",
    }
}

fn reason_label(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::TooFewPrepared => "too_few_prepared",
        AbortReason::TooFewReady => "too_few_ready",
        AbortReason::TooFewUpdates => "too_few_updates",
        AbortReason::TooFewConfirmations => "too_few_confirmations",
        AbortReason::TooFewShares => "too_few_shares",
        AbortReason::BadShares => "bad_shares",
        AbortReason::BadSum => "bad_sum",
        AbortReason::Stopped => "stopped",
        AbortReason::Restarted => "restarted",
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn signed_count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^53")]
fn whole(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests;
