//! What the sockets say: each address for itself, so that a refusal is told from silence.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, VarInt};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;
use veilsum_link::End;
use veilsum_protocol::wire::stream::{ALPN, CloseCode};

use crate::peer_text;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// How long the word that nobody listens at a UDP port may take to come back.
const REFUSAL: Duration = Duration::from_millis(500);

/// Why there is no connection by TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTcp {
    /// A machine says that nobody listens, or a firewall says so in its place.
    Refused,
    /// Nothing came back.
    NoAnswer,
    /// A router says that there is no way.
    Unreachable,
    /// This machine.
    Local(ErrorKind),
}

impl NoTcp {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::TimedOut => Self::NoAnswer,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                Self::Unreachable
            }
            other => Self::Local(other),
        }
    }

    /// The more it says of the way, the better it is to tell.
    fn weight(self) -> u8 {
        match self {
            Self::Refused => 3,
            Self::NoAnswer => 2,
            Self::Unreachable => 1,
            Self::Local(_) => 0,
        }
    }
}

impl fmt::Display for NoTcp {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => form.write_str("refused"),
            Self::NoAnswer => form.write_str("no answer"),
            Self::Unreachable => form.write_str("no route"),
            Self::Local(kind) => write!(form, "{kind}"),
        }
    }
}

/// The addresses of `host:port`.
///
/// # Errors
/// What the system says, or that it said nothing in time.
pub(super) async fn resolve(address: &str, most: Duration) -> Result<Vec<SocketAddr>, String> {
    let found: Vec<SocketAddr> = match timeout(most, lookup_host(address)).await {
        Ok(Ok(addresses)) => addresses.take(MAX_ADDRESSES).collect(),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("the resolver gave no answer in {} s", most.as_secs())),
    };
    if found.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(found)
}

/// Connects to one address after the other, each with its share of the time.
///
/// # Errors
/// What each of them said.
pub(super) async fn tcp(
    addresses: &[SocketAddr],
    most: Duration,
) -> Result<(TcpStream, SocketAddr), Vec<(SocketAddr, NoTcp)>> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let share = (most / count).max(Duration::from_millis(500));
    let mut failed = Vec::new();
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => failed.push((*address, NoTcp::of(&error))),
            Err(_) => failed.push((*address, NoTcp::NoAnswer)),
        }
    }
    Err(failed)
}

/// What says most of several failures.
pub(super) fn most_telling(failed: &[(SocketAddr, NoTcp)]) -> NoTcp {
    failed
        .iter()
        .map(|(_, why)| *why)
        .max_by_key(|why| why.weight())
        .unwrap_or(NoTcp::Unreachable)
}

/// What came of QUIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Udp {
    /// Datagrams go there and come back.
    Answers,
    /// They do, and who answers shows another authority's certificate.
    Foreign(String),
    /// Nothing came back.
    NoAnswer,
    /// The machine says that nobody listens.
    Refused,
    /// This machine sends none.
    Local(String),
}

/// A QUIC handshake without a certificate of this side, with one address after the other: it takes nobody's place at the coordinator. Whatever comes
/// back shows that UDP passes. `authority`, where it is known, is whom the other side must prove to be of.
pub(super) async fn udp(
    addresses: &[SocketAddr],
    server_name: &str,
    authority: Option<&CertificateDer<'static>>,
    most: Duration,
) -> Udp {
    let config = match quic_config(authority) {
        Ok(config) => config,
        Err(problem) => return Udp::Local(problem),
    };
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let share = (most / count).max(Duration::from_millis(500));
    let mut told = Udp::NoAnswer;
    for address in addresses {
        match shake(&config, *address, server_name, share).await {
            Udp::NoAnswer => {}
            Udp::Local(problem) => {
                told = Udp::Local(problem);
                continue;
            }
            answered => return answered,
        }
        if refuses(*address).await {
            told = Udp::Refused;
        }
    }
    told
}

fn quic_config(authority: Option<&CertificateDer<'static>>) -> Result<quinn::ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(authority) = authority {
        roots
            .add(authority.clone())
            .map_err(|error| format!("the authority's certificate: {error}"))?;
    }
    let mut crypto =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(crypto).map_err(|error| error.to_string())?;
    Ok(quinn::ClientConfig::new(Arc::new(crypto)))
}

async fn shake(config: &quinn::ClientConfig, address: SocketAddr, server_name: &str, most: Duration) -> Udp {
    let endpoint = match Endpoint::client(any(address)) {
        Ok(endpoint) => endpoint,
        Err(error) => return Udp::Local(error.to_string()),
    };
    let connecting = match endpoint.connect_with(config.clone(), address, server_name) {
        Ok(connecting) => connecting,
        Err(error) => return Udp::Local(error.to_string()),
    };
    match timeout(most, connecting).await {
        Ok(Ok(connection)) => {
            connection.close(VarInt::from_u32(CloseCode::Goodbye.number()), b"");
            Udp::Answers
        }
        Err(_) | Ok(Err(ConnectionError::TimedOut)) => Udp::NoAnswer,
        Ok(Err(error)) => match End::from(error) {
            // Another authority, or one of the same name with another key.
            End::Refused { text, .. }
                if ["UnknownIssuer", "BadSignature"]
                    .iter()
                    .any(|it| text.contains(it)) =>
            {
                Udp::Foreign(peer_text::shown(&text))
            }
            _ => Udp::Answers,
        },
    }
}

fn any(address: SocketAddr) -> SocketAddr {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    SocketAddr::new(any, 0)
}

/// Whether the machine says (by ICMP) that nobody listens there; only a connected socket is told.
async fn refuses(address: SocketAddr) -> bool {
    let asked = async {
        let socket = UdpSocket::bind(any(address)).await?;
        socket.connect(address).await?;
        // One byte is no packet of QUIC, and is dropped by whoever listens.
        socket.send(&[0]).await?;
        socket.recv(&mut [0; 1]).await
    };
    matches!(
        timeout(REFUSAL, asked).await,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused
    )
}
