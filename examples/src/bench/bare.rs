//! A stream of bytes from memory, with TLS 1.3 and nothing else on top.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use ring::digest::{Context, SHA256};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use veilsum_coordinator::transport::ServerIdentity;

use super::Way;
use crate::demo::DemoError;

/// Bytes that are written and read at once.
const PART: usize = 64 << 10;

/// What becomes of the bytes where they arrive, one thing after the other, as a plain program does it.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    /// They are read and dropped.
    Nowhere,
    /// They are hashed and kept in memory.
    Kept,
    /// They are hashed and written to this file, which is durable before the sender hears of it.
    Stored(PathBuf),
}

/// A sink at work.
enum Drain {
    Nowhere,
    Kept(Context, Vec<u8>),
    Stored(Context, File),
}

impl Sink {
    fn open(&self, bytes: u64) -> io::Result<Drain> {
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        Ok(match self {
            Self::Nowhere => Drain::Nowhere,
            Self::Kept => Drain::Kept(Context::new(&SHA256), Vec::with_capacity(bytes)),
            Self::Stored(path) => Drain::Stored(Context::new(&SHA256), File::create(path)?),
        })
    }
}

impl Drain {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Kept(hash, kept) => {
                hash.update(bytes);
                kept.extend_from_slice(bytes);
                Ok(())
            }
            Self::Stored(hash, file) => {
                hash.update(bytes);
                file.write_all(bytes)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Kept(hash, kept) => {
                black_box((hash.finish(), kept));
                Ok(())
            }
            Self::Stored(hash, file) => {
                black_box(hash.finish());
                file.sync_all()
            }
        }
    }
}

fn failed(error: impl ToString) -> DemoError {
    DemoError::Trial(format!("the bare transport: {}", error.to_string()))
}

/// Sends so many bytes from a client to a server, after the handshake, and gives the seconds until the server has done with them what `sink` says
/// and the client has heard of it.
pub(super) async fn transfer(
    identity: &ServerIdentity,
    ca: &str,
    name: &str,
    way: Way,
    bytes: u64,
    sink: &Sink,
) -> Result<f64, DemoError> {
    let drain = sink.open(bytes).map_err(failed)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, identity.key.clone_key())
        .map_err(failed)?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(root.map_err(failed)?).map_err(failed)?;
    }
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    server.alpn_protocols = vec![b"bare".to_vec()];
    client.alpn_protocols = vec![b"bare".to_vec()];
    match way {
        Way::Quic => quic(server, client, name, bytes, drain).await,
        Way::Tcp => tcp(server, client, name, bytes, drain).await,
    }
}

async fn quic(
    server: ServerConfig,
    client: ClientConfig,
    name: &str,
    bytes: u64,
    mut drain: Drain,
) -> Result<f64, DemoError> {
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let crypto = QuicServerConfig::try_from(server).map_err(failed)?;
    let there = quinn::Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(crypto)), local)
        .map_err(DemoError::file(Path::new("a UDP port")))?;
    let address = there.local_addr().map_err(failed)?;
    let reading = tokio::spawn(async move {
        let incoming = there.accept().await.ok_or("no connection")?;
        let connection = incoming.await.map_err(|error| error.to_string())?;
        let (mut send, mut recv) = connection.accept_bi().await.map_err(|error| error.to_string())?;
        while let Some(chunk) = recv
            .read_chunk(PART, true)
            .await
            .map_err(|error| error.to_string())?
        {
            drain.take(&chunk.bytes).map_err(|error| error.to_string())?;
        }
        drain.finish().map_err(|error| error.to_string())?;
        send.write_all(b"!").await.map_err(|error| error.to_string())?;
        send.finish().map_err(|error| error.to_string())?;
        // Until the client has it.
        connection.closed().await;
        Ok::<(), String>(())
    });
    let here = quinn::Endpoint::client(local).map_err(DemoError::file(Path::new("a UDP port")))?;
    let crypto = QuicClientConfig::try_from(client).map_err(failed)?;
    let connection = here
        .connect_with(quinn::ClientConfig::new(Arc::new(crypto)), address, name)
        .map_err(failed)?
        .await
        .map_err(failed)?;
    let part = vec![7; PART];
    let begun = Instant::now();
    let (mut send, mut recv) = connection.open_bi().await.map_err(failed)?;
    let mut left = bytes;
    while left > 0 {
        let count = left.min(PART as u64);
        let count_here = usize::try_from(count).map_err(failed)?;
        send.write_all(&part[..count_here]).await.map_err(failed)?;
        left -= count;
    }
    send.finish().map_err(failed)?;
    recv.read_to_end(1).await.map_err(failed)?;
    let took = begun.elapsed().as_secs_f64();
    connection.close(0u32.into(), b"");
    reading.await.map_err(failed)?.map_err(failed)?;
    Ok(took)
}

async fn tcp(
    server: ServerConfig,
    client: ClientConfig,
    name: &str,
    bytes: u64,
    mut drain: Drain,
) -> Result<f64, DemoError> {
    let there = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = there.local_addr().map_err(failed)?;
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let reading = tokio::spawn(async move {
        let (stream, _) = there.accept().await?;
        stream.set_nodelay(true)?;
        let mut stream = acceptor.accept(stream).await?;
        let (mut part, mut left) = (vec![0; PART], bytes);
        while left > 0 {
            let count = stream.read(&mut part).await?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            drain.take(&part[..count])?;
            left -= count as u64;
        }
        drain.finish()?;
        stream.write_all(b"!").await?;
        stream.shutdown().await
    });
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let name = ServerName::try_from(name.to_owned()).map_err(failed)?;
    let mut stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .map_err(failed)?;
    let part = vec![7; PART];
    let begun = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let count = left.min(PART as u64);
        let count_here = usize::try_from(count).map_err(failed)?;
        stream.write_all(&part[..count_here]).await.map_err(failed)?;
        left -= count;
    }
    stream.flush().await.map_err(failed)?;
    stream.read_exact(&mut [0]).await.map_err(failed)?;
    let took = begun.elapsed().as_secs_f64();
    reading.await.map_err(failed)?.map_err(failed)?;
    Ok(took)
}
