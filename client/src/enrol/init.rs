//! `init`: makes the bank's keys, its request to be enrolled, and a commented configuration.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;
use veilsum_admission::keyfile;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::enrolment::{EnrolmentRequest, REQUEST_VERSION, proof_message};
use veilsum_protocol::roster::check_bank_name;
use zeroize::Zeroizing;

use super::EnrolError;

/// Name of the configuration file in the bank's folder.
pub const CONFIG_FILE: &str = "bank.toml";

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct InitReport {
    /// Name of the bank.
    pub name: String,
    /// The file to send to the coordinator; it holds no secret.
    pub request: PathBuf,
    /// SHA-256 of the request file, for the operator to compare by another channel.
    pub request_sha256: String,
    /// The configuration file.
    pub config: PathBuf,
}

/// Makes the bank's folder: a TLS key (ECDSA P-256), a signing key and a witness key (Ed25519), the salt that chooses the hold-out rows, the
/// key for pseudonyms, the request, the configuration and a policy without rules. Nothing that exists is overwritten.
///
/// # Errors
/// [`EnrolError::Exists`] if the folder holds an identity or a configuration already; otherwise what could not be made.
pub fn init(name: &str, dir: &Path) -> Result<InitReport, EnrolError> {
    check_bank_name(name).map_err(|error| EnrolError::Argument(error.to_string()))?;
    let identity = dir.join("identity");
    let config = dir.join(CONFIG_FILE);
    let request_path = dir.join(format!("{name}.request.toml"));
    let policy = dir.join(crate::config::POLICY_FILE);
    for path in [&config, &identity, &request_path, &policy] {
        if path.exists() {
            return Err(EnrolError::Exists { path: path.clone() });
        }
    }

    let tls_key = KeyPair::generate().map_err(EnrolError::make("the TLS key"))?;
    let signing_key = KeyPair::generate_for(&PKCS_ED25519).map_err(EnrolError::make("the signing key"))?;
    let witness_key = KeyPair::generate_for(&PKCS_ED25519).map_err(EnrolError::make("the witness key"))?;
    let request = request(name, &tls_key, &signing_key, &witness_key)?;
    let text = toml::to_string(&request).map_err(EnrolError::make("the enrolment request"))?;
    let random = SystemRandom::new();
    let mut salt = Zeroizing::new([0; 32]);
    random
        .fill(salt.as_mut())
        .map_err(EnrolError::make("the hold-out salt"))?;
    let mut pseudonyms = Zeroizing::new([0; 32]);
    random
        .fill(pseudonyms.as_mut())
        .map_err(EnrolError::make("the key for pseudonyms"))?;

    fs::create_dir_all(dir).map_err(EnrolError::file(dir))?;
    fs::create_dir(&identity).map_err(EnrolError::file(&identity))?;
    for (file, key) in [
        ("tls.key.pem", tls_key),
        ("signing.key.pem", signing_key),
        ("witness.key.pem", witness_key),
    ] {
        keyfile::write_private(
            &identity.join(file),
            Zeroizing::new(key.serialize_pem()).as_bytes(),
        )?;
    }
    for (file, bytes) in [("hold-out.salt", salt), ("desensitise.key", pseudonyms)] {
        let text = Zeroizing::new(hex::encode(*bytes) + "\n");
        keyfile::write_private(&identity.join(file), text.as_bytes())?;
    }
    keyfile::replace(&policy, crate::desensitise::template().as_bytes())?;
    keyfile::replace(&config, crate::config::template(name).as_bytes())?;
    keyfile::replace(&request_path, text.as_bytes())?;
    Ok(InitReport {
        name: name.to_owned(),
        request_sha256: veilsum_protocol::ids::Digest::of(text.as_bytes()).to_hex(),
        request: request_path,
        config,
    })
}

/// The salt that chooses the hold-out rows, 32 bytes. Another salt would let evaluation rows slip into training.
///
/// # Errors
/// [`EnrolError::KeyMode`], or [`EnrolError::Content`] if it is not 64 hex characters.
pub fn read_hold_out_salt(path: &Path) -> Result<[u8; 32], EnrolError> {
    read_hex(path)
}

/// The key for the policy's pseudonyms and shifts of dates.
///
/// # Errors
/// As of [`read_hold_out_salt`].
pub fn read_desensitise_key(path: &Path) -> Result<Secret, EnrolError> {
    read_hex(path).map(Secret::from_bytes)
}

fn read_hex(path: &Path) -> Result<[u8; 32], EnrolError> {
    let text = keyfile::read_private(path)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim_ascii(), &mut bytes)
        .map_err(|_| EnrolError::content(path, "expected 64 hex characters"))?;
    Ok(bytes)
}

pub(super) fn request(
    name: &str,
    tls_key: &KeyPair,
    signing_key: &KeyPair,
    witness_key: &KeyPair,
) -> Result<EnrolmentRequest, EnrolError> {
    let what = "the enrolment request";
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let csr = params
        .serialize_request(tls_key)
        .map_err(EnrolError::make(what))?;
    let pair = |key: &KeyPair| Ed25519KeyPair::from_pkcs8(key.serialized_der());
    let signer = pair(signing_key).map_err(EnrolError::make(what))?;
    let witness = pair(witness_key).map_err(EnrolError::make(what))?;
    let public = |pair: &Ed25519KeyPair| pair.public_key().as_ref().try_into();
    let message = proof_message(
        name,
        &public(&signer).map_err(EnrolError::make(what))?,
        &public(&witness).map_err(EnrolError::make(what))?,
        csr.der(),
    );
    Ok(EnrolmentRequest {
        version: REQUEST_VERSION,
        name: name.to_owned(),
        signing_public_key: hex::encode(signer.public_key()),
        witness_public_key: hex::encode(witness.public_key()),
        proof: hex::encode(signer.sign(&message)),
        witness_proof: hex::encode(witness.sign(&message)),
        csr: csr.pem().map_err(EnrolError::make(what))?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::CertificateSigningRequestParams;
    use rustls_pki_types::CertificateSigningRequestDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_folder_is_complete_and_is_not_made_twice() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("bank-a");
        let report = init("bank-a", &dir).unwrap();
        let text = fs::read_to_string(&report.request).unwrap();
        let request = EnrolmentRequest::from_toml(&text).unwrap();
        let csr = CertificateSigningRequestDer::from_pem_slice(request.csr.as_bytes()).unwrap();
        request.verify_proof(&csr).unwrap();
        CertificateSigningRequestParams::from_der(&csr).unwrap();
        let config = crate::config::Config::load(&report.config, []).unwrap();
        let signing = keyfile::read_pkcs8(&config.identity.signing_key).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(&signing).unwrap();
        assert_eq!(pair.public_key().as_ref(), request.signing_key().unwrap());
        let witness = keyfile::read_pkcs8(&config.identity.witness_key).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(&witness).unwrap();
        assert_eq!(pair.public_key().as_ref(), request.witness_key().unwrap());
        keyfile::read_pkcs8(&config.identity.key).unwrap();
        assert_ne!(
            read_hold_out_salt(&config.identity.hold_out_salt).unwrap(),
            [0; 32]
        );
        read_desensitise_key(&config.identity.desensitise_key).unwrap();
        assert!(config.data.policy.is_file());
        assert!(matches!(init("bank-a", &dir), Err(EnrolError::Exists { .. })));
        assert_eq!(fs::read_to_string(&report.request).unwrap(), text);
    }

    #[test]
    fn no_private_key_is_in_a_public_file() {
        let scratch = tempfile::tempdir().unwrap();
        let report = init("bank-a", scratch.path()).unwrap();
        for path in [&report.request, &report.config] {
            assert!(!fs::read_to_string(path).unwrap().contains("PRIVATE"));
        }
        let secrets = fs::read_dir(scratch.path().join("identity")).unwrap();
        for secret in secrets {
            keyfile::read_private(&secret.unwrap().path()).unwrap();
        }
    }

    #[test]
    fn two_banks_never_share_a_secret() {
        let scratch = tempfile::tempdir().unwrap();
        let mut seen = std::collections::HashSet::new();
        for name in ["bank-a", "bank-b"] {
            init(name, &scratch.path().join(name)).unwrap();
            for file in [
                "tls.key.pem",
                "signing.key.pem",
                "witness.key.pem",
                "hold-out.salt",
                "desensitise.key",
            ] {
                let path = scratch.path().join(name).join("identity").join(file);
                assert!(seen.insert(fs::read(path).unwrap()), "{name} {file}");
            }
        }
    }

    #[test]
    fn a_bad_name_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("x");
        assert!(matches!(init("Bank A", &dir), Err(EnrolError::Argument(_))));
        assert!(!dir.exists());
    }
}
