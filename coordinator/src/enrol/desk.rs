//! The desk: what the coordinator answers to whoever asks to be enrolled over the network. It knows no network.
//!
//! Who shows no secret of an invitation costs a read of one small file and learns nothing but that. A request is looked at only behind a
//! right secret.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use veilsum_protocol::enrolment::{
    Admission, Answer, Ask, Party, Refusal, RefusalReason, Role, secret_digest,
};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::MIN_BANKS;

use super::form::{number_of, outside};
use super::init::Folder;
use super::inspect::CertificateFacts;
use super::invite::read_consortium;
use super::issue::{formed, has_authority, issue, proposed};
use super::readers::Readers;
use super::register::{Held, Place, Register, State};
use super::renewal::Renewals;
use super::request::{self, Verified};
use super::revoked::RevokedList;
use super::{EnrolError, date_and_time};
use crate::config::Renewal;

/// Answers questions from the operator's folder.
#[derive(Debug, Clone)]
pub struct Desk {
    dir: PathBuf,
    register: Register,
    renewals: Renewals,
}

/// Why a question has no other answer: the asker's fault, or this machine's.
enum Stop {
    Refused(Refusal),
    Failed(EnrolError),
}

impl From<EnrolError> for Stop {
    fn from(error: EnrolError) -> Self {
        Self::Failed(error)
    }
}

fn no<T>(reason: RefusalReason, text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Refused(Refusal::new(reason, text)))
}

impl Desk {
    /// The desk of the operator's folder.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            register: Register::at(dir),
            renewals: Renewals::at(dir, Renewal::default()),
        }
    }

    /// The same, where certificates are renewed in this way.
    pub fn renewing(self, policy: Renewal) -> Self {
        Self {
            renewals: Renewals::at(&self.dir, policy),
            ..self
        }
    }

    /// The answer to a member that showed a certificate in a handshake and wants another. Blocks on the disk.
    pub fn renew(&self, shown: &CertificateFacts, now: OffsetDateTime) -> Answer {
        self.renewals.answer(shown, now)
    }

    /// Whose access was taken away.
    pub fn revoked(&self) -> RevokedList {
        RevokedList::at(&self.dir)
    }

    /// The answer to someone without a certificate. Blocks on the disk. The operator hears of what fails here, the asker that it may try
    /// again.
    pub fn answer(&self, ask: Ask, now: OffsetDateTime) -> Answer {
        let Ask {
            party,
            name,
            secret,
            request,
        } = ask;
        match self.enrol(party, &name, secret_digest(&secret), &request, now) {
            Ok(answer) => answer,
            Err(Stop::Refused(refused)) => {
                tracing::warn!(
                    ?name,
                    reason = ?refused.reason,
                    "a request to be enrolled is refused: {}",
                    refused.text
                );
                Answer::Refused(refused)
            }
            Err(Stop::Failed(error)) => {
                tracing::error!("a request to be enrolled is not answered: {error}");
                refusal(
                    RefusalReason::Later,
                    "the coordinator cannot read or write its files now; its operator sees why in its trace",
                )
            }
        }
    }

    fn enrol(
        &self,
        party: Party,
        name: &str,
        secret: Digest,
        text: &str,
        now: OffsetDateTime,
    ) -> Result<Answer, Stop> {
        const UNKNOWN: &str = "no such invitation: this coordinator did not make it, or has made another since; ask its operator for a new one";
        if party.check_name(name).is_err() {
            return no(RefusalReason::Unknown, UNKNOWN);
        }
        // Without the lock first: who has no invitation shall not hold anybody up.
        let right = |place: &Place| place.secret_sha256 == secret && place.party == party;
        if !self.register.get(name)?.as_ref().is_some_and(right) {
            return no(RefusalReason::Unknown, UNKNOWN);
        }
        let held = self.register.hold()?;
        let Some(mut place) = self.register.get(name)?.filter(right) else {
            return no(RefusalReason::Unknown, UNKNOWN);
        };
        if place.withdrawn_at.is_some() && place.certificate.is_none() {
            return no(
                RefusalReason::Withdrawn,
                "the operator took this invitation back; ask for a new one",
            );
        }
        match place.request.clone() {
            Some(first) => self.same_keys(&first, text)?,
            None => self.bind(&held, &mut place, text, now)?,
        }
        let keys = place.verified().map_err(EnrolError::Argument)?;
        if let Some(keys) = keys
            && let Some(revoked) = self.revoked().get(keys.tls_key())?
        {
            return no(RefusalReason::Revoked, revoked.words());
        }
        if let Some(why) = &place.refused {
            return no(
                RefusalReason::Refused,
                format!("the operator refused these keys: {why}"),
            );
        }
        if place.certificate.is_none() && place.approved && has_authority(&self.dir) {
            issue(&self.dir, &self.register, &held, &mut place, now)?;
            tracing::info!("{} {name} is admitted, as its invitation says", place.party);
        }
        self.told(&place, now)
    }

    /// The first request takes the invitation for its keys.
    fn bind(&self, held: &Held, place: &mut Place, text: &str, now: OffsetDateTime) -> Result<(), Stop> {
        if place.state(now) == State::Expired {
            return no(
                RefusalReason::Expired,
                format!(
                    "this invitation could be used until {}, and it is {} by the coordinator's clock; ask its operator for a new one",
                    date_and_time(place.expires_at),
                    date_and_time(now.unix_timestamp())
                ),
            );
        }
        let verified = match request::verify(text) {
            Ok(verified) => verified,
            Err(problem) => {
                return no(
                    RefusalReason::Request,
                    format!("the request is not in order: {problem}"),
                );
            }
        };
        if verified.party() != place.party || verified.name() != place.name {
            return no(
                RefusalReason::Request,
                format!(
                    "the request is of {} {:?}, the invitation for {} {:?}",
                    verified.party(),
                    verified.name(),
                    place.party,
                    place.name
                ),
            );
        }
        self.keys_are_new(&verified)?;
        place.request = Some(text.to_owned());
        place.requested_at = Some(now.unix_timestamp());
        self.register.put(held, place)?;
        tracing::info!(
            "{} {} asks to be enrolled, fingerprint {}{}",
            place.party,
            place.name,
            verified.fingerprint(),
            if place.approved {
                ""
            } else {
                "; compare it by telephone, then run `veilsum-coordinator approve` or `refuse`"
            }
        );
        Ok(())
    }

    /// A key means one party.
    fn keys_are_new(&self, new: &Verified) -> Result<(), Stop> {
        const TAKEN: &str = "the name or a key of this request belongs to a member already; ask for an invitation under another name, in a new folder";
        let folder = Folder::at(&self.dir);
        let tls = new.tls_key();
        let consortium = read_consortium(&folder)?;
        let hex = tls.to_hex();
        let of_bank = consortium
            .banks
            .iter()
            .any(|bank| bank.tls_key_sha256 == hex || bank.name == new.name());
        if of_bank {
            return no(RefusalReason::Request, TAKEN);
        }
        for role in Role::ALL {
            let list = Readers::load(role, &folder.readers(role))?;
            if list.by_tls_key(tls).is_some() || list.by_name(new.name()).is_some() {
                return no(RefusalReason::Request, TAKEN);
            }
        }
        for place in self.register.all()? {
            let Ok(Some(other)) = place.verified() else {
                continue;
            };
            if place.refused.is_none() && place.withdrawn_at.is_none() && other.shares_a_key(new) {
                return no(RefusalReason::Request, TAKEN);
            }
        }
        Ok(())
    }

    /// The keys that the invitation is bound to ask again, whatever else of their request is new.
    fn same_keys(&self, first: &str, text: &str) -> Result<(), Stop> {
        if first == text {
            return Ok(());
        }
        let print = |text: &str| request::verify(text).map(|verified| verified.fingerprint());
        match (print(first), print(text)) {
            (Ok(first), Ok(again)) if first == again => Ok(()),
            (_, Err(problem)) => no(
                RefusalReason::Request,
                format!("the request is not in order: {problem}"),
            ),
            _ => no(
                RefusalReason::Used,
                "this invitation was used already, with other keys. If it was not you, tell the operator at once; if you lost the keys, ask for a new invitation",
            ),
        }
    }

    fn told(&self, place: &Place, now: OffsetDateTime) -> Result<Answer, Stop> {
        let Some(certificate) = place.certificate.clone() else {
            let waiting_for = match place.state(now) {
                State::Unsigned => {
                    "the authority's key: the operator runs `veilsum-coordinator approve` where it is; the invitation carries the approval"
                }
                _ => "the operator's approval: compare the fingerprint by telephone",
            };
            return Ok(Answer::Pending {
                waiting_for: waiting_for.to_owned(),
            });
        };
        let folder = Folder::at(&self.dir);
        let text = formed(&folder)?;
        let (consortium, waiting_for) = match text {
            None => (None, format!("the roster: {}", self.waits_for()?)),
            Some(text) => {
                let within = match place.party {
                    Party::Auditor | Party::Operator => true,
                    Party::Bank => {
                        let keys = place.admitted_bank().map_err(EnrolError::Argument)?;
                        let hex = keys.map(|bank| bank.tls.hash.to_hex());
                        read_consortium(&folder)?
                            .banks
                            .iter()
                            .any(|bank| bank.name == place.name && Some(&bank.tls_key_sha256) == hex.as_ref())
                    }
                };
                let text = if within {
                    Some(text)
                } else {
                    proposed(&folder, &place.name)?
                };
                let waiting = match text {
                    Some(_) => String::new(),
                    None => format!(
                        "a place in the roster, which stands already: the operator proposes this bank to the others with `veilsum-coordinator roster propose --add {}`",
                        place.name
                    ),
                };
                (text, waiting)
            }
        };
        Ok(Answer::Admitted(Admission {
            certificate,
            consortium,
            waiting_for,
        }))
    }

    /// What the first roster waits for.
    ///
    /// # Errors
    /// [`EnrolError`] for a record that is not in order.
    pub fn waits_for(&self) -> Result<String, EnrolError> {
        let admitted = outside(&self.dir)?.len();
        let are = if admitted == 1 { "is" } else { "are" };
        let many = number_of(admitted);
        Ok(if admitted < MIN_BANKS {
            format!(
                "{many} {are} admitted, at least {MIN_BANKS} are needed; then `veilsum-coordinator form` fixes the roster"
            )
        } else {
            format!("{many} {are} admitted; `veilsum-coordinator form` fixes the roster when all are there")
        })
    }
}

fn refusal(reason: RefusalReason, text: &str) -> Answer {
    Answer::Refused(Refusal::new(reason, text))
}
