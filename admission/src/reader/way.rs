//! How the coordinator is reached: straight, or through the HTTP proxy that outgoing connections must take.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::{Credentials, Names, tunnel};

/// Longest silence of the other side in one exchange, and longest time for a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// The way to the coordinator.
#[derive(Clone, Debug, Default)]
pub struct Way {
    proxy: Option<Proxy>,
}

#[derive(Clone, Debug)]
struct Proxy {
    /// `host:port`.
    address: String,
    credentials: Option<Credentials>,
    names: Names,
}

impl Way {
    /// Through a proxy, given as `http://host:port`, if one is given; `credentials` are a user and password for it. `names` is what the settings
    /// are called where somebody sets them.
    ///
    /// # Errors
    /// What was expected; not what was found, since it may hold a password.
    pub fn through(
        proxy: Option<&str>,
        credentials: Option<Credentials>,
        names: Names,
    ) -> Result<Self, String> {
        let Some(text) = proxy else {
            return Ok(Self::default());
        };
        let address = text
            .strip_prefix("http://")
            .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
            .filter(|address| is_plain(address))
            .ok_or_else(|| {
                format!(
                    "{}: expected http://host:port, with the user in {}",
                    names.proxy, names.user
                )
            })?;
        let proxy = Proxy {
            address: address.to_owned(),
            credentials,
            names,
        };
        Ok(Self { proxy: Some(proxy) })
    }

    /// `host` and `port` of the proxy, if there is one.
    pub fn proxy(&self) -> Option<(&str, u16)> {
        let (host, port) = self.proxy.as_ref()?.address.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }

    /// A connection to `host:port` with timeouts.
    ///
    /// # Errors
    /// What the system or the proxy says, and what to look at.
    pub fn connect(&self, address: &str) -> Result<TcpStream, String> {
        match &self.proxy {
            None => reach(address).map_err(|error| {
                format!(
                    "cannot reach {address}: {error}; the coordinator is down, or a firewall on the way refuses TCP to it"
                )
            }),
            Some(proxy) => proxy.through(address),
        }
    }
}

impl Proxy {
    fn through(&self, target: &str) -> Result<TcpStream, String> {
        let name = &self.address;
        let mut stream = reach(name).map_err(|error| {
            format!(
                "the proxy {name}: {error}; it is down, or {} names the wrong host or port",
                self.names.proxy
            )
        })?;
        tunnel(&mut stream, target, self.credentials.as_ref(), &self.names)
            .map_err(|why| format!("the proxy {name}: {why}"))?;
        Ok(stream)
    }
}

/// `host:port` and nothing else.
fn is_plain(address: &str) -> bool {
    let plain = |found: char| found.is_ascii_alphanumeric() || ".-_[]:".contains(found);
    address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The first address of `host:port` that answers, with timeouts.
fn reach(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    for address in addresses {
        match TcpStream::connect_timeout(&address, SILENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NAMES: Names = Names {
        proxy: "--proxy",
        user: "--proxy-user",
        password: "the variable",
    };

    #[test]
    fn a_proxy_is_a_plain_address_and_no_password_is_repeated() {
        let way = |text| Way::through(Some(text), None, NAMES);
        assert_eq!(way("http://proxy:3128/").unwrap().proxy(), Some(("proxy", 3128)));
        assert_eq!(way("http://[::1]:80").unwrap().proxy(), Some(("[::1]", 80)));
        for wrong in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://proxy:0",
            "http://u:geheim@proxy:3128",
            "http://proxy:3128/way",
        ] {
            let refused = way(wrong).unwrap_err();
            assert!(
                refused.starts_with("--proxy: expected http://host:port"),
                "{refused}"
            );
            assert!(!refused.contains("geheim"));
        }
        assert!(Way::through(None, None, NAMES).unwrap().proxy().is_none());
    }
}
