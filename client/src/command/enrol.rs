//! `enrol`: from an invitation to a folder that `run` can use. Interrupted and repeated, it goes on where it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Serialize;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_admission::{AskError, Fitting, Told, ask, fits, invitation};
use veilsum_protocol::enrolment::{Admission, Answer, Ask, Invitation, Party, RefusalReason};
use veilsum_protocol::ids::Digest;

use crate::app;
use crate::cli::Failure;
use crate::config::Config;
use crate::enrol::folder::{self, Keys, Wishes};
use crate::enrol::init::CONFIG_FILE;
use crate::enrol::inspect;
use crate::transport::reach;

/// Between two questions: soon at first, for who sits before the screen, then rarely.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Longest silence of the coordinator in one exchange.
const SILENCE: Duration = Duration::from_secs(30);

/// Clocks that differ by more are told.
const CLOCK_SECONDS: u64 = 120;

/// What the bank's administrator asks for.
pub(crate) struct Options<'a> {
    pub(crate) invitation: &'a str,
    pub(crate) dir: &'a Path,
    pub(crate) wishes: Wishes,
    /// Whether to end where something has to be waited for.
    pub(crate) no_wait: bool,
    /// For so long it is waited.
    pub(crate) patience: Duration,
}

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Enrolled {
    name: String,
    consortium: String,
    /// What the operator compares.
    fingerprint: String,
    certificate: PathBuf,
    consortium_file: PathBuf,
    consortium_sha256: String,
    #[serde(skip)]
    dir: PathBuf,
}

impl Enrolled {
    pub(crate) fn text(&self) -> String {
        let dir = self.dir.display();
        format!(
            "bank {} is enrolled in {}\ncertificate     {}\nconsortium file {}\n         sha256 {}\ncompare this SHA-256 with other banks, not only with the operator: the file says who takes part\nnext: put the table and the agreed schema where [data] in {} says, then\n  veilsum-client preflight --dir '{dir}'\n  veilsum-client run --dir '{dir}'",
            self.name,
            self.consortium,
            self.certificate.display(),
            self.consortium_file.display(),
            self.consortium_sha256,
            self.dir.join(CONFIG_FILE).display(),
        )
    }
}

/// A wait, and until when.
struct Wait {
    until: OffsetDateTime,
    pause: Duration,
    told: String,
}

/// Enrols the bank.
///
/// # Errors
/// Exit code 2 for what has to be corrected here, 1 for a refusal, 75 for what may pass: nobody answers, or somebody has to decide first.
pub(crate) fn enrol(options: &Options<'_>, say: impl Fn(&str)) -> Result<Enrolled, Failure> {
    let invitation = invitation(options.invitation).map_err(Failure::usage)?;
    if invitation.party != Party::Bank {
        return Err(Failure::usage(format!(
            "this invitation is for {} {:?}; it is used with `{}`",
            invitation.party,
            invitation.name,
            invitation.party.command()
        )));
    }
    let (config, keys) = prepare(options, &invitation)?;
    say(&format!(
        "asking {} to enrol bank {} in {}; the fingerprint of its keys is\n\n    {}\n",
        invitation.address, invitation.name, invitation.consortium, keys.fingerprint
    ));
    let question = Ask {
        party: Party::Bank,
        name: invitation.name.clone(),
        secret: invitation.secret.duplicate(),
        request: keys.request.clone(),
    };
    let mut wait = Wait {
        until: OffsetDateTime::now_utc() + options.patience,
        pause: FIRST_PAUSE,
        told: String::new(),
    };
    let mut heard = false;
    loop {
        let waiting_for = match put(&config, &invitation, &question) {
            Ok(told) => {
                if !heard {
                    clocks(&told, &say);
                }
                heard = true;
                match take(&config, &invitation, &keys, told, options.dir, &say)? {
                    Taken::Whole(enrolled) => return Ok(*enrolled),
                    Taken::WaitsFor(what) => what,
                }
            }
            // Only who was answered once knows that it is the right place.
            Err(failure) if heard && failure.may_pass() => {
                format!("the coordinator to answer again ({})", failure.message())
            }
            Err(failure) => return Err(failure),
        };
        wait.on(&waiting_for, options, &keys, &say)?;
    }
}

impl Wait {
    /// Says what is waited for, whenever that is something else, and waits a while.
    fn on(
        &mut self,
        waiting_for: &str,
        options: &Options<'_>,
        keys: &Keys,
        say: &impl Fn(&str),
    ) -> Result<(), Failure> {
        let again = format!(
            "the same command goes on from here: veilsum-client enrol INVITATION --dir '{}'",
            options.dir.display()
        );
        if options.no_wait {
            return Err(Failure::try_again(format!(
                "waiting for {waiting_for}; fingerprint {}. {again}",
                keys.fingerprint
            )));
        }
        let now = OffsetDateTime::now_utc();
        if now >= self.until {
            return Err(Failure::try_again(format!(
                "waited long enough, still for {waiting_for}. {again}"
            )));
        }
        if self.told != waiting_for {
            say(&format!(
                "waiting for {waiting_for}; giving up at {} {:02}:{:02} UTC. It may be interrupted: {again}",
                self.until.date(),
                self.until.hour(),
                self.until.minute()
            ));
            waiting_for.clone_into(&mut self.told);
            self.pause = FIRST_PAUSE;
        }
        let left = Duration::try_from(self.until - now).unwrap_or_default();
        std::thread::sleep(self.pause.min(left));
        self.pause = self.pause.mul_f32(1.5).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Configuration and keys.
fn prepare(options: &Options<'_>, invitation: &Invitation) -> Result<(Config, Keys), Failure> {
    let dir = options.dir;
    if dir.join(CONFIG_FILE).exists() {
        // Before anything in somebody else's folder is changed.
        same_bank(&app::config(dir)?, invitation, dir)?;
    }
    folder::configure(&invitation.name, dir, &options.wishes)?;
    let config = app::config(dir)?;
    same_bank(&config, invitation, dir)?;
    let keys = folder::keys(&invitation.name, dir, &config.identity)?;
    Ok((config, keys))
}

fn same_bank(config: &Config, invitation: &Invitation, dir: &Path) -> Result<(), Failure> {
    if config.name != invitation.name {
        return Err(Failure::usage(format!(
            "{}: this folder is of bank {:?}, the invitation for {:?}; choose another --dir",
            dir.display(),
            config.name,
            invitation.name
        )));
    }
    match app::consortium(config) {
        Ok((pinned, _)) if pinned.name != invitation.consortium => Err(Failure::usage(format!(
            "{}: this folder is enrolled in {:?}, the invitation is of {:?}; choose another --dir",
            dir.display(),
            pinned.name,
            invitation.consortium
        ))),
        _ => Ok(()),
    }
}

/// One question over a connection of its own.
fn put(config: &Config, invitation: &Invitation, question: &Ask) -> Result<Told, Failure> {
    let local = |error: std::io::Error| Failure::finding(error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(local)?;
    let proxy = app::proxy(&config.link)?;
    let stream = runtime
        .block_on(async {
            let stream = reach(&invitation.address, proxy, &config.link).await?;
            Ok::<_, crate::transport::DownReason>(stream.into_std())
        })
        .map_err(Failure::try_again)?
        .map_err(local)?;
    stream.set_nonblocking(false).map_err(local)?;
    stream.set_read_timeout(Some(SILENCE)).map_err(local)?;
    stream.set_write_timeout(Some(SILENCE)).map_err(local)?;
    ask(
        stream,
        &invitation.server_name,
        invitation.authority,
        question,
        app::now(),
    )
    .map_err(|error: AskError| {
        if error.may_pass() {
            Failure::try_again(error)
        } else {
            Failure::usage(error)
        }
    })
}

fn clocks(told: &Told, say: &impl Fn(&str)) {
    let differ = told.clock_ahead_s.unsigned_abs();
    if differ > CLOCK_SECONDS {
        let direction = if told.clock_ahead_s > 0 {
            "ahead of"
        } else {
            "behind"
        };
        say(&format!(
            "warning: this machine's clock is {} minutes {direction} the coordinator's; set the one that is wrong, or certificates will seem to expire too early or begin too late",
            differ.div_ceil(60)
        ));
    }
}

enum Taken {
    Whole(Box<Enrolled>),
    WaitsFor(String),
}

fn take(
    config: &Config,
    invitation: &Invitation,
    keys: &Keys,
    told: Told,
    dir: &Path,
    say: &impl Fn(&str),
) -> Result<Taken, Failure> {
    let admission = match told.answer {
        Answer::Pending { waiting_for } => return Ok(Taken::WaitsFor(waiting_for)),
        Answer::Refused(refused) if refused.reason == RefusalReason::Later => {
            return Ok(Taken::WaitsFor(format!(
                "the coordinator to be able to answer ({})",
                refused.text
            )));
        }
        Answer::Refused(refused) => {
            let text = refused.text;
            return Err(Failure::finding(format!("the coordinator refuses: {text}")));
        }
        Answer::Admitted(admission) => admission,
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(keys.tls.serialize_der()));
    let fitting = Fitting {
        key: &key,
        authority: &told.authority,
        consortium: &invitation.consortium,
        now: app::now(),
    };
    let file = fits(&admission, &fitting).map_err(Failure::finding)?;
    if let Some((file, roster)) = &file {
        let facts = inspect::facts(admission.certificate.as_bytes()).map_err(Failure::finding)?;
        inspect::own_entry(roster, &invitation.name, &facts, &keys.signing, &keys.witness).map_err(
            |problem| {
                Failure::finding(format!(
                    "the consortium file that the coordinator sent: {problem}"
                ))
            },
        )?;
        if file.server_name != invitation.server_name {
            return Err(Failure::finding(format!(
                "the consortium file that the coordinator sent has server_name {:?}, the invitation {:?}; it was not written. Tell its operator",
                file.server_name, invitation.server_name
            )));
        }
    }
    certificate(config, &admission, say)?;
    let Some(text) = &admission.consortium else {
        return Ok(Taken::WaitsFor(admission.waiting_for));
    };
    pin(&config.consortium, text)?;
    Ok(Taken::Whole(Box::new(Enrolled {
        name: invitation.name.clone(),
        consortium: invitation.consortium.clone(),
        fingerprint: keys.fingerprint.to_string(),
        certificate: config.identity.certificate.clone(),
        consortium_file: config.consortium.clone(),
        consortium_sha256: Digest::of(text.as_bytes()).to_hex(),
        dir: dir.to_owned(),
    })))
}

fn certificate(config: &Config, admission: &Admission, say: &impl Fn(&str)) -> Result<(), Failure> {
    let path = &config.identity.certificate;
    if fs::read(path).is_ok_and(|there| there == admission.certificate.as_bytes()) {
        return Ok(());
    }
    keyfile::replace(path, admission.certificate.as_bytes())?;
    say(&format!("the certificate is here: {}", path.display()));
    Ok(())
}

/// Writes the consortium file, and never over another one: whoever has one has compared it.
fn pin(path: &Path, text: &str) -> Result<(), Failure> {
    match fs::read(path) {
        Ok(there) if there == text.as_bytes() => Ok(()),
        Ok(there) => Err(Failure::finding(format!(
            "{} has SHA-256 {}, the coordinator now sends one with {}; it was not written over. Compare both with other banks; to take the new one, move the old one away and run the command again",
            path.display(),
            Digest::of(&there),
            Digest::of(text.as_bytes())
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(keyfile::replace(path, text.as_bytes())?)
        }
        Err(error) => Err(Failure::finding(format!("{}: {error}", path.display()))),
    }
}
