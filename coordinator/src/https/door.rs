//! Who may read, and how many connections at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::ids::Digest;

use crate::enrol::inspect::CertificateFacts;
use crate::enrol::readers::Readers;
use crate::enrol::revoked::RevokedList;
use crate::transport::Seats;

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
    seats: Arc<Seats>,
    admitted: PathBuf,
    revoked: RevokedList,
}

impl Door {
    pub(super) fn new(seats: Arc<Seats>, admitted: PathBuf, revoked: RevokedList) -> Self {
        Self {
            seats,
            admitted,
            revoked,
        }
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
        match self.revoked.get(key) {
            Ok(None) => {}
            Ok(Some(key)) => return Err(Refusal::Stranger(key.words())),
            Err(error) => {
                tracing::error!("nobody is let in: {error}");
                return Err(Refusal::Later(
                    "the coordinator cannot read its list of revoked keys".to_owned(),
                ));
            }
        }
        let roster = self.seats.roster();
        if let Some(bank) = roster.by_tls_key(key) {
            return Ok(format!("bank {}", bank.name));
        }
        match Readers::load(Role::Auditor, &self.admitted) {
            Ok(list) => match list.by_tls_key(key) {
                Some(auditor) => Ok(format!("auditor {}", auditor.name)),
                None => Err(Refusal::Stranger(format!(
                    "{} with TLS key {key} is neither a bank nor an admitted auditor of {}; the operator admits with `veilsum-coordinator enrol`",
                    certificate.subject,
                    roster.consortium()
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

    use veilsum_protocol::ids::BankIndex;
    use veilsum_protocol::roster::{Roster, RosterEntry};

    use super::*;

    #[test]
    fn a_certificate_that_expires_while_its_connection_stands_opens_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auditors.toml");
        let key = Digest::of(b"key");
        let mut list = Readers::load(Role::Auditor, &path).unwrap();
        list.admit("firm", key).unwrap();
        list.store(&path).unwrap();
        let banks = (1..=3u8).map(|position| RosterEntry {
            index: BankIndex::new(position.into()).unwrap(),
            name: format!("bank-{position}"),
            signing_key: [position; 32],
            witness_key: [position + 100; 32],
            tls_key: Digest::of(&[position]),
        });
        let seats = Seats::of(Roster::new("demo", banks.collect()).unwrap());
        let door = Door::new(seats, path, RevokedList::at(folder.path()));
        let certificate = |tls_key| CertificateFacts {
            subject: "CN=firm".to_owned(),
            issuer: "CN=demo authority".to_owned(),
            not_before: 0,
            not_after: 1_000_000,
            spki_der: Vec::new(),
            tls_key,
            hosts: Vec::new(),
        };
        let who = |tls_key, at| {
            door.who(
                &certificate(tls_key),
                OffsetDateTime::from_unix_timestamp(at).unwrap(),
            )
        };
        assert_eq!(who(key, 1_000_000).unwrap(), "auditor firm");
        assert_eq!(who(Digest::of(&[2]), 1_000_000).unwrap(), "bank bank-2");
        for key in [key, Digest::of(&[2])] {
            let refused = who(key, 1_000_001).unwrap_err();
            assert!(refused.words().contains("has expired"), "{refused:?}");
        }
        assert!(matches!(who(Digest::of(b"other"), 1), Err(Refusal::Stranger(_))));
    }

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
