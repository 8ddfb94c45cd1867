//! `renew`: another certificate for the same key and name before the present one expires. Commands that read from the operator's door do it by themselves.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use veilsum_admission::reader::{CONSORTIUM_FILE, now, reach};
use veilsum_admission::{Fitting, Member, fits, renew};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::enrolment::{Answer, RefusalReason, renewal_is_due_at};
use veilsum_protocol::ids::Digest;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::enrol::say;
use super::{Outcome, Problem, json_line};
use crate::durable;
use crate::enrol::{CERTIFICATE_FILE, KEY_FILE, private_text};

#[derive(Debug, Args)]
pub(super) struct Renew {
    /// The auditor's folder; `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Renewed {
    certificate: PathBuf,
    not_after: i64,
}

impl Renew {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let folder = Identity::read(&self.dir)?;
        let not_after = folder.renew()?;
        let certificate = self.dir.join(CERTIFICATE_FILE);
        let text = if self.json {
            json_line(&Renewed {
                certificate,
                not_after,
            })?
        } else {
            format!(
                "renewed {}: valid until Unix time {not_after}\n",
                certificate.display()
            )
        };
        Ok(Outcome { holds: true, text })
    }
}

/// Renews the certificate in `dir` if a third of its validity is left or less. Nothing that goes wrong stands in the way of what was asked for: the
/// present certificate still serves.
pub(super) fn renew_if_due(dir: &Path) {
    // A folder by files has no consortium file beside the key; its auditor is renewed by `enrol`, as it was admitted.
    if !dir.join(CONSORTIUM_FILE).exists() {
        return;
    }
    let Ok(folder) = Identity::read(dir) else {
        return;
    };
    let Some((from, until)) = folder.shown.first().and_then(|shown| validity(shown)) else {
        return;
    };
    let at = i64::try_from(now().0).unwrap_or(i64::MAX);
    if at < renewal_is_due_at(from, until) || at >= until {
        return;
    }
    match folder.renew() {
        Ok(_) => say("the certificate is renewed"),
        Err(problem) => say(&format!(
            "warning: the certificate is valid for {} more days and was not renewed: {}",
            until.saturating_sub(at).div_euclid(86_400),
            problem.words()
        )),
    }
}

/// From when and until when a certificate is valid, in Unix seconds.
fn validity(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// The auditor's folder, as far as it takes to renew.
struct Identity {
    certificate: PathBuf,
    shown: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    consortium: Consortium,
}

impl Identity {
    fn read(dir: &Path) -> Result<Self, Problem> {
        let named = |path: &Path, problem: String| Problem::Usage(format!("{}: {problem}", path.display()));
        let path = dir.join(CONSORTIUM_FILE);
        let text = fs::read_to_string(&path).map_err(|error| named(&path, error.to_string()))?;
        let (consortium, _) =
            Consortium::from_toml(&text).map_err(|error| named(&path, error.to_string()))?;
        let certificate = dir.join(CERTIFICATE_FILE);
        let pem = fs::read(&certificate).map_err(|error| named(&certificate, error.to_string()))?;
        let shown = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| named(&certificate, error.to_string()))?;
        let path = dir.join(KEY_FILE);
        let text = private_text(&path).map_err(|problem| named(&path, problem))?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| named(&path, error.to_string()))?;
        Ok(Self {
            certificate,
            shown,
            key,
            consortium,
        })
    }

    /// Asks once and keeps what comes; gives when it expires.
    fn renew(&self) -> Result<i64, Problem> {
        let to = &self.consortium;
        let stream = reach(&to.address).map_err(|error| {
            Problem::TryAgain(format!(
                "cannot reach {}: {error}; the coordinator is down, or a firewall on the way refuses TCP to it",
                to.address
            ))
        })?;
        let authority = CertificateDer::from_pem_slice(to.ca_pem.as_bytes()).map_err(Problem::usage)?;
        let member = Member {
            chain: self.shown.clone(),
            key: self.key.clone_key(),
        };
        let told =
            renew(stream, &to.server_name, Digest::of(&authority), member, now()).map_err(|error| {
                if error.may_pass() {
                    Problem::TryAgain(error.to_string())
                } else {
                    Problem::Refused(error.to_string())
                }
            })?;
        let admission = match told.answer {
            Answer::Admitted(admission) => admission,
            Answer::Pending { waiting_for } => {
                return Err(Problem::TryAgain(format!(
                    "waiting for {waiting_for}; ask again later"
                )));
            }
            Answer::Refused(no) if no.reason == RefusalReason::Later => {
                return Err(Problem::TryAgain(no.text));
            }
            Answer::Refused(no) => {
                return Err(Problem::Refused(format!("the coordinator refuses: {}", no.text)));
            }
        };
        let fitting = Fitting {
            key: &self.key,
            authority: &told.authority,
            consortium: &to.name,
            now: now(),
        };
        fits(&admission, &fitting).map_err(|error| Problem::Refused(error.to_string()))?;
        let new = CertificateDer::from_pem_slice(admission.certificate.as_bytes()).map_err(Problem::usage)?;
        let until =
            |certificate: &CertificateDer<'_>| validity(certificate).map_or(i64::MIN, |(_, until)| until);
        let present = self.shown.first().map_or(i64::MIN, until);
        if until(&new) <= present {
            return Err(Problem::Refused(
                "the certificate that the coordinator issued does not outlast the present one; it was not taken".to_owned(),
            ));
        }
        durable::write(&self.certificate, admission.certificate.as_bytes()).map_err(|error| {
            Problem::Usage(format!("{}: cannot write: {error}", self.certificate.display()))
        })?;
        Ok(until(&new))
    }
}
