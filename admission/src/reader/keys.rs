//! The one key of an auditor or operator, made where it is used, and the request for its certificate.
//!
//! It opens a door and proves nothing about what lies behind it: what was read is believed for the log's key alone.

use std::fs;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use veilsum_protocol::enrolment::{Fingerprint, REQUEST_VERSION, ReaderRequest};
use veilsum_protocol::ids::Digest;
use zeroize::Zeroizing;

use super::{Folder, NotAdmitted};
use crate::keyfile::{self, KeyFileError};

/// A key and what asks for its certificate.
pub struct Keys {
    /// The private key.
    pub tls: PrivateKeyDer<'static>,
    /// The text of the request. It holds no secret.
    pub request: String,
    /// What both sides compare.
    pub fingerprint: Fingerprint,
}

/// Makes a key (ECDSA P-256) and a request in a folder that has neither. Nothing that exists is overwritten.
///
/// # Errors
/// [`NotAdmitted::Usage`] for a bad name, which leaves nothing behind, and for what is there already.
pub fn make(name: &str, folder: &Folder) -> Result<Keys, NotAdmitted> {
    check(name, folder)?;
    for path in [folder.key(), folder.request(name)] {
        if path.exists() {
            return Err(NotAdmitted::usage(KeyFileError::Exists { path }));
        }
    }
    keep_or_make(name, folder)
}

/// The key in the folder, or a new one if there is none, and a request for it beside it. The same command can so be repeated after any failure.
///
/// # Errors
/// [`NotAdmitted::Usage`] with the file at fault.
pub fn keep_or_make(name: &str, folder: &Folder) -> Result<Keys, NotAdmitted> {
    check(name, folder)?;
    let path = folder.key();
    fs::create_dir_all(folder.dir())
        .map_err(KeyFileError::file(folder.dir()))
        .map_err(NotAdmitted::usage)?;
    if !path.exists() {
        let new = KeyPair::generate().map_err(no_key)?;
        keyfile::write_private(&path, Zeroizing::new(new.serialize_pem()).as_bytes())
            .map_err(NotAdmitted::usage)?;
    }
    let der = keyfile::read_pkcs8(&path).map_err(NotAdmitted::usage)?;
    let tls = KeyPair::try_from(der.as_slice()).map_err(|error| {
        NotAdmitted::Usage(format!("{}: no key for certificates: {error}", path.display()))
    })?;
    let request = request(name, folder, &tls)?;
    keyfile::replace(&folder.request(name), request.as_bytes()).map_err(NotAdmitted::usage)?;
    let tls_key = Digest::of(&tls.subject_public_key_info());
    Ok(Keys {
        request,
        fingerprint: Fingerprint::of_reader(folder.role(), name, &tls_key),
        tls: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.to_vec())),
    })
}

fn check(name: &str, folder: &Folder) -> Result<(), NotAdmitted> {
    let party = folder.role().party();
    party.check_name(name).map_err(NotAdmitted::usage)
}

fn request(name: &str, folder: &Folder, key: &KeyPair) -> Result<String, NotAdmitted> {
    // What the request asks for is what the key signs: name and role.
    let mut params =
        CertificateParams::new([format!("{name}.{}", folder.role().domain())]).map_err(no_key)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let csr = params
        .serialize_request(key)
        .and_then(|csr| csr.pem())
        .map_err(no_key)?;
    let request = ReaderRequest {
        version: REQUEST_VERSION,
        role: folder.role(),
        name: name.to_owned(),
        csr,
    };
    toml::to_string(&request).map_err(no_key)
}

fn no_key(error: impl ToString) -> NotAdmitted {
    NotAdmitted::Usage(format!(
        "cannot make the key and its request: {}",
        error.to_string()
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{CertificateSigningRequestParams, SanType};
    use veilsum_protocol::enrolment::Role;

    use super::*;

    fn folder(scratch: &tempfile::TempDir, role: Role) -> Folder {
        Folder::at(role, &scratch.path().join("here"))
    }

    #[test]
    fn the_request_is_signed_by_the_key_for_name_and_role_and_the_key_stays_private() {
        for (role, host) in [
            (Role::Auditor, "firm.auditor.veilsum"),
            (Role::Operator, "firm.operator.veilsum"),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let folder = folder(&scratch, role);
            let made = make("firm", &folder).unwrap();
            let text = fs::read_to_string(folder.request("firm")).unwrap();
            assert_eq!(text, made.request);
            assert!(!text.contains("PRIVATE"), "{text}");
            let request = ReaderRequest::from_toml(&text).unwrap();
            assert_eq!(request.role, role);
            // Reading it checks its signature.
            let csr = CertificateSigningRequestParams::from_pem(&request.csr).unwrap();
            let name = SanType::DnsName(host.try_into().unwrap());
            assert_eq!(csr.params.subject_alt_names, [name]);
            let key = KeyPair::from_pem(&fs::read_to_string(folder.key()).unwrap()).unwrap();
            assert_eq!(
                csr.public_key.subject_public_key_info(),
                key.subject_public_key_info()
            );
            let mode = fs::metadata(folder.key()).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
            assert_eq!(fs::read_dir(folder.dir()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_key_that_is_there_is_kept_and_one_that_others_may_read_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = folder(&scratch, Role::Operator);
        let first = keep_or_make("anna", &folder).unwrap();
        let again = keep_or_make("anna", &folder).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        fs::set_permissions(folder.key(), fs::Permissions::from_mode(0o640)).unwrap();
        let refused = keep_or_make("anna", &folder).err().unwrap().to_string();
        assert!(
            refused.contains("mode 0640") && refused.contains("chmod 600"),
            "{refused}"
        );
    }

    #[test]
    fn nothing_is_overwritten_and_a_bad_name_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = folder(&scratch, Role::Auditor);
        assert!(matches!(make("Firm & Co", &folder), Err(NotAdmitted::Usage(_))));
        assert!(!folder.dir().exists());
        make("firm", &folder).unwrap();
        let key = fs::read(folder.key()).unwrap();
        let refused = make("other", &folder).err().unwrap().to_string();
        assert!(refused.contains("exists already"), "{refused}");
        assert_eq!(fs::read(folder.key()).unwrap(), key);
    }
}
