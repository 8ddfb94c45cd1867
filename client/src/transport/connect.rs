//! One attempt to connect, and why it failed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, IdleTimeout, RecvStream, SendStream};
use quinn::{TransportConfig, TransportErrorCode, VarInt};
use rustls::client::Resumption;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use veilsum_protocol::ids::{BankIndex, Timestamp};
use veilsum_protocol::wire::stream::{ALPN, CloseCode, ControlReply, STREAM_FRAME_LIMIT, StreamOpen};
use zeroize::Zeroizing;

use super::frames::{StreamEnd, read_message, write_message};
use crate::config::Link as Limits;
use crate::enrol::inspect;
use crate::peer_text;

/// How long one address has the field to itself before the next is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Where the coordinator is and who this bank is.
pub struct LinkOptions {
    /// `host:port` of the consortium file.
    pub address: String,
    /// The name that the coordinator's certificate must carry.
    pub server_name: String,
    /// The authority's certificate, PEM.
    pub ca_pem: Vec<u8>,
    /// The bank's certificate, PEM.
    pub certificate_pem: Vec<u8>,
    /// The certificate's private key: PKCS #8 in DER.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// The bank's roster position, which the coordinator must confirm.
    pub bank: BankIndex,
    /// Sizes and deadlines.
    pub limits: Limits,
    /// Spreads the delays between attempts. Any number that differs between banks.
    pub seed: u64,
}

/// Why there is no connection. Each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The name has no address.
    #[error("cannot resolve {address}: {problem}; check the name in consortium.toml and this machine's DNS")]
    CannotResolve {
        /// The address of the consortium file.
        address: String,
        /// What the system says.
        problem: String,
    },
    /// Nothing came back.
    #[error(
        "no answer from {address} for {seconds} s: the coordinator is down, or UDP to it is blocked by a firewall"
    )]
    NoAnswer {
        /// The address of the consortium file.
        address: String,
        /// How long was waited.
        seconds: u32,
    },
    /// The coordinator's certificate is not from the pinned authority, or not for this name or time.
    #[error(
        "the coordinator's certificate is refused: {0}; it must come from the authority in consortium.toml and carry server_name"
    )]
    WrongAuthority(String),
    /// The bank's certificate has expired, is not valid yet, or was refused in the handshake.
    #[error("the bank's own certificate: {0}")]
    OwnCertificate(String),
    /// The bank's key is not in the coordinator's roster.
    #[error(
        "the coordinator does not know this bank: {0}; ask its operator whether the enrolment is complete"
    )]
    NotInRoster(String),
    /// The coordinator knows the bank's key at another position.
    #[error(
        "the coordinator has this bank at position {found}, consortium.toml at {expected}; the files are of different enrolments"
    )]
    WrongPosition {
        /// What the coordinator says.
        found: BankIndex,
        /// What the consortium file says.
        expected: BankIndex,
    },
    /// Another connection used this bank's key.
    #[error("another connection with this bank's key took its place; the client must run only once")]
    Replaced,
    /// The coordinator ended the connection on purpose.
    #[error("the coordinator closed the connection: {0}")]
    Closed(String),
    /// The connection stood and broke.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// This machine or its settings.
    #[error("cannot connect from here: {0}")]
    Local(String),
}

/// A connection on which the coordinator admitted the bank.
pub(super) struct Admitted {
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    /// Drives the connection; it ends when this is dropped.
    pub(super) _endpoint: Endpoint,
}

/// QUIC and TLS as the bank speaks them. What each limit costs in memory stands at [`Limits`].
///
/// # Errors
/// [`DownReason::OwnCertificate`] or [`DownReason::Local`] when certificate, key and authority do not work together.
pub fn client_config(options: &LinkOptions) -> Result<ClientConfig, DownReason> {
    let roots = inspect::roots(&options.ca_pem).map_err(DownReason::Local)?;
    let chain = CertificateDer::pem_slice_iter(&options.certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| DownReason::OwnCertificate(error.to_string()))?;
    let key = PrivatePkcs8KeyDer::from(options.key_pkcs8.to_vec());
    let mut crypto =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| DownReason::Local(error.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key.into())
            .map_err(|error| {
                DownReason::OwnCertificate(format!("it does not go with the private key: {error}"))
            })?;
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    crypto.resumption = Resumption::disabled();
    let crypto = QuicClientConfig::try_from(crypto).map_err(|error| DownReason::Local(error.to_string()))?;

    let limits = &options.limits;
    let idle = u32::saturating_mul(limits.idle_s, 1000);
    let mut transport = TransportConfig::default();
    transport
        // The coordinator opens no streams.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        // Unread bytes that the coordinator can pin: one stream, and all of them.
        .stream_receive_window(VarInt::from_u32(limits.stream_window_bytes))
        .receive_window(VarInt::from_u32(limits.stream_window_bytes.saturating_mul(8)))
        // Unacknowledged bytes of an upload.
        .send_window(limits.send_window_bytes.into())
        .crypto_buffer_size(16 << 10)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        // Keeps address translation on the way open, and tells a silent coordinator from a dead one.
        .keep_alive_interval(Some(Duration::from_millis(u64::from(idle) / 3)));
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Connects and waits until the coordinator has admitted the bank: a refusal of the certificate arrives only after the handshake.
pub(super) async fn connect(options: &LinkOptions) -> Result<Admitted, DownReason> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    inspect::verify(&options.certificate_pem, &options.ca_pem, Timestamp(now))
        .map_err(DownReason::OwnCertificate)?;
    let config = client_config(options)?;
    let resolved = lookup_host(options.address.as_str()).await;
    let addresses: Vec<_> = match resolved {
        Ok(addresses) => addresses.take(MAX_ADDRESSES).collect(),
        Err(error) => {
            return Err(DownReason::CannotResolve {
                address: options.address.clone(),
                problem: error.to_string(),
            });
        }
    };
    let seconds = options.limits.connect_s;
    let deadline = Duration::from_secs(seconds.into());
    let attempt = async {
        let (endpoint, connection) = race(&addresses, &config, options).await?;
        match open_control(&connection, options).await {
            Ok((send, recv)) => Ok(Admitted {
                connection,
                send,
                recv,
                _endpoint: endpoint,
            }),
            Err(reason) => {
                connection.close(VarInt::from_u32(CloseCode::Goodbye.number()), b"");
                Err(reason)
            }
        }
    };
    timeout(deadline, attempt).await.unwrap_or_else(|_| {
        Err(DownReason::NoAnswer {
            address: options.address.clone(),
            seconds,
        })
    })
}

/// Tries the addresses in their order, each a little after the one before; the first handshake wins.
async fn race(
    addresses: &[SocketAddr],
    config: &ClientConfig,
    options: &LinkOptions,
) -> Result<(Endpoint, Connection), DownReason> {
    let mut attempts = JoinSet::new();
    let mut rest = addresses.iter();
    let mut first_failure = None;
    loop {
        let next = rest.next();
        if let Some(&address) = next {
            let (config, server_name) = (config.clone(), options.server_name.clone());
            attempts.spawn(async move { dial(address, config, &server_name).await });
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
                let problem = "the name has no address".to_owned();
                let none = DownReason::CannotResolve {
                    address: options.address.clone(),
                    problem,
                };
                return Err(first_failure.unwrap_or(none));
            }
        };
        first_failure.get_or_insert(failed);
    }
}

async fn dial(
    address: SocketAddr,
    config: ClientConfig,
    server_name: &str,
) -> Result<(Endpoint, Connection), DownReason> {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let endpoint =
        Endpoint::client(SocketAddr::new(any, 0)).map_err(|error| DownReason::Local(error.to_string()))?;
    let connecting = endpoint
        .connect_with(config, address, server_name)
        .map_err(|error| DownReason::Local(format!("{address}: {error}")))?;
    let connection = connecting.await.map_err(|error| diagnose(&error, false))?;
    Ok((endpoint, connection))
}

async fn open_control(
    connection: &Connection,
    options: &LinkOptions,
) -> Result<(SendStream, RecvStream), DownReason> {
    let stall = Duration::from_secs(options.limits.connect_s.into());
    let work = async {
        let (mut send, mut recv) = connection.open_bi().await.map_err(StreamEnd::broken)?;
        write_message(&mut send, &StreamOpen::Control, STREAM_FRAME_LIMIT, stall).await?;
        let reply: ControlReply = read_message(&mut recv, STREAM_FRAME_LIMIT, Some(stall), stall).await?;
        Ok::<_, StreamEnd>((send, recv, reply))
    };
    let (send, recv, ControlReply::Admitted { bank }) = work.await.map_err(|end| why(connection, &end))?;
    if bank != options.bank {
        return Err(DownReason::WrongPosition {
            found: bank,
            expected: options.bank,
        });
    }
    Ok((send, recv))
}

/// Why a connection ended, or what one of its streams says if it has not.
pub(super) fn why(connection: &Connection, end: &StreamEnd) -> DownReason {
    match connection.close_reason() {
        Some(error) => diagnose(&error, true),
        None => DownReason::Lost(end.to_string()),
    }
}

/// Sorts a connection's end by what the bank's operator has to do about it.
pub(super) fn diagnose(error: &ConnectionError, stood: bool) -> DownReason {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            let text = peer_text::shown(&String::from_utf8_lossy(&close.reason));
            match CloseCode::from_number(close.error_code.into_inner()) {
                Some(CloseCode::NotInRoster) => DownReason::NotInRoster(text),
                Some(CloseCode::Replaced) => DownReason::Replaced,
                _ => DownReason::Closed(text),
            }
        }
        // This side refused the handshake: of all that can be wrong with the coordinator, its certificate.
        ConnectionError::TransportError(error) if !stood && tls_alert(error.code).is_some() => {
            DownReason::WrongAuthority(peer_text::shown(&error.reason))
        }
        ConnectionError::ConnectionClosed(close) => match tls_alert(close.error_code) {
            Some(alert) => match certificate_alert(alert) {
                Some(problem) => DownReason::OwnCertificate(format!("the coordinator refused it: {problem}")),
                None => DownReason::Closed(format!("TLS alert {alert} (RFC 8446, section 6)")),
            },
            None if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {
                DownReason::Closed("it takes no more connections now".to_owned())
            }
            None => DownReason::Closed(peer_text::shown(&error.to_string())),
        },
        other => DownReason::Lost(other.to_string()),
    }
}

/// The TLS alert in a QUIC error code: 0x0100 to 0x01ff (RFC 9001, section 4.8).
fn tls_alert(code: TransportErrorCode) -> Option<u8> {
    u8::try_from(u64::from(code).checked_sub(0x100)?).ok()
}

/// Alerts by which a server refuses the client's certificate (RFC 8446, section 6.2).
fn certificate_alert(alert: u8) -> Option<&'static str> {
    Some(match alert {
        42 => "it is damaged",
        43 => "its kind is not supported",
        44 => "it is revoked",
        45 => "it has expired, or its clock is behind; ask to enrol the same request again",
        46 => "it is not acceptable",
        48 => "it comes from another authority than the consortium's",
        51 => "its signature does not verify",
        116 => "none was shown",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_from_other_codes() {
        assert_eq!(tls_alert(TransportErrorCode::crypto(48)), Some(48));
        assert_eq!(tls_alert(TransportErrorCode::CONNECTION_REFUSED), None);
        assert!(certificate_alert(45).is_some_and(|text| text.contains("expired")));
        assert_eq!(certificate_alert(120), None);
    }

    #[test]
    fn a_reason_of_the_coordinator_does_not_steer_the_terminal() {
        let closed = |code: CloseCode| {
            ConnectionError::ApplicationClosed(quinn::ApplicationClose {
                error_code: VarInt::from_u32(code.number()),
                reason: b"\x1b]0;owned\x07bye".to_vec().into(),
            })
        };
        assert_eq!(
            diagnose(&closed(CloseCode::Goodbye), true),
            DownReason::Closed("]0;ownedbye".to_owned())
        );
        assert_eq!(
            diagnose(&closed(CloseCode::NotInRoster), true),
            DownReason::NotInRoster("]0;ownedbye".to_owned())
        );
    }

    #[test]
    fn an_idle_end_is_a_loss() {
        assert!(matches!(
            diagnose(&ConnectionError::TimedOut, true),
            DownReason::Lost(_)
        ));
    }
}
