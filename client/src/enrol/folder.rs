//! A bank's folder that `enrol` makes, step by step: what is there already is kept, so that the command can be repeated after any failure.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateSigningRequestParams, KeyPair, PKCS_ED25519, PublicKeyData as _};
use ring::rand::{SecureRandom, SystemRandom};
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::{EnrolmentRequest, Fingerprint};
use veilsum_protocol::ids::Digest;
use zeroize::Zeroizing;

use super::EnrolError;
use super::init::{CONFIG_FILE, request};
use crate::config::{self, Identity, POLICY_FILE};

/// The bank's keys, and what asks for their certificate.
pub struct Keys {
    /// For TLS; its certificate is asked for.
    pub tls: KeyPair,
    /// The text of the request.
    pub request: String,
    /// Where it is kept, for the way by files.
    pub request_path: PathBuf,
    /// What both sides compare.
    pub fingerprint: Fingerprint,
    /// Ed25519, public.
    pub signing: [u8; 32],
    /// Ed25519, public, for cosignatures.
    pub witness: [u8; 32],
}

/// What the bank's configuration shall say; what is not given stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// `data.file`.
    pub data: Option<PathBuf>,
    /// `data.labels`.
    pub labels: Option<PathBuf>,
    /// `data.schema`.
    pub schema: Option<PathBuf>,
    /// `link.proxy`.
    pub proxy: Option<String>,
}

/// Makes configuration and policy where there are none, and sets what is wished.
///
/// # Errors
/// [`EnrolError`] for the file that cannot be written.
pub fn configure(name: &str, dir: &Path, wishes: &Wishes) -> Result<(), EnrolError> {
    let config = dir.join(CONFIG_FILE);
    fs::create_dir_all(dir).map_err(EnrolError::file(dir))?;
    let before = if config.exists() {
        fs::read_to_string(&config).map_err(EnrolError::file(&config))?
    } else {
        config::template(name)
    };
    let mut text = before.clone();
    for (key, file) in [
        ("file", &wishes.data),
        ("labels", &wishes.labels),
        ("schema", &wishes.schema),
    ] {
        if let Some(file) = file {
            // Named from where the command runs; the configuration's paths are taken from its own folder.
            let file = std::path::absolute(file).map_err(EnrolError::file(file))?;
            let file = file.to_str().ok_or_else(|| {
                EnrolError::Argument(format!("{}: expected a path in UTF-8", file.display()))
            })?;
            text = config::set(&text, "data", key, &toml::Value::from(file).to_string());
        }
    }
    if let Some(proxy) = &wishes.proxy {
        text = config::set(
            &text,
            "link",
            "proxy",
            &toml::Value::from(proxy.as_str()).to_string(),
        );
    }
    if text != before || !config.exists() {
        keyfile::replace(&config, text.as_bytes())?;
    }
    let policy = dir.join(POLICY_FILE);
    if !policy.exists() {
        keyfile::replace(&policy, crate::desensitise::template().as_bytes())?;
    }
    Ok(())
}

/// Makes the keys, the salt and the key for pseudonyms that are not there yet, and the request.
///
/// # Errors
/// [`EnrolError::KeyMode`] for a key that others may read, [`EnrolError::Content`] for one that is none.
pub fn keys(name: &str, dir: &Path, files: &Identity) -> Result<Keys, EnrolError> {
    for file in [&files.key, &files.signing_key, &files.witness_key] {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(EnrolError::file(folder))?;
    }
    let tls = key(&files.key, KeyPair::generate)?;
    let signing = key(&files.signing_key, || KeyPair::generate_for(&PKCS_ED25519))?;
    let witness = key(&files.witness_key, || KeyPair::generate_for(&PKCS_ED25519))?;
    for path in [&files.hold_out_salt, &files.desensitise_key] {
        random(path)?;
    }
    let ed25519 = |path: &Path, key: &KeyPair| {
        <[u8; 32]>::try_from(key.public_key_raw())
            .map_err(|_| EnrolError::content(path, "expected an Ed25519 private key"))
    };
    let signing_public = ed25519(&files.signing_key, &signing)?;
    let witness_public = ed25519(&files.witness_key, &witness)?;
    let tls_key = Digest::of(&tls.subject_public_key_info());
    let fingerprint = Fingerprint::of_bank(name, &tls_key, &signing_public, &witness_public);
    let request_path = dir.join(format!("{name}.request.toml"));
    let kept = fs::read_to_string(&request_path)
        .ok()
        .filter(|text| of_request(text) == Some(fingerprint));
    let request = match kept {
        Some(text) => text,
        None => {
            let request = request(name, &tls, &signing, &witness)?;
            let text = toml::to_string(&request).map_err(EnrolError::make("the enrolment request"))?;
            keyfile::replace(&request_path, text.as_bytes())?;
            text
        }
    };
    Ok(Keys {
        tls,
        request,
        request_path,
        fingerprint,
        signing: signing_public,
        witness: witness_public,
    })
}

/// The fingerprint of the keys in a request.
fn of_request(text: &str) -> Option<Fingerprint> {
    let request = EnrolmentRequest::from_toml(text).ok()?;
    let csr = CertificateSigningRequestParams::from_pem(&request.csr).ok()?;
    let tls = Digest::of(&csr.public_key.subject_public_key_info());
    Some(Fingerprint::of_bank(
        &request.name,
        &tls,
        &request.signing_key().ok()?,
        &request.witness_key().ok()?,
    ))
}

fn key(path: &Path, make: impl FnOnce() -> Result<KeyPair, rcgen::Error>) -> Result<KeyPair, EnrolError> {
    if !path.exists() {
        let new = make().map_err(EnrolError::make("a key"))?;
        keyfile::write_private(path, Zeroizing::new(new.serialize_pem()).as_bytes())?;
    }
    let pem = keyfile::read_private(path)?;
    let text = std::str::from_utf8(&pem).map_err(|error| EnrolError::content(path, error))?;
    KeyPair::from_pem(text)
        .map_err(|error| EnrolError::content(path, format!("no private key in PEM: {error}")))
}

fn random(path: &Path) -> Result<(), EnrolError> {
    if path.exists() {
        return super::init::read_hold_out_salt(path).map(drop);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(bytes.as_mut())
        .map_err(EnrolError::make("random bytes"))?;
    let text = Zeroizing::new(hex::encode(*bytes) + "\n");
    Ok(keyfile::write_private(path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    fn made(dir: &Path) -> Keys {
        configure("bank-a", dir, &Wishes::default()).unwrap();
        let config = Config::load(&dir.join(CONFIG_FILE), []).unwrap();
        keys("bank-a", dir, &config.identity).unwrap()
    }

    #[test]
    fn what_is_there_is_kept_and_what_is_missing_is_made() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("bank");
        let first = made(&dir);
        let again = made(&dir);
        assert_eq!(
            (first.fingerprint, &first.request),
            (again.fingerprint, &again.request)
        );
        // A request that was lost is made again for the same keys; one of other keys is not used.
        fs::remove_file(&first.request_path).unwrap();
        let again = made(&dir);
        assert_eq!(first.fingerprint, again.fingerprint);
        fs::remove_file(dir.join("identity/witness.key.pem")).unwrap();
        let other = made(&dir);
        assert_ne!(first.fingerprint, other.fingerprint);
        assert_eq!(of_request(&other.request), Some(other.fingerprint));
    }

    #[test]
    fn the_folder_of_init_is_gone_on_with() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("bank");
        let report = super::super::init::init("bank-a", &dir).unwrap();
        let text = fs::read_to_string(report.request).unwrap();
        assert_eq!(made(&dir).request, text);
    }

    #[test]
    fn wishes_go_into_the_configuration_with_paths_from_here() {
        let scratch = tempfile::tempdir().unwrap();
        let wishes = Wishes {
            data: Some("loans.csv".into()),
            schema: Some("/agreed/schema.toml".into()),
            proxy: Some("http://proxy:3128".to_owned()),
            ..Wishes::default()
        };
        configure("bank-a", scratch.path(), &wishes).unwrap();
        configure("bank-a", scratch.path(), &Wishes::default()).unwrap();
        let config = Config::load(&scratch.path().join(CONFIG_FILE), []).unwrap();
        assert_eq!(
            config.data.file,
            std::env::current_dir().unwrap().join("loans.csv")
        );
        assert_eq!(config.data.schema, Path::new("/agreed/schema.toml"));
        assert_eq!(config.link.proxy_address(), Some("proxy:3128"));
    }
}
