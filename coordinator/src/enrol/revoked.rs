//! Who was let in once and is let in no more: the file `enrolment/revoked-keys.list` (TOML), by key.
//!
//! It goes before the roster and before the list of auditors: a bank stays in the roster until the consortium has another one, and is
//! refused all the same. Lost: whoever is on it is let in again where roster or list still name it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::{Party, Role};
use veilsum_protocol::ids::Digest;

use super::init::Folder;
use super::invite::read_consortium;
use super::readers::Readers;
use super::register::Register;
use super::{EnrolError, date_and_time};

const VERSION: u32 = 1;

/// Where the list is. Who asks reads it anew, so a key that is added is refused from then on.
#[derive(Debug, Clone)]
pub struct RevokedList {
    path: PathBuf,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(rename = "revoked", default)]
    keys: Vec<RevokedKey>,
}

/// A key that opens nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// Whose it is.
    pub name: String,
    /// What it was.
    pub party: Party,
    /// SHA-256 of the TLS certificate's SubjectPublicKeyInfo in DER.
    #[serde(rename = "tls_key_sha256", with = "super::hex_text")]
    pub tls_key: Digest,
    /// Since when, Unix seconds.
    pub at: i64,
}

impl RevokedKey {
    /// What the holder of the key is told.
    pub fn words(&self) -> String {
        format!(
            "the operator took the access of {} {} away on {}; ask the operator why",
            self.party,
            self.name,
            date_and_time(self.at)
        )
    }
}

impl RevokedList {
    /// The list of the operator's folder.
    pub fn at(dir: &Path) -> Self {
        Self {
            path: Register::at(dir).beside("revoked-keys.list"),
        }
    }

    fn load(&self) -> Result<File, EnrolError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(File {
                    version: VERSION,
                    keys: Vec::new(),
                });
            }
            Err(error) => return Err(EnrolError::file(&self.path)(error)),
        };
        let file: File = toml::from_str(&text).map_err(|error| EnrolError::content(&self.path, error))?;
        if file.version != VERSION {
            let problem = format!(
                "version {}, expected {VERSION}; use the release that wrote the file",
                file.version
            );
            return Err(EnrolError::content(&self.path, problem));
        }
        Ok(file)
    }

    /// The entry of a key, if it is on the list.
    ///
    /// # Errors
    /// A list that cannot be read; nobody may be let in then.
    pub fn get(&self, tls_key: Digest) -> Result<Option<RevokedKey>, EnrolError> {
        Ok(self.load()?.keys.into_iter().find(|key| key.tls_key == tls_key))
    }

    /// All keys on the list.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn all(&self) -> Result<Vec<RevokedKey>, EnrolError> {
        Ok(self.load()?.keys)
    }
}

/// Takes the access of a bank, an auditor or an operator away: every key that was admitted under its name.
///
/// # Errors
/// [`EnrolError::Argument`] if nobody of this name was admitted.
pub fn revoke(dir: &Path, name: &str, now: OffsetDateTime) -> Result<Vec<RevokedKey>, EnrolError> {
    let folder = Folder::at(dir);
    let register = Register::at(dir);
    Party::Bank
        .check_name(name)
        .map_err(|error| EnrolError::Argument(error.to_string()))?;
    let _held = register.hold()?;
    let mut found: Vec<(Party, Digest)> = read_consortium(&folder)?
        .banks
        .iter()
        .filter(|bank| bank.name == name)
        .filter_map(|bank| Some((Party::Bank, Digest::from_hex(&bank.tls_key_sha256)?)))
        .collect();
    let mut listed = Vec::new();
    for role in Role::ALL {
        let readers = Readers::load(role, &folder.readers(role))?;
        if let Some(reader) = readers.by_name(name) {
            found.push((role.party(), reader.tls_key));
            listed.push(readers);
        }
    }
    if let Some(place) = register.get(name)?
        && place.certificate.is_some()
        && let Some(verified) = place.verified().map_err(EnrolError::Argument)?
    {
        found.push((place.party, verified.tls_key()));
    }
    let list = RevokedList::at(dir);
    let mut file = list.load()?;
    if found.is_empty() && !file.keys.iter().any(|key| key.name == name) {
        return Err(EnrolError::Argument(format!(
            "{name:?} is not admitted; an invitation is taken back with `veilsum-coordinator invite --withdraw {name}`"
        )));
    }
    for (party, tls_key) in found {
        if file.keys.iter().all(|key| key.tls_key != tls_key) {
            file.keys.push(RevokedKey {
                name: name.to_owned(),
                party,
                tls_key,
                at: now.unix_timestamp(),
            });
        }
    }
    let text = toml::to_string(&file).map_err(EnrolError::make("the list of revoked keys"))?;
    keyfile::replace(&list.path, text.as_bytes())?;
    for readers in listed {
        readers.without(name).store(&folder.readers(readers.role()))?;
    }
    Ok(file.keys.into_iter().filter(|key| key.name == name).collect())
}
