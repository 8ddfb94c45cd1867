//! Those who ask to be enrolled, and members that renew their certificate, at the banks' own TCP port: told apart by the application protocol that
//! they name in the handshake. Who asks to be enrolled has no certificate yet; who renews must show the one that is in force.
//!
//! A stranger is refused cheaply: one handshake, one frame of bounded size, one small file. Places, questions of one address and every
//! wait are bounded, and are none of the banks'.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, ASK_LIMIT, Answer, Ask, ENROL_ALPN, GREETING_LIMIT, Greeting, RENEW_ALPN, RENEWAL_LIMIT,
    Refusal, RefusalReason, Renewal,
};
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, encode_frame};
use zeroize::Zeroizing;

use super::listen::TransportError;
use super::listen_tcp::linger;
use super::pace::Pace;
use super::tls::{ServerIdentity, tls_config};
use crate::enrol::desk::Desk;
use crate::enrol::inspect::{CertificateFacts, facts_of_der};
use crate::enrol::revoked::RevokedList;

/// Questions that are dealt with at once.
const PLACES: usize = 16;

/// Of them, of one address.
const PLACES_EACH: usize = 4;

/// Addresses that are remembered. Beyond them those without a connection are forgotten.
const REMEMBERED: usize = 1024;

/// From the handshake to the whole question.
const QUESTION: Duration = Duration::from_secs(10);

/// For the asker to take its answer: a consortium file of 200 KiB at a slow line.
const ANSWER: Duration = Duration::from_secs(60);

/// What visitors are served with.
pub(super) struct Visitors {
    desk: Desk,
    enrol: Arc<ServerConfig>,
    renew: Arc<ServerConfig>,
    places: Arc<Semaphore>,
    known: Mutex<HashMap<IpAddr, Known>>,
}

/// One address.
struct Known {
    pace: Pace,
    open: usize,
}

/// A visitor's place, as long as it is kept.
struct Place {
    visitors: Arc<Visitors>,
    address: IpAddr,
    _one: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.visitors.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&self.address) {
            known.open = known.open.saturating_sub(1);
        }
    }
}

/// What bounds a visitor: an IPv4 address, or the network of an IPv6 address, which one host can have all of (RFC 4291, section 2.5.1).
fn bounded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Visitors {
    pub(super) fn new(identity: &ServerIdentity, desk: Desk) -> Result<Arc<Self>, TransportError> {
        Ok(Arc::new(Self {
            desk,
            enrol: Arc::new(enrol_config(identity)?),
            renew: Arc::new(renew_config(identity)?),
            places: Arc::new(Semaphore::new(PLACES)),
            known: Mutex::default(),
        }))
    }

    /// TLS for whoever names a protocol of those who ask: to be enrolled they show no certificate, to renew one they must.
    pub(super) fn config(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        // In this order: who names both has no certificate to show.
        let names = |wanted: &[u8]| {
            hello
                .alpn()
                .is_some_and(|mut named| named.any(|name| name == wanted))
        };
        if names(ENROL_ALPN) {
            return Some(Arc::clone(&self.enrol));
        }
        names(RENEW_ALPN).then(|| Arc::clone(&self.renew))
    }

    /// Whose access was taken away.
    pub(super) fn revoked(&self) -> RevokedList {
        self.desk.revoked()
    }

    /// TLS that no bank can use.
    pub(super) fn config_for_others(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.enrol)
    }

    fn place(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Place> {
        let address = bounded(address);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(&address) {
            known.retain(|_, it| it.open > 0);
        }
        let it = known.entry(address).or_insert_with(|| Known {
            pace: Pace::new(now),
            open: 0,
        });
        if it.open >= PLACES_EACH || it.pace.take(now).is_err() {
            return None;
        }
        let one = Arc::clone(&self.places).try_acquire_owned().ok()?;
        it.open += 1;
        Some(Place {
            visitors: Arc::clone(self),
            address,
            _one: one,
        })
    }

    /// The rest of the handshake, the question and its answer. `handshake` is given back as soon as the visitor has a place of its own.
    pub(super) async fn serve(
        self: Arc<Self>,
        start: StartHandshake<TcpStream>,
        config: Arc<ServerConfig>,
        remote: SocketAddr,
        handshake: OwnedSemaphorePermit,
    ) {
        let Some(_place) = self.place(remote.ip(), Instant::now()) else {
            // Before the handshake, which is what costs.
            return tracing::info!(%remote, "a request to be enrolled comes too soon after others; it is not heard");
        };
        drop(handshake);
        let ask = async {
            let mut stream = match start.into_stream(config).into_fallible().await {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    linger(stream).await;
                    return Err(error.to_string());
                }
            };
            let greeting = Greeting { time: now() };
            send(&mut stream, &greeting, GREETING_LIMIT).await?;
            let question = if stream.get_ref().1.alpn_protocol() == Some(RENEW_ALPN) {
                let member = member(&stream)?;
                let asked: Option<Renewal> = receive(&mut stream, RENEWAL_LIMIT).await?;
                asked.map(|asked| Question::Renew(member, asked))
            } else {
                let asked: Option<Ask> = receive(&mut stream, ASK_LIMIT).await?;
                asked.map(Question::Enrol)
            };
            Ok::<_, String>((stream, question))
        };
        let (mut stream, question) = match timeout(QUESTION, ask).await {
            Ok(Ok((stream, Some(question)))) => (stream, question),
            Ok(Ok((_, None))) => {
                return tracing::debug!(%remote, "somebody looked who stands here and what time it is, and asked for nothing");
            }
            Ok(Err(error)) => {
                return tracing::info!(%remote, error, "a request to be enrolled did not come whole");
            }
            Err(_) => {
                return tracing::info!(%remote, seconds = QUESTION.as_secs(), "a request to be enrolled took too long");
            }
        };
        let desk = self.desk.clone();
        let answer = spawn_blocking(move || {
            let now = OffsetDateTime::now_utc();
            match question {
                Question::Enrol(ask) => desk.answer(ask, now),
                Question::Renew((shown, facts), asked) if asked.replaces == shown => desk.renew(&facts, now),
                Question::Renew(..) => Answer::Refused(Refusal::new(
                    RefusalReason::Request,
                    "the question names another certificate than the one that was shown",
                )),
            }
        })
        .await;
        let Ok(answer) = answer else {
            return tracing::error!("a request to be enrolled was not answered: its thread broke down");
        };
        let told = async {
            send::<Answer>(&mut stream, &answer, ANSWER_LIMIT).await?;
            stream.shutdown().await.map_err(|error| error.to_string())?;
            linger(stream).await;
            Ok::<_, String>(())
        };
        match timeout(ANSWER, told).await {
            Ok(Ok(())) => tracing::debug!(%remote, "a request to be enrolled is answered"),
            // It asks again, and gets the same answer.
            Ok(Err(error)) => {
                tracing::info!(%remote, error, "an answer to a request to be enrolled was lost")
            }
            Err(_) => tracing::info!(%remote, "an answer to a request to be enrolled was not taken in time"),
        }
    }
}

/// What is asked.
enum Question {
    Enrol(Ask),
    /// By a member, whose certificate has this SHA-256 and content.
    Renew((Digest, CertificateFacts), Renewal),
}

/// The certificate that was proved in the handshake.
fn member(stream: &TlsStream<TcpStream>) -> Result<(Digest, CertificateFacts), String> {
    let chain = stream.get_ref().1.peer_certificates();
    let shown = chain.and_then(<[_]>::first).ok_or("no client certificate")?;
    Ok((Digest::of(shown), facts_of_der(shown)?))
}

fn now() -> Timestamp {
    Timestamp(u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0))
}

async fn send<T: serde::Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
    limit: usize,
) -> Result<(), String> {
    let frame = encode_frame(message, limit).map_err(|error| error.to_string())?;
    stream
        .write_all(&frame)
        .await
        .map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())
}

/// The frame may hold a secret. `None` from who goes away without a word.
async fn receive<T: serde::de::DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Option<T>, String> {
    let mut header = [0; HEADER];
    let first = stream
        .read(&mut header)
        .await
        .map_err(|error| error.to_string())?;
    let Some(rest) = header.get_mut(first..).filter(|_| first > 0) else {
        return Ok(None);
    };
    stream.read_exact(rest).await.map_err(|error| error.to_string())?;
    let length = body_length(header, limit).map_err(|error| error.to_string())?;
    let mut body = Zeroizing::new(vec![0; length]);
    stream
        .read_exact(&mut body)
        .await
        .map_err(|error| error.to_string())?;
    decode(&body, limit).map(Some).map_err(|error| error.to_string())
}

/// The authority goes with the certificate: whoever asks knows its hash, and has no copy.
fn enrol_config(identity: &ServerIdentity) -> Result<ServerConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TransportError::Tls(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(identity.shown.with_authority());
    Ok(for_one_question(config, ENROL_ALPN))
}

/// As banks are met, certificate and all; the authority goes along, so that the same asker serves both questions.
fn renew_config(identity: &ServerIdentity) -> Result<ServerConfig, TransportError> {
    let mut config = tls_config(identity)?;
    config.cert_resolver = identity.shown.with_authority();
    Ok(for_one_question(config, RENEW_ALPN))
}

fn for_one_question(mut config: ServerConfig, alpn: &[u8]) -> ServerConfig {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::enrol::init::{Folder, InitOptions, init};

    fn visitors() -> (tempfile::TempDir, Arc<Visitors>) {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("consortium");
        let options = InitOptions {
            name: "demo".to_owned(),
            listen: "127.0.0.1:7443".parse().unwrap(),
            hosts: vec!["localhost".to_owned()],
            dir: dir.clone(),
            days: 90,
        };
        init(&options, OffsetDateTime::now_utc()).unwrap();
        let folder = Folder::at(&dir);
        let ca = std::fs::read_to_string(folder.identity("ca.crt.pem")).unwrap();
        let (certificate, key) = (
            folder.identity("server.crt.pem"),
            folder.identity("server.key.pem"),
        );
        let identity = ServerIdentity::load(&certificate, &key, &ca).unwrap();
        (scratch, Visitors::new(&identity, Desk::new(&dir)).unwrap())
    }

    /// Whoever has a whole network of addresses fills no memory, and makes nobody forgotten who has a place.
    #[test]
    fn so_many_addresses_are_remembered_and_no_more() {
        let (_scratch, visitors) = visitors();
        let now = Instant::now();
        let known = || visitors.known.lock().unwrap().len();
        let held: Vec<Place> = (0..PLACES_EACH)
            .map(|_| visitors.place("192.0.2.1".parse().unwrap(), now).unwrap())
            .collect();
        for number in 0..4 * u32::try_from(REMEMBERED).unwrap() {
            let address = IpAddr::V4((0x0a00_0000 + number).into());
            assert!(visitors.place(address, now).is_some(), "{address}");
            assert!(known() <= REMEMBERED, "{}", known());
        }
        assert!(
            visitors.place("192.0.2.1".parse().unwrap(), now).is_none(),
            "a fifth place"
        );
        drop(held);
        assert!(visitors.place("192.0.2.1".parse().unwrap(), now).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_visitor() {
        let of = |text: &str| bounded(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
