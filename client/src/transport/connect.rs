//! From nothing to a connection on which the coordinator has admitted the bank.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quinn::{ClientConfig, Endpoint};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;
use veilsum_link::{Connection, RecvHalf, SendHalf, Transport, tcp};
use veilsum_protocol::ids::Timestamp;
use veilsum_protocol::wire::stream::{CloseCode, ControlReply, STREAM_FRAME_LIMIT, StreamOpen};
use zeroize::Zeroizing;

use super::dial::{self, Dialer, resolve, resolve_proxy};
use super::exit::Exit;
use super::framed::{Counted, Datagrams};
use super::frames::{StreamEnd, read_message, write_message};
use super::line::{AFTERTHOUGHT, Line};
use super::positions::Positions;
use super::proxy::Proxy;
use super::race::{self, Verdict};
use super::reason::{DownReason, diagnose};
use super::shown::ShownCertificate;
use super::tls::client_config;
use super::way::{Memory, Way};
use crate::config::{Link as Limits, LinkTransport};
use crate::egress::Ledger;
use crate::enrol::inspect;

/// Where the coordinator is and who this bank is.
pub struct LinkOptions {
    /// `host:port` of the consortium file.
    pub address: String,
    /// The name that the coordinator's certificate must carry.
    pub server_name: String,
    /// The authority's certificate, PEM.
    pub ca_pem: Vec<u8>,
    /// The bank's certificate.
    pub certificate: ShownCertificate,
    /// The certificate's private key: PKCS #8 in DER.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// The bank's roster positions, of which the coordinator must confirm one.
    pub positions: Positions,
    /// Sizes, deadlines, and the way to go.
    pub limits: Limits,
    /// The proxy for TCP.
    pub proxy: Option<Proxy>,
    /// Where it is remembered which way worked; losing the file costs a moment at the next connection.
    pub memory: Option<PathBuf>,
    /// Spreads the delays between attempts. Any number that differs between banks.
    pub seed: u64,
    /// Where it is counted what goes out.
    pub ledger: Ledger,
}

/// A connection on which the coordinator admitted the bank.
pub(super) struct Admitted {
    pub(super) line: Line,
    pub(super) send: Exit,
    pub(super) recv: RecvHalf,
    pub(super) way: Way,
    /// Counts the datagrams of a QUIC connection.
    pub(super) datagrams: Option<Datagrams>,
    /// Drives a QUIC connection, which ends when this is dropped.
    pub(super) _endpoint: Option<Endpoint>,
}

/// A connection whose handshake is done.
enum Dialed {
    Quic(Endpoint, quinn::Connection),
    Tcp(Box<TlsStream<Counted<TcpStream>>>, std::net::SocketAddr, Dialer),
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Connects and waits until the coordinator has admitted the bank: a refusal of the certificate arrives only after the handshake.
pub(super) async fn connect(options: &LinkOptions) -> Result<Admitted, DownReason> {
    inspect::verify(&options.certificate.pem(), &options.ca_pem, Timestamp(now()))
        .map_err(DownReason::OwnCertificate)?;
    let deadline = Instant::now() + Duration::from_secs(options.limits.connect_s.into());
    let late = |_| DownReason::CannotResolve {
        address: options.address.clone(),
        problem: format!("no answer in {} s", options.limits.connect_s),
    };
    let (quic, tcp) = (Transport::Quic, Transport::Tcp);
    match (options.limits.transport, &options.proxy) {
        (LinkTransport::Quic, _) => {
            let addresses = timeout_at(deadline, resolve(&options.address))
                .await
                .map_err(late)??;
            let attempt = Attempt::new(options, quic, addresses, deadline)?;
            attempt.alone(Some("link.transport is \"quic\"".to_owned())).await
        }
        (_, Some(proxy)) => {
            let addresses = timeout_at(deadline, resolve_proxy(proxy)).await.map_err(late)??;
            let why = format!("through the proxy {} of link.proxy", proxy.address);
            Attempt::new(options, tcp, addresses, deadline)?
                .alone(Some(why))
                .await
        }
        (LinkTransport::Tcp, None) => {
            let addresses = timeout_at(deadline, resolve(&options.address))
                .await
                .map_err(late)??;
            let attempt = Attempt::new(options, tcp, addresses, deadline)?;
            attempt.alone(Some("link.transport is \"tcp\"".to_owned())).await
        }
        (LinkTransport::Auto, None) => {
            let addresses = timeout_at(deadline, resolve(&options.address))
                .await
                .map_err(late)??;
            let memory = Memory(options.memory.as_ref());
            let remembered = memory.tcp_first(now());
            let by_quic = Attempt::new(options, quic, addresses.clone(), deadline)?;
            let by_tcp = Attempt::new(options, tcp, addresses, deadline)?;
            let began = Instant::now();
            let Verdict { won, other } = if remembered.is_some() {
                race::run((tcp, by_tcp.dial()), (quic, by_quic.dial()), |dialed| {
                    admit(dialed, options)
                })
                .await?
            } else {
                race::run((quic, by_quic.dial()), (tcp, by_tcp.dial()), |dialed| {
                    admit(dialed, options)
                })
                .await?
            };
            if won.way.transport == quic {
                memory.quic_works();
                return Ok(won);
            }
            let why = match (other, remembered) {
                (Some(reason), _) => reason.to_string(),
                (None, Some(remembered)) => remembered,
                (None, None) => format!(
                    "UDP to {} got no answer in {:.1} s",
                    options.address,
                    began.elapsed().as_secs_f64()
                ),
            };
            if memory.tcp_first(now()).is_none() {
                memory.tcp_works(&why, now());
            }
            Ok(won.because(Some(why)))
        }
    }
}

/// One way, until a deadline.
struct Attempt<'a> {
    options: &'a LinkOptions,
    how: How,
    deadline: Instant,
}

enum How {
    Quic(Box<ClientConfig>, Vec<std::net::SocketAddr>),
    Tcp(Dialer),
}

impl<'a> Attempt<'a> {
    fn new(
        options: &'a LinkOptions,
        transport: Transport,
        addresses: Vec<std::net::SocketAddr>,
        deadline: Instant,
    ) -> Result<Self, DownReason> {
        let how = match transport {
            Transport::Quic => How::Quic(Box::new(client_config(options)?), addresses),
            Transport::Tcp => How::Tcp(Dialer::new(options, addresses)?),
        };
        Ok(Self {
            options,
            how,
            deadline,
        })
    }

    fn no_answer(&self, transport: Transport) -> DownReason {
        DownReason::NoAnswer {
            transport,
            address: self.options.address.clone(),
            seconds: self.options.limits.connect_s,
        }
    }

    /// The handshake.
    async fn dial(self) -> Result<Dialed, DownReason> {
        match &self.how {
            How::Quic(config, addresses) => {
                let dialed = dial::quic(addresses, config, &self.options.server_name);
                let dialed = timeout_at(self.deadline, dialed).await;
                let (endpoint, connection) =
                    dialed.unwrap_or_else(|_| Err(self.no_answer(Transport::Quic)))?;
                Ok(Dialed::Quic(endpoint, connection))
            }
            How::Tcp(dialer) => {
                let dialed = timeout_at(self.deadline, dialer.tcp()).await;
                let (stream, remote) = dialed.unwrap_or_else(|_| Err(self.no_answer(Transport::Tcp)))?;
                let How::Tcp(dialer) = self.how else {
                    return Err(DownReason::Local("the way changed".to_owned()));
                };
                Ok(Dialed::Tcp(Box::new(stream), remote, dialer))
            }
        }
    }

    /// The handshake and admission, with no other way beside it.
    async fn alone(self, why: Option<String>) -> Result<Admitted, DownReason> {
        let (options, deadline) = (self.options, self.deadline);
        let transport = match &self.how {
            How::Quic(..) => Transport::Quic,
            How::Tcp(_) => Transport::Tcp,
        };
        let late = self.no_answer(transport);
        let dialed = self.dial().await?;
        let admitted = timeout_at(deadline, admit(dialed, options)).await;
        Ok(admitted.unwrap_or(Err(late))?.because(why))
    }
}

impl Admitted {
    fn because(mut self, why: Option<String>) -> Self {
        self.way.why = why;
        self
    }
}

/// Opens the control stream and waits for the coordinator's word.
async fn admit(dialed: Dialed, options: &LinkOptions) -> Result<Admitted, DownReason> {
    let mut datagrams = None;
    let (connection, halves, endpoint, dialer) = match dialed {
        Dialed::Quic(endpoint, quic) => {
            datagrams = Some(Datagrams::new(quic.clone(), &options.ledger));
            (Connection::Quic(quic), None, Some(endpoint), None)
        }
        Dialed::Tcp(stream, remote, dialer) => {
            let (connection, send, recv, work) = tcp::open(*stream, remote, dialer.idle());
            tokio::spawn(work);
            let halves = (SendHalf::Tcp(send), RecvHalf::Tcp(recv));
            (Connection::Tcp(connection), Some(halves), None, Some(dialer))
        }
    };
    match open_control(&connection, halves, options).await {
        Ok((send, recv, streams)) => Ok(Admitted {
            way: Way {
                transport: connection.transport(),
                why: None,
            },
            line: Line::new(connection, dialer, streams, &options.ledger),
            send,
            recv,
            datagrams,
            _endpoint: endpoint,
        }),
        Err(reason) => {
            connection.close(CloseCode::Goodbye, "");
            Err(reason)
        }
    }
}

async fn open_control(
    connection: &Connection,
    halves: Option<(SendHalf, RecvHalf)>,
    options: &LinkOptions,
) -> Result<(Exit, RecvHalf, u16), DownReason> {
    let stall = Duration::from_secs(options.limits.connect_s.into());
    let work = async {
        let (send, mut recv): (SendHalf, RecvHalf) = match (connection, halves) {
            (Connection::Quic(quic), _) => {
                let (send, recv) = quic.open_bi().await.map_err(StreamEnd::broken)?;
                (send.into(), recv.into())
            }
            (_, Some(halves)) => halves,
            (_, None) => return Err(StreamEnd::broken("the connection has no stream")),
        };
        let mut send = Exit::new(send, &options.ledger);
        let open = StreamOpen::Control;
        write_message(&mut send, &open, (&open).into(), STREAM_FRAME_LIMIT, stall).await?;
        let reply: ControlReply = read_message(&mut recv, STREAM_FRAME_LIMIT, Some(stall), stall).await?;
        Ok::<_, StreamEnd>((send, recv, reply))
    };
    let (send, recv, reply) = match work.await {
        Ok(opened) => opened,
        Err(end) => return Err(why(connection, &end).await),
    };
    let ControlReply::Admitted { bank, streams } = reply;
    if let Some(expected) = options.positions.instead_of(bank) {
        return Err(DownReason::WrongPosition {
            found: bank,
            expected,
        });
    }
    Ok((send, recv, streams))
}

/// Why a connection ended, or what one of its streams says if it has not.
pub(super) async fn why(connection: &Connection, end: &StreamEnd) -> DownReason {
    let told = match connection {
        Connection::Quic(_) => connection.end(),
        // The stream may notice before the reason is read.
        Connection::Tcp(_) => timeout(AFTERTHOUGHT, connection.closed()).await.ok(),
    };
    match told {
        Some(end) => diagnose(&end, true),
        None => DownReason::Lost(end.to_string()),
    }
}
