//! The register of enrolments by invitation: a file for each invited name under `enrolment/`, from the invitation to the certificate.
//!
//! The command line and the daemon both write here. Who changes a record holds the lock for as long, so each change is made to what the
//! one before left; files are replaced as a whole. Nothing here is secret: of an invitation's secret there is a hash.
//!
//! Lost: those who were admitted are told to ask for a new invitation; certificates that were issued stay good.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::{Fingerprint, Party};
use veilsum_protocol::ids::Digest;

use super::EnrolError;
use super::request::{self, Verified, VerifiedBank};

/// The folder of the records in the operator's folder.
const FOLDER: &str = "enrolment";

const LOCK: &str = "lock";

const VERSION: u32 = 1;

/// All records.
#[derive(Debug, Clone)]
pub struct Register {
    folder: PathBuf,
}

/// Held while a record is changed.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

/// What is known of one invited name. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    version: u32,
    /// The invited name.
    pub name: String,
    /// What was invited.
    pub party: Party,
    /// Hash of the invitation's secret, as [`secret_digest`](veilsum_protocol::enrolment::secret_digest) makes it.
    #[serde(with = "super::hex_text")]
    pub secret_sha256: Digest,
    /// When it was invited.
    pub invited_at: i64,
    /// Until when the invitation can be used for the first time.
    pub expires_at: i64,
    /// Whether the invitation carries the approval.
    pub approved: bool,
    /// Validity of the certificate, in days.
    pub days: u32,
    /// When the operator took the invitation back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<i64>,
    /// When the first request came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<i64>,
    /// Why the operator refused the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The request, with the keys that the invitation is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody has asked yet.
    Invited,
    /// Nobody asked in time.
    Expired,
    /// Keys have asked, and wait for the operator's approval.
    Pending,
    /// Keys have asked, the invitation carries the approval, and the authority's key is not there.
    Unsigned,
    /// A certificate was issued.
    Admitted,
    /// The operator refused the keys.
    Refused,
    /// The operator took the invitation back.
    Withdrawn,
}

impl State {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Expired => "expired",
            Self::Pending => "waits for approval",
            Self::Unsigned => "approved, waits for the authority's key",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether the name is in nobody's use, and may be invited again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Expired | Self::Refused | Self::Withdrawn)
    }
}

/// What was invited, and for how long.
pub(super) struct NewPlace {
    pub(super) name: String,
    pub(super) party: Party,
    pub(super) secret_sha256: Digest,
    pub(super) invited_at: i64,
    pub(super) expires_at: i64,
    pub(super) approved: bool,
    pub(super) days: u32,
}

impl From<NewPlace> for Place {
    fn from(new: NewPlace) -> Self {
        let NewPlace {
            name,
            party,
            secret_sha256,
            invited_at,
            expires_at,
            approved,
            days,
        } = new;
        Self {
            version: VERSION,
            name,
            party,
            secret_sha256,
            invited_at,
            expires_at,
            approved,
            days,
            withdrawn_at: None,
            requested_at: None,
            refused: None,
            request: None,
            certificate: None,
        }
    }
}

impl Place {
    /// How far it is, at a time.
    pub fn state(&self, now: OffsetDateTime) -> State {
        if self.certificate.is_some() {
            State::Admitted
        } else if self.withdrawn_at.is_some() {
            State::Withdrawn
        } else if self.refused.is_some() {
            State::Refused
        } else if self.request.is_some() {
            if self.approved {
                State::Unsigned
            } else {
                State::Pending
            }
        } else if now.unix_timestamp() > self.expires_at {
            State::Expired
        } else {
            State::Invited
        }
    }

    /// The keys that asked, verified again: the file may have been edited.
    ///
    /// # Errors
    /// What is wrong with the kept request.
    pub fn verified(&self) -> Result<Option<Verified>, String> {
        self.request.as_deref().map(request::verify).transpose()
    }

    /// What the operator compares with the bank or auditor.
    ///
    /// # Errors
    /// As [`Self::verified`].
    pub fn fingerprint(&self) -> Result<Option<Fingerprint>, String> {
        Ok(self.verified()?.map(|verified| verified.fingerprint()))
    }

    /// The keys of a bank that has its certificate.
    ///
    /// # Errors
    /// As [`Self::verified`].
    pub fn admitted_bank(&self) -> Result<Option<VerifiedBank>, String> {
        if self.certificate.is_none() {
            return Ok(None);
        }
        Ok(match self.verified()? {
            Some(Verified::Bank(bank)) => Some(bank),
            _ => None,
        })
    }
}

impl Register {
    /// The register of the operator's folder.
    pub fn at(root: &Path) -> Self {
        Self {
            folder: root.join(FOLDER),
        }
    }

    /// Another file in the folder of the records. Its name is none of a party's, or is not in the way of one.
    pub(super) fn beside(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.toml"))
    }

    /// Waits until nobody else changes a record. May block for as long as a certificate takes to be issued.
    ///
    /// # Errors
    /// [`EnrolError::File`].
    pub fn hold(&self) -> Result<Held, EnrolError> {
        match fs::create_dir(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(EnrolError::file(&self.folder)(error));
            }
            _ => {}
        }
        let path = self.folder.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(EnrolError::file(&path))?;
        file.lock().map_err(EnrolError::file(&path))?;
        Ok(Held { _file: file })
    }

    /// The record of a name, which must be one: [`Party::check_name`].
    ///
    /// # Errors
    /// [`EnrolError::File`], or [`EnrolError::Content`] for a file that is not in order.
    pub fn get(&self, name: &str) -> Result<Option<Place>, EnrolError> {
        let path = self.path(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EnrolError::file(&path)(error)),
        };
        let place: Place = toml::from_str(&text).map_err(|error| EnrolError::content(&path, error))?;
        if place.version != VERSION {
            let found = place.version;
            let problem = format!("version {found}, expected {VERSION}; use the release that wrote the file");
            return Err(EnrolError::content(&path, problem));
        }
        if place.name != name {
            let problem = format!("it is of {:?}, expected {name:?}", place.name);
            return Err(EnrolError::content(&path, problem));
        }
        Ok(Some(place))
    }

    /// Replaces a record.
    ///
    /// # Errors
    /// [`EnrolError::File`].
    pub fn put(&self, _held: &Held, place: &Place) -> Result<(), EnrolError> {
        let text = toml::to_string(place).map_err(EnrolError::make("the record of an enrolment"))?;
        Ok(keyfile::replace(&self.path(&place.name), text.as_bytes())?)
    }

    /// All records in the order of their names.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn all(&self) -> Result<Vec<Place>, EnrolError> {
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(EnrolError::file(&self.folder)(error)),
        };
        let mut places = Vec::new();
        for file in files {
            let path = file.map_err(EnrolError::file(&self.folder))?.path();
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            if let Some(place) = self.get(name)? {
                places.push(place);
            }
        }
        places.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(places)
    }
}
