//! `requests`, `approve` and `refuse`: what the operator says to those who asked.

use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;
use veilsum_protocol::enrolment::Party;

use super::invite::known;
use super::issue::issue;
use super::register::{Place, Register, State};
use super::{EnrolError, date_and_time};

/// A request that waits.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// The name that was invited.
    pub name: String,
    /// What it will be.
    pub party: Party,
    /// What to compare with the one who asks, by another channel.
    pub fingerprint: String,
    /// When it came, Unix seconds.
    pub requested_at: i64,
    /// Whether the invitation carries the approval, so that only the authority's key is missing.
    pub approved: bool,
}

impl Waiting {
    fn of(place: &Place, now: OffsetDateTime) -> Result<Option<Self>, EnrolError> {
        if !matches!(place.state(now), State::Pending | State::Unsigned) {
            return Ok(None);
        }
        let fingerprint = place.fingerprint().map_err(|problem| {
            EnrolError::Argument(format!(
                "the request of {:?} in enrolment/{}.toml: {problem}",
                place.name, place.name
            ))
        })?;
        Ok(fingerprint.map(|fingerprint| Self {
            name: place.name.clone(),
            party: place.party,
            fingerprint: fingerprint.to_string(),
            requested_at: place.requested_at.unwrap_or_default(),
            approved: place.approved,
        }))
    }

    /// For people.
    pub fn line(&self) -> String {
        let what = if self.approved {
            "approved by its invitation; the authority's key was not there: run approve where it is"
        } else {
            "compare the fingerprint by telephone, then approve or refuse"
        };
        format!(
            "{:<28} {:<8} {}   asked {}; {what}",
            self.name,
            self.party.to_string(),
            self.fingerprint,
            date_and_time(self.requested_at)
        )
    }
}

/// Every request that waits for the operator.
///
/// # Errors
/// [`EnrolError`] for a record that is not in order.
pub fn requests(dir: &Path, now: OffsetDateTime) -> Result<Vec<Waiting>, EnrolError> {
    let mut waiting = Vec::new();
    let register = Register::at(dir);
    // Not between a request and the certificate that follows it at once.
    let _held = register.hold()?;
    for place in register.all()? {
        waiting.extend(Waiting::of(&place, now)?);
    }
    Ok(waiting)
}

/// What was approved.
#[derive(Debug, Clone, Serialize)]
pub struct Approved {
    /// Its name.
    pub name: String,
    /// What it is now.
    pub party: Party,
    /// The keys that were approved.
    pub fingerprint: String,
    /// Whether it had its certificate already.
    pub again: bool,
}

/// Approves the keys that asked under a name, and issues their certificate. This needs the authority's key.
///
/// # Errors
/// [`EnrolError`] if nobody asked, or the certificate cannot be issued; nothing changes then.
pub fn approve(dir: &Path, name: &str, now: OffsetDateTime) -> Result<Approved, EnrolError> {
    let register = Register::at(dir);
    let held = register.hold()?;
    let mut place = known(&register, name)?;
    let state = place.state(now);
    match state {
        State::Pending | State::Unsigned => issue(dir, &register, &held, &mut place, now)?,
        State::Admitted => {}
        State::Invited => {
            return Err(EnrolError::Argument(format!(
                "{name:?} has not used its invitation yet; there is nothing to approve"
            )));
        }
        State::Expired | State::Refused | State::Withdrawn => {
            return Err(EnrolError::Argument(format!(
                "the invitation of {name:?} is {}; invite it again",
                state.words()
            )));
        }
    }
    let fingerprint = place.fingerprint().map_err(EnrolError::Argument)?;
    Ok(Approved {
        name: place.name,
        party: place.party,
        fingerprint: fingerprint.map(|it| it.to_string()).unwrap_or_default(),
        again: state == State::Admitted,
    })
}

/// Refuses the keys that asked under a name. They are told the reason.
///
/// # Errors
/// [`EnrolError::Argument`] if nobody asked, or they are admitted already.
pub fn refuse(dir: &Path, name: &str, reason: &str, now: OffsetDateTime) -> Result<(), EnrolError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > 300 || reason.chars().any(char::is_control) {
        return Err(EnrolError::Argument(
            "the reason: expected 1 to 300 bytes on one line; whoever asked reads it".to_owned(),
        ));
    }
    let register = Register::at(dir);
    let held = register.hold()?;
    let mut place = known(&register, name)?;
    let state = place.state(now);
    if !matches!(state, State::Pending | State::Unsigned) {
        return Err(EnrolError::Argument(format!(
            "{name:?} has no request that waits (it is {}); `veilsum-coordinator requests` lists those that do",
            state.words()
        )));
    }
    place.refused = Some(reason.to_owned());
    register.put(&held, &place)
}
