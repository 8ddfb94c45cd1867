//! Another certificate for the same key and name, before the present one expires. There is no daemon that would ask, so every command that shows the
//! certificate asks first when it is time.

use std::fs;
use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::enrolment::{Answer, RefusalReason, renewal_is_due_at};
use veilsum_protocol::ids::Digest;
use x509_parser::prelude::{FromDer as _, Validity, X509Certificate};

use super::{Folder, NotAdmitted, Way, now};
use crate::{Fitting, Member, fits, keyfile};

/// The certificate that is in force now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// When it expires, Unix seconds.
    pub not_after: i64,
    /// The same for people, in UTC.
    pub until: String,
}

/// Asks once, over a connection of its own, and keeps what comes in place of the present certificate.
///
/// # Errors
/// [`NotAdmitted`]; the present certificate is as before then.
pub fn renew(folder: &Folder, way: &Way) -> Result<Renewed, NotAdmitted> {
    Identity::read(folder)?.renew(folder, way)
}

/// Renews the certificate if a third of its validity is left or less. Nothing that goes wrong stands in the way of what was asked for: the present
/// certificate still serves, and a person is told.
pub fn renew_if_due(folder: &Folder, way: &Way, say: &dyn Fn(&str)) {
    // A folder by files has no consortium file beside the key; its owner is renewed by `enrol`, as it was admitted.
    if !folder.consortium().exists() {
        return;
    }
    let Ok(identity) = Identity::read(folder) else {
        return;
    };
    let Some(shown) = identity.shown.first().and_then(|shown| validity(shown)) else {
        return;
    };
    let (from, until) = (shown.not_before.timestamp(), shown.not_after.timestamp());
    let at = i64::try_from(now().0).unwrap_or(i64::MAX);
    if at < renewal_is_due_at(from, until) || at >= until {
        return;
    }
    match identity.renew(folder, way) {
        Ok(renewed) => say(&format!(
            "the certificate is renewed: valid until {}",
            renewed.until
        )),
        Err(problem) => say(&format!(
            "warning: the certificate is valid for {} more days and was not renewed: {problem}",
            until.saturating_sub(at).div_euclid(86_400),
        )),
    }
}

fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().clone())
}

/// A folder, as far as it takes to renew.
struct Identity {
    shown: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    consortium: Consortium,
}

impl Identity {
    fn read(folder: &Folder) -> Result<Self, NotAdmitted> {
        let named = |path: &Path, problem: &dyn ToString| {
            NotAdmitted::Usage(format!("{}: {}", path.display(), problem.to_string()))
        };
        let path = folder.consortium();
        let text = fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
        let (consortium, _) = Consortium::from_toml(&text).map_err(|error| named(&path, &error))?;
        let path = folder.certificate();
        let pem = fs::read(&path).map_err(|error| named(&path, &error))?;
        let shown = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| named(&path, &error))?;
        let key = keyfile::read_pkcs8(&folder.key()).map_err(NotAdmitted::usage)?;
        Ok(Self {
            shown,
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec())),
            consortium,
        })
    }

    fn renew(&self, folder: &Folder, way: &Way) -> Result<Renewed, NotAdmitted> {
        let to = &self.consortium;
        let stream = way.connect(&to.address).map_err(NotAdmitted::TryAgain)?;
        let authority = CertificateDer::from_pem_slice(to.ca_pem.as_bytes()).map_err(NotAdmitted::usage)?;
        let member = Member {
            chain: self.shown.clone(),
            key: self.key.clone_key(),
        };
        let told = crate::renew(stream, &to.server_name, Digest::of(&authority), member, now())
            .map_err(|error| NotAdmitted::of_asking(&error, NotAdmitted::Refused))?;
        let admission = match told.answer {
            Answer::Admitted(admission) => admission,
            Answer::Pending { waiting_for } => {
                return Err(NotAdmitted::TryAgain(format!(
                    "waiting for {waiting_for}; ask again later"
                )));
            }
            Answer::Refused(no) if no.reason == RefusalReason::Later => {
                return Err(NotAdmitted::TryAgain(no.text));
            }
            Answer::Refused(no) => {
                return Err(NotAdmitted::Refused(format!(
                    "the coordinator refuses: {}",
                    no.text
                )));
            }
        };
        let fitting = Fitting {
            key: &self.key,
            authority: &told.authority,
            consortium: &to.name,
            now: now(),
        };
        fits(&admission, &fitting).map_err(NotAdmitted::refused)?;
        let new = CertificateDer::from_pem_slice(admission.certificate.as_bytes())
            .ok()
            .and_then(|new| validity(&new));
        let Some(new) = new.filter(|new| self.is_outlasted_by(new)) else {
            return Err(NotAdmitted::Refused(
                "the certificate that the coordinator issued does not outlast the present one; it was not taken".to_owned(),
            ));
        };
        keyfile::replace(&folder.certificate(), admission.certificate.as_bytes())
            .map_err(NotAdmitted::usage)?;
        Ok(Renewed {
            not_after: new.not_after.timestamp(),
            until: new.not_after.to_string(),
        })
    }

    fn is_outlasted_by(&self, new: &Validity) -> bool {
        let present = self.shown.first().and_then(|shown| validity(shown));
        present.is_none_or(|present| new.not_after > present.not_after)
    }
}
