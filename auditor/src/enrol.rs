//! The auditor's identity towards the operator: a TLS key that is made here and never leaves, and the request to be enrolled.
//!
//! It opens a door and proves nothing about what lies behind it: what was read is believed for the log's key alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use serde::Serialize;
use thiserror::Error;
use veilsum_protocol::enrolment::{Fingerprint, REQUEST_VERSION, ReaderRequest, Role};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::{NameError, check_auditor_name};
use zeroize::Zeroizing;

use crate::durable;

/// The private key in the auditor's folder, mode 0600.
pub const KEY_FILE: &str = "auditor.key.pem";
/// The auditor's certificate, from the admission.
pub const CERTIFICATE_FILE: &str = "auditor.crt.pem";
/// The consortium's authority, from the admission.
pub const CA_FILE: &str = "ca.crt.pem";

/// Why no identity was made.
#[derive(Debug, Error)]
pub enum InitError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something would be overwritten.
    #[error("{} exists already; it is not overwritten. Choose another folder", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// The disk refuses.
    #[error("{}: cannot write: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The key or the request could not be made.
    #[error("cannot make the key and its request: {0}")]
    Make(String),
    /// The key that is there cannot be used.
    #[error("{}: {problem}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What was found, and what to do.
        problem: String,
    },
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// Name of the auditor.
    pub name: String,
    /// The file to send to the operator; it holds no secret.
    pub request: PathBuf,
    /// SHA-256 of the request file, for the operator to compare by another channel.
    pub request_sha256: String,
    /// The private key.
    pub key: PathBuf,
}

/// Makes an auditor's folder with a TLS key (ECDSA P-256) and the request. Nothing that exists is overwritten.
///
/// # Errors
/// [`InitError`]; a bad name leaves nothing behind.
pub fn init(name: &str, folder: &Path) -> Result<Made, InitError> {
    check_auditor_name(name)?;
    let key_path = folder.join(KEY_FILE);
    let request_path = folder.join(format!("{name}.request.toml"));
    for path in [&key_path, &request_path] {
        if path.exists() {
            return Err(InitError::Exists { path: path.clone() });
        }
    }
    let key = KeyPair::generate().map_err(|error| InitError::Make(error.to_string()))?;
    let text = request(name, &key)?;

    fs::create_dir_all(folder).map_err(write(folder))?;
    write_private(&key_path, &Zeroizing::new(key.serialize_pem()))?;
    durable::write(&request_path, text.as_bytes()).map_err(write(&request_path))?;
    Ok(Made {
        name: name.to_owned(),
        request_sha256: Digest::of(text.as_bytes()).to_hex(),
        request: request_path,
        key: key_path,
    })
}

/// An auditor's key and what asks for its certificate.
pub struct Keys {
    /// For TLS.
    pub tls: KeyPair,
    /// The text of the request.
    pub request: String,
    /// What both sides compare.
    pub fingerprint: Fingerprint,
}

/// The key in the folder, or a new one if there is none, and a request for it. The same command can so be repeated after any failure.
///
/// # Errors
/// [`InitError`].
pub fn keep_or_make(name: &str, folder: &Path) -> Result<Keys, InitError> {
    check_auditor_name(name)?;
    let path = folder.join(KEY_FILE);
    fs::create_dir_all(folder).map_err(write(folder))?;
    if !path.exists() {
        let new = KeyPair::generate().map_err(|error| InitError::Make(error.to_string()))?;
        write_private(&path, &Zeroizing::new(new.serialize_pem()))?;
    }
    let wrong = |problem: String| InitError::Key {
        path: path.clone(),
        problem,
    };
    let pem = private_text(&path).map_err(wrong)?;
    let wrong = |error: rcgen::Error| InitError::Key {
        path: path.clone(),
        problem: format!("no private key in PEM: {error}"),
    };
    let tls = KeyPair::from_pem(&pem).map_err(wrong)?;
    let tls_key = Digest::of(&tls.subject_public_key_info());
    let request = request(name, &tls)?;
    durable::write(&folder.join(format!("{name}.request.toml")), request.as_bytes())
        .map_err(write(folder))?;
    Ok(Keys {
        request,
        fingerprint: Fingerprint::of_reader(Role::Auditor, name, &tls_key),
        tls,
    })
}

/// A private key's text; refused if others than its owner may read it.
///
/// # Errors
/// What was found, and the command that repairs it.
pub fn private_text(path: &Path) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: io::Error| format!("cannot read: {error}");
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(format!(
            "mode {mode:04o} lets others at this private key, expected 0600 or 0400; run: chmod 600 '{}'",
            path.display()
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn request(name: &str, key: &KeyPair) -> Result<String, InitError> {
    let make = |error: rcgen::Error| InitError::Make(error.to_string());
    // What the request asks for is what the key signs: name and role.
    let mut params = CertificateParams::new([format!("{name}.{}", Role::Auditor.domain())]).map_err(make)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let csr = params
        .serialize_request(key)
        .and_then(|csr| csr.pem())
        .map_err(make)?;
    let request = ReaderRequest {
        version: REQUEST_VERSION,
        role: Role::Auditor,
        name: name.to_owned(),
        csr,
    };
    toml::to_string(&request).map_err(|error| InitError::Make(error.to_string()))
}

/// Whole or not at all, with its mode right from the first byte on, and never in place of another key.
fn write_private(path: &Path, content: &str) -> Result<(), InitError> {
    let temporary = durable::temporary(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(write(&temporary)(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(&temporary)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(write(&temporary))?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(write(&temporary))?;
    linked.map_err(write(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(write(folder))
}

fn write(path: &Path) -> impl FnOnce(io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Write { path, source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateSigningRequestParams, SanType};

    use super::*;

    #[test]
    fn the_request_is_signed_by_the_key_for_the_name_and_the_key_stays_private() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("firm");
        let made = init("firm", &folder).unwrap();
        let text = fs::read_to_string(&made.request).unwrap();
        assert!(!text.contains("PRIVATE"), "{text}");
        assert_eq!(made.request_sha256, Digest::of(text.as_bytes()).to_hex());
        let request = ReaderRequest::from_toml(&text).unwrap();
        // Reading it checks its signature.
        let csr = CertificateSigningRequestParams::from_pem(&request.csr).unwrap();
        let name = SanType::DnsName("firm.auditor.veilsum".try_into().unwrap());
        assert_eq!(csr.params.subject_alt_names, [name]);
        let key = KeyPair::from_pem(&fs::read_to_string(folder.join(KEY_FILE)).unwrap()).unwrap();
        assert_eq!(
            csr.public_key.subject_public_key_info(),
            key.subject_public_key_info()
        );
        let mode = fs::metadata(folder.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn a_key_that_is_there_is_kept_and_one_that_others_may_read_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("firm");
        let first = keep_or_make("firm", &folder).unwrap();
        let again = keep_or_make("firm", &folder).unwrap();
        assert_eq!(first.fingerprint, again.fingerprint);
        fs::set_permissions(folder.join(KEY_FILE), fs::Permissions::from_mode(0o640)).unwrap();
        let refused = keep_or_make("firm", &folder).err().unwrap().to_string();
        assert!(
            refused.contains("mode 0640") && refused.contains("chmod 600"),
            "{refused}"
        );
    }

    #[test]
    fn nothing_is_overwritten_and_a_bad_name_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("firm");
        assert!(matches!(init("Firm & Co", &folder), Err(InitError::Name(_))));
        assert!(!folder.exists());
        init("firm", &folder).unwrap();
        let key = fs::read(folder.join(KEY_FILE)).unwrap();
        assert!(matches!(init("other", &folder), Err(InitError::Exists { .. })));
        assert_eq!(fs::read(folder.join(KEY_FILE)).unwrap(), key);
    }
}
