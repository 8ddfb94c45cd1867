//! The authority that a web server must be of, and the certificate that this reader shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use veilsum_admission::keyfile::{KeyFileError, read_private};

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Nobody said whom to believe.
    #[error(
        "found no authority for https, expected --tls-ca FILE, or --consortium FILE, which has the consortium's"
    )]
    NoAuthority,
    /// One of the pair is missing.
    #[error("found --tls-cert or --tls-key alone, expected both or none")]
    Half,
    /// The file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not of the form.
    #[error("{name}: {problem}; expected {expected} in PEM")]
    Form {
        /// File or origin.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The private key cannot be read, or others may read it.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Certificate and key do not fit.
    #[error("{}: cannot be used with its key: {problem}; expected the certificate that was issued for the key", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        problem: rustls::Error,
    },
}

/// What TLS needs, as files.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Authority of the server, in PEM.
    pub ca: Option<PathBuf>,
    /// Authority where no file is given: its text, in PEM.
    pub ca_pem: Option<String>,
    /// This reader's certificate, in PEM.
    pub cert: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Reads the files and tries them.
    pub(super) fn config(&self) -> Result<TlsConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = self.authority()?;
        let client = match (&self.cert, &self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(pair(cert, key, &provider, &roots)?),
            _ => return Err(TlsError::Half),
        };
        let roots: Vec<Certificate<'static>> = roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(client)
            .build())
    }

    fn authority(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let (name, text) = match (&self.ca, &self.ca_pem) {
            (Some(path), _) => (path.display().to_string(), read(path)?),
            (None, Some(pem)) => ("the consortium's authority".to_owned(), pem.clone().into_bytes()),
            (None, None) => return Err(TlsError::NoAuthority),
        };
        certificates(name, &text, "the server's authority")
    }
}

fn pair(
    cert: &Path,
    key: &Path,
    provider: &Arc<CryptoProvider>,
    roots: &[CertificateDer<'static>],
) -> Result<ClientCert, TlsError> {
    let chain = certificates(cert.display().to_string(), &read(cert)?, "a certificate")?;
    let pem = read_private(key)?;
    let form = |problem: String| TlsError::Form {
        name: key.display().to_string(),
        problem,
        expected: "a private key",
    };
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| form(error.to_string()))?;
    // The HTTP client stops the process on a pair that does not fit, so it is tried first.
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(store))
        .and_then(|builder| builder.with_client_auth_cert(chain.clone(), private))
        .map_err(|problem| TlsError::Pair {
            path: cert.to_owned(),
            problem,
        })?;
    let chain: Vec<Certificate<'static>> = chain
        .iter()
        .map(|cert| Certificate::from_der(cert).to_owned())
        .collect();
    let private = PrivateKey::from_pem(&pem).map_err(|error| form(error.to_string()))?;
    Ok(ClientCert::new_with_certs(&chain, private))
}

fn certificates(
    name: String,
    pem: &[u8],
    expected: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let problem = match found {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) => "found no certificate".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(TlsError::Form {
        name,
        problem,
        expected,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}
