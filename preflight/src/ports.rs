//! Ports of this machine that a program wants to listen on.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::{Report, Whose, Wrong};

/// How a port stands.
#[derive(Debug)]
pub enum Port {
    /// It can be listened on.
    Free,
    /// A program listens there.
    Held,
    /// The system does not give it.
    Refused(std::io::Error),
}

impl Port {
    /// Of TCP, as the programs bind it: connections that ended just now are not in the way.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::of(TcpListener::bind(address).map(drop))
    }

    /// Of UDP.
    pub fn udp(address: SocketAddr) -> Self {
        Self::of(UdpSocket::bind(address).map(drop))
    }

    fn of(bound: std::io::Result<()>) -> Self {
        match bound {
            Ok(()) => Self::Free,
            Err(error) if error.kind() == ErrorKind::AddrInUse => Self::Held,
            Err(error) => Self::Refused(error),
        }
    }
}

/// Where a port's number is set.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Section and key.
    pub key: &'a str,
    /// The file.
    pub file: &'a str,
}

/// Tells how a port stands that this program wants and does not hold itself.
pub fn port(
    report: &mut Report,
    what: &'static str,
    protocol: &str,
    address: SocketAddr,
    setting: Setting<'_>,
    port: Port,
) {
    match port {
        Port::Free => report.ok(what, format!("{protocol} {address} is free")),
        Port::Held => {
            let found = format!("{protocol} {address} is held by another program");
            let todo = format!(
                "stop it (`ss -lntup` shows which it is), or set another `{}` in {}",
                setting.key, setting.file
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_port_is_free_held_or_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(matches!(Port::tcp(address), Port::Held));
        drop(listener);
        assert!(matches!(Port::tcp(address), Port::Free));
        // TEST-NET-1 (RFC 5737) is no machine's.
        assert!(matches!(
            Port::udp("192.0.2.1:9".parse().unwrap()),
            Port::Refused(_)
        ));
    }
}
