//! From an invitation to the files of an auditor or operator: asks, waits, and writes what came once it fits.
//!
//! Whoever was interrupted begins again and goes on from where it was. Keys, connection and durable files are the caller's.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls_pki_types::PrivateKeyDer;
use serde::Serialize;
use veilsum_protocol::enrolment::{Answer, Ask, Fingerprint, Invitation, RefusalReason};
use veilsum_protocol::ids::{Digest, Timestamp};

use crate::{Fitting, Told, ask, fits};

/// The consortium's authority, in the folder.
pub const CA_FILE: &str = "ca.crt.pem";
/// The consortium file, in the folder.
pub const CONSORTIUM_FILE: &str = "consortium.toml";

/// Longest silence of the coordinator in one exchange, and longest time for a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two questions.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Who asks, and where its files go.
pub struct Applicant<'a> {
    /// What it asks under.
    pub invitation: &'a Invitation,
    /// The text of its request.
    pub request: &'a str,
    /// The private key of the request.
    pub key: &'a PrivateKeyDer<'static>,
    /// What both sides compare.
    pub fingerprint: Fingerprint,
    /// The folder, which exists.
    pub dir: &'a Path,
    /// Name of the certificate's file in it.
    pub certificate: &'a str,
    /// How long to wait for somebody's decision; none: not at all.
    pub patience: Option<Duration>,
    /// The command that goes on from here.
    pub again: &'a str,
}

/// What the caller does for it.
pub trait Hands {
    /// A connection with timeouts.
    type Stream: Read + Write;

    /// Connects to `host:port`; [`straight`] where nothing is in between.
    ///
    /// # Errors
    /// What the system or somebody on the way says, and what to look at.
    fn connect(&self, address: &str) -> Result<Self::Stream, String>;

    /// Writes a file durably and as a whole.
    ///
    /// # Errors
    /// What the disk says.
    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Tells a person what goes on.
    fn say(&self, text: &str);
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

/// Why nothing was made, by what has to happen.
#[derive(Debug, thiserror::Error)]
pub enum NotEnrolled {
    /// Somebody has to decide, or the coordinator does not answer: the same command may succeed later.
    #[error("{0}")]
    TryAgain(String),
    /// Something here has to be corrected first.
    #[error("{0}")]
    Usage(String),
    /// The other side says no, or gave what does not fit.
    #[error("{0}")]
    Refused(String),
}

/// Asks until the folder holds certificate, authority and consortium file.
///
/// # Errors
/// [`NotEnrolled`].
pub fn enrol(applicant: &Applicant<'_>, hands: &impl Hands) -> Result<Enrolled, NotEnrolled> {
    let invitation = applicant.invitation;
    let question = Ask {
        party: invitation.party,
        name: invitation.name.clone(),
        secret: invitation.secret.duplicate(),
        request: applicant.request.to_owned(),
    };
    hands.say(&format!(
        "asking {} to enrol {} {} of {}; the fingerprint of its key is\n\n    {}\n",
        invitation.address, invitation.party, invitation.name, invitation.consortium, applicant.fingerprint
    ));
    let began = Instant::now();
    let (mut heard, mut pause, mut told_of) = (false, FIRST_PAUSE, String::new());
    loop {
        let waiting_for = match put(invitation, &question, hands) {
            Ok(told) => {
                heard = true;
                match take(applicant, hands, &told)? {
                    Ok(enrolled) => return Ok(enrolled),
                    Err(waiting_for) => waiting_for,
                }
            }
            Err(NotEnrolled::TryAgain(why)) if heard => format!("the coordinator to answer again ({why})"),
            Err(problem) => return Err(problem),
        };
        let again = format!("the same command goes on from here: {}", applicant.again);
        let Some(patience) = applicant.patience.filter(|patience| began.elapsed() < *patience) else {
            return Err(NotEnrolled::TryAgain(format!(
                "waiting for {waiting_for}; fingerprint {}. {again}",
                applicant.fingerprint
            )));
        };
        if told_of != waiting_for {
            hands.say(&format!(
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
fn put(invitation: &Invitation, question: &Ask, hands: &impl Hands) -> Result<Told, NotEnrolled> {
    let stream = hands
        .connect(&invitation.address)
        .map_err(NotEnrolled::TryAgain)?;
    ask(
        stream,
        &invitation.server_name,
        invitation.authority,
        question,
        now(),
    )
    .map_err(|error| {
        if error.may_pass() {
            NotEnrolled::TryAgain(error.to_string())
        } else {
            NotEnrolled::Usage(error.to_string())
        }
    })
}

/// A connection to the coordinator itself.
///
/// # Errors
/// What the system says, and what to look at.
pub fn straight(address: &str) -> Result<TcpStream, String> {
    reach(address).map_err(|error| {
        format!(
            "cannot reach {address}: {error}; the coordinator is down, or a firewall on the way refuses TCP to it"
        )
    })
}

/// The first address of `host:port` that answers, with timeouts.
///
/// # Errors
/// What the system says of the last one.
pub fn reach(address: &str) -> io::Result<TcpStream> {
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

/// Writes what has come; or what is waited for.
fn take(
    applicant: &Applicant<'_>,
    hands: &impl Hands,
    told: &Told,
) -> Result<Result<Enrolled, String>, NotEnrolled> {
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
            return Err(NotEnrolled::Refused(format!("the coordinator refuses: {text}")));
        }
        Answer::Admitted(admission) => admission,
    };
    let fitting = Fitting {
        key: applicant.key,
        authority: &told.authority,
        consortium: &invitation.consortium,
        now: now(),
    };
    let file = fits(admission, &fitting).map_err(|error| NotEnrolled::Refused(error.to_string()))?;
    let certificate = applicant.dir.join(applicant.certificate);
    write(hands, &certificate, &admission.certificate)?;
    let (Some((file, _)), Some(text)) = (file, &admission.consortium) else {
        return Ok(Err(admission.waiting_for.clone()));
    };
    write(hands, &applicant.dir.join(CA_FILE), &file.ca_pem)?;
    pin(hands, &applicant.dir.join(CONSORTIUM_FILE), text)?;
    Ok(Ok(Enrolled {
        name: invitation.name.clone(),
        consortium: invitation.consortium.clone(),
        fingerprint: applicant.fingerprint.to_string(),
        certificate,
        consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
    }))
}

fn write(hands: &impl Hands, path: &Path, text: &str) -> Result<(), NotEnrolled> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    hands
        .store(path, text.as_bytes())
        .map_err(|error| NotEnrolled::Usage(format!("{}: cannot write: {error}", path.display())))
}

/// Never over another one: whoever has one has compared it.
fn pin(hands: &impl Hands, path: &Path, text: &str) -> Result<(), NotEnrolled> {
    match fs::read(path) {
        Ok(there) if there != text.as_bytes() => Err(NotEnrolled::Refused(format!(
            "{} has SHA-256 {}, the coordinator now sends one with {}; it was not written over. Compare both with a bank; to take the new one, move the old one away and run the command again",
            path.display(),
            Digest::of(&there),
            Digest::of(text.as_bytes())
        ))),
        _ => write(hands, path, text),
    }
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_secs()))
}
