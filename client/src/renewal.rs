//! The bank's certificate: renewed by its daemon when a third of its validity is left, over a connection of its own, with the same key and name. The
//! new one is on the disk before it is shown, and shown from the next handshake on. Nobody has to act, unless the consortium's operator wants to be
//! asked.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use veilsum_admission::{AskError, Fitting, Member, fits, keyfile, renew};
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::enrolment::{Answer, RefusalReason, renewal_is_due_at};
use veilsum_protocol::ids::{Digest, Timestamp};
use zeroize::Zeroizing;

use crate::app::{date, now};
use crate::config::Link;
use crate::enrol::inspect::{self, CertificateFacts};
use crate::transport::{Proxy, ShownCertificate, reach};

/// Longest silence of the coordinator in one exchange.
const SILENCE: Duration = Duration::from_secs(30);

/// The file is looked at so often: the operator may have put another certificate there.
const LOOK_S: i64 = 60;

/// Between two questions, at most and at least, in seconds.
const LONGEST_PAUSE_S: i64 = 3600;
const SHORTEST_PAUSE_S: i64 = 60;

/// Who asks, whom, and where the certificate lies.
pub struct Renewal {
    /// `host:port` of the coordinator.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
    /// The authority, PEM.
    pub ca_pem: String,
    /// Name of the consortium.
    pub consortium: String,
    /// The certificate's file.
    pub file: PathBuf,
    /// What the link shows.
    pub shown: ShownCertificate,
    /// The private key, PKCS #8 in DER.
    pub key: Zeroizing<Vec<u8>>,
    /// How connections are made.
    pub link: Link,
    /// The proxy for TCP.
    pub proxy: Option<Proxy>,
}

/// What the operator is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    /// When the certificate that is shown expires, Unix seconds.
    pub until: i64,
    /// What stands in the way of the next one; none while nothing does.
    pub problem: Option<String>,
    /// Something that has just happened.
    pub news: Option<String>,
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewed {
    /// There is a new certificate, which expires then.
    Until(i64),
    /// Somebody has to decide first.
    WaitsFor(String),
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum NotRenewed {
    /// The coordinator was not reached, or cannot answer now.
    #[error("{0}")]
    Later(String),
    /// It says no.
    #[error("{0}")]
    Refused(String),
    /// The file cannot be read or written, or is no certificate.
    #[error("{0}")]
    Own(String),
}

/// What is to be done about a certificate.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing for so many seconds.
    Wait(i64),
    Ask,
    /// It has expired: no coordinator lets it in.
    Expired,
}

fn step(facts: &CertificateFacts, now: i64) -> Step {
    let due = renewal_is_due_at(facts.not_before, facts.not_after);
    if now >= facts.not_after {
        Step::Expired
    } else if now >= due {
        Step::Ask
    } else {
        Step::Wait(due.saturating_sub(now))
    }
}

/// The nearer the end, the more often.
fn pause(facts: &CertificateFacts, now: i64) -> i64 {
    let left = facts.not_after.saturating_sub(now);
    (left / 20).clamp(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

impl Renewal {
    /// For a bank of this consortium.
    pub fn new(
        consortium: &Consortium,
        file: PathBuf,
        shown: ShownCertificate,
        key: Zeroizing<Vec<u8>>,
        link: Link,
        proxy: Option<Proxy>,
    ) -> Self {
        Self {
            address: consortium.address.clone(),
            server_name: consortium.server_name.clone(),
            ca_pem: consortium.ca_pem.clone(),
            consortium: consortium.name.clone(),
            file,
            shown,
            key,
            link,
            proxy,
        }
    }

    /// Looks after the certificate for as long as somebody hears of it.
    pub async fn keep(self, told: mpsc::UnboundedSender<Remark>) {
        let mut asked_at = i64::MIN;
        let mut last = Remark::default();
        loop {
            let mut remark = Remark {
                problem: last.problem.clone(),
                ..Remark::default()
            };
            remark.news = self.take_up();
            let pem = self.shown.pem();
            let facts = match inspect::facts(&pem) {
                Ok(facts) => facts,
                // It was read at the start.
                Err(problem) => return tracing::error!("{}: {problem}", self.file.display()),
            };
            let at = seconds(now());
            match step(&facts, at) {
                Step::Wait(_) => remark.problem = None,
                Step::Expired => {
                    remark.problem = Some(format!(
                        "{}: it expired on {}, so it is not renewed over the network any more; the operator issues another with `veilsum-coordinator enrol` for the same request file. Put it there, and it is taken up",
                        self.file.display(),
                        date(facts.not_after)
                    ));
                }
                Step::Ask if at.saturating_sub(asked_at) < pause(&facts, at) => {}
                Step::Ask => {
                    asked_at = at;
                    match self.ask().await {
                        Ok(Renewed::Until(until)) => {
                            remark.problem = None;
                            remark.news = Some(format!(
                                "the certificate is renewed: valid until {}, used from the next connection on",
                                date(until)
                            ));
                        }
                        Ok(Renewed::WaitsFor(what)) => remark.problem = Some(format!("waiting for {what}")),
                        Err(error) => remark.problem = Some(error.to_string()),
                    }
                }
            }
            remark.until = inspect::facts(&self.shown.pem()).map_or(facts.not_after, |facts| facts.not_after);
            if (remark.news.is_some() || remark != last) && told.send(remark.clone()).is_err() {
                return;
            }
            last = Remark { news: None, ..remark };
            let nap = match step(&facts, seconds(now())) {
                Step::Wait(left) => left.min(LOOK_S),
                _ => LOOK_S,
            };
            tokio::select! {
                () = sleep(Duration::from_secs(u64::try_from(nap).unwrap_or(0).max(1))) => {}
                () = told.closed() => return,
            }
        }
    }

    /// Shows what is in the file, if the operator put another certificate of the same key there.
    fn take_up(&self) -> Option<String> {
        let there = fs::read(&self.file).ok()?;
        let shown = self.shown.pem();
        if *there == *shown {
            return None;
        }
        let (new, old) = (
            inspect::verify(&there, self.ca_pem.as_bytes(), now()),
            inspect::facts(&shown),
        );
        match (new, old) {
            (Ok(new), Ok(old)) if new.tls_key_sha256 == old.tls_key_sha256 => {
                self.shown.replace(&there);
                Some(format!(
                    "another certificate is in {}: valid until {}, used from the next connection on",
                    self.file.display(),
                    date(new.not_after)
                ))
            }
            // A file that is being written, or is none of this bank's: the one that is shown stays.
            _ => None,
        }
    }

    /// Asks once, and keeps what comes.
    ///
    /// # Errors
    /// [`NotRenewed`]; everything is as before then.
    pub async fn ask(&self) -> Result<Renewed, NotRenewed> {
        let stream = reach(&self.address, self.proxy.clone(), &self.link)
            .await
            .map_err(|reason| NotRenewed::Later(reason.to_string()))?;
        let local = |error: std::io::Error| NotRenewed::Later(error.to_string());
        let stream = stream.into_std().map_err(local)?;
        stream.set_nonblocking(false).map_err(local)?;
        stream.set_read_timeout(Some(SILENCE)).map_err(local)?;
        stream.set_write_timeout(Some(SILENCE)).map_err(local)?;
        let shown = self.shown.pem();
        let chain = CertificateDer::pem_slice_iter(&shown)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| NotRenewed::Own(format!("{}: {error}", self.file.display())))?;
        let authority = CertificateDer::from_pem_slice(self.ca_pem.as_bytes())
            .map_err(|error| NotRenewed::Own(format!("the authority in the consortium file: {error}")))?;
        let member = Member {
            chain,
            key: self.private(),
        };
        let (name, pinned, at) = (self.server_name.clone(), Digest::of(&authority), now());
        let told = spawn_blocking(move || renew(stream, &name, pinned, member, at))
            .await
            .map_err(|error| NotRenewed::Later(error.to_string()))?
            .map_err(|error: AskError| {
                if error.may_pass() {
                    NotRenewed::Later(error.to_string())
                } else {
                    NotRenewed::Refused(error.to_string())
                }
            })?;
        let admission = match told.answer {
            Answer::Pending { waiting_for } => return Ok(Renewed::WaitsFor(waiting_for)),
            Answer::Refused(no) if no.reason == RefusalReason::Later => {
                return Err(NotRenewed::Later(no.text));
            }
            Answer::Refused(no) => {
                return Err(NotRenewed::Refused(format!(
                    "the coordinator refuses: {}",
                    no.text
                )));
            }
            Answer::Admitted(admission) => admission,
        };
        let fitting = Fitting {
            key: &self.private(),
            authority: &told.authority,
            consortium: &self.consortium,
            now: at,
        };
        fits(&admission, &fitting).map_err(|error| NotRenewed::Refused(error.to_string()))?;
        let pem = admission.certificate.as_bytes();
        let until = outlasts(pem, &shown).map_err(NotRenewed::Refused)?;
        // Whatever is shown must be there after a crash.
        keyfile::replace(&self.file, pem).map_err(|error| NotRenewed::Own(error.to_string()))?;
        self.shown.replace(pem);
        Ok(Renewed::Until(until))
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.to_vec()))
    }
}

/// When the new certificate expires: later than the old one, which has the same name.
fn outlasts(new: &[u8], old: &[u8]) -> Result<i64, String> {
    let (new, old) = (inspect::facts(new)?, inspect::facts(old)?);
    if new.subject != old.subject || new.tls_key_sha256 != old.tls_key_sha256 {
        return Err(format!(
            "the certificate that the coordinator issued is for {}, expected {}; it was not taken. Tell its operator",
            new.subject, old.subject
        ));
    }
    if new.not_after <= old.not_after {
        return Err(format!(
            "the certificate that the coordinator issued is valid until {}, the present one until {}; it was not taken",
            date(new.not_after),
            date(old.not_after)
        ));
    }
    Ok(new.not_after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, DnType, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    fn facts(not_before: i64, not_after: i64) -> CertificateFacts {
        CertificateFacts {
            subject: "CN=bank-a".to_owned(),
            issuer: "CN=demo authority".to_owned(),
            not_before,
            not_after,
            tls_key_sha256: String::new(),
        }
    }

    #[test]
    fn it_is_asked_for_in_the_last_third_and_never_after_the_end() {
        let year = facts(0, 300 * 86_400);
        assert_eq!(step(&year, 0), Step::Wait(200 * 86_400));
        assert_eq!(step(&year, 200 * 86_400 - 1), Step::Wait(1));
        assert_eq!(step(&year, 200 * 86_400), Step::Ask);
        assert_eq!(step(&year, 300 * 86_400 - 1), Step::Ask);
        assert_eq!(step(&year, 300 * 86_400), Step::Expired);
        assert_eq!(pause(&year, 200 * 86_400), LONGEST_PAUSE_S);
        assert_eq!(
            pause(&year, 300 * 86_400 - 10 * SHORTEST_PAUSE_S),
            SHORTEST_PAUSE_S
        );
    }

    #[test]
    fn what_is_issued_must_be_of_the_same_key_and_name_and_last_longer() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let issue = |name: &str, key: &KeyPair, until: i64| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.not_after = OffsetDateTime::from_unix_timestamp(until).unwrap();
            params.self_signed(key).unwrap().pem().into_bytes()
        };
        let old = issue("bank-a", &key, 2_000_000_000);
        let longer = 2_100_000_000;
        assert_eq!(outlasts(&issue("bank-a", &key, longer), &old), Ok(longer));
        for (wrong, words) in [
            (issue("bank-b", &key, longer), "bank-b"),
            (issue("bank-a", &other, longer), "expected"),
            (issue("bank-a", &key, 2_000_000_000), "the present one until"),
        ] {
            let refused = outlasts(&wrong, &old).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
