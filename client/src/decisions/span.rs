//! From when until when.

use time::OffsetDateTime;
use time::macros::format_description;

use crate::data::moment;

/// Why a time is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// It cannot be read.
    #[error(
        "{option}: found {found:?}, expected a date such as 2026-07-27 or a time such as 2026-07-27T12:30:00Z"
    )]
    Time {
        /// Which option.
        option: &'static str,
        /// What was found.
        found: String,
    },
    /// The end is not behind the beginning.
    #[error("--until: found a time that is not after --from; no decision is from between")]
    Empty,
}

/// From a time on, until before another; both may be left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpan {
    /// In milliseconds since 1970 UTC.
    from: Option<i64>,
    until: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

impl TimeSpan {
    /// From what a person wrote: dates or times of RFC 3339, in UTC where no zone is told. A date as the end is meant with its whole day.
    ///
    /// # Errors
    /// [`SpanError`].
    pub fn read(from: Option<&str>, until: Option<&str>) -> Result<Self, SpanError> {
        let read = |option, text: &str| {
            let micros = moment::date(text).ok_or_else(|| SpanError::Time {
                option,
                found: text.to_owned(),
            })?;
            Ok(micros.div_euclid(1000))
        };
        let from = from.map(|text| read("--from", text)).transpose()?;
        let until = until.map(|text| {
            let at = read("--until", text)?;
            Ok(if text.len() == 10 {
                at.saturating_add(DAY_MS)
            } else {
                at
            })
        });
        let until = until.transpose()?;
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return Err(SpanError::Empty);
        }
        Ok(Self { from, until })
    }

    /// Both ends in milliseconds since 1970 UTC, where they are not open.
    pub fn ends(self) -> (Option<i64>, Option<i64>) {
        (self.from, self.until)
    }

    /// Whether a time is in it.
    pub fn has(self, at_ms: i64) -> bool {
        self.from.is_none_or(|from| at_ms >= from) && self.until.is_none_or(|until| at_ms < until)
    }

    /// Whether a day may have a time of it, that day's midnights taken with room: a request that began before one may be written down after it.
    pub(super) fn may_have(self, day_ms: i64) -> bool {
        let (first, last) = (day_ms.saturating_sub(DAY_MS), day_ms.saturating_add(2 * DAY_MS));
        self.from.is_none_or(|from| last > from) && self.until.is_none_or(|until| first < until)
    }
}

/// A time as RFC 3339 writes it, to the millisecond, in UTC.
pub fn time_text(at_ms: i64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.ok()
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_else(|| format!("{at_ms} ms"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `date -u -d 2026-07-27 +%s`
    const DAY: i64 = 1_785_110_400_000;

    #[test]
    fn dates_are_whole_days_and_times_are_moments() {
        let read = |from, until| TimeSpan::read(from, until).unwrap();
        let of_day = read(Some("2026-07-27"), Some("2026-07-27"));
        assert!(of_day.has(DAY) && of_day.has(DAY + DAY_MS - 1));
        assert!(!of_day.has(DAY - 1) && !of_day.has(DAY + DAY_MS));
        let of_hour = read(Some("2026-07-27T02:00:00+02:00"), Some("2026-07-27T01:00:00Z"));
        assert!(of_hour.has(DAY) && !of_hour.has(DAY + 3_600_000));
        assert!(TimeSpan::default().has(i64::MIN) && TimeSpan::default().has(i64::MAX));
        assert!(of_day.may_have(DAY) && of_day.may_have(DAY + DAY_MS) && !of_day.may_have(DAY + 3 * DAY_MS));
    }

    #[test]
    fn what_is_no_time_is_told() {
        let wrong = TimeSpan::read(Some("27.7.2026"), None).unwrap_err();
        assert!(
            wrong.to_string().contains("--from: found \"27.7.2026\""),
            "{wrong}"
        );
        assert_eq!(
            TimeSpan::read(Some("2026-07-27"), Some("2026-07-26")),
            Err(SpanError::Empty)
        );
        assert_eq!(time_text(DAY + 61_002), "2026-07-27T00:01:01.002Z");
    }
}
