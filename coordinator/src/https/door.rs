//! Who may read, and how many connections at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::Roster;

use crate::enrol::auditors::Auditors;
use crate::enrol::inspect::CertificateFacts;

/// Why a peer is not answered as it wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may not read.
    Stranger(String),
    /// It may, but not now.
    Later(String),
}

impl Refusal {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Stranger(words) | Self::Later(words) => words,
        }
    }
}

/// The banks of the roster and the auditors on the list.
#[derive(Debug)]
pub(super) struct Door {
    roster: Arc<Roster>,
    admitted: PathBuf,
}

impl Door {
    pub(super) fn new(roster: Arc<Roster>, admitted: PathBuf) -> Self {
        Self { roster, admitted }
    }

    /// Who holds this certificate, in words. Asked at every request, and the list of auditors is read again each time: who was taken off
    /// it reads nothing more, also over a connection that stands. May block on the disk.
    ///
    /// # Errors
    /// [`Refusal`]. A list that cannot be read admits no auditor.
    pub(super) fn who(&self, certificate: &CertificateFacts, now: OffsetDateTime) -> Result<String, Refusal> {
        if certificate.days_left(now.unix_timestamp()) < 0 {
            return Err(Refusal::Stranger(format!(
                "the certificate of {} has expired",
                certificate.subject
            )));
        }
        let key = certificate.tls_key;
        if let Some(bank) = self.roster.by_tls_key(key) {
            return Ok(format!("bank {}", bank.name));
        }
        match Auditors::load(&self.admitted) {
            Ok(list) => match list.by_tls_key(key) {
                Some(auditor) => Ok(format!("auditor {}", auditor.name)),
                None => Err(Refusal::Stranger(format!(
                    "{} with TLS key {key} is neither a bank nor an admitted auditor of {}; the operator admits with `veilsum-coordinator enrol`",
                    certificate.subject,
                    self.roster.consortium()
                ))),
            },
            Err(error) => {
                tracing::error!("no auditor is let in: {error}");
                Err(Refusal::Later(
                    "the coordinator cannot read its list of auditors".to_owned(),
                ))
            }
        }
    }
}

/// Places for connections, in all and of each key.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    taken: Mutex<HashMap<Digest, usize>>,
}

/// A connection's place, as long as it is kept.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    key: Digest,
    _one: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            each,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection with this key.
    ///
    /// # Errors
    /// [`Refusal::Later`] if it has all that one may have, or there is none.
    pub(super) fn take(self: &Arc<Self>, key: Digest) -> Result<Place, Refusal> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&key).copied().unwrap_or(0);
        if own >= self.each {
            return Err(Refusal::Later(format!(
                "{own} connections of this certificate are open, expected at most {}",
                self.each
            )));
        }
        let one = Arc::clone(&self.all).try_acquire_owned().map_err(|_| {
            Refusal::Later("too many connections of all auditors and banks are open".to_owned())
        })?;
        taken.insert(key, own + 1);
        Ok(Place {
            places: Arc::clone(self),
            key,
            _one: one,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.key) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_has_its_share_and_gives_it_back() {
        let places = Places::new(3, 2);
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let first = places.take(a).unwrap();
        let second = places.take(a).unwrap();
        let refused = places.take(a).unwrap_err();
        assert!(refused.words().contains("expected at most 2"), "{refused:?}");
        let other = places.take(b).unwrap();
        assert!(places.take(b).unwrap_err().words().contains("all auditors"));
        drop(first);
        places.take(a).unwrap();
        drop((second, other));
        assert!(places.taken.lock().unwrap().is_empty());
        assert_eq!(places.all.available_permits(), 3);
    }
}
