//! Banks that have a certificate and are not in the roster yet: the file `admitted.toml`, from which `roster propose --add` picks.
//!
//! Who stands here takes part in nothing: the banks of the roster decide who joins them. Lost: enrol the same requests again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::{Consortium, ConsortiumBank};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::{RosterEntry, check_bank_name};

use super::EnrolError;
use super::ca::Authority;
use super::init::Folder;
use super::request::{Verified, VerifiedBank, verify};
use super::roster::{EnrolReport, enrol};

/// Name of the file in the operator's folder.
pub const ADMITTED_FILE: &str = "admitted.toml";

/// Version of the file's format.
const VERSION: u32 = 1;

const HEAD: &str = "\
# Banks that have a certificate and are not in the roster yet; written by `veilsum-coordinator enrol` and `approve`.
# `veilsum-coordinator roster propose --add NAME` proposes one to the banks. One that is deleted here must be enrolled again.

";

/// The banks, as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    version: u32,
    #[serde(rename = "bank", default)]
    list: Vec<AdmittedBank>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmittedBank {
    /// Its name.
    pub name: String,
    /// Ed25519 public key, 64 hex characters.
    pub signing_public_key: String,
    /// Ed25519 public key for cosignatures, 64 hex characters.
    pub witness_public_key: String,
    /// SHA-256 of its TLS certificate's SubjectPublicKeyInfo in DER, 64 hex characters.
    pub tls_key_sha256: String,
}

impl AdmittedBank {
    /// The bank at a position of a roster.
    pub fn at(&self, index: BankIndex) -> ConsortiumBank {
        ConsortiumBank {
            index,
            name: self.name.clone(),
            signing_public_key: self.signing_public_key.clone(),
            witness_public_key: self.witness_public_key.clone(),
            tls_key_sha256: self.tls_key_sha256.clone(),
        }
    }
}

impl From<&VerifiedBank> for AdmittedBank {
    fn from(bank: &VerifiedBank) -> Self {
        Self {
            name: bank.name.clone(),
            signing_public_key: hex::encode(bank.signing_key),
            witness_public_key: hex::encode(bank.witness_key),
            tls_key_sha256: bank.tls.hash.to_hex(),
        }
    }
}

/// One that was admitted just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// What its administrators compare by another channel.
    pub fingerprint: String,
    /// Whether it was admitted before, with the same keys, and got a new certificate only.
    pub renewed: bool,
    /// The folder to hand to the bank; `consortium.toml` comes into it when the bank is proposed.
    pub folder: PathBuf,
}

impl Admitted {
    /// Reads the file. Where there is none, nobody is admitted.
    ///
    /// # Errors
    /// [`EnrolError::File`], or [`EnrolError::Content`] for a file that is not wholly in order.
    pub fn load(path: &Path) -> Result<Self, EnrolError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self {
                    version: VERSION,
                    list: Vec::new(),
                });
            }
            Err(error) => return Err(EnrolError::file(path)(error)),
        };
        let read: Self = toml::from_str(&text).map_err(|error| EnrolError::content(path, error))?;
        if read.version != VERSION {
            let problem = format!(
                "version {}, expected {VERSION}; use the release that wrote the file",
                read.version
            );
            return Err(EnrolError::content(path, problem));
        }
        for bank in &read.list {
            check_bank_name(&bank.name).map_err(|error| EnrolError::content(path, error))?;
            let first = BankIndex::new(1).map(|first| bank.at(first).entry());
            first
                .transpose()
                .map_err(|error| EnrolError::content(path, error))?;
        }
        Ok(read)
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`EnrolError::File`].
    pub fn store(&self, path: &Path) -> Result<(), EnrolError> {
        let text = toml::to_string(self).map_err(EnrolError::make("the list of admitted banks"))?;
        Ok(keyfile::replace(path, format!("{HEAD}{text}").as_bytes())?)
    }

    /// The banks, in the order in which they were admitted.
    pub fn list(&self) -> &[AdmittedBank] {
        &self.list
    }

    /// The bank of that name.
    pub fn named(&self, name: &str) -> Option<&AdmittedBank> {
        self.list.iter().find(|bank| bank.name == name)
    }

    /// Puts a bank on the list; true if it was there already, with these keys.
    ///
    /// # Errors
    /// If its name is there with other keys, or one of its keys under another name.
    pub fn admit(&mut self, bank: &VerifiedBank) -> Result<bool, String> {
        let new = AdmittedBank::from(bank);
        let shares = |old: &&AdmittedBank| {
            old.name == new.name
                || old.signing_public_key == new.signing_public_key
                || old.witness_public_key == new.witness_public_key
                || old.tls_key_sha256 == new.tls_key_sha256
        };
        match self.list.iter().find(shares) {
            None => {
                self.list.push(new);
                Ok(false)
            }
            Some(old) if *old == new => Ok(true),
            Some(old) => Err(format!(
                "bank {:?} is admitted with a name or key of {:?} and others beside it; a name keeps its keys, so enrol new keys under another name, or delete the old ones in {ADMITTED_FILE}",
                old.name, new.name
            )),
        }
    }

    /// Takes those off that are in the roster by now.
    pub fn leave_out(&mut self, consortium: &Consortium) {
        self.list
            .retain(|bank| consortium.banks.iter().all(|enrolled| enrolled.name != bank.name));
    }
}

/// Admission once the consortium has a log: new banks get a certificate and wait until the banks of the roster approve them; those that are
/// enrolled, and auditors, are dealt with as by [`enrol`].
///
/// # Errors
/// [`EnrolError`] with the request at fault. All requests are good, or nothing changes.
pub fn admit(
    dir: &Path,
    requests: &[PathBuf],
    days: u32,
    now: OffsetDateTime,
) -> Result<(EnrolReport, Vec<Waiting>), EnrolError> {
    let folder = Folder::at(dir);
    let consortium_path = folder.consortium();
    let text = fs::read_to_string(&consortium_path).map_err(EnrolError::file(&consortium_path))?;
    let (consortium, roster) =
        Consortium::from_toml(&text).map_err(|error| EnrolError::content(&consortium_path, error))?;
    let path = folder.admitted();
    let mut admitted = Admitted::load(&path)?;
    admitted.leave_out(&consortium);

    let mut others: Vec<PathBuf> = Vec::new();
    let mut joining: Vec<(RosterEntry, VerifiedBank, bool)> = Vec::new();
    for request in requests {
        let wrong = |problem: String| EnrolError::content(request, problem);
        let text = fs::read_to_string(request).map_err(|error| {
            wrong(format!(
                "{error}; name the request file that the bank or auditor sent"
            ))
        })?;
        match verify(&text).map_err(wrong)? {
            Verified::Bank(bank) if roster.named(&bank.name).is_none() => {
                let after = u16::try_from(roster.banks().len() + 1)
                    .ok()
                    .and_then(BankIndex::new);
                let entry = bank.at(after.ok_or_else(|| wrong("the roster is full".to_owned()))?);
                let enrolled = roster.banks().iter().find(|old| {
                    old.tls_key == entry.tls_key
                        || old.signing_key == entry.signing_key
                        || old.witness_key == entry.witness_key
                });
                if let Some(enrolled) = enrolled {
                    return Err(wrong(format!(
                        "bank {:?} has a key of bank {:?} of the roster; each bank needs its own",
                        entry.name, enrolled.name
                    )));
                }
                let renewed = admitted.admit(&bank).map_err(wrong)?;
                joining.push((entry, bank, renewed));
            }
            _ => others.push(request.clone()),
        }
    }
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;
    let mut certificates = Vec::new();
    for (entry, bank, renewed) in joining {
        let certificate = authority.issue_bank(&entry.name, &bank.tls.public, days, now)?;
        certificates.push((entry, renewed, certificate));
    }
    let report = enrol(dir, &others, days, now)?;
    admitted.store(&path)?;
    let mut waiting = Vec::new();
    for (entry, renewed, certificate) in certificates {
        let admission = folder.admission(&entry.name);
        fs::create_dir_all(&admission).map_err(EnrolError::file(&admission))?;
        keyfile::replace(&admission.join("bank.crt.pem"), certificate.as_bytes())?;
        waiting.push(Waiting {
            fingerprint: entry.fingerprint(),
            name: entry.name,
            renewed,
            folder: admission,
        });
    }
    Ok((report, waiting))
}

#[cfg(test)]
mod tests;
