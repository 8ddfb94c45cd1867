//! The certificate that the coordinator shows at every door. It can be replaced while the doors are open: the next handshake shows the new one, and
//! connections that stand go on.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What is shown now. Copies share it.
#[derive(Clone, Debug)]
pub struct ShownCertificate {
    now: Arc<RwLock<Pair>>,
}

/// The same certificate for those who have the authority, and for those who know its hash alone.
#[derive(Clone, Debug)]
struct Pair {
    alone: Arc<CertifiedKey>,
    with_authority: Arc<CertifiedKey>,
}

impl Pair {
    fn of(certificate: &[u8], ca: &[u8], key: &PrivateKeyDer<'static>) -> Result<Self, String> {
        let own = chain("certificate", certificate)?;
        let mut whole = own.clone();
        whole.extend(chain("authority", ca)?);
        let certified = |chain| {
            CertifiedKey::from_der(chain, key.clone_key(), &default_provider())
                .map(Arc::new)
                .map_err(|error| format!("the coordinator's certificate and key: {error}"))
        };
        Ok(Self {
            alone: certified(own)?,
            with_authority: certified(whole)?,
        })
    }
}

fn chain(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("the coordinator's {what}: no certificate in PEM")),
        Err(error) => Err(format!("the coordinator's {what}: {error}")),
    }
}

impl ShownCertificate {
    /// Certificate and authority in PEM, and the certificate's private key.
    ///
    /// # Errors
    /// If they do not go together, in words.
    pub fn new(certificate: &[u8], ca: &[u8], key: &PrivateKeyDer<'static>) -> Result<Self, String> {
        let pair = Pair::of(certificate, ca, key)?;
        Ok(Self {
            now: Arc::new(RwLock::new(pair)),
        })
    }

    /// Shows another one from the next handshake on.
    ///
    /// # Errors
    /// As [`Self::new`]; the one before is shown on then.
    pub fn replace(&self, certificate: &[u8], ca: &[u8], key: &PrivateKeyDer<'static>) -> Result<(), String> {
        let pair = Pair::of(certificate, ca, key)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    fn now(&self) -> Pair {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For banks and auditors, which have the authority.
    pub(super) fn alone(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Alone(self.clone()))
    }

    /// For those who know the authority's hash.
    pub(super) fn with_authority(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(WithAuthority(self.clone()))
    }
}

#[derive(Debug)]
struct Alone(ShownCertificate);

impl ResolvesServerCert for Alone {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.now().alone)
    }
}

#[derive(Debug)]
struct WithAuthority(ShownCertificate);

impl ResolvesServerCert for WithAuthority {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.now().with_authority)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::KeyPair;
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use time::OffsetDateTime;

    use super::*;
    use crate::enrol::ca::Authority;

    #[test]
    fn another_certificate_of_the_same_key_is_shown_and_one_of_another_key_is_not() {
        let now = OffsetDateTime::now_utc();
        let new = Authority::create("demo", now).unwrap();
        let ca = new.certificate_pem.clone();
        let authority = Authority::from_pem(&ca, new.key).unwrap();
        let issue = |key: &KeyPair| {
            let hosts = ["localhost".to_owned()];
            authority.issue_server(key, &hosts, 10, now).unwrap()
        };
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let (first, second) = (issue(&key), issue(&key));
        let shown = ShownCertificate::new(first.as_bytes(), ca.as_bytes(), &private).unwrap();
        let leaf = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        assert_eq!(shown.now().alone.cert, [leaf(&first)]);
        assert_eq!(shown.now().with_authority.cert, [leaf(&first), leaf(&ca)]);
        shown.replace(second.as_bytes(), ca.as_bytes(), &private).unwrap();
        assert_eq!(shown.now().alone.cert, [leaf(&second)]);
        for wrong in [issue(&other), String::new(), "-----BEGIN".to_owned()] {
            shown
                .replace(wrong.as_bytes(), ca.as_bytes(), &private)
                .unwrap_err();
        }
        assert_eq!(shown.now().with_authority.cert, [leaf(&second), leaf(&ca)]);
    }
}
