//! Whether what was issued is what was asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use veilsum_protocol::consortium::{Consortium, ConsortiumError};
use veilsum_protocol::enrolment::Admission;
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::roster::Roster;

/// What an admission must fit.
pub struct Fitting<'a> {
    /// The private key that the certificate must be for.
    pub key: &'a PrivateKeyDer<'static>,
    /// The pinned authority.
    pub authority: &'a CertificateDer<'static>,
    /// Name of the consortium.
    pub consortium: &'a str,
    /// By this machine's clock.
    pub now: Timestamp,
}

/// Why an admission is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotFitting {
    /// The certificate.
    #[error("the certificate that the coordinator issued {0}; nothing was written. Tell its operator")]
    Certificate(&'static str),
    /// It is not valid by this machine's clock.
    #[error(
        "the certificate that the coordinator issued is not valid by this machine's clock; set the clock and run the command again"
    )]
    Dates,
    /// The consortium file.
    #[error("the consortium file that the coordinator sent: {0}; it was not written. Tell its operator")]
    File(#[from] ConsortiumError),
    /// It is of another consortium.
    #[error(
        "the consortium file that the coordinator sent has {what} {found}, the invitation {expected}; it was not written. Tell its operator"
    )]
    Other {
        /// What differs.
        what: &'static str,
        /// In the file.
        found: String,
        /// In the invitation.
        expected: String,
    },
    /// The private key cannot be used.
    #[error("the private key cannot be used: {0}")]
    Key(rustls::Error),
}

/// Checks a certificate against the own key and the pinned authority, and the consortium file, if one came, against the invitation. Gives
/// the file's content.
///
/// # Errors
/// [`NotFitting`] for the first thing that is wrong.
pub fn fits(
    admission: &Admission,
    fitting: &Fitting<'_>,
) -> Result<Option<(Consortium, Roster)>, NotFitting> {
    let chain = CertificateDer::pem_slice_iter(admission.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| NotFitting::Certificate("is not one"))?;
    let leaf = chain
        .first()
        .ok_or(NotFitting::Certificate("is not one"))?
        .clone();
    let key = any_supported_type(fitting.key).map_err(NotFitting::Key)?;
    CertifiedKey::new(chain, key)
        .keys_match()
        .map_err(|_| NotFitting::Certificate("is for another key than this folder's"))?;
    let mut roots = RootCertStore::empty();
    roots
        .add(fitting.authority.clone())
        .map_err(|_| NotFitting::Certificate("is of an authority that cannot be read"))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .map_err(|_| NotFitting::Certificate("is of an authority that cannot be used"))?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(fitting.now.0));
    use CertificateError as E;
    verifier
        .verify_client_cert(&leaf, &[], now)
        .map_err(|error| match error {
            rustls::Error::InvalidCertificate(
                E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. },
            ) => NotFitting::Dates,
            _ => NotFitting::Certificate("is not one of the pinned authority for a client"),
        })?;
    let Some(text) = &admission.consortium else {
        return Ok(None);
    };
    let (file, roster) = Consortium::from_toml(text)?;
    let other = |what, found: String, expected: String| NotFitting::Other {
        what,
        found,
        expected,
    };
    if file.name != fitting.consortium {
        return Err(other("name", file.name, fitting.consortium.to_owned()));
    }
    let pinned = Digest::of(fitting.authority);
    let found = CertificateDer::from_pem_slice(file.ca_pem.as_bytes())
        .map(|authority| Digest::of(&authority))
        .map_err(|_| NotFitting::Certificate("came with a consortium file without an authority"))?;
    if found != pinned {
        return Err(other("authority", found.to_hex(), pinned.to_hex()));
    }
    Ok(Some((file, roster)))
}
