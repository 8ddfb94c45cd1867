//! From an invitation to a folder that `operator page` can use.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use veilsum_admission::reader::{Applicant, Enrolled, Hands, NotEnrolled, enrol};
use veilsum_protocol::enrolment::{Invitation, Party};

use crate::cli::Failure;
use crate::enrol::keyfile;
use crate::enrol::operator::{CERTIFICATE_FILE, keep_or_make};

/// Longest silence of the coordinator in one exchange, and longest time for a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// This machine's files and connections.
struct Own;

impl Hands for Own {
    type Stream = TcpStream;

    fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let mut failed = io::Error::other("the name has no address");
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        for address in addresses {
            match TcpStream::connect_timeout(&address, SILENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE))?;
                    stream.set_write_timeout(Some(SILENCE))?;
                    return Ok(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        keyfile::replace(path, content).map_err(io::Error::other)
    }

    fn say(&self, text: &str) {
        // Who closed standard error does not want it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Asks under an invitation until the folder has key, certificate, authority and consortium file. `patience`: how long to wait for somebody's
/// decision; none: not at all.
///
/// # Errors
/// Exit code 2 for what has to be corrected here, 1 for a refusal, 75 for what may pass.
pub(crate) fn ask(invitation: &str, dir: &Path, patience: Option<Duration>) -> Result<Enrolled, Failure> {
    let invitation = Invitation::from_text(invitation).map_err(Failure::usage)?;
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
