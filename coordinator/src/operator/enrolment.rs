//! From an invitation to a folder that `operator page` can use, and another certificate for it before the present one expires.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use veilsum_admission::invitation;
use veilsum_admission::reader::{Applicant, Enrolled, Folder, NotAdmitted, Way, enrol, keep_or_make};
use veilsum_protocol::enrolment::{Party, Role};

use crate::cli::Failure;

/// The operator's folder on this machine.
pub(crate) fn folder(dir: &Path) -> Folder {
    Folder::at(Role::Operator, dir)
}

/// Tells a person what goes on.
pub(crate) fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks under an invitation, `-` for the one on standard input, until the folder has key, certificate, authority and consortium file. `patience`: how
/// long to wait for somebody's decision; none: not at all.
///
/// # Errors
/// Exit code 2 for what has to be corrected here, 1 for a refusal, 75 for what may pass.
pub(crate) fn ask(
    given: &str,
    dir: &Path,
    way: &Way,
    patience: Option<Duration>,
) -> Result<Enrolled, Failure> {
    let invitation = invitation(given).map_err(Failure::usage)?;
    if invitation.party != Party::Operator {
        return Err(Failure::usage(format!(
            "this invitation is for {} {:?}; it is used with `{}`",
            invitation.party,
            invitation.name,
            invitation.party.command()
        )));
    }
    let folder = folder(dir);
    let applicant = Applicant {
        invitation: &invitation,
        keys: &keep_or_make(&invitation.name, &folder)?,
        folder: &folder,
        way,
        patience,
        again: &format!(
            "veilsum-coordinator operator enrol INVITATION --dir '{}'",
            dir.display()
        ),
        say: &say,
    };
    Ok(enrol(&applicant)?)
}

impl From<NotAdmitted> for Failure {
    fn from(not: NotAdmitted) -> Self {
        match not {
            NotAdmitted::TryAgain(words) => Self::try_again(words),
            NotAdmitted::Usage(words) => Self::usage(words),
            NotAdmitted::Refused(words) => Self::finding(words),
        }
    }
}
