//! The section `[page]`: the door for the bank's page, metrics and health.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, de::Error as _};

/// Where the bank's page, metrics and health are served over HTTP, and what browsers may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Address of the HTTP server, on the loopback interface; an empty text is no server.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
    /// Connections that may be open at once (1 to 1024). A page that is open takes one or two.
    pub max_connections: usize,
    /// A browser that logged in is let in for so many seconds (60 to 604800), then it needs a new link.
    pub session_s: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            listen: None,
            max_connections: 64,
            session_s: 43_200,
        }
    }
}

impl Page {
    /// Key, value, least and most.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 2] {
        let connections = u64::try_from(self.max_connections).unwrap_or(u64::MAX);
        [
            ("page.max_connections", connections, 1, 1024),
            ("page.session_s", self.session_s.into(), 60, 604_800),
        ]
    }

    /// The address, if others than this machine could reach it: there is no TLS, so what is shown would be read on the way.
    pub(super) fn reachable(&self) -> Option<SocketAddr> {
        self.listen.filter(|address| !address.ip().is_loopback())
    }
}

fn address_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        D::Error::custom(format!(
            "found {text:?}, expected an address and a port of this machine, such as \"127.0.0.1:7481\", or an empty text"
        ))
    };
    text.parse().map(Some).map_err(wrong)
}

/// The section as `init` writes it.
pub(super) fn template() -> String {
    let Page {
        listen: _,
        max_connections,
        session_s,
    } = Page::default();
    format!(
        r#"[page]                             # the bank's page, metrics and health over HTTP, for this machine alone
listen = ""                        # TCP on loopback, such as "127.0.0.1:7481"; empty: off
max_connections = {max_connections}
session_s = {session_s}                  # a browser is let in for so long after `veilsum-client page`
"#
    )
}
