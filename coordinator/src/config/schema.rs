//! The keys of `coordinator.toml`, their defaults and their ranges.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;
use veilsum_settings::{ConfigError, Problem, Program, Settings, ranges};

use super::auditors::{self, Auditors};
use super::enrolment::{self, Enrolment};
use super::operator::{self, Operator};

/// The coordinator's configuration. Relative paths are taken from the folder of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address on which banks are served, by UDP (QUIC) and by TCP (TLS) at the same port.
    pub listen: SocketAddr,
    /// How long a bank may be away in a phase before it counts as dropped out, in seconds (0 to 3600).
    #[serde(default = "default_grace")]
    pub reconnect_grace_s: u32,
    /// Where data and the log are kept.
    #[serde(default)]
    pub folders: Folders,
    /// Certificates, keys and the consortium file.
    #[serde(default)]
    pub identity: Identity,
    /// What peers may use.
    #[serde(default)]
    pub limits: Limits,
    /// How certificates are renewed.
    #[serde(default)]
    pub enrolment: Enrolment,
    /// The door for auditors.
    #[serde(default)]
    pub auditors: Auditors,
    /// The operator's page, metrics and health.
    #[serde(default)]
    pub operator: Operator,
}

/// Folders that the coordinator writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Folders {
    /// Journal, blobs and spooled uploads. Losing it costs the round in progress and the published models.
    pub data: PathBuf,
    /// The transparency log as static files, for a web server or auditors to read.
    pub log: PathBuf,
}

/// Files of the coordinator's identity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The consortium file with the roster.
    pub consortium: PathBuf,
    /// TLS certificate, PEM.
    pub certificate: PathBuf,
    /// TLS private key, PEM, mode 0600.
    pub key: PathBuf,
    /// Ed25519 private key of the log, PEM, mode 0600.
    pub log_key: PathBuf,
}

/// What peers may use. What one bank can pin at most: `connection_window_bytes + send_window_bytes`, one message that is being read
/// and one that is being written, messages of `message_bytes` in all that wait for the engine (up to ten times that once they are decoded),
/// 320 KiB for each of `streams`, and the messages that the engine has queued for it. One more connection
/// of its may wait for admission, which pins a few KiB. Over TCP both windows are divided among the connections that it can have: one for
/// its messages, one for each of `streams`, and as many at the door; each takes some 270 KiB beside its share, and as many may be on their
/// way out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest message in bytes (1024 to 16777216). A bank costs up to twelve times this: one being read, one being
    /// written, and what is decoded and waits for the engine.
    pub message_bytes: usize,
    /// Messages that wait for one bank before it is dropped as too slow (1 to 65536). They are kept unencoded.
    pub outbound_messages: usize,
    /// Connections that may be in the handshake at once (1 to 65536), for UDP and TCP each. Until it is admitted, one by UDP may pin some
    /// tens of KiB, one by TCP its share of both windows and 64 KiB.
    pub max_handshakes: usize,
    /// Uploads and fetches that one bank may have open at once beside its messages (1 to 64). They share the connection's window.
    pub streams: u32,
    /// Bytes of one stream that may be in flight unread (16384 to 67108864): throughput is at most this per round trip.
    pub stream_window_bytes: u32,
    /// Bytes of all streams of one bank that may be in flight unread (at least `stream_window_bytes`, at most 268435456).
    /// This much memory a bank can pin.
    pub connection_window_bytes: u32,
    /// Bytes sent to one bank that it has not acknowledged (65536 to 268435456). This much memory a bank can pin by going silent.
    pub send_window_bytes: u32,
    /// A handshake must be done in this many seconds (1 to 120).
    pub handshake_s: u32,
    /// A silent connection is dropped after this many seconds (5 to 600); banks send a sign of life three times as often.
    pub idle_s: u32,
    /// A message or a chunk must have moved after this many seconds (1 to 600), or the peer is dropped as too slow.
    pub stall_s: u32,
}

fn default_grace() -> u32 {
    20
}

impl Default for Folders {
    fn default() -> Self {
        Self {
            data: "data".into(),
            log: "log".into(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            consortium: "consortium.toml".into(),
            certificate: "identity/server.crt.pem".into(),
            key: "identity/server.key.pem".into(),
            log_key: "identity/log.key.pem".into(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 4 << 20,
            outbound_messages: 1024,
            max_handshakes: 64,
            streams: 4,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 2 << 20,
            send_window_bytes: 2 << 20,
            handshake_s: 10,
            idle_s: 30,
            stall_s: 30,
        }
    }
}

impl Config {
    /// Reads a configuration file, lays the environment over it and checks every range.
    ///
    /// # Errors
    /// [`ConfigError`] with file, key, what was found and what is known.
    pub fn load(
        path: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = veilsum_settings::load(path, environment)?;
        let root = path.parent().unwrap_or(Path::new(""));
        let Identity {
            consortium,
            certificate,
            key,
            log_key,
        } = &mut config.identity;
        for file in [
            &mut config.folders.data,
            &mut config.folders.log,
            consortium,
            certificate,
            key,
            log_key,
            &mut config.auditors.admitted,
            &mut config.operator.admitted,
        ] {
            *file = root.join(&file);
        }
        Ok(config)
    }
}

impl Settings for Config {
    const PROGRAM: Program = Program::Coordinator;
    const REQUIRED: &'static str = "listen";
    const REQUIRED_HINT: &'static str =
        "set it to the address on which banks are served, such as \"0.0.0.0:7443\"";

    /// The template's, which states every key.
    fn defaults() -> Table {
        let listen = SocketAddr::from(([0, 0, 0, 0], 7443));
        toml::from_str(&template(listen)).expect("the template is TOML, as its test proves")
    }

    fn problems(&self) -> Vec<Problem> {
        let limits = &self.limits;
        let stream_window = u64::from(limits.stream_window_bytes);
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let own = [
            ("reconnect_grace_s", u64::from(self.reconnect_grace_s), 0, 3600),
            ("limits.message_bytes", size(limits.message_bytes), 1024, 1 << 24),
            (
                "limits.outbound_messages",
                size(limits.outbound_messages),
                1,
                65_536,
            ),
            ("limits.max_handshakes", size(limits.max_handshakes), 1, 65_536),
            ("limits.streams", limits.streams.into(), 1, 64),
            ("limits.stream_window_bytes", stream_window, 16_384, 64 << 20),
            (
                "limits.connection_window_bytes",
                limits.connection_window_bytes.into(),
                stream_window,
                256 << 20,
            ),
            (
                "limits.send_window_bytes",
                limits.send_window_bytes.into(),
                65_536,
                256 << 20,
            ),
            ("limits.handshake_s", limits.handshake_s.into(), 1, 120),
            ("limits.idle_s", limits.idle_s.into(), 5, 600),
            ("limits.stall_s", limits.stall_s.into(), 1, 600),
        ];
        let sections = self.auditors.ranges().into_iter().chain(self.operator.ranges());
        let mut problems: Vec<Problem> = ranges(own.into_iter().chain(sections)).collect();
        if let Some(address) = self.operator.reachable() {
            let port = address.port();
            problems.push(Problem {
                key: "operator.listen",
                text: format!(
                    "{address} can be reached from other machines, and what is served there has no TLS, expected an address of the loopback interface; set \"127.0.0.1:{port}\" and come by `ssh -L {port}:127.0.0.1:{port} HOST`, or let operators in by operator.secure_listen"
                ),
            });
        }
        problems
    }
}

/// The configuration file that `init` writes: every key with its default and what it does.
pub fn template(listen: SocketAddr) -> String {
    let Limits {
        message_bytes,
        outbound_messages,
        max_handshakes,
        streams,
        stream_window_bytes,
        connection_window_bytes,
        send_window_bytes,
        handshake_s,
        idle_s,
        stall_s,
    } = Limits::default();
    let Folders { data, log } = Folders::default();
    let Identity {
        consortium,
        certificate,
        key,
        log_key,
    } = Identity::default();
    let grace = default_grace();
    let enrolment = enrolment::template();
    let auditors = auditors::template();
    let operator = operator::template();
    format!(
        r#"# Configuration of the coordinator. Relative paths are taken from this folder. Every key can also be set by the
# environment: VEILSUM__LIMITS__IDLE_S=60 sets idle_s in [limits].

listen = "{listen}"       # UDP and TCP
reconnect_grace_s = {grace}            # a bank may be away so long in a phase before it counts as dropped out

[folders]
data = {data:?}                    # journal, blobs, spooled uploads; keep it on a durable disk
log = {log:?}                      # the transparency log as static files, public

[identity]
consortium = {consortium:?}
certificate = {certificate:?}
key = {key:?}            # mode 0600
log_key = {log_key:?}           # mode 0600; signs the log

[limits]                           # a bank pins at most both windows, 12 messages and its queue
message_bytes = {message_bytes}
outbound_messages = {outbound_messages}           # waiting for one bank, before it is dropped as too slow
max_handshakes = {max_handshakes}                # at once
streams = {streams}                        # uploads and fetches of one bank at once
stream_window_bytes = {stream_window_bytes}      # one stream moves at most this much per round trip
connection_window_bytes = {connection_window_bytes}  # unread bytes that one bank can pin
send_window_bytes = {send_window_bytes}        # unacknowledged bytes that one bank can pin
handshake_s = {handshake_s}
idle_s = {idle_s}                        # a silent bank is dropped
stall_s = {stall_s}                       # a bank that takes or sends nothing in a transfer is dropped

{enrolment}
{auditors}
{operator}"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path, []).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_states_the_defaults() {
        let listen = "127.0.0.1:7443".parse().unwrap();
        let from_template = read(&template(listen)).unwrap();
        let shortest = read("listen = \"127.0.0.1:7443\"").unwrap();
        assert_eq!(from_template.limits, shortest.limits);
        assert_eq!(from_template.auditors.listen, None);
        assert_eq!(
            Auditors {
                admitted: from_template.folders.data.with_file_name("auditors.toml"),
                ..Auditors::default()
            },
            from_template.auditors
        );
        assert_eq!(
            Operator {
                admitted: from_template.folders.data.with_file_name("operators.toml"),
                ..Operator::default()
            },
            from_template.operator
        );
        assert_eq!(from_template.enrolment, Enrolment::default());
        assert_eq!(from_template.reconnect_grace_s, shortest.reconnect_grace_s);
        assert_eq!(
            from_template.folders.data.file_name(),
            shortest.folders.data.file_name()
        );
        assert!(from_template.identity.key.is_absolute());
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (line, part) in [
            (
                "reconnect_grace_s = 3601",
                "reconnect_grace_s: 3601 is out of range, expected 0 to 3600",
            ),
            (
                "[limits]\nidle_s = 1",
                "limits.idle_s: 1 is out of range, expected 5 to 600",
            ),
            ("[limits]\nconnection_window_bytes = 65536", "expected 1048576 to"),
            ("[limits]\nmessage_bytes = 100000000", "limits.message_bytes"),
            (
                "[auditors]\nidle_s = 0",
                "auditors.idle_s: 0 is out of range, expected 1 to 600",
            ),
            (
                "[auditors]\nmax_connections_each = 99",
                "auditors.max_connections_each: 99 is out of range, expected 1 to 32",
            ),
            (
                "[auditors]\nlisten = \"here\"",
                "found \"here\", expected an address with a port",
            ),
            (
                "[operator]\nlisten = \"0.0.0.0:7480\"",
                "operator.listen: 0.0.0.0:7480 can be reached from other machines",
            ),
            (
                "[operator]\nsession_s = 1",
                "operator.session_s: 1 is out of range, expected 60 to 604800",
            ),
        ] {
            let error = read(&format!("listen = \"127.0.0.1:7443\"\n{line}")).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(read("[limits]").unwrap_err().contains("listen"));
    }
}
