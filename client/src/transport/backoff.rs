//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(30);

/// Exponential delays from 0.2 s to 30 s. Each is drawn from the upper half of its step, so that banks that lost the coordinator
/// together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    step: Duration,
    state: u64,
}

impl Backoff {
    /// Delays that follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            step: FIRST,
            state: seed,
        }
    }

    /// The next delay.
    pub(super) fn next(&mut self) -> Duration {
        let half = self.step / 2;
        let share = u32::try_from(self.random() >> 32).unwrap_or(u32::MAX);
        let jitter = half.mul_f64(f64::from(share) / f64::from(u32::MAX));
        self.step = (self.step * 2).min(LAST);
        half + jitter
    }

    /// Starts again from the shortest delay.
    pub(super) fn reset(&mut self) {
        self.step = FIRST;
    }

    /// Goes on with the longest delay: trying soon would do harm.
    pub(super) fn longest(&mut self) {
        self.step = LAST;
    }

    /// SplitMix64 (Steele, Lea, Flood 2014). It spreads delays and protects nothing.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_within_their_bounds() {
        let mut backoff = Backoff::new(1);
        let mut step = FIRST;
        for _ in 0..12 {
            let delay = backoff.next();
            assert!(delay >= step / 2 && delay <= step, "{delay:?} of {step:?}");
            step = (step * 2).min(LAST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
        backoff.longest();
        assert!(backoff.next() >= LAST / 2);
    }

    #[test]
    fn banks_with_other_seeds_come_at_other_times() {
        let delays = |seed| {
            let mut backoff = Backoff::new(seed);
            [backoff.next(), backoff.next(), backoff.next()]
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    /// The reference implementation gives 0xe220a8397b1dcdaf first from seed 0.
    #[test]
    fn the_generator_is_splitmix64() {
        assert_eq!(Backoff::new(0).random(), 0xe220_a839_7b1d_cdaf);
    }
}
