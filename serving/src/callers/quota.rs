//! How many rows a caller may have scored: a bucket of tokens that fills at a rate.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::refusal::{Kind, Refusal};

/// Rows that a caller may have scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Rows a second in the long run, at least 1.
    pub rows_per_second: u32,
    /// Rows at once after a pause, at least 1; no request may have more.
    pub burst: u32,
}

/// What a caller has left, in rows.
#[derive(Debug)]
pub(super) struct Bucket {
    quota: Quota,
    left: f64,
    since: Instant,
}

impl Bucket {
    pub(super) fn full(quota: Quota, now: Instant) -> Self {
        Self {
            quota,
            left: f64::from(quota.burst),
            since: now,
        }
    }

    pub(super) fn take(&mut self, rows: usize, now: Instant) -> Result<(), Refusal> {
        let Quota {
            rows_per_second,
            burst,
        } = self.quota;
        let Some(wanted) = u32::try_from(rows).ok().filter(|&rows| rows <= burst) else {
            let words = format!(
                "a request of {rows} rows is more than the quota's burst of {burst}; send fewer rows at once"
            );
            return Err(Refusal::new(Kind::TooLarge, words));
        };
        let rate = f64::from(rows_per_second.max(1));
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = self.since.max(now);
        self.left = f64::from(burst).min(self.left + passed * rate);
        let missing = f64::from(wanted) - self.left;
        if missing > 0.0 {
            let after = Duration::from_secs_f64(missing / rate);
            let words = format!(
                "the quota is {rows_per_second} rows a second, {burst} at once; {rows} rows are too many now"
            );
            return Err(Refusal::later(Kind::TooMany, after, words));
        }
        self.left -= f64::from(wanted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Bucket, Quota};
    use crate::refusal::Kind;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let quota = Quota {
            rows_per_second: 10,
            burst: 5,
        };
        let mut bucket = Bucket::full(quota, start);
        bucket.take(5, start).expect("the burst");
        let refusal = bucket.take(2, start).expect_err("empty");
        assert_eq!(refusal.kind, Kind::TooMany);
        // Two rows at ten a second.
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(200)));
        assert_eq!(refusal.retry_seconds(), Some(1));
        bucket
            .take(2, start + Duration::from_millis(250))
            .expect("2.5 rows have come");
        bucket
            .take(1, start + Duration::from_millis(250))
            .expect_err("half a row is left");
        // However long the pause, no more than the burst.
        let later = start + Duration::from_secs(3600);
        bucket.take(5, later).expect("full again");
        bucket.take(1, later).expect_err("and no fuller");
        assert_eq!(bucket.take(6, later).expect_err("never").kind, Kind::TooLarge);
    }
}
