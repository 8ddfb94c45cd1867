//! From an approved request to a certificate: the one place where the authority's key is used for what came over the network.

use std::io::ErrorKind;
use std::path::Path;

use time::OffsetDateTime;

use super::EnrolError;
use super::admitted::Admitted;
use super::ca::Authority;
use super::init::{CONSORTIUM_FILE, Folder};
use super::readers::Readers;
use super::register::{Held, Place, Register};
use super::request::{Verified, VerifiedBank};

/// Whether the authority's key is on this machine.
pub(super) fn has_authority(dir: &Path) -> bool {
    Folder::at(dir).identity("ca.key.pem").exists()
}

/// Issues the certificate of a place that has a request, and keeps it there. An auditor or operator is put on its list.
///
/// # Errors
/// [`EnrolError`] with the file at fault; the record is as before then.
pub(super) fn issue(
    dir: &Path,
    register: &Register,
    held: &Held,
    place: &mut Place,
    now: OffsetDateTime,
) -> Result<(), EnrolError> {
    let folder = Folder::at(dir);
    let verified = place
        .verified()
        .map_err(|problem| EnrolError::Argument(format!("the request of {:?}: {problem}", place.name)))?;
    let Some(verified) = verified else {
        let problem = format!("{:?} has not asked yet; there is nothing to approve", place.name);
        return Err(EnrolError::Argument(problem));
    };
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;
    let certificate = match &verified {
        Verified::Bank(bank) => {
            if formed(&folder)?.is_some() {
                may_be_proposed(&folder, bank)?;
            }
            authority.issue_bank(&bank.name, &bank.tls.public, place.days, now)?
        }
        Verified::Reader(reader) => {
            let role = reader.role;
            let path = folder.readers(role);
            let mut list = Readers::load(role, &path)?;
            list.admit(&reader.name, reader.tls.hash)
                .map_err(EnrolError::Argument)?;
            let certificate =
                authority.issue_reader(role, &reader.name, &reader.tls.public, place.days, now)?;
            // On the list before the certificate goes out; again on the list if this is repeated after a crash.
            list.store(&path)?;
            certificate
        }
    };
    place.certificate = Some(certificate);
    register.put(held, place)
}

/// Puts a bank that comes after the first roster on the list from which `roster propose --add` picks.
fn may_be_proposed(folder: &Folder, bank: &VerifiedBank) -> Result<(), EnrolError> {
    let path = folder.admitted();
    let mut list = Admitted::load(&path)?;
    if !list.admit(bank).map_err(EnrolError::Argument)? {
        list.store(&path)?;
    }
    Ok(())
}

/// The consortium file that a proposal has made for a bank that is to join.
///
/// # Errors
/// [`EnrolError::File`].
pub(super) fn proposed(folder: &Folder, name: &str) -> Result<Option<String>, EnrolError> {
    let path = folder.admission(name).join(CONSORTIUM_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EnrolError::file(&path)(error)),
    }
}

/// The consortium file as it is, if it has banks.
pub(super) fn formed(folder: &Folder) -> Result<Option<String>, EnrolError> {
    let path = folder.consortium();
    let text = std::fs::read_to_string(&path).map_err(EnrolError::file(&path))?;
    let file: veilsum_protocol::consortium::Consortium =
        toml::from_str(&text).map_err(|error| EnrolError::content(&path, error))?;
    Ok((!file.banks.is_empty()).then_some(text))
}
