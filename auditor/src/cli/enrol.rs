//! `enrol`: from an invitation to a folder that `--identity` can name. Interrupted and repeated, it goes on where it was.

use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Serialize;
use veilsum_admission::{Fitting, Told, ask, fits};
use veilsum_protocol::enrolment::{Answer, Ask, Invitation, Party, RefusalReason};
use veilsum_protocol::ids::{Digest, Timestamp};

use super::{Outcome, Problem, json_line};
use crate::durable;
use crate::enrol::{CA_FILE, CERTIFICATE_FILE, Keys, keep_or_make};

/// The consortium file as the operator sends it.
pub(super) const CONSORTIUM_FILE: &str = "consortium.toml";

/// Between two questions.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

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

/// What was made.
#[derive(Serialize)]
struct Enrolled {
    name: String,
    consortium: String,
    fingerprint: String,
    certificate: PathBuf,
    consortium_sha256: String,
}

impl Enrol {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let invitation = Invitation::from_text(&self.invitation).map_err(Problem::usage)?;
        if invitation.party != Party::Auditor {
            return Err(Problem::Usage(format!(
                "this invitation is for {} {:?}; it is used with `veilsum-client enrol`",
                invitation.party, invitation.name
            )));
        }
        let keys = keep_or_make(&invitation.name, &self.dir).map_err(Problem::usage)?;
        say(&format!(
            "asking {} to enrol auditor {} of {}; the fingerprint of its key is\n\n    {}\n",
            invitation.address, invitation.name, invitation.consortium, keys.fingerprint
        ));
        let question = Ask {
            party: Party::Auditor,
            name: invitation.name.clone(),
            secret: invitation.secret.duplicate(),
            request: keys.request.clone(),
        };
        let patience = Duration::from_secs(self.wait_hours.saturating_mul(3600));
        let began = Instant::now();
        let (mut heard, mut pause, mut told_of) = (false, FIRST_PAUSE, String::new());
        loop {
            let waiting_for = match put(&invitation, &question) {
                Ok(told) => {
                    heard = true;
                    match self.take(&invitation, &keys, &told)? {
                        Ok(enrolled) => return self.done(&enrolled),
                        Err(waiting_for) => waiting_for,
                    }
                }
                Err(Problem::TryAgain(why)) if heard => format!("the coordinator to answer again ({why})"),
                Err(problem) => return Err(problem),
            };
            let again = format!(
                "the same command goes on from here: veilsum-auditor enrol INVITATION --dir '{}'",
                self.dir.display()
            );
            if self.no_wait || began.elapsed() >= patience {
                return Err(Problem::TryAgain(format!(
                    "waiting for {waiting_for}; fingerprint {}. {again}",
                    keys.fingerprint
                )));
            }
            if told_of != waiting_for {
                say(&format!(
                    "waiting for {waiting_for}; giving up after {} hours. It may be interrupted: {again}",
                    self.wait_hours
                ));
                told_of = waiting_for;
                pause = FIRST_PAUSE;
            }
            sleep(pause);
            pause = pause.mul_f32(1.5).min(LONGEST_PAUSE);
        }
    }

    /// Writes what has come; or what is waited for.
    fn take(
        &self,
        invitation: &Invitation,
        keys: &Keys,
        told: &Told,
    ) -> Result<Result<Enrolled, String>, Problem> {
        let admission = match &told.answer {
            Answer::Pending { waiting_for } => return Ok(Err(waiting_for.clone())),
            Answer::Refused(refused) if refused.reason == RefusalReason::Later => {
                return Ok(Err(format!(
                    "the coordinator to be able to answer ({})",
                    &refused.text
                )));
            }
            Answer::Refused(refused) => {
                let text = &refused.text;
                return Err(Problem::Refused(format!("the coordinator refuses: {text}")));
            }
            Answer::Admitted(admission) => admission,
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(keys.tls.serialize_der()));
        let fitting = Fitting {
            key: &key,
            authority: &told.authority,
            consortium: &invitation.consortium,
            now: now(),
        };
        let file = fits(admission, &fitting).map_err(|error| Problem::Refused(error.to_string()))?;
        write(&self.dir.join(CERTIFICATE_FILE), &admission.certificate)?;
        let (Some((file, _)), Some(text)) = (file, &admission.consortium) else {
            return Ok(Err(admission.waiting_for.clone()));
        };
        write(&self.dir.join(CA_FILE), &file.ca_pem)?;
        pin(&self.dir.join(CONSORTIUM_FILE), text)?;
        Ok(Ok(Enrolled {
            name: invitation.name.clone(),
            consortium: invitation.consortium.clone(),
            fingerprint: keys.fingerprint.to_string(),
            certificate: self.dir.join(CERTIFICATE_FILE),
            consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
        }))
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

/// One question over a connection of its own.
fn put(invitation: &Invitation, question: &Ask) -> Result<Told, Problem> {
    let stream = reach(&invitation.address).map_err(|error| {
        Problem::TryAgain(format!(
            "cannot reach {}: {error}; the coordinator is down, or a firewall on the way refuses TCP to it",
            invitation.address
        ))
    })?;
    ask(
        stream,
        &invitation.server_name,
        invitation.authority,
        question,
        now(),
    )
    .map_err(|error| {
        if error.may_pass() {
            Problem::TryAgain(error.to_string())
        } else {
            Problem::usage(error)
        }
    })
}

/// The first address that answers.
pub(super) fn reach(address: &str) -> io::Result<TcpStream> {
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

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    durable::write(path, text.as_bytes())
        .map_err(|error| Problem::Usage(format!("{}: cannot write: {error}", path.display())))
}

/// Never over another one: whoever has one has compared it.
fn pin(path: &Path, text: &str) -> Result<(), Problem> {
    match fs::read(path) {
        Ok(there) if there != text.as_bytes() => Err(Problem::Refused(format!(
            "{} has SHA-256 {}, the coordinator now sends one with {}; it was not written over. Compare both with a bank; to take the new one, move the old one away and run the command again",
            path.display(),
            Digest::of(&there),
            Digest::of(text.as_bytes())
        ))),
        _ => write(path, text),
    }
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}

pub(super) fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(io::stderr(), "{text}");
}
