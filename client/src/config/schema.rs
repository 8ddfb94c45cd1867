//! The keys of `bank.toml`, their defaults and their ranges.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};
use veilsum_protocol::roster::check_bank_name;
use veilsum_settings::{ConfigError, Problem, Program, Settings, ranges};

use super::page::{self, Page};

/// The bank's configuration. Relative paths are taken from the folder of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bank's name in the roster.
    pub name: String,
    /// The pinned consortium file.
    #[serde(default = "default_consortium")]
    pub consortium: PathBuf,
    /// Folder of the protocol's state. Losing it costs the rounds in progress; a copy of it must never run twice.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Certificate, keys and the hold-out salt.
    #[serde(default)]
    pub identity: Identity,
    /// The bank's table.
    #[serde(default)]
    pub data: Data,
    /// What training may use.
    #[serde(default)]
    pub compute: Compute,
    /// The connection to the coordinator.
    #[serde(default)]
    pub link: Link,
    /// The bank's page, metrics and health.
    #[serde(default)]
    pub page: Page,
}

/// Files of the bank's identity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// TLS certificate as issued on admission, PEM.
    pub certificate: PathBuf,
    /// TLS private key, PEM, mode 0600.
    pub key: PathBuf,
    /// Ed25519 private key, PEM, mode 0600.
    pub signing_key: PathBuf,
    /// Ed25519 private key for cosignatures, PEM, mode 0600.
    pub witness_key: PathBuf,
    /// Salt that chooses the rows never trained on, 64 hex characters, mode 0600.
    pub hold_out_salt: PathBuf,
    /// Key for the policy's pseudonyms and shifts of dates, 64 hex characters, mode 0600. Read only where a rule needs it.
    pub desensitise_key: PathBuf,
}

/// The bank's table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// The table, CSV or Parquet, or the images, IDX.
    pub file: PathBuf,
    /// The images' labels, IDX; empty beside a table.
    pub labels: PathBuf,
    /// The agreed schema, TOML; it must equal the task's.
    pub schema: PathBuf,
    /// The bank's own policy, what is done to columns before they are read, TOML; empty: `policy.toml` in the folder, if it is there.
    pub policy: PathBuf,
    /// Bytes of memory that the values of rows may take (0 to 2^50); rows of a table that takes more lie in a file in `state`.
    pub memory_bytes: u64,
    /// Whether the file names the policy, so that it must be there.
    #[serde(skip)]
    pub policy_is_named: bool,
}

/// What training may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compute {
    /// `auto` (a GPU if there is one), `cpu`, or `cuda:0` and so on.
    pub device: String,
    /// Threads of training on the CPU (1 to 256). 1 is fastest for small models.
    pub threads: u16,
}

/// The connection to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// `auto` (QUIC, and TCP where QUIC does not get through), `quic` or `tcp`.
    pub transport: LinkTransport,
    /// `http://host:port` of an HTTP proxy that the bank's connections must take, or empty. It carries TCP only.
    pub proxy: String,
    /// The bank's name at the proxy, or empty.
    pub proxy_user: String,
    /// Its password there: a file of mode 0600, or empty; the variable `VEILSUM_PROXY_PASSWORD` goes before it.
    pub proxy_password_file: PathBuf,
    /// Largest message in bytes (1024 to 16777216); the coordinator's `limits.message_bytes` or more.
    pub message_bytes: usize,
    /// Bytes of one stream that may be in flight unread (16384 to 67108864). Throughput is at most this per round trip, and this much
    /// memory the coordinator can pin on each of at most 8 streams.
    pub stream_window_bytes: u32,
    /// Bytes sent that are not acknowledged (65536 to 268435456): memory that an upload takes at most.
    pub send_window_bytes: u32,
    /// A connection must stand in this many seconds (1 to 120).
    pub connect_s: u32,
    /// A silent connection is given up after this many seconds (5 to 600); a sign of life goes out three times as often.
    pub idle_s: u32,
    /// A message or a chunk must have moved after this many seconds (1 to 600), or the connection is given up.
    pub stall_s: u32,
}

/// By which way the coordinator is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkTransport {
    /// QUIC over UDP, and TLS over TCP where QUIC does not get through.
    #[default]
    Auto,
    /// QUIC over UDP only.
    Quic,
    /// TLS over TCP only.
    Tcp,
}

/// Name of the policy in the bank's folder.
pub const POLICY_FILE: &str = "policy.toml";

fn default_consortium() -> PathBuf {
    "consortium.toml".into()
}

fn default_state() -> PathBuf {
    "state".into()
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            certificate: "bank.crt.pem".into(),
            key: "identity/tls.key.pem".into(),
            signing_key: "identity/signing.key.pem".into(),
            witness_key: "identity/witness.key.pem".into(),
            hold_out_salt: "identity/hold-out.salt".into(),
            desensitise_key: "identity/desensitise.key".into(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            file: "data.csv".into(),
            labels: PathBuf::new(),
            schema: "schema.toml".into(),
            policy: PathBuf::new(),
            memory_bytes: 1 << 30,
            policy_is_named: false,
        }
    }
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            device: "cpu".to_owned(),
            threads: 1,
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            transport: LinkTransport::Auto,
            proxy: String::new(),
            proxy_user: String::new(),
            proxy_password_file: PathBuf::new(),
            message_bytes: 4 << 20,
            stream_window_bytes: 1 << 20,
            send_window_bytes: 2 << 20,
            connect_s: 10,
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
            certificate,
            key,
            signing_key,
            witness_key,
            hold_out_salt,
            desensitise_key,
        } = &mut config.identity;
        let Data {
            file,
            labels,
            schema,
            policy,
            policy_is_named,
            memory_bytes: _,
        } = &mut config.data;
        if labels != Path::new("") {
            *labels = root.join(&labels);
        }
        *policy_is_named = policy != Path::new("");
        if !*policy_is_named {
            *policy = POLICY_FILE.into();
        }
        if config.link.proxy_password_file != Path::new("") {
            config.link.proxy_password_file = root.join(&config.link.proxy_password_file);
        }
        let (consortium, state) = (&mut config.consortium, &mut config.state);
        for place in [
            consortium,
            state,
            certificate,
            key,
            signing_key,
            witness_key,
            hold_out_salt,
            desensitise_key,
            file,
            schema,
            policy,
        ] {
            *place = root.join(&place);
        }
        Ok(config)
    }
}

impl Settings for Config {
    const PROGRAM: Program = Program::Client;
    const REQUIRED: &'static str = "name";
    const REQUIRED_HINT: &'static str = "set it to the bank's name in the roster, such as \"bank-a\"";

    /// The template's, and the keys that stand in no template.
    fn defaults() -> Table {
        let mut table: Table =
            toml::from_str(&template("bank-a")).expect("the template is TOML, as its test proves");
        if let Some(Value::Table(data)) = table.get_mut("data") {
            for key in ["labels", "policy"] {
                data.insert(key.to_owned(), Value::String(String::new()));
            }
        }
        table
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = check_bank_name(&self.name) {
            problems.push(Problem::range("name", format!("{:?}", self.name), error));
        }
        let device = self.compute.device.as_str();
        let cuda = device
            .strip_prefix("cuda:")
            .is_some_and(|number| number.parse::<u8>().is_ok());
        if device != "cpu" && device != "auto" && !cuda {
            let expected = "auto, cpu or cuda:0, cuda:1, ...";
            problems.push(Problem::range("compute.device", format!("{device:?}"), expected));
        }
        problems.extend(self.link.proxy_problems());
        if let Some(address) = self.page.reachable() {
            let expected = "an address on the loopback interface, such as \"127.0.0.1:7481\": the page has no TLS; from another machine come through a tunnel (`ssh -L`)";
            problems.push(Problem::range("page.listen", address, expected));
        }
        let link = &self.link;
        let own = [
            ("data.memory_bytes", self.data.memory_bytes, 0, 1 << 50),
            ("compute.threads", u64::from(self.compute.threads), 1, 256),
            (
                "link.message_bytes",
                u64::try_from(link.message_bytes).unwrap_or(u64::MAX),
                1024,
                1 << 24,
            ),
            (
                "link.stream_window_bytes",
                link.stream_window_bytes.into(),
                16_384,
                64 << 20,
            ),
            (
                "link.send_window_bytes",
                link.send_window_bytes.into(),
                65_536,
                256 << 20,
            ),
            ("link.connect_s", link.connect_s.into(), 1, 120),
            ("link.idle_s", link.idle_s.into(), 5, 600),
            ("link.stall_s", link.stall_s.into(), 1, 600),
        ];
        problems.extend(ranges(own.into_iter().chain(self.page.ranges())));
        problems
    }

    /// An address of a proxy that is none is refused, and may hold a password.
    fn is_secret(key: &str, value: &Value) -> bool {
        let address = value.as_str().unwrap_or_default();
        key == "link.proxy" && !address.is_empty() && host_and_port(address).is_none()
    }
}

impl Link {
    /// `host:port` of the proxy.
    pub fn proxy_address(&self) -> Option<&str> {
        host_and_port(&self.proxy)
    }

    fn proxy_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.proxy.is_empty() {
            return problems;
        }
        if self.proxy_address().is_none() {
            let expected = "http://host:port, with the user in link.proxy_user";
            // Not what was found: it may hold a password.
            problems.push(Problem::range("link.proxy", "the address", expected));
        }
        if self.transport == LinkTransport::Quic {
            let expected = "\"auto\" or \"tcp\" with a link.proxy, which carries TCP only";
            problems.push(Problem::range("link.transport", "\"quic\"", expected));
        }
        if self
            .proxy_user
            .contains(|found: char| found == ':' || found.is_control())
        {
            let expected = "a name without a colon (RFC 7617)";
            problems.push(Problem::range(
                "link.proxy_user",
                format!("{:?}", self.proxy_user),
                expected,
            ));
        }
        problems
    }
}

/// What follows `http://` in a proxy's address, if it is a host and a port alone.
fn host_and_port(address: &str) -> Option<&str> {
    let address = address.strip_prefix("http://")?;
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = address.rsplit_once(':')?;
    let plain = |found: char| found.is_ascii_alphanumeric() || ".-_[]:".contains(found);
    (!host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0))
        .then_some(address)
}

/// The configuration file that `init` writes: every key with its default and what it does.
pub fn template(name: &str) -> String {
    let Identity {
        certificate,
        key,
        signing_key,
        witness_key,
        hold_out_salt,
        desensitise_key,
    } = Identity::default();
    let Data {
        file,
        labels: _,
        schema,
        policy: _,
        policy_is_named: _,
        memory_bytes,
    } = Data::default();
    let Compute { device, threads } = Compute::default();
    let Link {
        transport: _,
        proxy,
        proxy_user,
        proxy_password_file,
        message_bytes,
        stream_window_bytes,
        send_window_bytes,
        connect_s,
        idle_s,
        stall_s,
    } = Link::default();
    let (consortium, state) = (default_consortium(), default_state());
    let page = page::template();
    format!(
        r#"# Configuration of a bank. Relative paths are taken from this folder. Every key can also be set by the environment:
# VEILSUM__COMPUTE__THREADS=8 sets threads in [compute].

name = {name:?}
consortium = {consortium:?}   # from the admission; compare its SHA-256 with the other banks
state = {state:?}                  # the protocol's state; a copy of it must never run

[identity]
certificate = {certificate:?}     # from the admission
key = {key:?}     # mode 0600, as the three below
signing_key = {signing_key:?}
witness_key = {witness_key:?}   # cosigns the log's heads
hold_out_salt = {hold_out_salt:?}   # chooses the rows that are never trained on
desensitise_key = {desensitise_key:?}   # for rules "hash" and "shift_dates" of the policy

[data]
file = {file:?}
schema = {schema:?}           # as agreed in the consortium
policy = {POLICY_FILE:?}           # what is done to columns before they are read; the bank's own
memory_bytes = {memory_bytes}          # for the rows; those of a larger table lie in a file in `state` while the daemon runs

[compute]
device = {device:?}                   # or "auto" (a GPU if there is one), "cuda:0"
threads = {threads}

[link]                             # memory: 8 stream windows, the send window and 2 messages
transport = "auto"                 # QUIC, and TCP where QUIC does not get through; or "quic", "tcp"
proxy = {proxy:?}                         # "http://host:port" of an HTTP proxy that outgoing connections must take
proxy_user = {proxy_user:?}
proxy_password_file = {proxy_password_file:?}           # mode 0600; or VEILSUM_PROXY_PASSWORD
message_bytes = {message_bytes}
stream_window_bytes = {stream_window_bytes}
send_window_bytes = {send_window_bytes}
connect_s = {connect_s}
idle_s = {idle_s}
stall_s = {stall_s}

{page}"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path, []).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_states_the_defaults() {
        let from_template = read(&template("bank-a")).unwrap();
        let shortest = read("name = \"bank-a\"").unwrap();
        assert_eq!(from_template.link, shortest.link);
        assert_eq!(from_template.compute, shortest.compute);
        assert_eq!(from_template.page, shortest.page);
        assert_eq!(from_template.data.memory_bytes, shortest.data.memory_bytes);
        assert_eq!(
            from_template.data.file.file_name(),
            shortest.data.file.file_name()
        );
        assert!(from_template.identity.certificate.is_absolute());
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (line, part) in [
            ("name = \"Bank\"", "name: \"Bank\""),
            (
                "name = \"a\"\n[compute]\ndevice = \"gpu\"",
                "compute.device: \"gpu\"",
            ),
            (
                "name = \"a\"\n[compute]\nthreads = 0",
                "compute.threads: 0 is out of range, expected 1 to 256",
            ),
            (
                "name = \"a\"\n[data]\nmemory_bytes = 1125899906842625",
                "data.memory_bytes: 1125899906842625 is out of range, expected 0 to 1125899906842624",
            ),
            ("name = \"a\"\n[link]\nidle_s = 601", "link.idle_s: 601"),
            (
                "name = \"a\"\n[link]\ntransport = \"udp\"",
                "expected one of `auto`, `quic`, `tcp`",
            ),
            (
                "name = \"a\"\n[link]\nproxy = \"proxy:3128\"",
                "expected http://host:port",
            ),
            (
                "name = \"a\"\n[link]\nproxy = \"http://u:secret@proxy:1\"",
                "link.proxy: the address is out",
            ),
            (
                "name = \"a\"\n[link]\nproxy = \"http://proxy:1\"\ntransport = \"quic\"",
                "link.transport: \"quic\"",
            ),
            (
                "name = \"a\"\n[link]\nproxy = \"http://proxy:1\"\nproxy_user = \"a:b\"",
                "link.proxy_user",
            ),
            ("name = \"a\"\n[data]\nfiles = \"x\"", "files"),
            (
                "name = \"a\"\n[page]\nlisten = \"10.0.0.1:7481\"",
                "page.listen: 10.0.0.1:7481 is out of range, expected an address on the loopback",
            ),
            (
                "name = \"a\"\n[page]\nlisten = \"7481\"",
                "expected an address and a port of this machine",
            ),
            ("name = \"a\"\n[page]\nsession_s = 59", "page.session_s: 59"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
    }
}
