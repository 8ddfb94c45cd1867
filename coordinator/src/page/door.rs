//! The operator's page from another machine: TLS 1.3 with an operator's certificate, and inside it the very page that loopback serves.
//!
//! No browser speaks to this door. `veilsum-coordinator operator page` on the operator's own machine holds the certificate, comes in here, and
//! lets one browser there through, by a one-time link as on the coordinator's own machine. So no certificate has to be put into a browser, and
//! a page has one way to tell who is in, wherever it is read.
//!
//! By the name of the application protocol (ALPN, RFC 7301) a connection asks for a link or for the page.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use veilsum_page::converse;
use veilsum_protocol::enrolment::Role;

use super::Office;
use crate::enrol::inspect::{CertificateFacts, facts_of_der};
use crate::enrol::readers::Readers;
use crate::enrol::revoked::RevokedList;
use crate::transport::{ServerIdentity, TransportError, linger, tls_config};

/// The application protocol of who wants a link. The answer is one line: `link` and the word of it, or `no` and why not.
pub const LINK_ALPN: &[u8] = b"veilsum-operator-link/1";

/// The application protocol of who brings a browser's connection.
pub const PAGE_ALPN: &[u8] = b"veilsum-operator-page/1";

/// A handshake must be done in this time, and an answer of one line be taken.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once.
const MOST_HANDSHAKES: usize = 16;
/// Whoever is taken off the list, or whose certificate expires, is cut off within this time.
const LOOK: Duration = Duration::from_secs(5);
/// How long farewells may take when the coordinator stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// After an accept that failed, because the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// Who comes in: the operators on the list whose keys are not revoked.
#[derive(Debug, Clone)]
pub struct Operators {
    /// The file `operators.toml`, read again for every connection.
    pub admitted: PathBuf,
    /// Whose access was taken away.
    pub revoked: RevokedList,
}

/// A bound address.
pub struct Door {
    listener: StdListener,
    acceptor: TlsAcceptor,
    operators: Operators,
    max_connections: usize,
}

impl Operators {
    /// The name of the operator with this certificate. Blocks on the disk.
    ///
    /// # Errors
    /// Why it is not let in, in words for whoever asks.
    fn who(&self, certificate: &CertificateFacts, now: OffsetDateTime) -> Result<String, String> {
        if certificate.days_left(now.unix_timestamp()) < 0 {
            return Err(format!(
                "the certificate of {} has expired; ask for a new invitation",
                certificate.subject
            ));
        }
        let key = certificate.tls_key;
        let unreadable = |error: &dyn std::fmt::Display| {
            tracing::error!("no operator is let in: {error}");
            "the coordinator cannot read its lists of those who may come in; its trace says why".to_owned()
        };
        match self.revoked.get(key) {
            Ok(None) => {}
            Ok(Some(key)) => return Err(key.words()),
            Err(error) => return Err(unreadable(&error)),
        }
        let list = Readers::load(Role::Operator, &self.admitted).map_err(|error| unreadable(&error))?;
        list.by_tls_key(key).map(|operator| operator.name.clone()).ok_or_else(|| {
            format!(
                "{} with TLS key {key} is not an admitted operator; `veilsum-coordinator invite --role operator NAME` on the coordinator's machine invites one",
                certificate.subject
            )
        })
    }
}

impl Door {
    /// Binds the address. Operators are let in from [`Self::serve`] on.
    ///
    /// # Errors
    /// [`TransportError::Bind`] or [`TransportError::Tls`].
    pub fn bind(
        address: SocketAddr,
        identity: &ServerIdentity,
        operators: Operators,
        max_connections: usize,
    ) -> Result<Self, TransportError> {
        let mut tls = tls_config(identity)?;
        tls.alpn_protocols = vec![LINK_ALPN.to_vec(), PAGE_ALPN.to_vec()];
        let listener = StdListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| TransportError::Bind {
                protocol: "TCP",
                address,
                error,
            })?;
        Ok(Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            operators,
            max_connections,
        })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready. Peers never end it.
    ///
    /// # Errors
    /// If the runtime does not take the listener.
    pub async fn serve(self, office: Arc<Office>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let handshakes = Arc::new(Semaphore::new(MOST_HANDSHAKES));
        let (stopped, stopping) = watch::channel(false);
        let hall = Arc::new(Hall {
            office,
            operators: self.operators,
            places: Semaphore::new(self.max_connections),
        });
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Err(error) => {
                        tracing::debug!(%error, "a connection of an operator could not be accepted");
                        sleep(PAUSE).await;
                    }
                    // Without a place it is hung up on: whoever waits in handshakes holds nobody up but others there.
                    Ok((stream, remote)) => if let Ok(place) = Arc::clone(&handshakes).try_acquire_owned() {
                        let (hall, acceptor, stopping) = (Arc::clone(&hall), self.acceptor.clone(), stopping.clone());
                        connections.spawn(async move {
                            let shaken = shake_hands(&acceptor, stream, remote).await;
                            drop(place);
                            if let Some((stream, certificate)) = shaken {
                                hall.admit(stream, certificate, remote, stopping).await;
                            }
                        });
                    } else {
                        tracing::warn!(%remote, "an operator's connection is refused: too many handshakes at once");
                    },
                },
            }
        }
        let _ = stopped.send(true);
        let _ = timeout(FAREWELL, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        Ok(())
    }
}

type Stream = TlsStream<TcpStream>;

async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    remote: SocketAddr,
) -> Option<(Stream, Arc<CertificateFacts>)> {
    let refused = |why: &str| tracing::warn!(%remote, "an operator's connection is refused: {why}");
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            refused(&format!("the handshake failed: {error}"));
            return None;
        }
        Err(_) => {
            refused("the handshake took too long");
            return None;
        }
    };
    let (_, tls) = stream.get_ref();
    let certificate = tls.peer_certificates().and_then(|chain| chain.first());
    match certificate.map(|it| facts_of_der(it)) {
        Some(Ok(facts)) => {
            let facts = Arc::new(facts);
            Some((stream, facts))
        }
        Some(Err(problem)) => {
            refused(&problem);
            None
        }
        None => {
            refused("no client certificate");
            None
        }
    }
}

/// What the connections share.
struct Hall {
    office: Arc<Office>,
    operators: Operators,
    places: Semaphore,
}

impl Hall {
    async fn who(&self, certificate: &Arc<CertificateFacts>) -> Result<String, String> {
        let (operators, certificate) = (self.operators.clone(), Arc::clone(certificate));
        let asked = spawn_blocking(move || operators.who(&certificate, OffsetDateTime::now_utc()));
        asked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn admit(
        &self,
        mut stream: Stream,
        certificate: Arc<CertificateFacts>,
        remote: SocketAddr,
        stopping: watch::Receiver<bool>,
    ) {
        let wants_link = stream.get_ref().1.alpn_protocol() == Some(LINK_ALPN);
        let who = self.who(&certificate).await;
        if let Err(why) = &who {
            tracing::warn!(%remote, "an operator's connection is refused: {why}");
        }
        if wants_link {
            let line = match who.and_then(|name| {
                let word = self.office.link()?;
                tracing::info!(%remote, "operator {name} gets a link to the operator's page");
                Ok(word)
            }) {
                Ok(word) => format!("link {word}\n"),
                Err(why) => format!("no {why}\n"),
            };
            let told = async {
                stream.write_all(line.as_bytes()).await?;
                stream.shutdown().await
            };
            let _ = timeout(HANDSHAKE, told).await;
            return;
        }
        let Ok(name) = who else {
            // Whoever asked reads an end, and not that the connection was reset.
            if timeout(HANDSHAKE, stream.shutdown()).await.is_ok() {
                linger(stream).await;
            }
            return;
        };
        let Ok(place) = self.places.try_acquire() else {
            tracing::warn!(
                %remote,
                "operator {name} finds no place: operator.max_connections allows no more connections"
            );
            return;
        };
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let page = converse(Arc::clone(&self.office), stream, stopping);
        tokio::pin!(page);
        loop {
            tokio::select! {
                () = &mut page => break,
                _ = look.tick() => if let Err(why) = self.who(&certificate).await {
                    tracing::warn!(%remote, "operator {name} is cut off: {why}");
                    break;
                },
            }
        }
        drop(place);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use veilsum_protocol::ids::Digest;

    use super::*;

    #[test]
    fn operators_on_the_list_come_in_until_they_are_taken_off_it_or_expire() {
        let folder = tempfile::tempdir().unwrap();
        let operators = Operators {
            admitted: folder.path().join("operators.toml"),
            revoked: RevokedList::at(folder.path()),
        };
        let key = Digest::of(b"anna");
        let certificate = CertificateFacts {
            subject: "CN=anna".to_owned(),
            issuer: "CN=demo authority".to_owned(),
            not_before: 0,
            not_after: 1_000_000,
            spki_der: Vec::new(),
            tls_key: key,
            hosts: Vec::new(),
        };
        let who = |at| operators.who(&certificate, OffsetDateTime::from_unix_timestamp(at).unwrap());
        assert!(who(1).unwrap_err().contains("not an admitted operator"));
        let mut list = Readers::load(Role::Operator, &operators.admitted).unwrap();
        list.admit("anna", key).unwrap();
        list.store(&operators.admitted).unwrap();
        assert_eq!(who(1).unwrap(), "anna");
        assert!(who(1_000_001).unwrap_err().contains("has expired"));
        list.without("anna").store(&operators.admitted).unwrap();
        assert!(who(1).unwrap_err().contains("not an admitted operator"));
        std::fs::write(&operators.admitted, "version = 7").unwrap();
        assert!(who(1).unwrap_err().contains("cannot read its lists"));
    }
}
