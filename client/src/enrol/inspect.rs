//! What the bank's own certificate says, and whether the coordinator would admit it: the same verifier as in the handshake.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Serialize;
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::{Digest, Timestamp};
use veilsum_protocol::roster::{Roster, RosterEntry};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// The subject's name, as text.
    pub subject: String,
    /// The issuer's name, as text.
    pub issuer: String,
    /// First moment of validity, Unix seconds.
    pub not_before: i64,
    /// Last moment of validity, Unix seconds.
    pub not_after: i64,
    /// SHA-256 of the public key (SubjectPublicKeyInfo in DER): the name of the key in the roster, hex.
    pub tls_key_sha256: String,
}

impl CertificateFacts {
    /// Whole days until it expires; negative when it has.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after
            .saturating_sub(i64::try_from(now.0).unwrap_or(i64::MAX))
            .div_euclid(86_400)
    }
}

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// What is wrong, in words.
pub fn facts(pem: &[u8]) -> Result<CertificateFacts, String> {
    facts_of_der(&certificate(pem)?)
}

/// Reads a certificate in DER.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn facts_of_der(der: &[u8]) -> Result<CertificateFacts, String> {
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|error| format!("not an X.509 certificate: {error}"))?;
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes are left over after the certificate",
            rest.len()
        ));
    }
    Ok(CertificateFacts {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        tls_key_sha256: Digest::of(parsed.public_key().raw).to_hex(),
    })
}

/// Whether the coordinator would admit this certificate at a time, apart from the roster.
///
/// # Errors
/// Why not: expired, not yet valid, from another authority, or for another purpose.
pub fn verify(pem: &[u8], ca_pem: &[u8], at: Timestamp) -> Result<CertificateFacts, String> {
    let der = certificate(pem)?;
    let facts = facts_of_der(&der)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, Arc::new(default_provider()))
        .build()
        .map_err(|error| error.to_string())?;
    verifier
        .verify_client_cert(
            &der,
            &[],
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.0)),
        )
        .map_err(|error| explain(&error, &facts, at))?;
    Ok(facts)
}

/// Whether a certificate is valid at a time, by its own words alone: who issued it is not looked at.
///
/// # Errors
/// Why not: expired, or not yet valid.
pub(crate) fn in_time(facts: &CertificateFacts, at: Timestamp) -> Result<(), String> {
    let here = i64::try_from(at.0).unwrap_or(i64::MAX);
    if here > facts.not_after {
        Err(expired(facts))
    } else if here < facts.not_before {
        Err(too_early(facts, at))
    } else {
        Ok(())
    }
}

/// Role and name, if the certificate is an auditor's or operator's.
pub(crate) fn other_role(pem: &[u8]) -> Option<(Role, String)> {
    let der = certificate(pem).ok()?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => {
            let of = |role: Role| {
                Some((
                    role,
                    name.strip_suffix(role.domain())?.strip_suffix('.')?.to_owned(),
                ))
            };
            Role::ALL.into_iter().find_map(of)
        }
        _ => None,
    })
}

/// The bank's own entry in the roster: the one of its name, with the keys that it holds.
///
/// # Errors
/// What is missing or different, in words.
pub fn own_entry<'a>(
    roster: &'a Roster,
    name: &str,
    certificate: &CertificateFacts,
    signing_public_key: &[u8],
    witness_public_key: &[u8],
) -> Result<&'a RosterEntry, String> {
    let entry = roster.named(name).ok_or_else(|| {
        format!(
            "bank {name:?} is not in the roster of {:?}; ask its coordinator to enrol it",
            roster.consortium()
        )
    })?;
    if entry.tls_key.to_hex() != certificate.tls_key_sha256 {
        return Err(format!(
            "the roster has TLS key {} for {name:?}, the certificate has {}; they must be of the same enrolment",
            entry.tls_key, certificate.tls_key_sha256
        ));
    }
    for (what, enrolled, held) in [
        ("signing key", entry.signing_key, signing_public_key),
        ("witness key", entry.witness_key, witness_public_key),
    ] {
        if enrolled != held {
            return Err(format!(
                "the roster has {what} {} for {name:?}, the key file has {}; they must be of the same enrolment",
                hex::encode(enrolled),
                hex::encode(held)
            ));
        }
    }
    Ok(entry)
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

fn explain(error: &rustls::Error, facts: &CertificateFacts, at: Timestamp) -> String {
    use CertificateError as E;
    let subject = &facts.subject;
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("{subject}: {error}");
    };
    match reason {
        E::Expired | E::ExpiredContext { .. } => expired(facts),
        E::NotValidYet | E::NotValidYetContext { .. } => too_early(facts, at),
        E::UnknownIssuer | E::BadSignature => {
            let issuer = &facts.issuer;
            format!(
                "the certificate of {subject} was issued by {issuer}, which is not this consortium's authority"
            )
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("the certificate of {subject} is not one for a bank")
        }
        other => format!("the certificate of {subject} is not accepted: {other}"),
    }
}

fn expired(facts: &CertificateFacts) -> String {
    let (subject, day) = (&facts.subject, date(facts.not_after));
    format!(
        "the certificate of {subject} expired on {day}; ask the coordinator to enrol the same request again"
    )
}

fn too_early(facts: &CertificateFacts, at: Timestamp) -> String {
    let (subject, from) = (&facts.subject, date_and_time(facts.not_before));
    let here = i64::try_from(at.0).unwrap_or(i64::MAX);
    let minutes = facts.not_before.saturating_sub(here).max(0) / 60 + 1;
    format!(
        "the certificate of {subject} is not valid before {from}, by this machine's clock {minutes} minutes from now; check this machine's clock"
    )
}

fn date_and_time(seconds: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(moment) => format!(
            "{} {:02}:{:02} UTC",
            moment.date(),
            moment.hour(),
            moment.minute()
        ),
        Err(_) => format!("Unix time {seconds}"),
    }
}

fn date(seconds: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(moment) => moment.date().to_string(),
        Err(_) => format!("Unix time {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use veilsum_protocol::ids::BankIndex;

    use super::*;

    fn authority() -> (Issuer<'static, KeyPair>, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    }

    fn bank(issuer: &Issuer<'static, KeyPair>, purpose: ExtendedKeyUsagePurpose) -> String {
        let mut params = CertificateParams::new(["bank-a.bank.veilsum".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 2, 1);
        params.extended_key_usages = vec![purpose];
        params
            .signed_by(&KeyPair::generate().unwrap(), issuer)
            .unwrap()
            .pem()
    }

    fn day(month: u8, day: u8) -> Timestamp {
        let month = time::Month::try_from(month).unwrap();
        let date = time::Date::from_calendar_date(2026, month, day).unwrap();
        Timestamp(u64::try_from(date.midnight().assume_utc().unix_timestamp()).unwrap())
    }

    #[test]
    fn each_reason_has_its_message() {
        let (ours, ca) = authority();
        let (theirs, other_ca) = authority();
        let good = bank(&ours, ExtendedKeyUsagePurpose::ClientAuth);
        let check = |pem: &str, ca: &str, at| verify(pem.as_bytes(), ca.as_bytes(), at);
        assert_eq!(check(&good, &ca, day(1, 30)).unwrap().days_left(day(1, 30)), 2);
        assert!(
            check(&good, &ca, day(2, 2))
                .unwrap_err()
                .contains("expired on 2026-02-01")
        );
        let early = Timestamp(day(1, 1).0 - 86_400);
        assert!(
            check(&good, &ca, early)
                .unwrap_err()
                .contains("not valid before 2026-01-01")
        );
        assert!(
            check(&good, &other_ca, day(1, 2))
                .unwrap_err()
                .contains("not this consortium's authority")
        );
        let foreign = bank(&theirs, ExtendedKeyUsagePurpose::ClientAuth);
        assert!(
            check(&foreign, &ca, day(1, 2))
                .unwrap_err()
                .contains("not this consortium's authority")
        );
        let server = bank(&ours, ExtendedKeyUsagePurpose::ServerAuth);
        assert!(
            check(&server, &ca, day(1, 2))
                .unwrap_err()
                .contains("not one for a bank")
        );
        assert!(
            check("nothing", &ca, day(1, 2))
                .unwrap_err()
                .contains("no certificate in PEM")
        );
    }

    #[test]
    fn the_roster_must_have_the_keys_that_the_bank_holds() {
        let (issuer, _) = authority();
        let own = facts(bank(&issuer, ExtendedKeyUsagePurpose::ClientAuth).as_bytes()).unwrap();
        let entry = |position: u16, tls_key| RosterEntry {
            index: BankIndex::new(position).unwrap(),
            name: format!("bank-{position}"),
            signing_key: [u8::try_from(position).unwrap(); 32],
            witness_key: [u8::try_from(position).unwrap() + 100; 32],
            tls_key,
        };
        let tls_key = Digest::from_hex(&own.tls_key_sha256).unwrap();
        let banks = vec![
            entry(1, Digest::of(b"1")),
            entry(2, tls_key),
            entry(3, Digest::of(b"3")),
        ];
        let roster = Roster::new("demo", banks).unwrap();
        assert_eq!(
            own_entry(&roster, "bank-2", &own, &[2; 32], &[102; 32])
                .unwrap()
                .index
                .get(),
            2
        );
        for (name, signing, witness, what) in [
            ("bank-2", 3, 102, "signing key"),
            ("bank-2", 2, 103, "witness key"),
            ("bank-1", 1, 101, "TLS key"),
            ("bank-9", 1, 101, "not in the roster"),
        ] {
            let refused = own_entry(&roster, name, &own, &[signing; 32], &[witness; 32]).unwrap_err();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
