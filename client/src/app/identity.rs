//! Who the bank is, and the consortium that it is in.

use std::path::Path;

use veilsum_admission::keyfile;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::Roster;
use zeroize::Zeroizing;

use super::{AppError, now};
use crate::config::Config;
use crate::enrol::inspect::{self, CertificateFacts};
use crate::participant::Home;

/// The bank's identity, checked against the consortium.
pub struct BankIdentity {
    /// Position in the roster.
    pub position: BankIndex,
    /// What the certificate says.
    pub certificate: CertificateFacts,
    pub(super) certificate_pem: Vec<u8>,
    pub(super) tls_key: Zeroizing<Vec<u8>>,
    pub(super) signing_key: SigningKey,
    pub(super) witness_key: SigningKey,
}

/// The pinned consortium with its roster.
///
/// # Errors
/// [`AppError::File`] or [`AppError::Consortium`].
pub fn consortium(config: &Config) -> Result<(Consortium, Roster), AppError> {
    let path = &config.consortium;
    let text = read(
        path,
        "put the consortium file of the admission there, or set `consortium`",
    )?;
    let text = String::from_utf8_lossy(&text);
    Consortium::from_toml(&text).map_err(|error| AppError::Consortium {
        path: path.clone(),
        error,
    })
}

/// The same of a bank that may be in no roster yet: `None` where there is no file, and no daemon has ever run, for which there was one.
///
/// # Errors
/// As [`consortium`]: a file that was there is missed.
pub fn consortium_if_any(config: &Config) -> Result<Option<(Consortium, Roster)>, AppError> {
    let state = Home::state_file(&config.state);
    match consortium(config) {
        Err(AppError::File { error, .. })
            if error.kind() == std::io::ErrorKind::NotFound && matches!(state.try_exists(), Ok(false)) =>
        {
            Ok(None)
        }
        found => found.map(Some),
    }
}

/// What a bank without a consortium file waits for, in words.
pub fn no_consortium(config: &Config) -> String {
    format!(
        "{}: there is no consortium file yet. `veilsum-client enrol INVITATION` writes it once this bank is in a roster; by files, put the consortium.toml of the admission there. `run` needs it, and so do `task show`, `task approve` and `roster`",
        config.consortium.display()
    )
}

/// The bank's keys and certificate: valid now, of this consortium's authority, and those of its place in the roster.
///
/// # Errors
/// [`AppError::File`], [`AppError::Key`] or [`AppError::Identity`].
pub fn identity(config: &Config, consortium: &Consortium, roster: &Roster) -> Result<BankIdentity, AppError> {
    let files = &config.identity;
    let certificate_pem = read(
        &files.certificate,
        "put the certificate of the admission there, or set identity.certificate",
    )?;
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |problem: String| AppError::Identity { path, problem }
    };
    let certificate = inspect::verify(&certificate_pem, consortium.ca_pem.as_bytes(), now())
        .map_err(wrong(&files.certificate))?;
    let tls_key = keyfile::read_pkcs8(&files.key)?;
    let (signing_key, witness_key) = (ed25519(&files.signing_key)?, ed25519(&files.witness_key)?);
    let [signing, witness] = [&signing_key, &witness_key].map(|key| key.verifying_key().0);
    let entry = inspect::own_entry(roster, &config.name, &certificate, &signing, &witness)
        .map_err(wrong(&config.consortium))?;
    Ok(BankIdentity {
        position: entry.index,
        certificate,
        certificate_pem,
        tls_key,
        signing_key,
        witness_key,
    })
}

/// A signing key of the bank.
///
/// # Errors
/// [`AppError::Key`], or [`AppError::Identity`] for a key of another kind.
pub fn ed25519(path: &Path) -> Result<SigningKey, AppError> {
    let document = keyfile::read_pkcs8(path)?;
    SigningKey::from_pkcs8(&document).map_err(|error| AppError::Identity {
        path: path.to_owned(),
        problem: format!("{error}; `init` makes one"),
    })
}

fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, AppError> {
    std::fs::read(path).map_err(|error| AppError::File {
        path: path.to_owned(),
        error,
        advice,
    })
}
