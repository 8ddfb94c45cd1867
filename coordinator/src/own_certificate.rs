//! The running coordinator's own certificate: renewed before it expires, where the authority's key is here, and shown as soon as there is another in
//! its file, whoever put it there. No connection ends for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use veilsum_protocol::enrolment::renewal_is_due_at;

use crate::config::{Identity, Renewal};
use crate::enrol::inspect::{self, CertificateFacts};
use crate::enrol::{date_and_time, renew};
use crate::transport::{ServerIdentity, ShownCertificate};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// Between two tries to renew that fail, in seconds.
const AGAIN_S: i64 = 3600;

/// Between two reminders, in seconds.
const REMIND_S: i64 = 86_400;

/// The operator is reminded so long before the end, in seconds, or in the last third of a shorter validity.
const REMIND_BEFORE_S: i64 = 30 * 86_400;

/// Is told when the certificate that is shown expires, in Unix seconds.
pub(crate) type Expires = Arc<dyn Fn(i64) + Send + Sync>;

/// Who keeps it.
pub(crate) struct OwnCertificate {
    /// The operator's folder.
    pub(crate) dir: PathBuf,
    /// Its files.
    pub(crate) files: Identity,
    /// Whether it is renewed without a word of the operator.
    pub(crate) policy: Renewal,
    /// The name that banks expect in it.
    pub(crate) server_name: String,
    /// Who is told when it expires.
    pub(crate) expires: Expires,
}

/// What it was shown with, and what was done when.
struct Kept {
    own: OwnCertificate,
    ca: Vec<u8>,
    key: PrivateKeyDer<'static>,
    shown: ShownCertificate,
    /// What the file had at the last look.
    file: Vec<u8>,
    /// What is shown.
    facts: CertificateFacts,
    tried_at: i64,
    reminded_at: i64,
}

impl OwnCertificate {
    /// Looks after the certificate for as long as it is polled. `facts` are of the one that `identity` shows.
    pub(crate) async fn keep(self, identity: ServerIdentity, facts: CertificateFacts) {
        let mut kept = Kept {
            own: self,
            ca: identity.ca,
            key: identity.key,
            shown: identity.shown,
            file: identity.certificate,
            facts,
            tried_at: i64::MIN,
            reminded_at: i64::MIN,
        };
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let looked = spawn_blocking(move || {
                kept.look(OffsetDateTime::now_utc());
                kept
            });
            kept = match looked.await {
                Ok(kept) => kept,
                Err(error) => {
                    return tracing::error!(%error, "the coordinator's certificate is not looked after any more");
                }
            };
        }
    }
}

impl Kept {
    fn look(&mut self, now: OffsetDateTime) {
        self.take_up(now);
        let at = now.unix_timestamp();
        if at < renewal_is_due_at(self.facts.not_before, self.facts.not_after) {
            return;
        }
        let path = self.own.files.certificate.display();
        if self.own.policy == Renewal::Automatic
            && renew::is_possible(&self.own.dir)
            && at.saturating_sub(self.tried_at) >= AGAIN_S
        {
            self.tried_at = at;
            match renew::renew_alike(&self.own.dir, &self.own.files, now) {
                Ok(report) => {
                    tracing::info!("{path}: renewed, valid for {} days", report.days);
                    return self.take_up(now);
                }
                Err(error) => {
                    tracing::error!("{path}: the coordinator's certificate cannot be renewed: {error}")
                }
            }
        }
        self.remind(at);
    }

    /// Shows what is in the file, if that is another certificate and banks would accept it.
    fn take_up(&mut self, now: OffsetDateTime) {
        let path = &self.own.files.certificate;
        let pem = match std::fs::read(path) {
            Ok(pem) if pem != self.file => pem,
            // Replaced whole, so it is there again at the next look; the one that is shown stays.
            _ => return,
        };
        let verified = inspect::verify_server(&pem, &self.ca, &self.own.server_name, now.unix_timestamp());
        let taken = verified.and_then(|facts| {
            self.shown.replace(&pem, &self.ca, &self.key)?;
            Ok(facts)
        });
        match taken {
            Ok(facts) => {
                tracing::info!(
                    "{}: another certificate is shown from now on, valid until {}; no connection ends for it",
                    path.display(),
                    date_and_time(facts.not_after)
                );
                (self.own.expires)(facts.not_after);
                self.facts = facts;
            }
            Err(problem) => tracing::error!(
                "{}: {problem}; the certificate before is shown on. `veilsum-coordinator renew` issues one",
                path.display()
            ),
        }
        self.file = pem;
    }

    fn remind(&mut self, at: i64) {
        let left = self.facts.not_after.saturating_sub(at);
        if left > REMIND_BEFORE_S || at.saturating_sub(self.reminded_at) < REMIND_S {
            return;
        }
        self.reminded_at = at;
        tracing::warn!(
            "{}: the coordinator's certificate is valid until {} ({} days), then no bank connects; run `veilsum-coordinator renew`, where the authority's key is. It is taken up without a restart",
            self.own.files.certificate.display(),
            date_and_time(self.facts.not_after),
            left.div_euclid(86_400)
        );
    }
}

#[cfg(test)]
mod tests;
