//! What is counted for Prometheus, in the OpenMetrics text format. Only names of models that are served become labels, so that who asks for made-up
//! ones does not fill the memory.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What a reader is told of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Of requests: from a tenth of a millisecond to half a minute.
const LATENCY: [f64; 17] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];
const ROWS: [f64; 13] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16_384.0,
];
/// Of differences between outputs of two versions.
const DIFFERENCES: [f64; 10] = [0.0, 1e-6, 1e-4, 0.001, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

type Labels<const N: usize> = [(&'static str, String); N];
type Version = Labels<2>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that is counted. Copies share the counts.
#[derive(Clone)]
pub(crate) struct Meters(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Labels<4>, Counter>,
    latency: Histograms<Labels<1>>,
    rows: Family<Version, Counter>,
    caller_rows: Family<Labels<1>, Counter>,
    batches: Histograms<Version>,
    depth: Family<Version, Gauge>,
    differences: Histograms<Labels<3>>,
    shadow_failures: Family<Version, Counter>,
    lost_decisions: Counter,
    connections: Gauge<i64>,
    ready: Gauge<f64, AtomicU64>,
}

impl Meters {
    /// Nothing is counted yet.
    pub(crate) fn new() -> Self {
        let latency: fn() -> Histogram = || Histogram::new(LATENCY);
        let rows: fn() -> Histogram = || Histogram::new(ROWS);
        let differences: fn() -> Histogram = || Histogram::new(DIFFERENCES);
        let mut inner = Inner {
            registry: Registry::with_prefix("veilsum_serving"),
            requests: Family::default(),
            latency: Family::new_with_constructor(latency),
            rows: Family::default(),
            caller_rows: Family::default(),
            batches: Family::new_with_constructor(rows),
            depth: Family::default(),
            differences: Family::new_with_constructor(differences),
            shadow_failures: Family::default(),
            lost_decisions: Counter::default(),
            connections: Gauge::default(),
            ready: Gauge::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }

    /// The OpenMetrics text of everything.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    pub(crate) fn request(&self, route: &str, model: Option<(&str, &str)>, code: u16, took: Duration) {
        let (model, version) = model.unwrap_or_default();
        let labels = [
            ("route", route.to_owned()),
            ("model", model.to_owned()),
            ("version", version.to_owned()),
            ("code", code.to_string()),
        ];
        self.0.requests.get_or_create(&labels).inc();
        let latency = self.0.latency.get_or_create(&[("route", route.to_owned())]);
        latency.observe(took.as_secs_f64());
    }

    pub(crate) fn scored(&self, model: &str, version: &str, caller: &str, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.0.rows.get_or_create(&labels(model, version)).inc_by(rows);
        self.0
            .caller_rows
            .get_or_create(&[("caller", caller.to_owned())])
            .inc_by(rows);
    }

    pub(crate) fn batch(&self, model: &str, version: &str, rows: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.0
            .batches
            .get_or_create(&labels(model, version))
            .observe(f64::from(rows));
    }

    pub(crate) fn queue_depth(&self, model: &str, version: &str, jobs: usize) {
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        self.0.depth.get_or_create(&labels(model, version)).set(jobs);
    }

    pub(crate) fn difference(&self, model: &str, version: &str, output: &str, difference: f64) {
        let labels = [
            ("model", model.to_owned()),
            ("version", version.to_owned()),
            ("output", output.to_owned()),
        ];
        self.0.differences.get_or_create(&labels).observe(difference);
    }

    pub(crate) fn shadow_failed(&self, model: &str, version: &str) {
        self.0
            .shadow_failures
            .get_or_create(&labels(model, version))
            .inc();
    }

    pub(crate) fn decision_lost(&self) {
        self.0.lost_decisions.inc();
    }

    pub(crate) fn connected(&self, by: i64) {
        self.0.connections.inc_by(by);
    }

    pub(crate) fn ready(&self, ready: bool) {
        self.0.ready.set(f64::from(u8::from(ready)));
    }
}

fn labels(model: &str, version: &str) -> Version {
    [("model", model.to_owned()), ("version", version.to_owned())]
}

impl Inner {
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register(
            "requests",
            "Requests by route, model, version and status",
            self.requests.clone(),
        );
        to.register_with_unit(
            "request_duration",
            "How long answers took, by route",
            Unit::Seconds,
            self.latency.clone(),
        );
        to.register("rows", "Rows that were scored, by version", self.rows.clone());
        to.register(
            "caller_rows",
            "Rows that were scored, by caller",
            self.caller_rows.clone(),
        );
        to.register(
            "batch_rows",
            "Rows that a model was given at once",
            self.batches.clone(),
        );
        to.register(
            "queue_depth",
            "Requests that wait, by version",
            self.depth.clone(),
        );
        to.register(
            "shadow_difference",
            "Largest difference between a row's output of the version that answers and the shadow's; for texts and whole numbers 1 if they differ",
            self.differences.clone(),
        );
        to.register(
            "shadow_failures",
            "Requests that the shadow could not score",
            self.shadow_failures.clone(),
        );
        to.register(
            "lost_decisions",
            "Decisions that could not be written down",
            self.lost_decisions.clone(),
        );
        to.register(
            "connections",
            "Connections that are open",
            self.connections.clone(),
        );
        to.register("ready", "1 while requests are taken", self.ready.clone());
    }
}
