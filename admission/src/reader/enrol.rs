//! From an invitation to the files of an auditor or operator: asks, waits, and writes what came once it fits.
//!
//! Whoever was interrupted begins again and goes on from where it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use veilsum_protocol::enrolment::{Answer, Ask, Invitation, RefusalReason};
use veilsum_protocol::ids::Digest;

use super::{Folder, Keys, NotAdmitted, Way, now};
use crate::{Fitting, Told, ask, fits, keyfile};

/// Between two questions.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Who asks, and where its files go.
pub struct Applicant<'a> {
    /// What it asks under.
    pub invitation: &'a Invitation,
    /// Its key, and the request for a certificate.
    pub keys: &'a Keys,
    /// Where its files go.
    pub folder: &'a Folder,
    /// How the coordinator is reached.
    pub way: &'a Way,
    /// How long to wait for somebody's decision; none: not at all.
    pub patience: Option<Duration>,
    /// The command that goes on from here.
    pub again: &'a str,
    /// Tells a person what goes on.
    pub say: &'a dyn Fn(&str),
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct Enrolled {
    /// The name in the certificate.
    pub name: String,
    /// The consortium.
    pub consortium: String,
    /// What was compared.
    pub fingerprint: String,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// SHA-256 of the consortium file.
    pub consortium_sha256: String,
}

/// Asks until the folder holds certificate, authority and consortium file.
///
/// # Errors
/// [`NotAdmitted`].
pub fn enrol(applicant: &Applicant<'_>) -> Result<Enrolled, NotAdmitted> {
    let invitation = applicant.invitation;
    let question = Ask {
        party: invitation.party,
        name: invitation.name.clone(),
        secret: invitation.secret.duplicate(),
        request: applicant.keys.request.clone(),
    };
    (applicant.say)(&format!(
        "asking {} to enrol {} {} of {}; the fingerprint of its key is\n\n    {}\n",
        invitation.address,
        invitation.party,
        invitation.name,
        invitation.consortium,
        applicant.keys.fingerprint
    ));
    let began = Instant::now();
    let (mut heard, mut pause, mut told_of) = (false, FIRST_PAUSE, String::new());
    loop {
        let waiting_for = match put(applicant, &question) {
            Ok(told) => {
                heard = true;
                match take(applicant, &told)? {
                    Ok(enrolled) => return Ok(enrolled),
                    Err(waiting_for) => waiting_for,
                }
            }
            Err(NotAdmitted::TryAgain(why)) if heard => format!("the coordinator to answer again ({why})"),
            Err(problem) => return Err(problem),
        };
        let again = format!("the same command goes on from here: {}", applicant.again);
        let Some(patience) = applicant.patience.filter(|patience| began.elapsed() < *patience) else {
            return Err(NotAdmitted::TryAgain(format!(
                "waiting for {waiting_for}; fingerprint {}. {again}",
                applicant.keys.fingerprint
            )));
        };
        if told_of != waiting_for {
            (applicant.say)(&format!(
                "waiting for {waiting_for}; giving up after {} hours. It may be interrupted: {again}",
                patience.as_secs() / 3600
            ));
            told_of = waiting_for;
            pause = FIRST_PAUSE;
        }
        sleep(pause);
        pause = pause.mul_f32(1.5).min(LONGEST_PAUSE);
    }
}

/// One question over a connection of its own.
fn put(applicant: &Applicant<'_>, question: &Ask) -> Result<Told, NotAdmitted> {
    let invitation = applicant.invitation;
    let stream = applicant
        .way
        .connect(&invitation.address)
        .map_err(NotAdmitted::TryAgain)?;
    ask(
        stream,
        &invitation.server_name,
        invitation.authority,
        question,
        now(),
    )
    .map_err(|error| NotAdmitted::of_asking(&error, NotAdmitted::Usage))
}

/// Writes what has come; or what is waited for.
fn take(applicant: &Applicant<'_>, told: &Told) -> Result<Result<Enrolled, String>, NotAdmitted> {
    let invitation = applicant.invitation;
    let admission = match &told.answer {
        Answer::Pending { waiting_for } => return Ok(Err(waiting_for.clone())),
        Answer::Refused(refused) if refused.reason == RefusalReason::Later => {
            return Ok(Err(format!(
                "the coordinator to be able to answer ({})",
                refused.text
            )));
        }
        Answer::Refused(refused) => {
            let text = &refused.text;
            return Err(NotAdmitted::Refused(format!("the coordinator refuses: {text}")));
        }
        Answer::Admitted(admission) => admission,
    };
    let fitting = Fitting {
        key: &applicant.keys.tls,
        authority: &told.authority,
        consortium: &invitation.consortium,
        now: now(),
    };
    let file = fits(admission, &fitting).map_err(NotAdmitted::refused)?;
    let certificate = applicant.folder.certificate();
    write(&certificate, &admission.certificate)?;
    let (Some((file, _)), Some(text)) = (file, &admission.consortium) else {
        return Ok(Err(admission.waiting_for.clone()));
    };
    write(&applicant.folder.authority(), &file.ca_pem)?;
    pin(&applicant.folder.consortium(), text)?;
    Ok(Ok(Enrolled {
        name: invitation.name.clone(),
        consortium: invitation.consortium.clone(),
        fingerprint: applicant.keys.fingerprint.to_string(),
        certificate,
        consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
    }))
}

fn write(path: &Path, text: &str) -> Result<(), NotAdmitted> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    keyfile::replace(path, text.as_bytes()).map_err(NotAdmitted::usage)
}

/// Never over another one: whoever has one has compared it.
fn pin(path: &Path, text: &str) -> Result<(), NotAdmitted> {
    match fs::read(path) {
        Ok(there) if there != text.as_bytes() => Err(NotAdmitted::Refused(format!(
            "{} has SHA-256 {}, the coordinator now sends one with {}; it was not written over. Compare both with a bank; to take the new one, move the old one away and run the command again",
            path.display(),
            Digest::of(&there),
            Digest::of(text.as_bytes())
        ))),
        _ => write(path, text),
    }
}
