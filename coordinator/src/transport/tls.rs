//! The coordinator's certificate, and TLS with it.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::PrivateKeyDer;
use veilsum_admission::keyfile;
use veilsum_protocol::wire::stream::ALPN;

use super::listen::TransportError;
use super::shown::ShownCertificate;
use crate::enrol::{EnrolError, inspect};

/// The coordinator's certificate and key, and the authority that banks' certificates come from.
pub struct ServerIdentity {
    /// PEM.
    pub certificate: Vec<u8>,
    /// The certificate's private key.
    pub key: PrivateKeyDer<'static>,
    /// PEM.
    pub ca: Vec<u8>,
    /// What every door shows, which may be replaced while they are open.
    pub shown: ShownCertificate,
}

impl ServerIdentity {
    /// Reads certificate and key; `ca` is the authority's certificate of the consortium file.
    ///
    /// # Errors
    /// [`EnrolError`] with the file at fault.
    pub fn load(certificate: &Path, key: &Path, ca: &str) -> Result<Self, EnrolError> {
        let error = |error| EnrolError::File {
            path: certificate.to_owned(),
            error,
        };
        let path = certificate;
        let certificate = std::fs::read(path).map_err(error)?;
        let key = PrivateKeyDer::Pkcs8(keyfile::read_pkcs8(key)?.to_vec().into());
        let ca = ca.as_bytes().to_vec();
        let shown =
            ShownCertificate::new(&certificate, &ca, &key).map_err(|problem| EnrolError::Content {
                path: path.to_owned(),
                problem,
            })?;
        Ok(Self {
            certificate,
            key,
            ca,
            shown,
        })
    }
}

/// TLS as the coordinator speaks it, by either way. It shows what [`ServerIdentity::shown`] has.
///
/// # Errors
/// [`TransportError::Tls`] when certificate, key and authority do not work together.
pub fn tls_config(identity: &ServerIdentity) -> Result<ServerConfig, TransportError> {
    let tls = |error: String| TransportError::Tls(error);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = inspect::roots(&identity.ca).map_err(tls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| tls(error.to_string()))?;
    let mut crypto = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| tls(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity.shown.alone());
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: every connection shows its certificate anew, so that an expired one is noticed.
    crypto.send_tls13_tickets = 0;
    crypto.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(crypto)
}
