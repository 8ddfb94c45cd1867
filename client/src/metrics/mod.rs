//! What the daemon tells Prometheus, in the OpenMetrics text format. `docs/metrics.md` lists every name.
//!
//! Nothing is counted for it alone: each answer is made from the daemon's status and its account of what left. No figure follows from the bank's
//! rows: how a model does on them stands on the page, behind a login, and metrics are open to whoever reaches the address.

mod disk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use veilsum_protocol::wire::outbound::OutboundKind;

use crate::egress::Account;
use crate::participant::{Part, Status};

/// What a reader is told of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Label = [(&'static str, String); 1];
type Seconds = Gauge<f64, AtomicU64>;

/// What metrics are made from.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// What the daemon said last; none before the first time.
    pub(crate) status: Option<Arc<Status>>,
    /// What left.
    pub(crate) account: Account,
    /// The state folder.
    pub(crate) state: PathBuf,
}

/// All of it as text.
///
/// # Errors
/// If a value cannot be written, which is a bug.
pub(crate) fn text(facts: &Facts) -> Result<String, std::fmt::Error> {
    let mut all = Registry::with_prefix("veilsum_client");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    all.register("build", "Version of the daemon", version);
    if let Some(status) = &facts.status {
        of_status(&mut all, status);
    }
    of_account(&mut all, &facts.account);
    // A disk that does not answer has no figure; the alert on its absence tells.
    if let Ok(space) = disk::space(&facts.state) {
        for (name, help, value) in [
            (
                "state_free",
                "Bytes that the daemon can still write on the disk of the state folder",
                space.free,
            ),
            (
                "state_size",
                "Bytes of the disk of the state folder in all",
                space.size,
            ),
        ] {
            let gauge = Gauge::<i64>::default();
            gauge.set(signed(value));
            all.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
    let mut text = String::new();
    encode(&mut text, &all)?;
    Ok(text)
}

fn of_status(all: &mut Registry, status: &Status) {
    seconds(
        all,
        "start_time",
        "When the daemon was started, in Unix time",
        status.started_at as f64,
    );
    if let Some(end) = status.certificate_not_after {
        seconds(
            all,
            "certificate_not_after",
            "When the bank's certificate expires, in Unix time",
            end as f64,
        );
    }
    let transport = status.connection.as_ref().map(|it| it.transport.as_str());
    let ways = Family::<Label, Gauge>::default();
    for way in ["QUIC", "TCP"] {
        ways.get_or_create(&[("transport", way.to_lowercase())])
            .set((transport == Some(way)).into());
    }
    all.register(
        "connected",
        "1 if the coordinator has admitted the bank over this transport, else 0",
        ways,
    );
    for (name, help, value) in [
        (
            "epoch",
            "Number of the key epoch that the bank is armed for, 0 if for none",
            signed(status.epoch.unwrap_or(0)),
        ),
        (
            "log_entries",
            "Entries of the log that the bank has acted on",
            signed(status.log_entries),
        ),
        (
            "data_usable",
            "1 if the bank's table and schema could be used when they were last read, else 0",
            status.data.is_none().into(),
        ),
        (
            "roster_change_proposed",
            "1 while a change of the roster waits for this bank's operator, else 0",
            status.proposed_roster.is_some().into(),
        ),
        (
            "egress_unwritten",
            "1 while the account of what left cannot be written to the disk, else 0",
            status.egress_problem.is_some().into(),
        ),
    ] {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        all.register(name, help, gauge);
    }
    if let Some(ended) = status.last_round.as_ref().and_then(|round| round.ended) {
        seconds(
            all,
            "last_round_ended",
            "When the last round ended that this bank saw, in Unix time",
            (ended / 1000) as f64,
        );
    }
    let rounds = Family::<Label, Counter>::default();
    // An alert on a rate needs the zero from which it grew.
    for part in Part::ALL {
        let label = [("part", part.words().replace(' ', "_"))];
        let count = status.rounds.get(&part).copied().unwrap_or(0);
        rounds.get_or_create(&label).inc_by(count);
    }
    all.register(
        "rounds",
        "Rounds that ended since the daemon was started, by this bank's part in them",
        rounds,
    );
    let (approved, step, steps) = (
        Family::<Label, Gauge>::default(),
        Family::<Label, Gauge>::default(),
        Family::<Label, Gauge>::default(),
    );
    // The latest of a name comes last.
    for task in &status.tasks {
        let label = [("task", task.name.clone())];
        approved.get_or_create(&label).set(task.approved.into());
        step.get_or_create(&label).set(task.step.into());
        steps.get_or_create(&label).set(task.steps.into());
    }
    all.register(
        "task_approved",
        "1 if the bank's operator approved the task, else 0",
        approved,
    );
    all.register("task_step", "Steps of the task that the bank has derived", step);
    all.register("task_steps", "Steps that the task has", steps);
}

fn of_account(all: &mut Registry, account: &Account) {
    let (bytes, messages) = (
        Family::<Label, Counter>::default(),
        Family::<Label, Counter>::default(),
    );
    let kinds = account.totals.kinds();
    for kind in OutboundKind::ALL {
        let count = kinds.get(kind.name()).copied().unwrap_or_default();
        let label = [("kind", kind.name().to_owned())];
        // What was counted and not sent is in both: a counter never falls.
        bytes
            .get_or_create(&label)
            .inc_by(count.bytes.saturating_add(count.stayed));
        messages.get_or_create(&label).inc_by(count.times);
    }
    all.register(
        "egress_bytes",
        "Bytes that were handed to a connection to the coordinator, inside TLS, by kind, since the account began",
        bytes,
    );
    all.register(
        "egress_messages",
        "Messages and masked vectors that were handed to a connection, by kind, since the account began",
        messages,
    );
    let stayed = Counter::<u64>::default();
    stayed.inc_by(kinds.values().map(|count| count.stayed).sum());
    all.register(
        "egress_unsent_bytes",
        "Bytes among them that did not go out because the connection broke",
        stayed,
    );
    let framed = Counter::<u64>::default();
    framed.inc_by(account.totals.framed());
    all.register(
        "egress_framed_bytes",
        "Bytes that connections sent in all, with what TLS, QUIC and records add, as of at most a minute ago",
        framed,
    );
}

fn seconds(all: &mut Registry, name: &'static str, help: &'static str, value: f64) {
    let gauge = Seconds::default();
    gauge.set(value);
    all.register_with_unit(name, help, Unit::Seconds, gauge);
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
