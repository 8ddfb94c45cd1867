//! How often one bank is admitted.
//!
//! Each admission costs the engine more than it costs the bank: a walk through the log, and the messages of the open round again. So a bank
//! that comes again and again waits at the door, where it holds up nobody but itself.

use std::time::Duration;

use tokio::time::Instant;

/// Admissions that a bank has in hand when it was not seen for a while.
const IN_HAND: u32 = 8;

/// After so long it has one more.
const ANOTHER: Duration = Duration::from_millis(500);

/// The admissions of one bank.
#[derive(Debug)]
pub(super) struct Pace {
    in_hand: u32,
    /// Since when the next one grows.
    since: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_hand: IN_HAND,
            since: now,
        }
    }

    /// Takes an admission, or tells when there is one again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.in_hand < IN_HAND && now >= self.since + ANOTHER {
            self.in_hand += 1;
            self.since += ANOTHER;
        }
        if self.in_hand == IN_HAND {
            self.since = now;
        }
        match self.in_hand.checked_sub(1) {
            Some(left) => {
                self.in_hand = left;
                Ok(())
            }
            None => Err(self.since + ANOTHER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_that_was_away_has_eight_at_once_and_then_two_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!((0..8).all(|_| pace.take(start).is_ok()));
        let next = start + Duration::from_millis(500);
        assert_eq!(pace.take(start), Err(next));
        assert_eq!(pace.take(next - Duration::from_millis(1)), Err(next));
        assert_eq!(pace.take(next), Ok(()));
        assert_eq!(pace.take(next), Err(next + Duration::from_millis(500)));
        // An hour later there are eight again, and not more.
        let later = start + Duration::from_secs(3600);
        assert!((0..8).all(|_| pace.take(later).is_ok()));
        assert_eq!(pace.take(later), Err(later + Duration::from_millis(500)));
    }
}
