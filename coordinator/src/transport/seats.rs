//! Who is admitted, which changes with the roster while the coordinator runs; and who stands at the door and joins with the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::{Roster, RosterEntry};

/// A bank that waits for its roster comes back every few seconds; one that has not come for so long is away.
const LATELY: Duration = Duration::from_secs(60);

/// The banks that are admitted.
#[derive(Debug)]
pub struct Seats {
    seated: watch::Sender<Arc<Roster>>,
    door: Mutex<Door>,
}

/// Those who join with the roster that is proposed.
#[derive(Debug, Default)]
struct Door {
    /// When each came last, by its TLS key.
    joining: BTreeMap<Digest, Option<Instant>>,
    /// What they wait for, in words.
    waits_for: String,
}

impl Seats {
    /// For the banks of this roster.
    pub fn of(roster: Roster) -> Arc<Self> {
        let (seated, _) = watch::channel(Arc::new(roster));
        Arc::new(Self {
            seated,
            door: Mutex::default(),
        })
    }

    /// The roster whose banks are admitted.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.seated.borrow())
    }

    /// Admits the banks of this roster from now on, and no others; every connection ends, so that each bank comes in under its new position.
    pub fn seat(&self, roster: Roster) {
        self.seated.send_replace(Arc::new(roster));
    }

    /// These banks are about to join, and are told what they wait for.
    pub fn expect(&self, joining: &[RosterEntry], waits_for: &str) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let came = std::mem::take(&mut door.joining);
        let at = |bank: &RosterEntry| (bank.tls_key, came.get(&bank.tls_key).copied().flatten());
        door.joining = joining.iter().map(at).collect();
        waits_for.clone_into(&mut door.waits_for);
    }

    /// True if this bank stood at the door lately.
    pub fn is_here(&self, bank: &RosterEntry) -> bool {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let came = door.joining.get(&bank.tls_key).copied().flatten();
        came.is_some_and(|at| at.elapsed() < LATELY)
    }

    /// Somebody with this TLS key is at the door; what it waits for, if it is to join.
    pub(super) fn knock(&self, tls_key: &Digest) -> Option<String> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        *door.joining.get_mut(tls_key)? = Some(Instant::now());
        Some(door.waits_for.clone())
    }

    pub(super) fn changes(&self) -> watch::Receiver<Arc<Roster>> {
        self.seated.subscribe()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::ids::BankIndex;

    use super::*;

    fn bank(position: u16) -> RosterEntry {
        let key = |kind: u8| Digest::of(&[kind, position as u8]);
        RosterEntry {
            index: BankIndex::new(position).unwrap(),
            name: format!("bank-{position}"),
            signing_key: key(1).0,
            witness_key: key(2).0,
            tls_key: key(3),
        }
    }

    #[test]
    fn who_joins_is_known_by_its_key_and_told_what_it_waits_for() {
        let seats = Seats::of(Roster::new("demo", (1..=3).map(bank).collect()).unwrap());
        assert_eq!(seats.knock(&bank(4).tls_key), None);
        assert!(!seats.is_here(&bank(4)));
        seats.expect(&[bank(4)], "two approvals");
        assert!(!seats.is_here(&bank(4)), "it did not come since");
        assert_eq!(seats.knock(&bank(4).tls_key).as_deref(), Some("two approvals"));
        assert_eq!(seats.knock(&bank(5).tls_key), None);
        seats.expect(&[bank(4)], "one approval");
        assert!(seats.is_here(&bank(4)));
        seats.expect(&[], "");
        assert!(!seats.is_here(&bank(4)));
    }
}
