//! A network between banks and coordinator that counts bytes and makes them late.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Runtime;
use veilsum_tests::relay::{Fate, Relay, Weather};

use crate::demo::DemoError;
use crate::demo::consortium::Consortium;

pub(super) struct Network {
    relay: Relay,
    _runtime: Runtime,
}

impl Network {
    /// Takes the address where banks look for the coordinator, and moves the coordinator, which does not run yet, to another.
    pub(super) fn before(consortium: &Consortium, delay: Duration) -> Result<Self, DemoError> {
        let config = consortium.coordinator_config();
        let text = fs::read_to_string(&config).map_err(DemoError::file(&config))?;
        let seen: SocketAddr = text
            .lines()
            .find_map(|line| line.strip_prefix("listen = \"")?.split('"').next()?.parse().ok())
            .ok_or_else(|| DemoError::content(&config, "found no address to listen on"))?;
        let what = Path::new("the network's sockets");
        let runtime = Runtime::new().map_err(DemoError::file(what))?;
        let _inside = runtime.enter();
        let tcp = TcpListener::bind(seen).map_err(DemoError::file(what))?;
        let udp = UdpSocket::bind(seen).map_err(DemoError::file(what))?;
        tcp.set_nonblocking(true).map_err(DemoError::file(what))?;
        udp.set_nonblocking(true).map_err(DemoError::file(what))?;
        let moved = another_than(seen)?;
        replace_once(
            &config,
            &format!("listen = \"{seen}\""),
            &format!("listen = \"{moved}\""),
        )?;
        let pass = Fate::Pass { delay };
        let weather = Weather {
            udp: pass,
            tcp: pass,
            rate: 0,
            loss: 0,
        };
        let relay = Relay::between(
            tokio::net::TcpListener::from_std(tcp).map_err(DemoError::file(what))?,
            tokio::net::UdpSocket::from_std(udp).map_err(DemoError::file(what))?,
            moved,
            weather,
        );
        drop(_inside);
        Ok(Self {
            relay,
            _runtime: runtime,
        })
    }

    /// Bytes from all banks, and to all banks, without the headers of IP, UDP and TCP.
    pub(super) fn carried(&self) -> (u64, u64) {
        let carried = &self.relay.carried;
        (
            carried.up.load(Ordering::Relaxed),
            carried.down.load(Ordering::Relaxed),
        )
    }
}

/// An address that is free for both protocols now.
pub(super) fn another_than(seen: SocketAddr) -> Result<SocketAddr, DemoError> {
    let what = Path::new("a port that is free for UDP and TCP");
    loop {
        let tcp = TcpListener::bind((seen.ip(), 0)).map_err(DemoError::file(what))?;
        let address = tcp.local_addr().map_err(DemoError::file(what))?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

/// Changes one place of a file, as an operator would with an editor.
pub(super) fn replace_once(path: &Path, from: &str, to: &str) -> Result<(), DemoError> {
    let text = fs::read_to_string(path).map_err(DemoError::file(path))?;
    if !text.contains(from) {
        return Err(DemoError::content(path, format!("found no {from}")));
    }
    fs::write(path, text.replacen(from, to, 1)).map_err(DemoError::file(path))
}
