//! The certificate that the bank shows. It can be replaced while the link is up: the next handshake shows the new one, also of a stream of a session
//! that stands, and nothing that is under way ends for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// A certificate in PEM. Copies share it.
#[derive(Clone, Debug)]
pub struct ShownCertificate(Arc<RwLock<Arc<[u8]>>>);

impl ShownCertificate {
    /// What is shown now, PEM.
    pub fn pem(&self) -> Arc<[u8]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows another one, of the same key, from the next handshake on.
    pub fn replace(&self, pem: &[u8]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pem.into();
    }
}

impl From<Vec<u8>> for ShownCertificate {
    fn from(pem: Vec<u8>) -> Self {
        Self(Arc::new(RwLock::new(pem.into())))
    }
}

/// What was made of a certificate in PEM.
type Made = (Arc<[u8]>, Arc<CertifiedKey>);

/// Shows it in handshakes, with its key.
pub(super) struct Shower {
    certificate: ShownCertificate,
    key: Zeroizing<Vec<u8>>,
    made: Mutex<Option<Made>>,
}

impl fmt::Debug for Shower {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.debug_struct("Shower").finish_non_exhaustive()
    }
}

impl Shower {
    /// With the key in PKCS #8, DER.
    ///
    /// # Errors
    /// If they do not go together, in words.
    pub(super) fn new(certificate: ShownCertificate, key: &Zeroizing<Vec<u8>>) -> Result<Arc<Self>, String> {
        let shower = Self {
            certificate,
            key: key.clone(),
            made: Mutex::default(),
        };
        shower.certified()?;
        Ok(Arc::new(shower))
    }

    fn certified(&self) -> Result<Arc<CertifiedKey>, String> {
        let pem = self.certificate.pem();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, certified)) = made.as_ref()
            && *of == pem
        {
            return Ok(Arc::clone(certified));
        }
        let chain = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.to_vec()));
        let certified = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|error| format!("it does not go with the private key: {error}"))?;
        let certified = Arc::new(certified);
        *made = Some((pem, Arc::clone(&certified)));
        Ok(certified)
    }
}

impl ResolvesClientCert for Shower {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certified().ok()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_new_certificate_is_shown_by_those_who_were_made_before_it() {
        let key = KeyPair::generate().unwrap();
        let issue = |name: &str| {
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            params.self_signed(&key).unwrap().pem()
        };
        let (first, second) = (issue("one.example"), issue("two.example"));
        let shown = ShownCertificate::from(first.into_bytes());
        let shower = Shower::new(shown.clone(), &Zeroizing::new(key.serialize_der())).unwrap();
        let before = shower.resolve(&[], &[]).unwrap();
        assert!(Arc::ptr_eq(&before, &shower.resolve(&[], &[]).unwrap()));
        shown.replace(second.as_bytes());
        let now = shower.resolve(&[], &[]).unwrap();
        assert_ne!(before.cert, now.cert);
        assert_eq!(
            now.cert,
            [CertificateDer::from_pem_slice(second.as_bytes()).unwrap()]
        );
        assert!(!format!("{shower:?}").contains("key"));
        let other = Zeroizing::new(KeyPair::generate().unwrap().serialize_der());
        let refused = Shower::new(shown, &other).unwrap_err();
        assert!(refused.contains("does not go with the private key"), "{refused}");
    }
}
