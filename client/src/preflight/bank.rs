//! The bank's folder: identity, data, and whether the coordinator admits it.

use std::time::Duration;

use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::ids::Timestamp;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use super::way::Seen;
use crate::app::{self, AppError, BankIdentity};
use crate::command::data;
use crate::config::Config;
use crate::enrol::inspect;
use crate::participant::{FolderLock, Home, Status};
use crate::transport::{self, DownReason, Event, LinkOptions, Way};

/// The bank's administrator is reminded so many days before the certificate expires.
const RENEW_DAYS: i64 = 30;

/// A finding of what the daemon would meet when it starts.
pub(super) fn note<T>(
    report: &mut Report,
    what: &'static str,
    cause: &'static str,
    outcome: Result<T, AppError>,
    detail: impl FnOnce(&T) -> String,
) -> Option<T> {
    match outcome {
        Ok(value) => {
            report.ok(what, detail(&value));
            Some(value)
        }
        Err(error) => {
            let whose = if error.is_usage() {
                Whose::Ours
            } else {
                Whose::Network
            };
            report.fail(what, whose, Wrong::told(cause, &error));
            None
        }
    }
}

/// Keys, certificate and place in the roster.
pub(super) fn identity(
    report: &mut Report,
    config: &Config,
    consortium: &Consortium,
    roster: &Roster,
    now: Timestamp,
    seen: &Seen,
) -> Option<BankIdentity> {
    match app::identity(config, consortium, roster) {
        Ok(identity) => {
            let days = identity.certificate.days_left(now);
            let found = format!(
                "keys of mode 0600 that are those of position {} in the roster; the certificate of this consortium's \
                 authority is valid for {days} more days",
                identity.position
            );
            if days < RENEW_DAYS {
                let todo = "a running daemon renews it by itself; `veilsum-client renew` does it now, or says what is in the way";
                report.warn("identity", Wrong::new("certificate-expires", found, todo));
            } else {
                report.ok("identity", found);
            }
            Some(identity)
        }
        Err(error) => {
            let wrong = by_the_clock(config, consortium, now, seen)
                .or_else(|| of_another_role(config))
                .unwrap_or_else(|| Wrong::told(cause_of(config, now, &error), &error));
            report.fail("identity", Whose::Ours, wrong);
            None
        }
    }
}

/// A certificate that is refused by this machine's clock, and is good by the coordinator's.
fn by_the_clock(config: &Config, consortium: &Consortium, now: Timestamp, seen: &Seen) -> Option<Wrong> {
    let ahead = seen.clock_ahead_s?;
    let there = Timestamp(now.0.saturating_add_signed(ahead.checked_neg()?));
    let path = &config.identity.certificate;
    let pem = std::fs::read(path).ok()?;
    let ca = consortium.ca_pem.as_bytes();
    inspect::verify(&pem, ca, now).err()?;
    inspect::verify(&pem, ca, there).ok()?;
    Some(Wrong::new(
        "clock",
        format!(
            "{}: by this machine's clock the bank's certificate is not valid; by the coordinator's it is",
            path.display()
        ),
        "set this machine's clock, as the finding on it says; the certificate is in order",
    ))
}

/// An auditor's certificate in the place of the bank's.
fn of_another_role(config: &Config) -> Option<Wrong> {
    let path = &config.identity.certificate;
    let (role, name) = inspect::other_role(&std::fs::read(path).ok()?)?;
    Some(Wrong::new(
        "certificate-of-another-role",
        format!(
            "{}: it is the certificate of {role} {name}, not a bank's",
            path.display()
        ),
        "put the bank.crt.pem of the bank's own admission there; the other's folder is for its own program",
    ))
}

fn cause_of(config: &Config, now: Timestamp, error: &AppError) -> &'static str {
    match error {
        AppError::Key(crate::enrol::EnrolError::KeyMode { .. }) => return "key-mode",
        AppError::Identity { path, .. } if *path == config.consortium => return "not-in-roster",
        AppError::Identity { path, .. } if *path == config.identity.certificate => {}
        _ => return "identity",
    }
    let facts = std::fs::read(&config.identity.certificate)
        .map_err(|error| error.to_string())
        .and_then(|pem| inspect::facts(&pem));
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    match facts {
        Ok(facts) if facts.not_after < now => "certificate-expired",
        Ok(facts) if facts.not_before > now => "certificate-not-yet-valid",
        Ok(_) => "certificate-of-another-authority",
        Err(_) => "certificate-unreadable",
    }
}

/// The table as a whole, as `data check` shows it by columns, and row by row, as training reads it.
pub(super) fn table(report: &mut Report, config: &Config) {
    report.looking("data", &config.data.file.display().to_string(), None);
    let surveyed = data::survey(config).map_err(AppError::from);
    match surveyed {
        Err(error) => report.fail("policy", Whose::Ours, Wrong::told("policy", error)),
        Ok(table) => {
            let short = data::Report::in_short(&table);
            if table.refuses() {
                report.fail("policy", Whose::Ours, Wrong::told("policy", short));
            } else {
                report.ok("policy", short);
            }
            if let Some(short) = table.anonymity_in_short() {
                if table.is_anonymous_enough() {
                    report.ok("anonymity", short);
                } else {
                    report.fail("anonymity", Whose::Network, Wrong::told("anonymity", short));
                }
            }
        }
    }
    note(
        report,
        "data",
        "data",
        app::data(config).map_err(AppError::from),
        |facts| {
            format!(
                "{}: {} rows, {}, {} columns as in {}",
                config.data.file.display(),
                facts.rows,
                facts.labels,
                facts.columns,
                config.data.schema.display()
            )
        },
    );
}

/// Whether the coordinator admits the bank: with its certificate, as the daemon asks for it. No message is sent.
pub(super) fn admission(
    report: &mut Report,
    config: &Config,
    consortium: &Consortium,
    identity: &BankIdentity,
) {
    if FolderLock::is_taken(&config.state) {
        return daemon(report, config);
    }
    let options = match app::link_options(config, consortium, identity) {
        Ok(options) => options,
        Err(error) => {
            return report.fail("connection", Whose::Ours, Wrong::told("proxy-password", error));
        }
    };
    let (address, position) = (options.address.clone(), identity.position);
    let most = Duration::from_secs(config.link.connect_s.into());
    report.looking("connection", &address, Some(most));
    match reach(options) {
        Ok(way) => report.ok(
            "connection",
            format!(
                "{address} answers, proves to be the consortium's coordinator, and admits this bank at position {position}, {way}"
            ),
        ),
        Err(reason) => {
            let cause = match &reason {
                DownReason::NotInRoster(_) => "not-in-roster",
                DownReason::Revoked(_) => "revoked",
                DownReason::NotYet(_) => "not-yet",
                DownReason::WrongPosition { .. } => "wrong-position",
                DownReason::OtherVersion => "other-version",
                DownReason::WrongAuthority(_) => "wrong-authority",
                DownReason::OwnCertificate(_) => "certificate-refused",
                DownReason::Replaced => "two-daemons",
                _ => "connection",
            };
            report.fail("connection", Whose::Network, Wrong::told(cause, reason));
        }
    }
}

/// A second connection with the same key would push the daemon's aside.
fn daemon(report: &mut Report, config: &Config) {
    let link = daemon_link(config);
    let found = format!("the daemon is running; its link is {link}");
    if link.starts_with("up") {
        report.ok("connection", found);
    } else {
        report.fail("connection", Whose::Network, Wrong::told("connection", found));
    }
}

fn daemon_link(config: &Config) -> String {
    match Status::read(&Home::status(&config.state)) {
        Ok(Some(status)) => status.link,
        _ => "not known".to_owned(),
    }
}

/// One attempt to connect, ended as soon as the coordinator has admitted the bank.
fn reach(options: LinkOptions) -> Result<Way, DownReason> {
    let local = |error: std::io::Error| DownReason::Local(error.to_string());
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(local)?;
    let outcome = tokio.block_on(async {
        let (_link, mut events) =
            transport::start::<ToCoordinator, ToBank>(options, |message| message.into())?;
        match events.recv().await {
            Some(Event::Up(way)) => Ok(way),
            Some(Event::Down { reason, .. }) => Err(reason),
            Some(Event::Message(_)) | None => Err(DownReason::Local("the link ended".to_owned())),
        }
    });
    tokio.shutdown_timeout(Duration::from_millis(500));
    outcome
}
