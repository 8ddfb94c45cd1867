//! `form`: the first roster, out of the banks that were admitted by invitation.

use std::path::Path;

use serde::Serialize;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::{Consortium, ConsortiumBank};
use veilsum_protocol::enrolment::Fingerprint;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::roster::{MIN_BANKS, RosterEntry};

use super::EnrolError;
use super::init::Folder;
use super::invite::read_consortium;
use super::register::Register;
use super::request::VerifiedBank;
use super::revoked::RevokedList;

/// A bank that has its certificate and no place in the roster.
#[derive(Debug, Clone, Serialize)]
pub struct Outside {
    /// Its name.
    pub name: String,
    /// What its operator compares.
    pub fingerprint: String,
    /// Its keys.
    #[serde(skip)]
    pub keys: BankKeys,
}

/// The public keys of a bank, as a roster has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankKeys {
    /// Ed25519.
    pub signing_key: [u8; 32],
    /// Ed25519, for cosignatures.
    pub witness_key: [u8; 32],
    /// SHA-256 of the TLS certificate's SubjectPublicKeyInfo in DER.
    pub tls_key: Digest,
}

/// The banks that were admitted by invitation, have their access still, and are not in the consortium file, in the order of their names.
///
/// # Errors
/// [`EnrolError`] for a record or a consortium file that is not in order.
pub fn outside(dir: &Path) -> Result<Vec<Outside>, EnrolError> {
    let consortium = read_consortium(&Folder::at(dir))?;
    outside_of(dir, &consortium)
}

fn outside_of(dir: &Path, consortium: &Consortium) -> Result<Vec<Outside>, EnrolError> {
    let mut found = Vec::new();
    let revoked = RevokedList::at(dir).all()?;
    for place in Register::at(dir).all()? {
        let bank = place.admitted_bank().map_err(|problem| {
            EnrolError::Argument(format!(
                "the request of {:?} in enrolment/{}.toml: {problem}",
                place.name, place.name
            ))
        })?;
        let Some(bank) = bank else { continue };
        let is_out = revoked.iter().any(|key| key.tls_key == bank.tls.hash);
        if !is_out && consortium.banks.iter().all(|it| it.name != bank.name) {
            found.push(Outside::from(bank));
        }
    }
    Ok(found)
}

impl From<VerifiedBank> for Outside {
    fn from(bank: VerifiedBank) -> Self {
        let fingerprint =
            Fingerprint::of_bank(&bank.name, &bank.tls.hash, &bank.signing_key, &bank.witness_key);
        Self {
            name: bank.name,
            fingerprint: fingerprint.to_string(),
            keys: BankKeys {
                signing_key: bank.signing_key,
                witness_key: bank.witness_key,
                tls_key: bank.tls.hash,
            },
        }
    }
}

/// Whether there is a roster. A consortium file that cannot be read is told where it is needed.
///
/// # Errors
/// [`EnrolError`] where there is no such file.
pub fn is_formed(dir: &Path) -> Result<bool, EnrolError> {
    Ok(!read_consortium(&Folder::at(dir))?.banks.is_empty())
}

/// What the roster will be, to be looked at before it is fixed.
///
/// # Errors
/// [`EnrolError::Argument`] if there is a roster already, or there are too few banks.
pub fn proposal(dir: &Path) -> Result<Vec<Outside>, EnrolError> {
    let consortium = read_consortium(&Folder::at(dir))?;
    if !consortium.banks.is_empty() {
        return Err(EnrolError::Argument(format!(
            "the roster stands already, with {} banks; `form` makes the first one",
            consortium.banks.len()
        )));
    }
    let banks = outside_of(dir, &consortium)?;
    if banks.len() < MIN_BANKS {
        return Err(EnrolError::Argument(format!(
            "{} are admitted, expected at least {MIN_BANKS}; see `veilsum-coordinator invitations`",
            number_of(banks.len())
        )));
    }
    Ok(banks)
}

/// `1 bank`, `2 banks`.
pub fn number_of(banks: usize) -> String {
    match banks {
        1 => "1 bank".to_owned(),
        more => format!("{more} banks"),
    }
}

/// What was fixed.
#[derive(Debug, Clone, Serialize)]
pub struct FormReport {
    /// SHA-256 of the consortium file, for banks to compare with each other.
    pub consortium_sha256: String,
    /// The banks in the order of their positions.
    pub banks: Vec<Outside>,
}

/// Fixes the first roster: the admitted banks in the order of their names. `seen` is what the operator looked at; if other banks are
/// admitted by now, nothing is fixed.
///
/// # Errors
/// As [`proposal`]; or that the roster cannot be one, such as two banks with one key.
pub fn form(dir: &Path, seen: &[Outside]) -> Result<FormReport, EnrolError> {
    let folder = Folder::at(dir);
    let register = Register::at(dir);
    let _held = register.hold()?;
    let banks = proposal(dir)?;
    let prints = |banks: &[Outside]| -> Vec<String> {
        banks
            .iter()
            .map(|bank| bank.name.clone() + &bank.fingerprint)
            .collect()
    };
    if prints(&banks) != prints(seen) {
        return Err(EnrolError::Argument(
            "other banks are admitted than a moment ago; look at them and run form again".to_owned(),
        ));
    }
    let mut consortium = read_consortium(&folder)?;
    for (position, bank) in (1u16..).zip(&banks) {
        let index =
            BankIndex::new(position).ok_or_else(|| EnrolError::Argument("the roster is full".to_owned()))?;
        consortium.banks.push(ConsortiumBank::from(&RosterEntry {
            index,
            name: bank.name.clone(),
            signing_key: bank.keys.signing_key,
            witness_key: bank.keys.witness_key,
            tls_key: bank.keys.tls_key,
        }));
    }
    consortium
        .roster()
        .map_err(|error| EnrolError::Argument(error.to_string()))?;
    let text = consortium
        .to_toml()
        .map_err(EnrolError::make("the consortium file"))?;
    keyfile::replace(&folder.consortium(), text.as_bytes())?;
    Ok(FormReport {
        consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
        banks,
    })
}
