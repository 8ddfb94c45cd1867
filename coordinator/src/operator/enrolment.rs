//! From an invitation to a folder that `operator page` can use.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use veilsum_admission::invitation;
use veilsum_admission::reader::{Applicant, Enrolled, Hands, NotEnrolled, enrol, straight};
use veilsum_protocol::enrolment::Party;

use crate::cli::Failure;
use crate::enrol::keyfile;
use crate::enrol::operator::{CERTIFICATE_FILE, keep_or_make};

/// This machine's files and connections.
struct Own;

impl Hands for Own {
    type Stream = TcpStream;

    fn connect(&self, address: &str) -> Result<TcpStream, String> {
        straight(address)
    }

    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        keyfile::replace(path, content).map_err(io::Error::other)
    }

    fn say(&self, text: &str) {
        // Who closed standard error does not want it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Asks under an invitation, `-` for the one on standard input, until the folder has key, certificate, authority and consortium file. `patience`: how long to wait for somebody's
/// decision; none: not at all.
///
/// # Errors
/// Exit code 2 for what has to be corrected here, 1 for a refusal, 75 for what may pass.
pub(crate) fn ask(given: &str, dir: &Path, patience: Option<Duration>) -> Result<Enrolled, Failure> {
    let invitation = invitation(given).map_err(Failure::usage)?;
    if invitation.party != Party::Operator {
        return Err(Failure::usage(format!(
            "this invitation is for {} {:?}; it is used with `{}`",
            invitation.party,
            invitation.name,
            invitation.party.command()
        )));
    }
    let keys = keep_or_make(&invitation.name, dir)?;
    let applicant = Applicant {
        invitation: &invitation,
        request: &keys.request,
        key: &keys.tls,
        fingerprint: keys.fingerprint,
        dir,
        certificate: CERTIFICATE_FILE,
        patience,
        again: &format!(
            "veilsum-coordinator operator enrol INVITATION --dir '{}'",
            dir.display()
        ),
    };
    enrol(&applicant, &Own).map_err(|not| match not {
        NotEnrolled::TryAgain(words) => Failure::try_again(words),
        NotEnrolled::Usage(words) => Failure::usage(words),
        NotEnrolled::Refused(words) => Failure::finding(words),
    })
}
