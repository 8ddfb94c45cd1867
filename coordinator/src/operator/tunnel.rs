//! A browser here, the operator's page there: connections to a loopback address go through TLS with the operator's certificate.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use veilsum_admission::keyfile;
use veilsum_admission::reader::{CA_FILE, Folder, Way};

use crate::cli::Failure;
use crate::enrol::inspect;
use crate::page::{LINK_ALPN, PAGE_ALPN};

/// A connection must stand, and a line of answer have come, in this time.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest answer of one line, in bytes.
const LINE: u64 = 1024;

/// The coordinator as an operator reaches it.
pub(crate) struct Tunnel {
    address: String,
    way: Way,
    name: ServerName<'static>,
    link: TlsConnector,
    page: TlsConnector,
}

impl Tunnel {
    /// To `host:port` by a way, with the identity in a folder.
    ///
    /// # Errors
    /// Exit code 2: what in the folder or of the address has to be corrected.
    pub(crate) fn new(address: &str, folder: &Folder, way: Way) -> Result<Self, Failure> {
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(no_address(address));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if port.parse::<u16>().is_err() {
            return Err(no_address(address));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| no_address(address))?;
        Ok(Self {
            address: address.to_owned(),
            way,
            name,
            link: connector(folder, LINK_ALPN)?,
            page: connector(folder, PAGE_ALPN)?,
        })
    }

    /// The word of a link for one browser.
    ///
    /// # Errors
    /// Exit code 75 if the coordinator is not reached, 1 if it does not let this operator in.
    pub(crate) async fn word(&self) -> Result<String, Failure> {
        let stream = self.connect(&self.link).await?;
        let mut line = Vec::new();
        let mut limited = stream.take(LINE);
        match timeout(PATIENCE, limited.read_to_end(&mut line)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if line.is_empty() => return Err(self.broken(&error)),
            // A line is a line, whatever became of the connection after it.
            Ok(Err(_)) => {}
            Err(_) => return Err(self.silent()),
        }
        let line = String::from_utf8_lossy(&line);
        let line: String = line.chars().filter(|found| !found.is_control()).collect();
        match line.split_once(' ') {
            Some(("link", word)) if word.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(word.to_owned()),
            Some(("no", why)) => Err(Failure::finding(format!("the coordinator refuses: {why}"))),
            _ => Err(Failure::finding(format!(
                "{} answered with {line:?}, expected a link; is that operator.secure_listen of a coordinator of this release?",
                self.address
            ))),
        }
    }

    /// Takes a browser's connections until the future is dropped.
    pub(crate) async fn carry(self, listener: TcpListener, say: impl Fn(&str)) {
        let tunnel = Arc::new(self);
        let mut connections: JoinSet<Result<(), Failure>> = JoinSet::new();
        loop {
            tokio::select! {
                Some(ended) = connections.join_next() => {
                    if let Ok(Err(failure)) = ended {
                        say(failure.message());
                    }
                }
                accepted = listener.accept() => {
                    let Ok((browser, _)) = accepted else { continue };
                    let tunnel = Arc::clone(&tunnel);
                    connections.spawn(async move { tunnel.pass(browser).await });
                }
            }
        }
    }

    async fn pass(&self, mut browser: TcpStream) -> Result<(), Failure> {
        let mut page = self.connect(&self.page).await?;
        // Who ends it, browser or coordinator, ends it for both; how is of no interest.
        let _ = copy_bidirectional(&mut browser, &mut page).await;
        Ok(())
    }

    async fn connect(&self, tls: &TlsConnector) -> Result<TlsStream<TcpStream>, Failure> {
        let (way, address) = (self.way.clone(), self.address.clone());
        let connected = async {
            let stream = spawn_blocking(move || way.connect(&address))
                .await
                .map_err(Failure::finding)?
                .map_err(Failure::try_again)?;
            let stream = into_tokio(stream).map_err(Failure::finding)?;
            let shaken = tls.connect(self.name.clone(), stream).await;
            shaken.map_err(|error| self.broken(&error))
        };
        match timeout(PATIENCE, connected).await {
            Ok(connected) => connected,
            Err(_) => Err(self.silent()),
        }
    }

    fn silent(&self) -> Failure {
        Failure::try_again(format!(
            "{} does not answer; the coordinator is down, or a firewall on the way drops TCP to it",
            self.address
        ))
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let address = &self.address;
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                Failure::finding(format!(
                    "whoever answers at {address} has a certificate of another authority than {CA_FILE}: somebody stands in between, or it is another consortium's coordinator"
                ))
            }
            Some(rustls::Error::InvalidCertificate(problem)) => Failure::finding(format!(
                "the certificate of {address} is refused: {problem}; give the host by a name that the coordinator's certificate carries, and look at this machine's clock"
            )),
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                Failure::usage(format!(
                    "{address} is another door of the coordinator, expected the address of operator.secure_listen"
                ))
            }
            Some(rustls::Error::AlertReceived(alert)) => Failure::finding(format!(
                "{address} refuses this operator's certificate ({alert:?}); it is of another consortium, or has expired"
            )),
            _ => Failure::try_again(format!(
                "cannot reach {address}: {error}; the coordinator is down, does not serve operators (operator.secure_listen), or a firewall on the way refuses TCP to it"
            )),
        }
    }
}

/// A listener for a browser on this machine alone.
///
/// # Errors
/// Exit code 2 for an address that others reach or that is taken.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "{address} can be reached from other machines, expected a loopback address such as 127.0.0.1:7480"
        )));
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {address}: {error}; name another port with --listen"
        ))
    })
}

fn into_tokio(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream)
}

fn no_address(found: &str) -> Failure {
    Failure::usage(format!(
        "found {found:?}, expected the coordinator's host and the port of its operator.secure_listen, such as fl.example.org:7445"
    ))
}

fn connector(folder: &Folder, protocol: &[u8]) -> Result<TlsConnector, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Failure::usage(format!(
                "{}: {error}; `veilsum-coordinator operator enrol` makes this folder from an invitation",
                path.display()
            ))
        })
    };
    let (authority, certificate) = (read(&folder.authority())?, read(&folder.certificate())?);
    let key = keyfile::read_pkcs8(&folder.key()).map_err(Failure::usage)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    let roots = inspect::roots(&authority).map_err(Failure::usage)?;
    let named = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: {error}", folder.certificate().display()))
    };
    let chain = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| named(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::finding)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| named(&format!("with its key: {error}")))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::enrolment::folder;
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        let scratch = tempfile::tempdir().unwrap();
        let new = |address| Tunnel::new(address, &folder(scratch.path()), Way::default());
        for bad in ["", "host", "host:", "host:99999", "ho st:1", "https://host:1"] {
            let failure = new(bad).err().unwrap();
            assert!(
                failure.message().contains("expected the coordinator's host"),
                "{bad}"
            );
        }
        // Then it is the folder's turn.
        for good in ["fl.example.org:7445", "[::1]:7445", "127.0.0.1:1"] {
            let failure = new(good).err().unwrap();
            assert!(failure.message().contains("operator enrol"), "{good}");
        }
    }

    #[tokio::test]
    async fn only_this_machine_gets_at_the_tunnel() {
        let failure = listen("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert!(failure.message().contains("other machines"));
        listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    }
}
