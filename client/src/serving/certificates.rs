//! By which certificate the server shows itself, and whose certificates say who asks. The files are read again when they change, so that none of
//! them runs out or is replaced at the price of a restart.
//!
//! Trusted: the authority of `callers_ca` gives a name to nobody else. Lost with its key: whoever has it can be any caller until the file is replaced.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring::default_provider};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, InconsistentKeys, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use veilsum_admission::keyfile::read_pkcs8;
use veilsum_protocol::ids::Digest;
use veilsum_serving::{Tls, TlsFiles};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::ServeError;

/// Longest name of a caller in characters, that of a common name (RFC 5280, appendix A.1).
const NAME_CHARACTERS: usize = 64;

/// The files as they were read last.
pub(super) struct Certificates {
    files: TlsFiles,
    /// Of the content of each.
    read: Vec<Digest>,
    current: Arc<Current>,
}

/// What connections that begin now are met with.
struct Current {
    own: RwLock<Arc<CertifiedKey>>,
    /// Who checks callers' certificates, if any are asked for.
    verifier: RwLock<Option<Arc<dyn ClientCertVerifier>>>,
    /// Names that may ask; none means all that the authority gave.
    names: RwLock<Option<Vec<String>>>,
}

/// What stands in the files.
struct Content {
    digests: Vec<Digest>,
    own: CertifiedKey,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Certificates {
    /// Reads the files, whose paths are whole.
    ///
    /// # Errors
    /// With the file: no certificate or key in it, a key that others may read, one that is not the certificate's.
    pub(super) fn read(files: TlsFiles) -> Result<(Self, Tls), ServeError> {
        let content = read(&files)?;
        let current = Arc::new(Current {
            own: RwLock::new(Arc::new(content.own)),
            verifier: RwLock::new(content.verifier),
            names: RwLock::new(files.callers.clone()),
        });
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| ServeError::System(std::io::Error::other(error)))?;
        let mut config = if files.callers_ca.is_some() {
            config.with_client_cert_verifier(Arc::clone(&current) as Arc<dyn ClientCertVerifier>)
        } else {
            config.with_no_client_auth()
        }
        .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        // A session that is taken up again shows no certificate: who is let in no more would be.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let callers = Arc::clone(&current);
        let tls = Tls {
            config: Arc::new(config),
            caller: files
                .callers_ca
                .is_some()
                .then(|| Arc::new(move |chain: &[CertificateDer<'static>]| callers.caller(chain)) as Arc<_>),
        };
        let read = content.digests;
        Ok((Self { files, read, current }, tls))
    }

    /// Meets connections from now on with what the files hold by now.
    ///
    /// # Errors
    /// What is wrong with them; what held before holds on then.
    pub(super) fn again(&mut self) -> Result<(), String> {
        let content = read(&self.files).map_err(|error| error.to_string())?;
        if content.digests != self.read {
            put(&self.current.own, Arc::new(content.own));
            put(&self.current.verifier, content.verifier);
            self.read = content.digests;
        }
        Ok(())
    }

    /// Lets those in from now on that the settings name by now. Settings that say nothing of callers' certificates change nothing.
    pub(super) fn let_in(&self, wanted: Option<&TlsFiles>) {
        if let Some(wanted) = wanted.filter(|wanted| wanted.callers_ca.is_some()) {
            put(&self.current.names, wanted.callers.clone());
        }
    }
}

fn put<T>(place: &RwLock<T>, value: T) {
    *place.write().unwrap_or_else(PoisonError::into_inner) = value;
}

fn get<T: Clone>(place: &RwLock<T>) -> T {
    place.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn wrong(path: &Path, problem: impl Into<String>) -> ServeError {
    ServeError::Content {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

fn read(files: &TlsFiles) -> Result<Content, ServeError> {
    let provider = Arc::new(default_provider());
    let (chain, bytes) = certificates(&files.certificate)?;
    let mut digests = vec![Digest::of(&bytes)];
    let key = read_pkcs8(&files.key)?;
    digests.push(Digest::of(&key));
    let own = own(files, chain, &key, &provider)?;
    let verifier = match &files.callers_ca {
        None => None,
        Some(path) => {
            let (authorities, bytes) = certificates(path)?;
            digests.push(Digest::of(&bytes));
            let mut roots = RootCertStore::empty();
            for (at, authority) in (1..).zip(authorities) {
                roots.add(authority).map_err(|error| {
                    wrong(
                        path,
                        format!("certificate {at}: {error}; expected that of an authority"),
                    )
                })?;
            }
            // Who has none is told so by an answer, as is who has a key in its place.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| wrong(path, error.to_string()))?;
            Some(verifier)
        }
    };
    Ok(Content {
        digests,
        own,
        verifier,
    })
}

fn own(
    files: &TlsFiles,
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ServeError> {
    let key = PrivatePkcs8KeyDer::from(key.to_vec()).into();
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        let expected = "expected one of ECDSA (P-256, P-384), Ed25519 or RSA";
        wrong(
            &files.key,
            format!("found a key that is not taken ({error}), {expected}"),
        )
    })?;
    let own = CertifiedKey::new(chain, key);
    match own.keys_match() {
        // A key that does not tell its public half cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(own),
        Err(rustls::Error::InconsistentKeys(_)) => Err(wrong(
            &files.key,
            format!(
                "found a key that is not that of the certificate in {}, expected the pair; replace both",
                files.certificate.display()
            ),
        )),
        Err(error) => Err(wrong(&files.certificate, error.to_string())),
    }
}

fn certificates(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Vec<u8>), ServeError> {
    let bytes = fs::read(path).map_err(|error| wrong(path, error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok((found, bytes)),
        Ok(_) => Err(wrong(path, "found no certificate, expected at least one in PEM")),
        Err(error) => Err(wrong(
            path,
            format!("found no PEM ({error}), expected certificates in it"),
        )),
    }
}

impl Current {
    /// The name in a certificate, if it may ask.
    fn caller(&self, chain: &[CertificateDer<'static>]) -> Option<String> {
        let name = name(chain.first()?)?;
        match &*self.names.read().unwrap_or_else(PoisonError::into_inner) {
            Some(names) if !names.contains(&name) => None,
            _ => Some(name),
        }
    }
}

/// The common name of a certificate's subject, or else the first DNS name that it is for; nothing where that is no name to count and write down.
fn name(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut common = parsed.subject().iter_common_name();
    let name = match (common.next(), common.next()) {
        (Some(one), None) => one.as_str().ok()?.to_owned(),
        // Which one is meant, nobody can tell.
        (Some(_), Some(_)) => return None,
        (None, _) => {
            let names = parsed.subject_alternative_name().ok()??;
            let mut names = names.value.general_names.iter();
            names.find_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })?
        }
    };
    let fits = (1..=NAME_CHARACTERS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then_some(name)
}

impl fmt::Debug for Current {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Current").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(get(&self.own))
    }
}

impl ClientCertVerifier for Current {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: what is asked for can change, and callers have one certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.checking()?
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checking()?
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.checking()?
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checking()
            .map(|verifier| verifier.supported_verify_schemes())
            .unwrap_or_default()
    }
}

impl Current {
    fn checking(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        get(&self.verifier).ok_or_else(|| rustls::Error::General("no certificates are asked for".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(common: &[&str], hosts: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        (params.self_signed(&key).unwrap(), key)
    }

    #[test]
    fn a_caller_is_named_by_common_name_or_dns_name() {
        for (common, hosts, expected) in [
            (&["risk"][..], &["risk.bank.example"][..], Some("risk")),
            (&[], &["risk.bank.example", "b"], Some("risk.bank.example")),
            (&[], &["10.0.0.1"], None),
            (&[], &[], None),
            (&["ri\nsk"], &[], None),
            (&["Kreditprüfung Süd"], &[], Some("Kreditprüfung Süd")),
            (&[&"n".repeat(65)], &[], None),
        ] {
            let (certificate, _) = certificate(common, hosts);
            assert_eq!(
                name(certificate.der()).as_deref(),
                expected,
                "{common:?} {hosts:?}"
            );
        }
        assert_eq!(name(b"no certificate"), None);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_and_a_new_pair_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let write_key = |key: &KeyPair, mode: u32| {
            fs::write(path("key.pem"), key.serialize_pem()).unwrap();
            fs::set_permissions(path("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        };
        let files = TlsFiles {
            certificate: path("certificate.pem"),
            key: path("key.pem"),
            callers_ca: Some(path("ca.pem")),
            callers: None,
        };
        let ((first, first_key), (second, second_key)) = (
            certificate(&["one"], &["localhost"]),
            certificate(&["two"], &["localhost"]),
        );
        let problem = || {
            read(&files)
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        let has = |parts: &[&str]| {
            let problem = problem();
            assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
        };
        has(&["certificate.pem", "No such file"]);
        fs::write(path("certificate.pem"), "nothing").unwrap();
        has(&[
            "certificate.pem",
            "found no certificate, expected at least one in PEM",
        ]);
        fs::write(path("certificate.pem"), first.pem()).unwrap();
        write_key(&first_key, 0o644);
        has(&["key.pem", "mode 0644", "chmod 600"]);
        write_key(&second_key, 0o600);
        has(&["key.pem", "not that of the certificate in", "replace both"]);
        write_key(&first_key, 0o600);
        has(&["ca.pem", "No such file"]);
        let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        fs::write(path("ca.pem"), broken).unwrap();
        has(&["ca.pem", "certificate 1: ", "expected that of an authority"]);
        fs::write(path("ca.pem"), first.pem()).unwrap();

        let (mut certificates, tls) = Certificates::read(files.clone()).unwrap();
        assert!(tls.caller.is_some());
        let shown =
            |certificates: &Certificates| get(&certificates.current.own).cert.first().unwrap().clone();
        assert_eq!(shown(&certificates), *first.der());
        // Half of a pair: the one before holds on.
        fs::write(path("certificate.pem"), second.pem()).unwrap();
        assert!(certificates.again().unwrap_err().contains("replace both"));
        assert_eq!(shown(&certificates), *first.der());
        write_key(&second_key, 0o600);
        certificates.again().unwrap();
        assert_eq!(shown(&certificates), *second.der());

        // Who may ask follows the settings, and settings without an authority let nobody more in.
        let chain = [first.der().clone()];
        let caller = |certificates: &Certificates| certificates.current.caller(&chain);
        assert_eq!(caller(&certificates).as_deref(), Some("one"));
        let only = |names: &[&str]| TlsFiles {
            callers: Some(names.iter().map(|&name| name.to_owned()).collect()),
            ..files.clone()
        };
        certificates.let_in(Some(&only(&["two"])));
        assert_eq!(caller(&certificates), None);
        certificates.let_in(None);
        assert_eq!(caller(&certificates), None);
        certificates.let_in(Some(&only(&["two", "one"])));
        assert_eq!(caller(&certificates).as_deref(), Some("one"));
    }
}
