//! Handshakes with the coordinator, by either way.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint};
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use veilsum_admission::ProxyCause;
use veilsum_link::socket::{self, Buffers};
use veilsum_link::{End, Transport, tcp};
use veilsum_protocol::wire::stream::ALPN;

use super::connect::LinkOptions;
use super::framed::Counted;
use super::proxy::Proxy;
use super::reason::{DownReason, diagnose};
use super::tls::tls_config;
use crate::config::Link;
use crate::egress::Ledger;

/// How long one address has the field to itself before the next is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// The addresses of `host:port`.
pub(super) async fn resolve(address: &str) -> Result<Vec<SocketAddr>, DownReason> {
    let none = |problem: String| DownReason::CannotResolve {
        address: address.to_owned(),
        problem,
    };
    let found: Vec<_> = match lookup_host(address).await {
        Ok(addresses) => addresses.take(MAX_ADDRESSES).collect(),
        Err(error) => return Err(none(error.to_string())),
    };
    if found.is_empty() {
        return Err(none("the name has no address".to_owned()));
    }
    Ok(found)
}

/// Tries the addresses in their order, each a little after the one before; the first that succeeds wins.
async fn stagger<T, F>(addresses: &[SocketAddr], dial: impl Fn(SocketAddr) -> F) -> Result<T, DownReason>
where
    T: Send + 'static,
    F: Future<Output = Result<T, DownReason>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut rest = addresses.iter();
    let mut first_failure = None;
    loop {
        if let Some(&address) = rest.next() {
            attempts.spawn(dial(address));
        }
        let finished = tokio::select! {
            finished = attempts.join_next() => finished,
            () = sleep(STAGGER), if rest.len() > 0 => continue,
        };
        let failed = match finished {
            Some(Ok(Ok(done))) => return Ok(done),
            Some(Ok(Err(reason))) => reason,
            Some(Err(failed)) => DownReason::Local(failed.to_string()),
            None => {
                let none = || DownReason::Local("there is no address to try".to_owned());
                return Err(first_failure.unwrap_or_else(none));
            }
        };
        first_failure.get_or_insert(failed);
    }
}

/// A QUIC handshake with the first address that answers.
pub(super) async fn quic(
    addresses: &[SocketAddr],
    config: &ClientConfig,
    server_name: &str,
) -> Result<(Endpoint, quinn::Connection), DownReason> {
    stagger(addresses, |address| {
        let (config, server_name) = (config.clone(), server_name.to_owned());
        async move {
            let any: IpAddr = if address.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            let endpoint = Endpoint::client(SocketAddr::new(any, 0))
                .map_err(|error| DownReason::Local(error.to_string()))?;
            let connecting = endpoint
                .connect_with(config, address, &server_name)
                .map_err(|error| DownReason::Local(format!("{address}: {error}")))?;
            let connection = connecting
                .await
                .map_err(|error| diagnose(&End::from(error), false))?;
            Ok((endpoint, connection))
        }
    })
    .await
}

/// The way to the coordinator by TCP, through the proxy if there is one.
#[derive(Debug)]
pub(super) struct Road {
    /// `host:port` of the coordinator.
    target: String,
    proxy: Option<Proxy>,
    /// Addresses of the coordinator, or of the proxy.
    addresses: Vec<SocketAddr>,
    buffers: Buffers,
    idle: Duration,
}

impl Road {
    /// `addresses` are the proxy's, if there is one.
    pub(super) fn new(
        target: String,
        proxy: Option<Proxy>,
        addresses: Vec<SocketAddr>,
        limits: &Link,
    ) -> Self {
        Self {
            target,
            proxy,
            addresses,
            buffers: Buffers {
                receive: limits.stream_window_bytes,
                send: limits.send_window_bytes,
            },
            idle: Duration::from_secs(limits.idle_s.into()),
        }
    }

    /// A connection to the first address that answers, or a tunnel to the coordinator.
    pub(super) async fn open(&self) -> Result<(TcpStream, SocketAddr), DownReason> {
        let (buffers, idle) = (self.buffers, self.idle);
        let reached = stagger(&self.addresses, |address| async move {
            let problem = |error: std::io::Error| DownReason::Local(error.to_string());
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }
            .map_err(problem)?;
            buffers.apply(&socket).map_err(problem)?;
            socket::lively(&socket, idle).map_err(problem)?;
            let stream = socket.connect(address).await;
            stream
                .map(|stream| (stream, address))
                .map_err(|error| DownReason::Lost(error.to_string()))
        });
        let (mut stream, remote) = reached.await.map_err(|reason| match (reason, &self.proxy) {
            (DownReason::Lost(problem), Some(proxy)) => DownReason::Proxy {
                proxy: proxy.address.clone(),
                cause: ProxyCause::Unreachable,
                problem: format!("{problem}; it is down, or link.proxy names the wrong host or port"),
            },
            (DownReason::Lost(problem), None) => DownReason::Unreachable {
                transport: Transport::Tcp,
                address: self.target.clone(),
                problem,
            },
            (other, _) => other,
        })?;
        if let Some(proxy) = &self.proxy {
            proxy.tunnel(&mut stream, &self.target).await?;
        }
        Ok((stream, remote))
    }
}

/// A plain TCP connection to the coordinator, for a single question before or beside the link.
///
/// # Errors
/// [`DownReason`], also when nothing answers within `link.connect_s`.
pub async fn reach(target: &str, proxy: Option<Proxy>, limits: &Link) -> Result<TcpStream, DownReason> {
    let open = async {
        let addresses = match &proxy {
            None => resolve(target).await?,
            Some(proxy) => resolve_proxy(proxy).await?,
        };
        let road = Road::new(target.to_owned(), proxy.clone(), addresses, limits);
        Ok(road.open().await?.0)
    };
    timeout(Duration::from_secs(limits.connect_s.into()), open)
        .await
        .unwrap_or_else(|_| {
            Err(DownReason::NoAnswer {
                transport: Transport::Tcp,
                address: target.to_owned(),
                seconds: limits.connect_s,
            })
        })
}

/// The addresses of the proxy.
pub(super) async fn resolve_proxy(proxy: &Proxy) -> Result<Vec<SocketAddr>, DownReason> {
    resolve(&proxy.address).await.map_err(|reason| DownReason::Proxy {
        proxy: proxy.address.clone(),
        cause: ProxyCause::Unresolved,
        problem: match reason {
            DownReason::CannotResolve { problem, .. } => {
                format!("{problem}; check the name in link.proxy and this machine's DNS")
            }
            other => other.to_string(),
        },
    })
}

/// Makes TLS connections on TCP, all alike.
pub(super) struct Dialer {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    road: Road,
    ledger: Ledger,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        form.debug_struct("Dialer")
            .field("road", &self.road)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// `addresses` are the proxy's, if there is one.
    pub(super) fn new(options: &LinkOptions, addresses: Vec<SocketAddr>) -> Result<Self, DownReason> {
        let name = options.server_name.clone();
        Ok(Self {
            connector: Arc::new(tls_config(options)?).into(),
            server_name: ServerName::try_from(name)
                .map_err(|error| DownReason::Local(format!("server_name of consortium.toml: {error}")))?,
            road: Road::new(
                options.address.clone(),
                options.proxy.clone(),
                addresses,
                &options.limits,
            ),
            ledger: options.ledger.clone(),
        })
    }

    pub(super) fn idle(&self) -> Duration {
        self.road.idle
    }

    /// A TLS handshake with the first address that answers.
    pub(super) async fn tcp(&self) -> Result<(TlsStream<Counted<TcpStream>>, SocketAddr), DownReason> {
        let (stream, remote) = self.road.open().await?;
        let stream = Counted::new(stream, &self.ledger);
        let stream = self
            .connector
            .connect(self.server_name.clone(), stream)
            .await
            .map_err(|error| diagnose(&tcp::of_io(&error), false))?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(DownReason::OtherVersion);
        }
        Ok((stream, remote))
    }
}
