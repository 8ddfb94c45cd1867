//! What a bank sets for serving, as the table `[serve]` of its configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::callers::Quota;
use crate::tensor::Limits;

/// Everything that can be set. What is left out has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address of REST and of the page. Beyond loopback only with `keys` or `tls.callers_ca`. Default `127.0.0.1:8470`.
    pub listen: SocketAddr,
    /// Address of gRPC, if it is served. Default none.
    pub grpc_listen: Option<SocketAddr>,
    /// Most connections at once, on each address: 1 to 65536, default 1024.
    pub max_connections: usize,
    /// Longest body of a request in bytes: 1024 to 1 GiB, default 16 MiB.
    pub max_body_bytes: usize,
    /// Most bytes of the bodies of all requests that are under way: `max_body_bytes` to 2^40, default 256 MiB.
    pub max_held_bytes: usize,
    /// Most rows of a request: 1 to 1000000, default 10000.
    pub max_rows: usize,
    /// Most elements of a tensor: 1 to 2^30, default 4194304.
    pub max_elements: usize,
    /// Time for a request that gives none, in milliseconds: 1 to 600000, default 5000.
    pub timeout_ms: u64,
    /// Most time that a request may give itself, in milliseconds: `timeout_ms` to 600000, default 60000.
    pub max_timeout_ms: u64,
    /// How long answers that are under way may take when serving stops, in milliseconds: 0 to 600000, default 5000.
    pub farewell_ms: u64,
    /// How requests are joined.
    pub batching: Batching,
    /// How much is explained.
    pub explaining: Explaining,
    /// File of the callers' keys, read by [`crate::Keys::read`]. Default none: anybody who reaches the address is let in.
    pub keys: Option<PathBuf>,
    /// Files for TLS, on both addresses. Default none: connections are not encrypted.
    pub tls: Option<TlsFiles>,
    /// Quota of callers that have none of their own. Default none: as much as can be scored.
    pub quota: Option<Quota>,
    /// Where decisions are written down. Default nowhere.
    pub decisions: Option<Decisions>,
}

/// By what a server shows itself, and callers show themselves. Whoever starts the server reads the files and makes a [`crate::Tls`] of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate in PEM, then those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key, PKCS #8 in PEM.
    pub key: PathBuf,
    /// Certificates of the authorities that name callers, in PEM. Default none: no certificate is asked for.
    pub callers_ca: Option<PathBuf>,
    /// Names that may ask. Default none: everybody whom those authorities name.
    pub callers: Option<Vec<String>>,
}

/// How requests are joined into batches, for each version of a model by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Rows that several requests are joined up to: 1 to 1000000, default 256. A request with more is a batch by itself.
    pub max_rows: usize,
    /// How long a request may be held for others that are being read, in microseconds: 0 to 10000000, default 1000. A lone request is not held.
    pub hold_us: u64,
    /// Requests that may wait: 1 to 1000000, default 1024.
    pub queue_requests: usize,
    /// Rows that may wait: 1 to 2^30, default 65536.
    pub queue_rows: usize,
    /// Threads that score: 1 to 256, default 1.
    pub workers: usize,
}

/// How much is explained: a row takes as many questions to the model as there are coalitions times rows that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Explaining {
    /// Most rows of a request: 1 to 1000, default 16.
    pub max_rows: usize,
    /// Most coalitions that a request may ask for: 16 to 1000000, default 16384.
    pub max_coalitions: usize,
    /// Rows of the bank's own that a row is compared with: 1 to 10000, default 50.
    pub background: usize,
    /// Requests that are explained at once, each on a thread: 1 to 256, default 1.
    pub workers: usize,
    /// Requests that may wait: 0 to 100000, default 32.
    pub queue_requests: usize,
}

/// Where and how decisions are written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// Folder of the files. It is made if it is not there.
    pub folder: PathBuf,
    /// A file is closed when it has so many bytes: 4096 to 2^40, default 64 MiB. It is closed at midnight UTC as well.
    #[serde(default = "file_bytes")]
    pub file_bytes: u64,
    /// Days after whose end a file is deleted: 1 to 36500, default 365.
    #[serde(default = "keep_days")]
    pub keep_days: u16,
    /// What happens to a request whose record cannot be written. Default `refuse`.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What happens to a request whose record cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is answered with 503, and no score is given.
    #[default]
    Refuse,
    /// It is answered; the lost record is counted.
    GoOn,
}

fn file_bytes() -> u64 {
    64 << 20
}

fn keep_days() -> u16 {
    365
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8470)),
            grpc_listen: None,
            max_connections: 1024,
            max_body_bytes: 16 << 20,
            max_held_bytes: 256 << 20,
            max_rows: 10_000,
            max_elements: 4 << 20,
            timeout_ms: 5_000,
            max_timeout_ms: 60_000,
            farewell_ms: 5_000,
            batching: Batching::default(),
            explaining: Explaining::default(),
            keys: None,
            tls: None,
            quota: None,
            decisions: None,
        }
    }
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            max_rows: 256,
            hold_us: 1_000,
            queue_requests: 1_024,
            queue_rows: 65_536,
            workers: 1,
        }
    }
}

impl Default for Explaining {
    fn default() -> Self {
        Self {
            max_rows: 16,
            max_coalitions: 16_384,
            background: 50,
            workers: 1,
            queue_requests: 32,
        }
    }
}

impl Settings {
    /// What is wrong, each with its key below `[serve]`, what was found and what is allowed.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let batching = &self.batching;
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let mut within = |key: &str, found: u64, least: u64, most: u64| {
            if !(least..=most).contains(&found) {
                problems.push(format!("{key}: found {found}, expected {least} to {most}"));
            }
        };
        within("max_connections", wide(self.max_connections), 1, 65_536);
        within("max_body_bytes", wide(self.max_body_bytes), 1_024, 1 << 30);
        within(
            "max_held_bytes",
            wide(self.max_held_bytes),
            wide(self.max_body_bytes).min(1 << 40),
            1 << 40,
        );
        within("max_rows", wide(self.max_rows), 1, 1_000_000);
        within("max_elements", wide(self.max_elements), 1, 1 << 30);
        within("timeout_ms", self.timeout_ms, 1, 600_000);
        within(
            "max_timeout_ms",
            self.max_timeout_ms,
            self.timeout_ms.min(600_000),
            600_000,
        );
        within("farewell_ms", self.farewell_ms, 0, 600_000);
        within("batching.max_rows", wide(batching.max_rows), 1, 1_000_000);
        within("batching.hold_us", batching.hold_us, 0, 10_000_000);
        within(
            "batching.queue_requests",
            wide(batching.queue_requests),
            1,
            1_000_000,
        );
        within("batching.queue_rows", wide(batching.queue_rows), 1, 1 << 30);
        within("batching.workers", wide(batching.workers), 1, 256);
        let explaining = &self.explaining;
        within("explaining.max_rows", wide(explaining.max_rows), 1, 1_000);
        within(
            "explaining.max_coalitions",
            wide(explaining.max_coalitions),
            16,
            1_000_000,
        );
        within("explaining.background", wide(explaining.background), 1, 10_000);
        within("explaining.workers", wide(explaining.workers), 1, 256);
        within(
            "explaining.queue_requests",
            wide(explaining.queue_requests),
            0,
            100_000,
        );
        if let Some(quota) = self.quota {
            within(
                "quota.rows_per_second",
                quota.rows_per_second.into(),
                1,
                u32::MAX.into(),
            );
            within("quota.burst", quota.burst.into(), 1, u32::MAX.into());
        }
        if let Some(decisions) = &self.decisions {
            within("decisions.file_bytes", decisions.file_bytes, 4_096, 1 << 40);
            within("decisions.keep_days", decisions.keep_days.into(), 1, 36_500);
        }
        problems.extend(self.tls.as_ref().and_then(TlsFiles::problem));
        if self
            .grpc_listen
            .is_some_and(|grpc| grpc == self.listen && grpc.port() != 0)
        {
            problems.push(format!(
                "grpc_listen: found {}, as listen; expected a port of its own",
                self.listen
            ));
        }
        problems
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            rows: self.max_rows,
            elements: self.max_elements,
        }
    }

    /// The time that a request gets.
    pub(crate) fn timeout(&self, wished: Option<Duration>) -> Duration {
        let most = Duration::from_millis(self.max_timeout_ms);
        wished.map_or(Duration::from_millis(self.timeout_ms), |wished| wished.min(most))
    }
}

impl TlsFiles {
    fn problem(&self) -> Option<String> {
        let callers = self.callers.as_ref()?;
        if self.callers_ca.is_none() {
            let words =
                "tls.callers: found names, but no tls.callers_ca; expected the authority that gives them";
            return Some(words.to_owned());
        }
        let (at, _) = callers
            .iter()
            .enumerate()
            .find(|(at, name)| name.is_empty() || callers.iter().take(*at).any(|other| other == *name))?;
        Some(format!(
            "tls.callers: name {} is empty or comes twice, expected each caller once",
            at + 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn callers_by_certificate_need_their_authority() {
        for (callers, part) in [
            ("callers = [\"risk\"]", Some("no tls.callers_ca")),
            (
                "callers_ca = \"ca\"\ncallers = [\"risk\", \"risk\"]",
                Some("name 2"),
            ),
            ("callers_ca = \"ca\"\ncallers = [\"\"]", Some("name 1")),
            ("callers_ca = \"ca\"\ncallers = [\"risk\", \"sales\"]", None),
            // An empty list lets nobody in by certificate.
            ("callers_ca = \"ca\"\ncallers = []", None),
            ("callers_ca = \"ca\"", None),
            ("", None),
        ] {
            let text = format!("[tls]\ncertificate = \"c\"\nkey = \"k\"\n{callers}");
            let problems = toml::from_str::<Settings>(&text)
                .expect("types are right")
                .problems();
            assert_eq!(problems.len(), usize::from(part.is_some()), "{problems:?}");
            assert!(part.is_none_or(|part| problems[0].contains(part)), "{problems:?}");
        }
        assert!(toml::from_str::<Settings>("[tls]\ncertificate = \"c\"").is_err());
    }

    #[test]
    fn defaults_are_in_order_and_every_key_has_its_range() {
        assert_eq!(
            toml::from_str::<Settings>("").expect("defaults"),
            Settings::default()
        );
        assert_eq!(Settings::default().problems(), Vec::<String>::new());
        let text = r#"
            listen = "127.0.0.1:1"
            grpc_listen = "127.0.0.1:1"
            max_connections = 0
            max_body_bytes = 1
            max_held_bytes = 0
            max_rows = 0
            max_elements = 0
            timeout_ms = 0
            max_timeout_ms = 600001
            farewell_ms = 600001
            quota = { rows_per_second = 0, burst = 0 }
            batching = { max_rows = 0, hold_us = 10000001, queue_requests = 0, queue_rows = 0, workers = 0 }
            explaining = { max_rows = 0, max_coalitions = 0, background = 0, workers = 0, queue_requests = 100001 }
            decisions = { folder = "d", file_bytes = 1, keep_days = 0 }
        "#;
        let problems = toml::from_str::<Settings>(text)
            .expect("types are right")
            .problems();
        // Every key but the addresses, the paths and `on_failure`, and the address that comes twice.
        assert_eq!(problems.len(), 23, "{problems:#?}");
        assert!(toml::from_str::<Settings>("max_row = 1").is_err());
    }
}
