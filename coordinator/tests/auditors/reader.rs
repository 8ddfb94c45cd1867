//! A reader that sends what the test says, byte for byte.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::scene::{Identity, Scene};

/// Longest that any step of a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// TLS as a reader of the consortium speaks it.
pub(crate) fn tls(scene: &Scene, identity: Option<&Identity>, alpn: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(scene.consortium.ca_pem.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(it) => builder
            .with_client_auth_cert(vec![it.certificate.clone()], it.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

/// A connection that stands.
pub(crate) struct Reader {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Reader {
    pub(crate) fn connect(scene: &Scene, address: SocketAddr, identity: Option<&Identity>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let config = Arc::new(tls(scene, identity, b"http/1.1"));
        let connection = ClientConnection::new(config, name).unwrap();
        Self {
            stream: StreamOwned::new(connection, stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Asks over a connection that stays.
    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Reply> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.reply(false)
    }

    /// Reads one answer. An answer to HEAD has no body, whatever its head says.
    pub(crate) fn reply(&mut self, to_head: bool) -> std::io::Result<Reply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: Vec::new(),
        };
        if !to_head && status != 304 {
            let length = reply.header("content-length").map_or(0, |it| it.parse().unwrap());
            reply.body = vec![0; length];
            self.stream.read_exact(&mut reply.body)?;
        }
        Ok(reply)
    }

    /// Waits until the server ends it, however it does.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return rest,
                Ok(count) => rest.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("the server keeps the connection")
                }
                Err(_) => return rest,
            }
        }
    }
}

/// One request over a connection of its own.
pub(crate) fn ask(
    scene: &Scene,
    address: SocketAddr,
    identity: Option<&Identity>,
    request: &str,
) -> std::io::Result<Reply> {
    let mut reader = Reader::connect(scene, address, identity);
    reader.send(request.as_bytes())?;
    reader.reply(request.starts_with("HEAD "))
}

/// A request with more headers than a path needs.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}
