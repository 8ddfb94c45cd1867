//! The consortium's own authority in place of one that `init` makes: looked at before anything is written.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::ca::NewAuthority;
use super::{EnrolError, date_and_time};

/// Where it lies.
#[derive(Debug, Clone)]
pub struct OwnAuthority {
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM (PKCS #8), mode 0600.
    pub key: PathBuf,
}

/// Reads an authority and checks that certificates under it will be accepted.
///
/// # Errors
/// [`EnrolError::Content`] with the file at fault and what was expected; [`EnrolError::KeyMode`].
pub(super) fn read(own: &OwnAuthority, now: OffsetDateTime) -> Result<NewAuthority, EnrolError> {
    let path = &own.certificate;
    let text = fs::read_to_string(path).map_err(EnrolError::file(path))?;
    let wrong = |problem: String| EnrolError::content(path, problem);
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("no certificate in PEM: {error}")))?;
    let [certificate] = certificates.as_slice() else {
        return Err(wrong(format!(
            "{} certificates, expected the one under which members' certificates are issued",
            certificates.len()
        )));
    };
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| wrong(format!("not an X.509 certificate: {error}")))?;
    let constraints = parsed
        .basic_constraints()
        .map_err(|error| wrong(format!("its basic constraints cannot be read: {error}")))?;
    if !constraints.is_some_and(|it| it.value.ca) {
        return Err(wrong(
            "it is not an authority's: expected basic constraints with CA true (RFC 5280, section 4.2.1.9)"
                .to_owned(),
        ));
    }
    let usage = parsed
        .key_usage()
        .map_err(|error| wrong(format!("its key usage cannot be read: {error}")))?;
    if usage.is_some_and(|it| !it.value.key_cert_sign()) {
        return Err(wrong(
            "its key usage does not allow to sign certificates".to_owned(),
        ));
    }
    let validity = parsed.validity();
    let at = now.unix_timestamp();
    if at < validity.not_before.timestamp() {
        let from = date_and_time(validity.not_before.timestamp());
        return Err(wrong(format!(
            "it is not valid before {from}; look at this machine's clock"
        )));
    }
    if at > validity.not_after.timestamp() {
        let until = date_and_time(validity.not_after.timestamp());
        return Err(wrong(format!("it expired on {until}")));
    }
    let key = read_key(&own.key)?;
    Ok(NewAuthority {
        certificate_pem: block(&text).ok_or_else(|| wrong("no certificate in PEM".to_owned()))?,
        key,
    })
}

fn read_key(path: &Path) -> Result<KeyPair, EnrolError> {
    let pem = keyfile::read_private(path)?;
    let text = std::str::from_utf8(&pem).map_err(|error| EnrolError::content(path, error))?;
    let key = KeyPair::from_pem(text).map_err(|error| {
        EnrolError::content(
            path,
            format!("no private key that can be used: {error}; expected PKCS #8 in PEM without a password: ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more"),
        )
    })?;
    let known = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
        &PKCS_RSA_SHA256,
    ];
    if known.iter().any(|it| **it == *key.algorithm()) {
        return Ok(key);
    }
    Err(EnrolError::content(
        path,
        "a key of another kind, expected ECDSA P-256 or P-384, Ed25519, or RSA",
    ))
}

/// The certificate alone, without what programs write around it.
fn block(text: &str) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = text.find("-----BEGIN CERTIFICATE-----")?;
    let (_, rest) = text.split_at(start);
    let end = rest.find(END)?.saturating_add(END.len());
    let lines = rest.get(..end)?.lines().map(str::trim_end);
    Some(lines.collect::<Vec<_>>().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyUsagePurpose};
    use time::Duration;

    use super::*;
    use crate::enrol::init::{Folder, init_with, tests::options};

    struct Files {
        folder: tempfile::TempDir,
        params: CertificateParams,
        key: KeyPair,
        own: OwnAuthority,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params.not_before = OffsetDateTime::now_utc() - Duration::days(10);
            params.not_after = OffsetDateTime::now_utc() + Duration::days(2000);
            let own = OwnAuthority {
                certificate: folder.path().join("root.crt.pem"),
                key: folder.path().join("root.key.pem"),
            };
            let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
            keyfile::write_private(&own.key, key.serialize_pem().as_bytes()).unwrap();
            let files = Self {
                folder,
                params,
                key,
                own,
            };
            files.sign(|_| ());
            files
        }

        fn sign(&self, change: impl Fn(&mut CertificateParams)) {
            let mut params = self.params.clone();
            change(&mut params);
            let pem = params.self_signed(&self.key).unwrap().pem();
            fs::write(&self.own.certificate, format!("Subject: root\r\n{pem}")).unwrap();
        }

        fn refused(&self) -> String {
            let error = init_with(
                &options(self.folder.path()),
                Some(&self.own),
                OffsetDateTime::now_utc(),
            );
            assert!(!self.folder.path().join("coordinator").exists());
            error.unwrap_err().to_string()
        }
    }

    #[test]
    fn members_are_issued_under_it() {
        let files = Files::new();
        let options = options(files.folder.path());
        let now = OffsetDateTime::now_utc();
        init_with(&options, Some(&files.own), now).unwrap();
        let folder = Folder::at(&options.dir);
        let ca = fs::read(folder.identity("ca.crt.pem")).unwrap();
        assert!(ca.starts_with(b"-----BEGIN"));
        let server = fs::read(folder.identity("server.crt.pem")).unwrap();
        crate::enrol::inspect::verify_server(&server, &ca, "localhost", now.unix_timestamp()).unwrap();
        keyfile::read_private(&folder.identity("ca.key.pem")).unwrap();
    }

    #[test]
    fn what_is_wrong_with_it_is_told_by_file() {
        let files = Files::new();
        files.sign(|it| it.is_ca = IsCa::ExplicitNoCa);
        assert!(
            files.refused().contains("root.crt.pem: it is not an authority's"),
            "{}",
            files.refused()
        );
        files.sign(|it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
        assert!(files.refused().contains("key usage"), "{}", files.refused());
        files.sign(|it| it.not_after = OffsetDateTime::now_utc() - Duration::days(1));
        assert!(files.refused().contains("it expired on"), "{}", files.refused());
        files.sign(|it| it.not_before = OffsetDateTime::now_utc() + Duration::days(1));
        assert!(
            files.refused().contains("not valid before"),
            "{}",
            files.refused()
        );
        files.sign(|it| it.not_after = OffsetDateTime::now_utc() + Duration::days(20));
        assert!(
            files.refused().contains("its authority only until"),
            "{}",
            files.refused()
        );
        files.sign(|_| ());
        let two = fs::read_to_string(&files.own.certificate).unwrap().repeat(2);
        fs::write(&files.own.certificate, two).unwrap();
        assert!(files.refused().contains("2 certificates"), "{}", files.refused());
        files.sign(|_| ());
        fs::set_permissions(&files.own.key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(files.refused().contains("mode 0644"), "{}", files.refused());
        fs::set_permissions(&files.own.key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&files.own.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(
            files.refused().contains("do not belong together"),
            "{}",
            files.refused()
        );
        fs::write(&files.own.key, "hello").unwrap();
        assert!(
            files.refused().contains("root.key.pem: no private key"),
            "{}",
            files.refused()
        );
    }
}
