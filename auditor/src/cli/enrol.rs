//! `enrol`: from an invitation to a folder that `--identity` can name. Interrupted and repeated, it goes on where it was.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use veilsum_admission::invitation;
use veilsum_admission::reader::{
    Applicant, CONSORTIUM_FILE, Enrolled, Folder, NotAdmitted, enrol, keep_or_make,
};
use veilsum_protocol::enrolment::{Party, Role};

use super::proxy::ProxyArgs;
use super::{Outcome, Problem, json_line};

#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The line that the operator sent; it is as good as a key until it is used. `-` reads it from standard input: arguments can be seen by
    /// others on this machine
    invitation: String,
    /// The auditor's folder; made if it is missing. `--identity` of other commands
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    proxy: ProxyArgs,
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

pub(super) fn say(text: &str) {
    // Who closed standard error does not want it.
    let _ = writeln!(io::stderr(), "{text}");
}

impl Enrol {
    pub(super) fn run(self) -> Result<Outcome, Problem> {
        let way = self.proxy.way()?;
        let invitation = invitation(&self.invitation).map_err(Problem::usage)?;
        if invitation.party != Party::Auditor {
            return Err(Problem::Usage(format!(
                "this invitation is for {} {:?}; it is used with `{}`",
                invitation.party,
                invitation.name,
                invitation.party.command()
            )));
        }
        let folder = Folder::at(Role::Auditor, &self.dir);
        let applicant = Applicant {
            invitation: &invitation,
            keys: &keep_or_make(&invitation.name, &folder)?,
            folder: &folder,
            way: &way,
            patience: (!self.no_wait).then(|| Duration::from_secs(self.wait_hours.saturating_mul(3600))),
            again: &format!("veilsum-auditor enrol INVITATION --dir '{}'", self.dir.display()),
            say: &say,
        };
        let enrolled = enrol(&applicant)?;
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

impl From<NotAdmitted> for Problem {
    fn from(not: NotAdmitted) -> Self {
        match not {
            NotAdmitted::TryAgain(words) => Self::TryAgain(words),
            NotAdmitted::Usage(words) => Self::Usage(words),
            NotAdmitted::Refused(words) => Self::Refused(words),
        }
    }
}
