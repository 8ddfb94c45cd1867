//! Certificate, keys and log of the coordinator.

use std::path::Path;

use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_preflight::{Report, Whose, Wrong};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::log::VerifiedCheckpoint;
use veilsum_protocol::roster::Roster;

use crate::app;
use crate::config::Config;
use crate::enrol::{EnrolError, init, inspect};
use crate::formation;
use crate::log::CHECKPOINT_FILE;
use crate::transport::{ServerIdentity, tls_config};

/// The operator is reminded so many days before the certificate expires.
const RENEW_DAYS: i64 = 30;

/// Fewest banks of a consortium.
const LEAST_BANKS: u64 = 3;

/// The consortium file; without a roster before `form`.
pub(super) struct Known {
    pub(super) consortium: Consortium,
    pub(super) roster: Option<Roster>,
}

impl Known {
    /// Banks that will come: those of the roster, or as many as there must be.
    pub(super) fn banks(&self) -> u64 {
        let banks = self.roster.as_ref().map(|roster| roster.banks().len());
        banks
            .and_then(|banks| u64::try_from(banks).ok())
            .unwrap_or(LEAST_BANKS)
    }
}

pub(super) fn consortium(report: &mut Report, config: &Config) -> Option<Known> {
    let text = app::consortium_text(&config.identity.consortium).ok();
    if let Some(consortium) = text.as_deref().and_then(formation::without_banks) {
        report.ok(
            "consortium",
            format!(
                "{} at {}; no roster yet: banks and auditors are enrolled",
                consortium.name, consortium.address
            ),
        );
        return Some(Known {
            consortium,
            roster: None,
        });
    }
    match app::read_consortium(config) {
        Ok((consortium, roster)) => {
            report.ok(
                "consortium",
                format!(
                    "{} at {}, {} banks",
                    consortium.name,
                    consortium.address,
                    roster.banks().len()
                ),
            );
            Some(Known {
                consortium,
                roster: Some(roster),
            })
        }
        Err(problem) => {
            report.fail("consortium", Whose::Ours, Wrong::told("consortium-file", problem));
            None
        }
    }
}

/// Whether banks would accept the certificate, and for how long.
pub(super) fn certificate(report: &mut Report, config: &Config, known: &Known, now: OffsetDateTime) {
    let path = &config.identity.certificate;
    let ca = known.consortium.ca_pem.as_bytes();
    let at = now.unix_timestamp();
    let checked = std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|pem| inspect::verify_server(&pem, ca, &known.consortium.server_name, at));
    match checked {
        Ok(facts) => {
            let days = facts.days_left(at);
            let found = format!(
                "{}: of this consortium's authority, for {}, valid for {days} more days",
                path.display(),
                facts.hosts.join(", ")
            );
            if days < RENEW_DAYS {
                let todo = "run `veilsum-coordinator renew`, and start the coordinator again; banks have nothing to do";
                report.warn("certificate", Wrong::new("certificate-expires", found, todo));
            } else {
                report.ok("certificate", found);
            }
        }
        Err(problem) => {
            let facts = std::fs::read(path)
                .ok()
                .and_then(|pem| inspect::facts_of_pem(&pem).ok());
            let cause = match facts {
                Some(facts) if facts.not_after < at => "certificate-expired",
                Some(facts) if facts.not_before > at => "certificate-not-yet-valid",
                Some(_) => "certificate-refused",
                None => "certificate-unreadable",
            };
            let found = format!("{}: {problem}", path.display());
            let todo = "`veilsum-coordinator renew` issues another (with --host for another name); if the dates are right, this machine's clock is wrong";
            report.fail("certificate", Whose::Ours, Wrong::new(cause, found, todo));
        }
    }
}

/// Every private key: its mode, and that it belongs where it is.
pub(super) fn keys(report: &mut Report, dir: &Path, config: &Config, known: &Known) {
    let identity = &config.identity;
    let server = ServerIdentity::load(&identity.certificate, &identity.key, &known.consortium.ca_pem)
        .map_err(|error| {
            let cause = match &error {
                // By itself the certificate was looked at before.
                EnrolError::Content { path, .. } if *path == identity.certificate => {
                    "key-of-another-certificate"
                }
                _ => cause_of(&error),
            };
            (cause, error.to_string())
        })
        .and_then(|identity| {
            tls_config(&identity)
                .map(drop)
                .map_err(|error| ("key-of-another-certificate", error.to_string()))
        });
    match server {
        Ok(()) => report.ok(
            "tls key",
            format!(
                "{}: of mode 0600, that of the certificate",
                identity.key.display()
            ),
        ),
        Err((cause, problem)) => report.fail("tls key", Whose::Ours, Wrong::told(cause, problem)),
    }
    match app::read_log_key(config, &known.consortium.log_key) {
        Ok(_) => report.ok(
            "log key",
            format!(
                "{}: of mode 0600, the one that banks pin",
                identity.log_key.display()
            ),
        ),
        Err(problem) => report.fail("log key", Whose::Ours, Wrong::told("log-key", problem)),
    }
    let authority = init::Folder::at(dir).identity("ca.key.pem");
    if !authority.exists() {
        return report.ok(
            "authority",
            "its key is kept elsewhere; put it there for `approve`, `enrol` and `renew`",
        );
    }
    match keyfile::read_pkcs8(&authority).map_err(EnrolError::from) {
        Ok(_) => report.ok("authority", format!("{}: of mode 0600", authority.display())),
        Err(error) => report.fail("authority", Whose::Ours, Wrong::told(cause_of(&error), error)),
    }
}

fn cause_of(error: &EnrolError) -> &'static str {
    match error {
        EnrolError::KeyMode { .. } => "key-mode",
        _ => "key",
    }
}

/// The published log's head is signed by the log's key.
pub(super) fn log(report: &mut Report, config: &Config, known: &Known) {
    let path = config.folders.log.join(CHECKPOINT_FILE);
    let note = match std::fs::read(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return report.ok("log", "nothing is published yet");
        }
        Err(error) => {
            let found = format!("{}: {error}", path.display());
            return report.fail("log", Whose::Ours, Wrong::told("log", found));
        }
    };
    match VerifiedCheckpoint::parse(&note, &known.consortium.log_key) {
        Ok(head) => report.ok(
            "log",
            format!("{} entries under a head that verifies", head.checkpoint().size),
        ),
        Err(error) => {
            let found = format!("{}: {error}", path.display());
            let todo = "it is of another log, or was changed: put back what was published, or let the coordinator write it again from its store (move the folder away, and start it)";
            report.fail("log", Whose::Ours, Wrong::new("log", found, todo));
        }
    }
}
