//! `enrol`: from an invitation to a folder that `--identity` can name. Interrupted and repeated, it goes on where it was.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use veilsum_admission::reader::{Applicant, CONSORTIUM_FILE, Enrolled, Hands, NotEnrolled, enrol};
use veilsum_protocol::enrolment::{Invitation, Party};

use super::{Outcome, Problem, json_line};
use crate::durable;
use crate::enrol::{CERTIFICATE_FILE, keep_or_make};

/// Longest silence of the coordinator in one exchange, and longest time for a connection.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The line that the operator sent; it is as good as a key until it is used
    invitation: String,
    /// The auditor's folder; made if it is missing. `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    /// End with exit code 75 where something has to be waited for
    #[arg(long)]
    no_wait: bool,
    /// Wait at most so many hours
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u64).range(1..=2160), conflicts_with = "no_wait")]
    wait_hours: u64,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// The auditor's files and connections.
struct Own;

impl Hands for Own {
    type Stream = TcpStream;

    fn connect(&self, address: &str) -> io::Result<TcpStream> {
        reach(address)
    }

    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        durable::write(path, content)
    }

    fn say(&self, text: &str) {
        // Who closed standard error does not want it.
        let _ = writeln!(io::stderr(), "{text}");
    }
}

impl Enrol {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let invitation = Invitation::from_text(&self.invitation).map_err(Problem::usage)?;
        if invitation.party != Party::Auditor {
            return Err(Problem::Usage(format!(
                "this invitation is for {} {:?}; it is used with `{}`",
                invitation.party,
                invitation.name,
                invitation.party.command()
            )));
        }
        let keys = keep_or_make(&invitation.name, &self.dir).map_err(Problem::usage)?;
        let applicant = Applicant {
            invitation: &invitation,
            request: &keys.request,
            key: &PrivateKeyDer::from(PrivatePkcs8KeyDer::from(keys.tls.serialize_der())),
            fingerprint: keys.fingerprint,
            dir: &self.dir,
            certificate: CERTIFICATE_FILE,
            patience: (!self.no_wait).then(|| Duration::from_secs(self.wait_hours.saturating_mul(3600))),
            again: &format!("veilsum-auditor enrol INVITATION --dir '{}'", self.dir.display()),
        };
        let enrolled = enrol(&applicant, &Own)?;
        self.done(&enrolled)
    }

    fn done(&self, enrolled: &Enrolled) -> Result<Outcome, Problem> {
        let dir = self.dir.display();
        let text = if self.json {
            json_line(enrolled)?
        } else {
            format!(
                "auditor {} is enrolled in {}\ncertificate     {}\n{CONSORTIUM_FILE} sha256 {}\ncompare this SHA-256 with a bank, not with the operator: whatever is read is believed for the keys in that file\nnext: veilsum-auditor mirror https://HOST:PORT/log MIRROR --consortium '{dir}/{CONSORTIUM_FILE}' --identity '{dir}'\n",
                enrolled.name,
                enrolled.consortium,
                enrolled.certificate.display(),
                enrolled.consortium_sha256,
            )
        };
        Ok(Outcome { holds: true, text })
    }
}

/// The first address that answers.
fn reach(address: &str) -> io::Result<TcpStream> {
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

impl From<NotEnrolled> for Problem {
    fn from(not: NotEnrolled) -> Self {
        match not {
            NotEnrolled::TryAgain(words) => Self::TryAgain(words),
            NotEnrolled::Usage(words) => Self::Usage(words),
            NotEnrolled::Refused(words) => Self::Refused(words),
        }
    }
}
