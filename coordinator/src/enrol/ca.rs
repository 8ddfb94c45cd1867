//! The consortium's certificate authority (X.509, RFC 5280): ECDSA P-256, one level deep.
//!
//! It exists to keep strangers from the coordinator's door. What a bank signs, it signs with another key, and which key
//! belongs to which bank is told by the consortium file; so a stolen authority cannot impersonate a bank in a round.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::{Duration, OffsetDateTime};
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::Role;

use super::EnrolError;

/// How long a certificate is valid before the moment of its issue, so that a bank whose clock is slow can use it at once.
const CLOCK_SKEW: Duration = Duration::minutes(10);

/// Longest validity that is issued, in days.
pub const MAX_DAYS: u32 = 3650;

/// Domain under which a bank's name stands in its certificate: `bank-a.bank.veilsum`.
pub const BANK_DOMAIN: &str = "bank.veilsum";

/// The authority, able to issue.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    not_after: OffsetDateTime,
}

/// A new authority in PEM, not yet stored.
pub struct NewAuthority {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS #8.
    pub key: KeyPair,
}

impl Authority {
    /// Makes an authority for a consortium, valid for [`MAX_DAYS`].
    ///
    /// # Errors
    /// [`EnrolError::Make`].
    pub fn create(consortium: &str, now: OffsetDateTime) -> Result<NewAuthority, EnrolError> {
        let key = KeyPair::generate().map_err(EnrolError::make("the authority's key"))?;
        let mut params = params(&format!("{consortium} authority"), MAX_DAYS, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params
            .self_signed(&key)
            .map_err(EnrolError::make("the authority's certificate"))?;
        Ok(NewAuthority {
            certificate_pem: certificate.pem(),
            key,
        })
    }

    /// Takes an authority from its PEM certificate and key.
    ///
    /// # Errors
    /// [`EnrolError::Make`] when they are not a certificate and its key.
    pub fn from_pem(certificate_pem: &str, key: KeyPair) -> Result<Self, EnrolError> {
        let what = "use of the authority";
        let facts = super::inspect::facts_of_pem(certificate_pem.as_bytes())
            .map_err(|problem| EnrolError::Make { what, problem })?;
        if facts.spki_der != key.subject_public_key_info() {
            let problem = "the certificate and the private key do not belong together".to_owned();
            return Err(EnrolError::Make { what, problem });
        }
        let not_after =
            OffsetDateTime::from_unix_timestamp(facts.not_after).map_err(EnrolError::make(what))?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(EnrolError::make(what))?;
        Ok(Self { issuer, not_after })
    }

    /// Whole days for which it can still issue, at most [`MAX_DAYS`].
    pub fn days_left(&self, now: OffsetDateTime) -> u32 {
        let left = (self.not_after - now).whole_days();
        u32::try_from(left).unwrap_or(0).min(MAX_DAYS)
    }

    /// Reads the authority's files.
    ///
    /// # Errors
    /// [`EnrolError`] with the file at fault.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, EnrolError> {
        let certificate_pem = fs::read_to_string(certificate).map_err(EnrolError::file(certificate))?;
        let key_pem = keyfile::read_private(key).map_err(|error| match EnrolError::from(error) {
            EnrolError::File { path, error } if error.kind() == std::io::ErrorKind::NotFound => {
                EnrolError::content(
                    &path,
                    format!("{error}; put the authority's key back there for this command"),
                )
            }
            other => other,
        })?;
        let key_text = std::str::from_utf8(&key_pem).map_err(|error| EnrolError::content(key, error))?;
        let key_pair = KeyPair::from_pem(key_text).map_err(|error| EnrolError::content(key, error))?;
        Self::from_pem(&certificate_pem, key_pair).map_err(|error| EnrolError::content(certificate, error))
    }

    /// Issues the coordinator's certificate for TLS servers, for these host names and IP addresses; PEM.
    ///
    /// # Errors
    /// [`EnrolError::Argument`] for a name that is neither, no name at all, or a validity out of range.
    pub fn issue_server(
        &self,
        key: &impl PublicKeyData,
        hosts: &[String],
        days: u32,
        now: OffsetDateTime,
    ) -> Result<String, EnrolError> {
        let Some(first) = hosts.first() else {
            return Err(EnrolError::Argument(
                "no host name or IP address is given for the coordinator".to_owned(),
            ));
        };
        let mut params = params(first, days, now)?;
        params.subject_alt_names = hosts
            .iter()
            .map(|host| alt_name(host))
            .collect::<Result<_, _>>()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, key, "the coordinator's certificate")
    }

    /// Issues a bank's certificate for TLS clients; PEM. Of the signing request only the public key is taken.
    ///
    /// # Errors
    /// [`EnrolError::Argument`] for a validity out of range or beyond the authority's, [`EnrolError::Make`].
    pub fn issue_bank(
        &self,
        name: &str,
        key: &impl PublicKeyData,
        days: u32,
        now: OffsetDateTime,
    ) -> Result<String, EnrolError> {
        self.issue_client(name, BANK_DOMAIN, key, days, now, "the bank's certificate")
    }

    /// Issues an auditor's or operator's certificate for TLS clients; PEM. No roster has its key, so no bank's door opens to it.
    ///
    /// # Errors
    /// As [`Self::issue_bank`].
    pub fn issue_reader(
        &self,
        role: Role,
        name: &str,
        key: &impl PublicKeyData,
        days: u32,
        now: OffsetDateTime,
    ) -> Result<String, EnrolError> {
        let what = match role {
            Role::Auditor => "the auditor's certificate",
            Role::Operator => "the operator's certificate",
        };
        self.issue_client(name, role.domain(), key, days, now, what)
    }

    fn issue_client(
        &self,
        name: &str,
        domain: &str,
        key: &impl PublicKeyData,
        days: u32,
        now: OffsetDateTime,
        what: &'static str,
    ) -> Result<String, EnrolError> {
        let mut params = params(name, days, now)?;
        params.subject_alt_names = vec![alt_name(&format!("{name}.{domain}"))?];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, key, what)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        what: &'static str,
    ) -> Result<String, EnrolError> {
        // A certificate that outlives its authority would fail on a day that its own dates do not tell.
        if params.not_after > self.not_after {
            return Err(EnrolError::Argument(format!(
                "{what} would be valid until {}, its authority only until {}; choose fewer --days",
                params.not_after, self.not_after
            )));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params
            .signed_by(key, &self.issuer)
            .map_err(EnrolError::make(what))?
            .pem())
    }
}

fn params(common_name: &str, days: u32, now: OffsetDateTime) -> Result<CertificateParams, EnrolError> {
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(EnrolError::Argument(format!(
            "validity: {days} days, expected 1 to {MAX_DAYS}"
        )));
    }
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + Duration::days(days.into());
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

/// Random, positive and at most 20 bytes (RFC 5280, section 4.1.2.2): two certificates of one key can be told apart.
fn serial_number() -> Result<SerialNumber, EnrolError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(EnrolError::make("a serial number"))?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alt_name(host: &str) -> Result<SanType, EnrolError> {
    if let Ok(address) = host.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let labels_good = host.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    match host.try_into() {
        Ok(name) if labels_good && host.len() <= 253 => Ok(SanType::DnsName(name)),
        _ => Err(EnrolError::Argument(format!(
            "host {host:?}: expected a host name or an IP address, without a port"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::enrol::inspect::{facts_of_pem, verify_client, verify_server};

    const NOW: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

    fn authority() -> (Authority, String) {
        let new = Authority::create("demo", NOW).unwrap();
        (
            Authority::from_pem(&new.certificate_pem, new.key).unwrap(),
            new.certificate_pem,
        )
    }

    #[test]
    fn certificates_serve_their_own_side_only() {
        let (authority, ca) = authority();
        let (server_key, bank_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let hosts = [
            "coordinator.example".to_owned(),
            "10.0.0.7".to_owned(),
            "::1".to_owned(),
        ];
        let server = authority.issue_server(&server_key, &hosts, 90, NOW).unwrap();
        let bank = authority.issue_bank("bank-a", &bank_key, 30, NOW).unwrap();
        let at = NOW.unix_timestamp();
        for host in &hosts {
            verify_server(server.as_bytes(), ca.as_bytes(), host, at).unwrap();
        }
        verify_client(bank.as_bytes(), ca.as_bytes(), at).unwrap();
        assert!(
            verify_client(server.as_bytes(), ca.as_bytes(), at)
                .unwrap_err()
                .contains("purpose")
        );
        assert!(verify_server(bank.as_bytes(), ca.as_bytes(), "bank-a.bank.veilsum", at).is_err());
        assert!(verify_server(server.as_bytes(), ca.as_bytes(), "other.example", at).is_err());
        let facts = facts_of_pem(bank.as_bytes()).unwrap();
        assert_eq!(facts.spki_der, bank_key.subject_public_key_info());
        assert_eq!(facts.not_after - at, 30 * 86_400);
    }

    #[test]
    fn an_auditor_is_named_as_one() {
        let (authority, ca) = authority();
        let key = KeyPair::generate().unwrap();
        let auditor = authority
            .issue_reader(Role::Auditor, "firm", &key, 30, NOW)
            .unwrap();
        let facts = verify_client(auditor.as_bytes(), ca.as_bytes(), NOW.unix_timestamp()).unwrap();
        assert_eq!(facts.hosts, ["firm.auditor.veilsum"]);
        assert!(
            verify_server(
                auditor.as_bytes(),
                ca.as_bytes(),
                "firm.auditor.veilsum",
                NOW.unix_timestamp()
            )
            .is_err()
        );
    }

    #[test]
    fn expired_early_and_foreign_certificates_are_told_apart() {
        let (ours, ca) = authority();
        let (theirs, _) = authority();
        let key = KeyPair::generate().unwrap();
        let bank = ours.issue_bank("bank-a", &key, 30, NOW).unwrap();
        let foreign = theirs.issue_bank("bank-a", &key, 30, NOW).unwrap();
        let check = |pem: &str, at: OffsetDateTime| {
            verify_client(pem.as_bytes(), ca.as_bytes(), at.unix_timestamp()).unwrap_err()
        };
        assert!(check(&bank, NOW + Duration::days(31)).contains("expired on 2026-01-31"));
        assert!(check(&bank, NOW - Duration::days(1)).contains("not valid before 2026-01-01"));
        assert!(
            check(&foreign, NOW).contains("authority"),
            "{}",
            check(&foreign, NOW)
        );
    }

    #[test]
    fn out_of_range_arguments_are_refused() {
        let (authority, _) = authority();
        let key = KeyPair::generate().unwrap();
        for days in [0, MAX_DAYS + 1] {
            assert!(matches!(
                authority.issue_bank("a", &key, days, NOW),
                Err(EnrolError::Argument(_))
            ));
        }
        assert!(
            authority
                .issue_bank("a", &key, MAX_DAYS, NOW + Duration::days(1))
                .is_err()
        );
        for host in ["", "a b", "host:7443", "-a", "http://a"] {
            let refused = authority.issue_server(&key, &[host.to_owned()], 1, NOW);
            assert!(matches!(refused, Err(EnrolError::Argument(_))), "{host}");
        }
        assert!(authority.issue_server(&key, &[], 1, NOW).is_err());
    }

    #[test]
    fn a_key_of_another_authority_is_not_taken() {
        let new = Authority::create("demo", NOW).unwrap();
        assert!(Authority::from_pem(&new.certificate_pem, KeyPair::generate().unwrap()).is_err());
    }
}
