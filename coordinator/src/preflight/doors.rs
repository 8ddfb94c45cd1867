//! The ports that are listened on: free, this coordinator's own, or somebody else's.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::enrolment::ENROL_ALPN;

use super::identity::Known;
use crate::config::Config;
use crate::enrol::inspect;

/// How long whoever has the port may take to show who it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a port stands.
enum Port {
    Free,
    Held,
    Refused(std::io::Error),
}

pub(super) fn doors(report: &mut Report, config: &Config, known: &Known) {
    let listen = config.listen;
    report.looking("ports", &listen.to_string(), Some(PATIENCE));
    let udp = bound(UdpSocket::bind(listen).map(drop));
    let tcp = tcp_port(listen);
    let running = matches!(tcp, Port::Held) && is_ours(listen, known);
    match (&udp, &tcp) {
        (Port::Free, Port::Free) => report.ok("ports", format!("UDP and TCP {listen} are free")),
        (Port::Held, Port::Held) if running => report.ok(
            "ports",
            format!("UDP and TCP {listen} are held by this coordinator, which is running"),
        ),
        _ => {
            for (protocol, port) in [("UDP", udp), ("TCP", tcp)] {
                tell(report, "ports", protocol, listen, "listen", port);
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
        match tcp_port(address) {
            Port::Free => report.ok(what, format!("TCP {address} is free")),
            Port::Held if running => report.ok(
                what,
                format!("TCP {address} is held, and this coordinator is running"),
            ),
            port => tell(report, what, "TCP", address, key, port),
        }
    }
}

fn tell(report: &mut Report, what: &'static str, protocol: &str, address: SocketAddr, key: &str, port: Port) {
    match port {
        Port::Free => report.ok(what, format!("{protocol} {address} is free")),
        Port::Held => {
            let found = format!("{protocol} {address} is held by another program");
            let todo = format!(
                "stop it (`ss -lntup` shows which it is), or set another `{key}` in coordinator.toml"
            );
            report.fail(what, Whose::Ours, Wrong::new("port-held", found, todo));
        }
        Port::Refused(error) => {
            let (cause, todo) = match error.kind() {
                ErrorKind::PermissionDenied => (
                    "port-permission",
                    "ports below 1024 want a privilege: take a higher one, or give the unit CAP_NET_BIND_SERVICE",
                ),
                ErrorKind::AddrNotAvailable => (
                    "address-not-here",
                    "this machine has no such address: set one that it has, or 0.0.0.0",
                ),
                _ => ("port", "look at what the system says"),
            };
            let found = format!("{protocol} {address} cannot be listened on: {error}");
            report.fail(what, Whose::Ours, Wrong::new(cause, found, todo));
        }
    }
}

fn bound(bound: std::io::Result<()>) -> Port {
    match bound {
        Ok(()) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Port::Held,
        Err(error) => Port::Refused(error),
    }
}

/// As the coordinator binds it: connections that ended just now are not in the way.
fn tcp_port(address: SocketAddr) -> Port {
    bound(TcpListener::bind(address).map(drop))
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
