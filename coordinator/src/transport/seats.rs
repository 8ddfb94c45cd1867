//! Who is admitted, which changes with the roster while the coordinator runs; and who stands at the door and joins with the next one.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::{Roster, RosterEntry};

/// A bank that waits for its roster comes back every few seconds; one that has not come for so long is away.
const LATELY: Duration = Duration::from_secs(60);

/// A connection that stood was replaced so often within so long: two daemons run with one identity. One that lost its network and came again
/// does it once.
const TWICE: usize = 2;
const WITHIN: Duration = Duration::from_secs(600);

/// The banks that are admitted.
#[derive(Debug)]
pub struct Seats {
    seated: watch::Sender<Arc<Roster>>,
    door: Mutex<Door>,
    met: Mutex<BTreeMap<Digest, Seen>>,
}

/// What the door has seen of a bank since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenBank {
    /// Until when its certificate is valid, in Unix seconds.
    pub certificate_until: Option<i64>,
    /// How often a newer connection took the place of one that stood.
    pub replaced: u64,
    /// From where it comes, if two daemons run with its identity: the connection before, and the one now.
    pub two_places: Option<[String; 2]>,
}

/// The same as it is kept.
#[derive(Debug, Default)]
struct Seen {
    certificate_until: i64,
    /// How often a newer connection took the place of one that stood, since the start.
    replaced: u64,
    /// When that was lately.
    lately: VecDeque<Instant>,
    /// From where the connection before came, and the one now.
    places: Option<(SocketAddr, SocketAddr)>,
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
            met: Mutex::default(),
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

    fn seen<T>(&self, tls_key: Digest, note: impl FnOnce(&mut Seen) -> T) -> T {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        note(met.entry(tls_key).or_default())
    }

    /// A bank of the roster showed a certificate that is valid until then, in Unix seconds.
    pub(super) fn showed(&self, tls_key: Digest, until: i64) {
        self.seen(tls_key, |seen| seen.certificate_until = until);
    }

    /// A newer connection with this key took the place of one that stood. True if that came so often that two daemons must be running.
    pub(super) fn replaced(&self, tls_key: Digest, before: SocketAddr, now: SocketAddr) -> bool {
        let at = Instant::now();
        self.seen(tls_key, |seen| {
            seen.replaced = seen.replaced.saturating_add(1);
            seen.places = Some((before, now));
            seen.lately.push_back(at);
            while seen.lately.len() > TWICE {
                seen.lately.pop_front();
            }
            seen.comes_from_two_places(at)
        })
    }

    /// What was seen of a bank since the start.
    pub fn met(&self, tls_key: Digest) -> SeenBank {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = met.get(&tls_key) else {
            return SeenBank::default();
        };
        let twice = seen.comes_from_two_places(Instant::now());
        SeenBank {
            certificate_until: (seen.certificate_until != 0).then_some(seen.certificate_until),
            replaced: seen.replaced,
            two_places: seen
                .places
                .filter(|_| twice)
                .map(|(before, now)| [before, now].map(|it| it.to_string())),
        }
    }

    pub(super) fn changes(&self) -> watch::Receiver<Arc<Roster>> {
        self.seated.subscribe()
    }
}

impl Seen {
    fn comes_from_two_places(&self, now: Instant) -> bool {
        let lately = |at: &&Instant| now.saturating_duration_since(**at) < WITHIN;
        self.lately.iter().filter(lately).count() >= TWICE
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
    fn two_daemons_with_one_identity_are_told_from_one_that_came_again() {
        let seats = Seats::of(Roster::new("demo", (1..=3).map(bank).collect()).unwrap());
        let key = bank(1).tls_key;
        assert_eq!(seats.met(key), SeenBank::default());
        seats.showed(key, 1_900_000_000);
        let [one, other] = ["192.0.2.1:5000", "192.0.2.2:6000"].map(|it| it.parse().unwrap());
        assert!(!seats.replaced(key, one, other));
        assert_eq!(seats.met(key).two_places, None);
        assert!(seats.replaced(key, other, one));
        let met = seats.met(key);
        assert_eq!((met.replaced, met.certificate_until), (2, Some(1_900_000_000)));
        assert_eq!(met.two_places.unwrap(), ["192.0.2.2:6000", "192.0.2.1:5000"]);
        assert_eq!(seats.met(bank(2).tls_key), SeenBank::default());
        // Long ago.
        let old = Instant::now() + WITHIN;
        assert!(!seats.seen(key, |seen| seen.comes_from_two_places(old)));
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
