//! The coordinator's certificate, and TLS with it.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use veilsum_protocol::wire::stream::ALPN;

use super::listen::TransportError;
use crate::enrol::{EnrolError, inspect, keyfile};

/// The coordinator's certificate and key, and the authority that banks' certificates come from.
pub struct ServerIdentity {
    /// PEM.
    pub certificate: Vec<u8>,
    /// The certificate's private key.
    pub key: PrivateKeyDer<'static>,
    /// PEM.
    pub ca: Vec<u8>,
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
        Ok(Self {
            certificate: std::fs::read(certificate).map_err(error)?,
            key: PrivateKeyDer::Pkcs8(keyfile::read_pkcs8(key)?.to_vec().into()),
            ca: ca.as_bytes().to_vec(),
        })
    }
}

/// TLS as the coordinator speaks it, by either way.
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
    let chain = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| tls(format!("the coordinator's certificate: {error}")))?;
    let mut crypto = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| {
            builder
                .with_client_cert_verifier(verifier)
                .with_single_cert(chain, identity.key.clone_key())
        })
        .map_err(|error| tls(format!("the coordinator's certificate and key: {error}")))?;
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: every connection shows its certificate anew, so that an expired one is noticed.
    crypto.send_tls13_tickets = 0;
    crypto.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(crypto)
}
