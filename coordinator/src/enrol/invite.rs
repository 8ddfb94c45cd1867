//! `invite` and `invitations`: who may ask to be enrolled over the network, and until when.

use std::fs;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::entropy::{Entropy as _, SystemEntropy};
use veilsum_protocol::enrolment::{Invitation, Party, Role, secret_digest};
use veilsum_protocol::ids::{Digest, Timestamp};

use super::ca::MAX_DAYS;
use super::init::Folder;
use super::readers::{self, Readers};
use super::register::{NewPlace, Place, Register, State};
use super::{EnrolError, date_and_time};

/// Longest time for which an invitation can be used, in hours.
pub const MAX_HOURS: u32 = 24 * 90;

/// Who is invited.
#[derive(Debug, Clone)]
pub struct InviteOptions {
    /// The name to be enrolled under.
    pub name: String,
    /// What it will be.
    pub party: Party,
    /// For so many hours the invitation can be used.
    pub hours: u32,
    /// Whether nobody has to approve the keys that use it.
    pub approved: bool,
    /// Validity of the certificate, in days.
    pub days: u32,
}

/// What was made.
#[derive(Serialize)]
pub struct InviteReport {
    /// The one line to hand over; it holds the secret.
    pub invitation: String,
    /// The invited name.
    pub name: String,
    /// What it will be.
    pub party: Party,
    /// Until when it can be used, Unix seconds.
    pub expires_at: i64,
    /// SHA-256 of the authority's certificate, which the invitation carries.
    pub authority_sha256: String,
    /// Whether nobody has to approve.
    pub approved: bool,
}

/// One line of `invitations`.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The invited name.
    pub name: String,
    /// What was invited.
    pub party: Party,
    /// How far it is.
    pub state: State,
    /// Until when it can be used for the first time, Unix seconds.
    pub expires_at: i64,
    /// Whether the invitation carries the approval.
    pub approved: bool,
    /// Why the operator refused the keys.
    pub refused: Option<String>,
}

impl Listed {
    /// For people.
    pub fn line(&self) -> String {
        let more = match (&self.refused, self.state) {
            (Some(why), _) => format!(": {why}"),
            (None, State::Invited) => format!(" until {}", date_and_time(self.expires_at)),
            (None, State::Expired) => format!(" since {}", date_and_time(self.expires_at)),
            _ => String::new(),
        };
        format!(
            "{:<28} {:<8} {}{more}",
            self.name,
            self.party.to_string(),
            self.state.words()
        )
    }
}

/// SHA-256 of the consortium's authority, as invitations carry it: of the certificate in DER.
///
/// # Errors
/// What is wrong with the certificate.
pub fn authority_digest(ca_pem: &str) -> Result<Digest, String> {
    CertificateDer::from_pem_slice(ca_pem.as_bytes())
        .map(|certificate| Digest::of(&certificate))
        .map_err(|error| format!("the authority's certificate: {error}"))
}

/// Invites somebody: gives the line to hand over, and keeps its hash.
///
/// # Errors
/// [`EnrolError::Argument`] for a name that is taken, or a time out of range.
pub fn invite(dir: &Path, options: &InviteOptions, now: OffsetDateTime) -> Result<InviteReport, EnrolError> {
    let InviteOptions {
        name,
        party,
        hours,
        approved,
        days,
    } = options.clone();
    party
        .check_name(&name)
        .map_err(|error| EnrolError::Argument(error.to_string()))?;
    for (what, found, most) in [("--expires-hours", hours, MAX_HOURS), ("--days", days, MAX_DAYS)] {
        if !(1..=most).contains(&found) {
            let problem = format!("{what}: {found}, expected 1 to {most}");
            return Err(EnrolError::Argument(problem));
        }
    }
    let folder = Folder::at(dir);
    let consortium = read_consortium(&folder)?;
    let register = Register::at(dir);
    let held = register.hold()?;
    name_is_free(&folder, &consortium, &register, &name, now)?;
    let expires_at = (now + Duration::hours(hours.into())).unix_timestamp();
    let invitation = Invitation {
        authority: authority_digest(&consortium.ca_pem)
            .map_err(|problem| EnrolError::content(&folder.consortium(), problem))?,
        consortium: consortium.name,
        address: consortium.address,
        server_name: consortium.server_name,
        party,
        name: name.clone(),
        secret: SystemEntropy::new().secret(),
        expires: Timestamp(u64::try_from(expires_at).unwrap_or(0)),
    };
    let place = NewPlace {
        name: name.clone(),
        party,
        secret_sha256: secret_digest(&invitation.secret),
        invited_at: now.unix_timestamp(),
        expires_at,
        approved,
        days,
    };
    register.put(&held, &place.into())?;
    Ok(InviteReport {
        invitation: invitation.to_text().to_string(),
        name,
        party,
        expires_at,
        authority_sha256: invitation.authority.to_hex(),
        approved,
    })
}

/// The consortium file, which may have no banks yet.
pub(super) fn read_consortium(folder: &Folder) -> Result<Consortium, EnrolError> {
    let path = folder.consortium();
    let text = fs::read_to_string(&path).map_err(EnrolError::file(&path))?;
    toml::from_str(&text).map_err(|error| EnrolError::content(&path, error))
}

/// A name means one party of the consortium, whatever its role and way of enrolment.
fn name_is_free(
    folder: &Folder,
    consortium: &Consortium,
    register: &Register,
    name: &str,
    now: OffsetDateTime,
) -> Result<(), EnrolError> {
    let taken = |by: String| Err(EnrolError::Argument(format!("{name:?} {by}")));
    if consortium.banks.iter().any(|bank| bank.name == name) {
        return taken(
            "is a bank in consortium.toml already, with keys of its own; invite under another name"
                .to_owned(),
        );
    }
    for role in Role::ALL {
        if Readers::load(role, &folder.readers(role))?
            .by_name(name)
            .is_some()
        {
            let file = readers::file_name(role);
            return taken(format!(
                "is an {role} in {file} already; invite under another name"
            ));
        }
    }
    match register.get(name)? {
        Some(place) if !place.state(now).is_over() => taken(format!(
            "has an invitation already ({}); take it back first: veilsum-coordinator invite --withdraw {name}",
            place.state(now).words()
        )),
        _ => Ok(()),
    }
}

/// Takes an invitation back. Whoever used it already and waits is told so.
///
/// # Errors
/// [`EnrolError::Argument`] if there is none, or a certificate was issued for it.
pub fn withdraw(dir: &Path, name: &str, now: OffsetDateTime) -> Result<(), EnrolError> {
    let register = Register::at(dir);
    let held = register.hold()?;
    let mut place = known(&register, name)?;
    if place.certificate.is_some() {
        return Err(EnrolError::Argument(format!(
            "{name:?} is admitted already, so there is nothing to withdraw; `veilsum-coordinator revoke {name}` takes its access away"
        )));
    }
    place.withdrawn_at = Some(now.unix_timestamp());
    register.put(&held, &place)
}

/// The record of a name that was invited.
pub(super) fn known(register: &Register, name: &str) -> Result<Place, EnrolError> {
    // All roles have the same rule for names, and a name is a file here.
    Party::Bank
        .check_name(name)
        .map_err(|error| EnrolError::Argument(error.to_string()))?;
    register.get(name)?.ok_or_else(|| {
        EnrolError::Argument(format!(
            "{name:?} was not invited; `veilsum-coordinator invitations` lists who was"
        ))
    })
}

/// Every invitation that was made, with what became of it.
///
/// # Errors
/// [`EnrolError`] for a record that is not in order.
pub fn invitations(dir: &Path, now: OffsetDateTime) -> Result<Vec<Listed>, EnrolError> {
    let listed = |place: Place| Listed {
        state: place.state(now),
        name: place.name,
        party: place.party,
        expires_at: place.expires_at,
        approved: place.approved,
        refused: place.refused,
    };
    let register = Register::at(dir);
    let _held = register.hold()?;
    Ok(register.all()?.into_iter().map(listed).collect())
}
