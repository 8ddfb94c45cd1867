//! TLS towards a coordinator of which the SHA-256 of its authority's certificate is known, and the name.
//!
//! The coordinator sends its authority behind its own certificate. If that is the one that the invitation names, it is the trust anchor,
//! and the certificate is checked as ever: signature, name, purpose, dates.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use veilsum_protocol::ids::Digest;

/// Dates that are out of order are looked past so often: the certificate is one, and may have one before it.
const DATES: usize = 2;

/// A server is believed if its certificate was issued by the authority of this SHA-256; where none is known, by the one that it shows, which
/// proves nothing and is for who only looks.
#[derive(Debug)]
pub struct Pin {
    authority: Option<Digest>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

/// What the handshake showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The pinned authority.
    pub(crate) authority: Option<CertificateDer<'static>>,
    /// SHA-256 of another authority that was shown in its place.
    pub(crate) other: Option<Digest>,
    /// Of a certificate that is not valid by this machine's clock.
    pub(crate) dates: Option<Dates>,
    /// Every certificate that was shown, the server's own first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// Why a certificate is not valid now, with the moment in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// It begins then.
    NotBefore(u64),
    /// It ended then.
    NotAfter(u64),
}

impl Pin {
    /// The authority by the SHA-256 of its certificate in DER, if it is known.
    pub fn new(authority: Option<Digest>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            authority,
            provider,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let shown = std::iter::once(end_entity).chain(intermediates);
        let chain = shown.map(|it| it.clone().into_owned()).collect();
        self.note(|seen| seen.chain = chain);
        let authority = match self.authority {
            Some(pinned) => intermediates.iter().find(|it| Digest::of(it) == pinned),
            None => intermediates.last(),
        };
        let Some(authority) = authority else {
            let other = intermediates.last().map(|shown| Digest::of(shown));
            self.note(|seen| seen.other = other);
            return Err(unknown);
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned()).map_err(|_| unknown)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        self.note(|seen| seen.authority = Some(authority.clone().into_owned()));
        // A clock that is wrong shows as a date out of order. Who stands there is proved all the same; the exchange asks for the time
        // before it says anything, and says nothing where the dates do not hold.
        let mut at = now;
        for _ in 0..DATES {
            let refused = match verifier.verify_server_cert(end_entity, &[], server_name, ocsp, at) {
                Ok(verified) => return Ok(verified),
                Err(refused) => refused,
            };
            let (dates, moment) = match &refused {
                Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
                    (Dates::NotBefore(not_before.as_secs()), *not_before)
                }
                Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                    (Dates::NotAfter(not_after.as_secs()), *not_after)
                }
                _ => return Err(refused),
            };
            self.note(|seen| seen.dates = Some(dates));
            at = moment;
        }
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
