//! `enrol`: from an invitation to a folder that `--identity` can name. Interrupted and repeated, it goes on where it was.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use veilsum_admission::reader::{
    Applicant, CONSORTIUM_FILE, Enrolled, Hands, NotEnrolled, enrol, reach, straight,
};
use veilsum_admission::{Credentials, Names, invitation, tunnel};
use veilsum_protocol::enrolment::Party;
use zeroize::Zeroizing;

use super::{Outcome, Problem, json_line};
use crate::durable;
use crate::enrol::{CERTIFICATE_FILE, keep_or_make};

/// The variable with the password for `--proxy-user`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

/// What the settings are called here.
const NAMES: Names = Names {
    proxy: "--proxy",
    user: "--proxy-user",
    password: "the variable VEILSUM_PROXY_PASSWORD",
};

#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The line that the operator sent; it is as good as a key until it is used. `-` reads it from standard input: arguments can be seen by
    /// others on this machine
    invitation: String,
    /// The auditor's folder; made if it is missing. `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    /// `http://host:port` of the HTTP proxy that outgoing connections must take
    #[arg(long)]
    proxy: Option<String>,
    /// Name at the proxy; the password comes from the variable VEILSUM_PROXY_PASSWORD
    #[arg(long, requires = "proxy")]
    proxy_user: Option<String>,
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

/// The auditor's files, and its connections, through a proxy if there is one.
struct Own(Option<Proxy>);

impl Hands for Own {
    type Stream = TcpStream;

    fn connect(&self, address: &str) -> Result<TcpStream, String> {
        match &self.0 {
            None => straight(address),
            Some(proxy) => proxy.through(address),
        }
    }

    fn store(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        durable::write(path, content)
    }

    fn say(&self, text: &str) {
        say(text);
    }
}

pub(super) fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(io::stderr(), "{text}");
}

impl Enrol {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let proxy = self.proxy()?;
        let invitation = invitation(&self.invitation).map_err(Problem::usage)?;
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
        let enrolled = enrol(&applicant, &Own(proxy))?;
        self.done(&enrolled)
    }

    /// The proxy that is named, if one is.
    fn proxy(&self) -> Result<Option<Proxy>, Problem> {
        let Some(text) = &self.proxy else {
            return Ok(None);
        };
        let address = text
            .strip_prefix("http://")
            .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
            .filter(|address| is_plain(address))
            // Not what was found: it may hold a password.
            .ok_or_else(|| {
                Problem::usage("--proxy: expected http://host:port, with the user in --proxy-user")
            })?;
        let credentials = self.proxy_user.as_ref().map(|user| {
            let password = std::env::var(PROXY_PASSWORD)
                .map(Zeroizing::new)
                .unwrap_or_default();
            Credentials::new(user, &password)
        });
        Ok(Some(Proxy {
            address: address.to_owned(),
            credentials,
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

/// An HTTP proxy, and how to be let through.
struct Proxy {
    /// `host:port`.
    address: String,
    credentials: Option<Credentials>,
}

/// `host:port` and nothing else.
fn is_plain(address: &str) -> bool {
    let plain = |found: char| found.is_ascii_alphanumeric() || ".-_[]:".contains(found);
    address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

impl Proxy {
    /// A tunnel to `target`.
    fn through(&self, target: &str) -> Result<TcpStream, String> {
        let name = &self.address;
        let mut stream = reach(name).map_err(|error| {
            format!("the proxy {name}: {error}; it is down, or --proxy names the wrong host or port")
        })?;
        tunnel(&mut stream, target, self.credentials.as_ref(), &NAMES)
            .map_err(|why| format!("the proxy {name}: {why}"))?;
        Ok(stream)
    }
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
