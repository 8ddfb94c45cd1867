//! The operator's identity on another machine: a TLS key that is made there and never leaves, and the request to be enrolled.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use veilsum_protocol::enrolment::{Fingerprint, REQUEST_VERSION, ReaderRequest, Role};
use veilsum_protocol::ids::Digest;
use zeroize::Zeroizing;

use super::{EnrolError, keyfile};

/// The private key in the operator's folder, mode 0600.
pub const KEY_FILE: &str = "operator.key.pem";
/// The operator's certificate there.
pub const CERTIFICATE_FILE: &str = "operator.crt.pem";

/// A key and what asks for its certificate.
pub struct Keys {
    /// The private key.
    pub tls: PrivateKeyDer<'static>,
    /// The text of the request.
    pub request: String,
    /// What both sides compare.
    pub fingerprint: Fingerprint,
}

/// The key in the folder (ECDSA P-256), or a new one if there is none, and a request for it. The same command can so be repeated after any
/// failure.
///
/// # Errors
/// [`EnrolError`] with the file at fault.
pub fn keep_or_make(name: &str, folder: &Path) -> Result<Keys, EnrolError> {
    let make = EnrolError::make("the operator's key and its request");
    let path = folder.join(KEY_FILE);
    fs::create_dir_all(folder).map_err(EnrolError::file(folder))?;
    if !path.exists() {
        let new = KeyPair::generate().map_err(make)?;
        keyfile::write_private(&path, Zeroizing::new(new.serialize_pem()).as_bytes())?;
    }
    let der = keyfile::read_pkcs8(&path)?;
    let tls = KeyPair::try_from(der.as_slice())
        .map_err(|error| EnrolError::content(&path, format!("no key for certificates: {error}")))?;
    let tls_key = Digest::of(&tls.subject_public_key_info());
    Ok(Keys {
        request: request(name, &tls)?,
        fingerprint: Fingerprint::of_reader(Role::Operator, name, &tls_key),
        tls: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.to_vec())),
    })
}

fn request(name: &str, key: &KeyPair) -> Result<String, EnrolError> {
    const WHAT: &str = "the operator's request";
    // What the request asks for is what the key signs: name and role.
    let mut params = CertificateParams::new([format!("{name}.{}", Role::Operator.domain())])
        .map_err(EnrolError::make(WHAT))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let csr = params
        .serialize_request(key)
        .and_then(|csr| csr.pem())
        .map_err(EnrolError::make(WHAT))?;
    let request = ReaderRequest {
        version: REQUEST_VERSION,
        role: Role::Operator,
        name: name.to_owned(),
        csr,
    };
    toml::to_string(&request).map_err(EnrolError::make(WHAT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::super::request::{Verified, verify};
    use super::*;

    #[test]
    fn the_same_key_asks_again_as_an_operator_and_stays_private() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("anna");
        let first = keep_or_make("anna", &folder).unwrap();
        let again = keep_or_make("anna", &folder).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        let Ok(Verified::Reader(anna)) = verify(&first.request) else {
            panic!("a request of one key")
        };
        assert_eq!((anna.role, anna.name.as_str()), (Role::Operator, "anna"));
        let key = folder.join(KEY_FILE);
        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = keep_or_make("anna", &folder).err().unwrap().to_string();
        assert!(
            refused.contains("mode 0640") && refused.contains("chmod 600"),
            "{refused}"
        );
    }
}
