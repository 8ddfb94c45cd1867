//! What a certificate says, and whether it would be accepted: the same verifier as in the handshake, with clear messages.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use veilsum_protocol::ids::Digest;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject's name, as text.
    pub subject: String,
    /// The issuer's name, as text.
    pub issuer: String,
    /// First moment of validity, Unix seconds.
    pub not_before: i64,
    /// Last moment of validity, Unix seconds.
    pub not_after: i64,
    /// The public key: SubjectPublicKeyInfo in DER.
    pub spki_der: Vec<u8>,
    /// SHA-256 of [`Self::spki_der`]: the name of the key in the roster.
    pub tls_key: Digest,
    /// The host names and IP addresses that it is for.
    pub hosts: Vec<String>,
}

impl CertificateFacts {
    /// Whole days until it expires, at a time in Unix seconds; negative when it has.
    pub fn days_left(&self, at: i64) -> i64 {
        self.not_after.saturating_sub(at).div_euclid(86_400)
    }
}

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// What is wrong, in words.
pub fn facts_of_pem(pem: &[u8]) -> Result<CertificateFacts, String> {
    facts_of_der(&certificate(pem)?)
}

/// Reads a certificate.
///
/// # Errors
/// What is wrong, in words.
pub fn facts_of_der(der: &[u8]) -> Result<CertificateFacts, String> {
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|error| format!("not an X.509 certificate: {error}"))?;
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes are left over after the certificate",
            rest.len()
        ));
    }
    let spki_der = parsed.public_key().raw.to_vec();
    Ok(CertificateFacts {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        tls_key: Digest::of(&spki_der),
        spki_der,
        hosts: hosts(&parsed),
    })
}

/// The alternative names that `enrol` gives (RFC 5280, section 4.2.1.6); others are passed over.
fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(host).collect()
}

/// Whether the coordinator would accept the certificate of a bank or an auditor at a time (Unix seconds), apart from who is admitted.
///
/// # Errors
/// Why not, in words.
pub fn verify_client(pem: &[u8], ca_pem: &[u8], at: i64) -> Result<CertificateFacts, String> {
    let der = certificate(pem)?;
    let facts = facts_of_der(&der)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, Arc::new(default_provider()))
        .build()
        .map_err(|error| error.to_string())?;
    verifier
        .verify_client_cert(&der, &[], unix_time(at)?)
        .map_err(|error| explain(&error, &facts))?;
    Ok(facts)
}

/// Whether a bank would accept the coordinator's certificate for a host at a time (Unix seconds).
///
/// # Errors
/// Why not, in words.
pub fn verify_server(pem: &[u8], ca_pem: &[u8], host: &str, at: i64) -> Result<CertificateFacts, String> {
    let der = certificate(pem)?;
    let facts = facts_of_der(&der)?;
    let name =
        ServerName::try_from(host).map_err(|_| format!("{host:?} is not a host name or an IP address"))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(ca_pem)?, Arc::new(default_provider()))
        .build()
        .map_err(|error| error.to_string())?;
    verifier
        .verify_server_cert(&der, &[], &name, &[], unix_time(at)?)
        .map_err(|error| explain(&error, &facts))?;
    Ok(facts)
}

/// The authority as the only trust anchor.
pub(crate) fn roots(ca_pem: &[u8]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(certificate(ca_pem)?)
        .map_err(|error| format!("the authority's certificate: {error}"))?;
    Ok(Arc::new(roots))
}

fn certificate(pem: &[u8]) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem).map_err(|error| format!("no certificate in PEM: {error}"))
}

fn unix_time(at: i64) -> Result<UnixTime, String> {
    let seconds = u64::try_from(at).map_err(|_| format!("the time {at} is before 1970"))?;
    Ok(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        seconds,
    )))
}

fn explain(error: &rustls::Error, facts: &CertificateFacts) -> String {
    use CertificateError as E;
    let subject = &facts.subject;
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("{subject}: {error}");
    };
    match reason {
        E::Expired | E::ExpiredContext { .. } => {
            format!(
                "the certificate of {subject} expired on {}",
                date(facts.not_after)
            )
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            let from = date(facts.not_before);
            format!("the certificate of {subject} is not valid before {from}; look at this machine's clock")
        }
        E::UnknownIssuer | E::BadSignature => {
            let issuer = &facts.issuer;
            format!(
                "the certificate of {subject} was issued by {issuer}, which is not this consortium's authority"
            )
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            let hosts = facts.hosts.join(", ");
            format!("the certificate of {subject} is for {hosts}, not for the name that banks expect")
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("the certificate of {subject} has another purpose than this side of the connection")
        }
        other => format!("the certificate of {subject} is not accepted: {other}"),
    }
}

fn date(seconds: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(moment) => moment.date().to_string(),
        Err(_) => format!("Unix time {seconds}"),
    }
}
