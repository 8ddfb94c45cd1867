//! Renewal: a member gets another certificate for the key, name and role of the one that it shows. No invitation and no approval is needed, unless the
//! operator wants to be asked; a revoked key gets none, and an expired certificate does not come so far.
//!
//! A file for each member under `enrolment/renewals/` has the last question and its answer. Nothing there is secret. Lost: the member asks again.
//!
//! Whoever holds a stolen TLS key can renew as well, as it can connect: renewal lengthens what the theft is good for until the key is revoked. What
//! a bank signs in rounds is signed with other keys.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rcgen::SubjectPublicKeyInfo;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::enrolment::{
    Admission, Answer, Party, Refusal, RefusalReason, Role, renewal_is_due_at,
};
use veilsum_protocol::ids::Digest;

use super::admitted::Admitted;
use super::ca::{Authority, BANK_DOMAIN, MAX_DAYS};
use super::init::Folder;
use super::inspect::{self, CertificateFacts};
use super::invite::read_consortium;
use super::issue::has_authority;
use super::readers::Readers;
use super::register::{Held, Register};
use super::revoked::RevokedList;
use super::{EnrolError, date_and_time};
use crate::config::Renewal;

const VERSION: u32 = 1;

/// A certificate is valid from so long before its issue, and clocks may differ by as much.
const SKEW_S: i64 = 600;

const DAY_S: i64 = 86_400;

/// All renewals.
#[derive(Debug, Clone)]
pub struct Renewals {
    dir: PathBuf,
    register: Register,
    policy: Renewal,
}

/// The last renewal of a member. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    version: u32,
    /// Whose.
    pub name: String,
    /// What it is.
    pub party: Party,
    /// SHA-256 of `public_key`.
    #[serde(with = "super::hex_text")]
    pub tls_key_sha256: Digest,
    /// SubjectPublicKeyInfo in DER, hex.
    public_key: String,
    /// Validity of the certificate that is to be replaced, in days; the new one has the same.
    pub days: u32,
    /// When that one expires.
    pub not_after: i64,
    /// When it was asked for first.
    pub asked_at: i64,
    /// When the new one was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<i64>,
    /// The new one, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl Asked {
    /// Whether it waits for the operator.
    pub fn waits(&self) -> bool {
        self.certificate.is_none()
    }

    /// For people.
    pub fn line(&self) -> String {
        let what = match self.issued_at {
            Some(at) => format!("renewed {}", date_and_time(at)),
            None => format!(
                "asks for a new certificate; `veilsum-coordinator renew --member {}` issues it",
                self.name
            ),
        };
        format!(
            "{:<28} {:<8} valid until {}; {what}",
            self.name,
            self.party.to_string(),
            date_and_time(self.not_after)
        )
    }
}

/// Why there is no certificate: the asker's fault, or this machine's.
enum Stop {
    Refused(RefusalReason, String),
    Failed(EnrolError),
}

impl From<EnrolError> for Stop {
    fn from(error: EnrolError) -> Self {
        Self::Failed(error)
    }
}

impl Renewals {
    /// Those of the operator's folder.
    pub fn at(dir: &Path, policy: Renewal) -> Self {
        Self {
            dir: dir.to_owned(),
            register: Register::at(dir),
            policy,
        }
    }

    /// The answer to a member that showed this certificate in a handshake, so that it is of the authority and in force, and the member holds its
    /// key. Blocks on the disk.
    pub fn answer(&self, shown: &CertificateFacts, now: OffsetDateTime) -> Answer {
        match self.renew(shown, now) {
            Ok(Some(certificate)) => Answer::Admitted(Admission {
                certificate,
                consortium: None,
                waiting_for: String::new(),
            }),
            Ok(None) => Answer::Pending {
                waiting_for:
                    "the operator, who issues certificates here by `veilsum-coordinator renew --member`"
                        .to_owned(),
            },
            Err(Stop::Refused(reason, text)) => {
                tracing::warn!("a renewal is refused to {}: {text}", shown.subject);
                Answer::Refused(Refusal::new(reason, text))
            }
            Err(Stop::Failed(error)) => {
                tracing::error!("a renewal of {} is not answered: {error}", shown.subject);
                Answer::Refused(Refusal::new(
                    RefusalReason::Later,
                    "the coordinator cannot issue certificates now; its operator sees why in its trace",
                ))
            }
        }
    }

    fn renew(&self, shown: &CertificateFacts, now: OffsetDateTime) -> Result<Option<String>, Stop> {
        if let Some(key) = RevokedList::at(&self.dir).get(shown.tls_key)? {
            return Err(Stop::Refused(RefusalReason::Revoked, key.words()));
        }
        let (party, name) = self.member(shown)?;
        let due = renewal_is_due_at(shown.not_before, shown.not_after);
        if now.unix_timestamp() < due.saturating_sub(SKEW_S) {
            let text = format!(
                "the certificate is renewed when a third of its validity is left: from {} on",
                date_and_time(due)
            );
            return Err(Stop::Refused(RefusalReason::Request, text));
        }
        let held = self.register.hold()?;
        let before = self.get(party, &name)?;
        let before = before.filter(|asked| asked.tls_key_sha256 == shown.tls_key);
        if let Some(certificate) = before.as_ref().and_then(|asked| asked.certificate.clone())
            && newer(&certificate, shown)
        {
            return Ok(Some(certificate));
        }
        let waiting_since = before.filter(|asked| asked.waits() && asked.not_after == shown.not_after);
        let mut asked = Asked {
            version: VERSION,
            name,
            party,
            tls_key_sha256: shown.tls_key,
            public_key: hex::encode(&shown.spki_der),
            days: days_of(shown),
            not_after: shown.not_after,
            asked_at: waiting_since.map_or(now.unix_timestamp(), |asked| asked.asked_at),
            issued_at: None,
            certificate: None,
        };
        if self.policy == Renewal::Automatic && has_authority(&self.dir) {
            self.issue(&held, &mut asked, now)?;
            tracing::info!("{} {}: its certificate is renewed", asked.party, asked.name);
        } else {
            self.put(&held, &asked)?;
            tracing::warn!("{} {}", asked.party, asked.line());
        }
        Ok(asked.certificate)
    }

    /// Who showed the certificate: its name and role must be those of a member that has its key.
    fn member(&self, shown: &CertificateFacts) -> Result<(Party, String), Stop> {
        let stranger = || {
            Stop::Refused(
                RefusalReason::Unknown,
                format!(
                    "{} with TLS key {} is no member of this consortium; a member that left gets no certificate",
                    shown.subject, shown.tls_key
                ),
            )
        };
        let [host] = shown.hosts.as_slice() else {
            return Err(stranger());
        };
        let (name, domain) = host.split_once('.').ok_or_else(stranger)?;
        let folder = Folder::at(&self.dir);
        let hex = shown.tls_key.to_hex();
        let (party, is_member) = if domain == BANK_DOMAIN {
            let in_roster = read_consortium(&folder)?
                .banks
                .iter()
                .any(|bank| bank.name == name && bank.tls_key_sha256 == hex);
            let admitted = || -> Result<bool, EnrolError> {
                let list = Admitted::load(&folder.admitted())?;
                Ok(list.named(name).is_some_and(|bank| bank.tls_key_sha256 == hex))
            };
            (Party::Bank, in_roster || admitted()?)
        } else if let Some(role) = Role::ALL.into_iter().find(|role| role.domain() == domain) {
            let list = Readers::load(role, &folder.readers(role))?;
            let found = list.by_tls_key(shown.tls_key).is_some_and(|it| it.name == name);
            (role.party(), found)
        } else {
            return Err(stranger());
        };
        if !is_member {
            return Err(stranger());
        }
        party.check_name(name).map_err(|_| stranger())?;
        Ok((party, name.to_owned()))
    }

    /// The one place where the authority's key signs for a renewal.
    fn issue(&self, held: &Held, asked: &mut Asked, now: OffsetDateTime) -> Result<(), EnrolError> {
        let folder = Folder::at(&self.dir);
        let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;
        let path = self.path(asked.party, &asked.name);
        let wrong = |problem: String| EnrolError::content(&path, problem);
        let spki = hex::decode(&asked.public_key).map_err(|error| wrong(format!("public_key: {error}")))?;
        if Digest::of(&spki) != asked.tls_key_sha256 {
            return Err(wrong("public_key is not the one of tls_key_sha256".to_owned()));
        }
        let key = SubjectPublicKeyInfo::from_der(&spki).map_err(|error| wrong(error.to_string()))?;
        // An authority that ends sooner still serves until its end.
        let days = asked.days.min(authority.days_left(now));
        let certificate = match asked.party {
            Party::Bank => authority.issue_bank(&asked.name, &key, days, now)?,
            Party::Auditor => authority.issue_reader(Role::Auditor, &asked.name, &key, days, now)?,
            Party::Operator => authority.issue_reader(Role::Operator, &asked.name, &key, days, now)?,
        };
        asked.certificate = Some(certificate);
        asked.issued_at = Some(now.unix_timestamp());
        // Before it goes out.
        self.put(held, asked)
    }

    /// Issues the certificate that a member has asked for, on the operator's word. This needs the authority's key.
    ///
    /// # Errors
    /// [`EnrolError`] if it has not asked, or its key was revoked since.
    pub fn allow(&self, name: &str, now: OffsetDateTime) -> Result<Asked, EnrolError> {
        let held = self.register.hold()?;
        let Some(mut asked) = self
            .all()?
            .into_iter()
            .find(|asked| asked.name == name && asked.waits())
        else {
            return Err(EnrolError::Argument(format!(
                "{name:?} has no question for a new certificate that waits; `veilsum-coordinator renewals` lists those that do. A member asks when a third of the validity is left"
            )));
        };
        if let Some(key) = RevokedList::at(&self.dir).get(asked.tls_key_sha256)? {
            return Err(EnrolError::Argument(format!(
                "the access of {} {} was taken away on {}; its key gets no certificate",
                key.party,
                key.name,
                date_and_time(key.at)
            )));
        }
        self.issue(&held, &mut asked, now)?;
        Ok(asked)
    }

    /// The last renewal of every member, those that wait first.
    ///
    /// # Errors
    /// [`EnrolError`] for a file that is not in order.
    pub fn all(&self) -> Result<Vec<Asked>, EnrolError> {
        let folder = self.folder();
        let files = match fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(EnrolError::file(&folder)(error)),
        };
        let mut all = Vec::new();
        for file in files {
            let path = file.map_err(EnrolError::file(&folder))?.path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                all.extend(read(&path)?);
            }
        }
        all.sort_by(|one, other| (!one.waits(), &one.name).cmp(&(!other.waits(), &other.name)));
        Ok(all)
    }

    fn folder(&self) -> PathBuf {
        self.register.beside("renewals")
    }

    fn path(&self, party: Party, name: &str) -> PathBuf {
        self.folder().join(format!("{party}.{name}.toml"))
    }

    fn get(&self, party: Party, name: &str) -> Result<Option<Asked>, EnrolError> {
        read(&self.path(party, name))
    }

    fn put(&self, _held: &Held, asked: &Asked) -> Result<(), EnrolError> {
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(EnrolError::file(&folder))?;
        let text = toml::to_string(asked).map_err(EnrolError::make("the record of a renewal"))?;
        Ok(keyfile::replace(
            &self.path(asked.party, &asked.name),
            text.as_bytes(),
        )?)
    }
}

fn read(path: &Path) -> Result<Option<Asked>, EnrolError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EnrolError::file(path)(error)),
    };
    let asked: Asked = toml::from_str(&text).map_err(|error| EnrolError::content(path, error))?;
    if asked.version != VERSION {
        let found = asked.version;
        let problem = format!("version {found}, expected {VERSION}; use the release that wrote the file");
        return Err(EnrolError::content(path, problem));
    }
    Ok(Some(asked))
}

/// Whether a certificate that was issued already is the one to give: it outlasts the one that is shown.
fn newer(certificate: &str, shown: &CertificateFacts) -> bool {
    inspect::facts_of_pem(certificate.as_bytes())
        .is_ok_and(|facts| facts.tls_key == shown.tls_key && facts.not_after > shown.not_after)
}

pub(super) fn days_of(shown: &CertificateFacts) -> u32 {
    let validity = shown
        .not_after
        .saturating_sub(shown.not_before)
        .saturating_sub(SKEW_S);
    let days = validity.max(0).saturating_add(DAY_S - 1) / DAY_S;
    u32::try_from(days).unwrap_or(MAX_DAYS).clamp(1, MAX_DAYS)
}

#[cfg(test)]
mod tests;
