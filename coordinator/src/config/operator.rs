//! The section `[operator]`: the door for the operator's page, metrics and health.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::auditors::address_or_none;
use crate::enrol::readers::OPERATORS_FILE;

/// Where the operator's page, metrics and health are served over HTTP, and what browsers may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operator {
    /// Address of the HTTP server, on the loopback interface; an empty text is no server.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
    /// Address at which operators with certificates have the page from other machines, by TLS on TCP; an empty text is no such door.
    #[serde(deserialize_with = "address_or_none")]
    pub secure_listen: Option<SocketAddr>,
    /// The list of admitted operators. It is read again for every connection.
    pub admitted: PathBuf,
    /// Connections that may be open at once (1 to 1024), at each of both. A page that is open takes one or two.
    pub max_connections: usize,
    /// A browser that logged in is let in for so many seconds (60 to 604800), then it needs a new link.
    pub session_s: u32,
}

impl Default for Operator {
    fn default() -> Self {
        Self {
            listen: None,
            secure_listen: None,
            admitted: OPERATORS_FILE.into(),
            max_connections: 64,
            session_s: 43_200,
        }
    }
}

impl Operator {
    /// Key, value, least and most.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 2] {
        let connections = u64::try_from(self.max_connections).unwrap_or(u64::MAX);
        [
            ("operator.max_connections", connections, 1, 1024),
            ("operator.session_s", self.session_s.into(), 60, 604_800),
        ]
    }

    /// The address, if others than this machine could reach it: there is no TLS, so what is shown and said would be read on the way.
    pub(super) fn reachable(&self) -> Option<SocketAddr> {
        self.listen.filter(|address| !address.ip().is_loopback())
    }
}

/// The section as `init` writes it.
pub(super) fn template() -> String {
    let Operator {
        listen: _,
        secure_listen: _,
        admitted,
        max_connections,
        session_s,
    } = Operator::default();
    format!(
        r#"[operator]                         # the operator's page, metrics and health
listen = ""                        # HTTP for this machine alone: TCP on loopback, such as "127.0.0.1:7480"; empty: off
secure_listen = ""                 # the page from other machines, for operators with certificates: TLS on TCP, such as "0.0.0.0:7445"; empty: off
admitted = {admitted:?}        # written by enrolment; who is deleted there is cut off
max_connections = {max_connections}
session_s = {session_s}                  # a browser is let in for so long after `veilsum-coordinator page`
"#
    )
}
