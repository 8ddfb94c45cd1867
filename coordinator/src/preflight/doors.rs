//! The ports that are listened on: free, this coordinator's own, or somebody else's.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use veilsum_preflight::Report;
use veilsum_preflight::ports::{self, Port, Setting};
use veilsum_protocol::enrolment::ENROL_ALPN;

use super::identity::Known;
use crate::config::Config;
use crate::enrol::inspect;

/// How long whoever has the port may take to show who it is.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn doors(report: &mut Report, config: &Config, known: &Known) {
    let listen = config.listen;
    report.looking("ports", &listen.to_string(), Some(PATIENCE));
    let udp = Port::udp(listen);
    let tcp = Port::tcp(listen);
    let running = matches!(tcp, Port::Held) && is_ours(listen, known);
    match (&udp, &tcp) {
        (Port::Free, Port::Free) => report.ok("ports", format!("UDP and TCP {listen} are free")),
        (Port::Held, Port::Held) if running => report.ok(
            "ports",
            format!("UDP and TCP {listen} are held by this coordinator, which is running"),
        ),
        _ => {
            for (protocol, port) in [("UDP", udp), ("TCP", tcp)] {
                ports::port(report, "ports", protocol, listen, set("listen"), port);
            }
        }
    }
    for (what, key, address) in [
        ("auditors", "auditors.listen", config.auditors.listen),
        ("operator", "operator.listen", config.operator.listen),
        (
            "operators",
            "operator.secure_listen",
            config.operator.secure_listen,
        ),
    ] {
        let Some(address) = address else {
            report.ok(what, format!("not wanted ({key} is empty)"));
            continue;
        };
        match Port::tcp(address) {
            Port::Free => report.ok(what, format!("TCP {address} is free")),
            Port::Held if running => report.ok(
                what,
                format!("TCP {address} is held, and this coordinator is running"),
            ),
            port => ports::port(report, what, "TCP", address, set(key), port),
        }
    }
}

fn set(key: &str) -> Setting<'_> {
    Setting {
        key,
        file: "coordinator.toml",
    }
}

/// Whether the one who listens there proves to be of this consortium's authority, under this coordinator's name.
fn is_ours(listen: SocketAddr, known: &Known) -> bool {
    let at = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    greeted(SocketAddr::new(at, listen.port()), known).is_some()
}

/// The first byte of the greeting, which comes when the handshake is done.
fn greeted(address: SocketAddr, known: &Known) -> Option<()> {
    let roots = inspect::roots(known.consortium.ca_pem.as_bytes()).ok()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let name = ServerName::try_from(known.consortium.server_name.clone()).ok()?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut tls = StreamOwned::new(connection, stream);
    let mut first = [0];
    let read = tls.read_exact(&mut first).ok();
    // So that the coordinator knows that nothing was asked.
    tls.conn.send_close_notify();
    let _ = tls.flush();
    read
}
