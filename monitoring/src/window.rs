//! How time is parted.

use std::ops::Range;
use std::str::FromStr;

use time::{Date, Duration, Month, OffsetDateTime, Time};

use crate::sample::Invalid;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A day of UTC.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month of the calendar.
    Month,
    /// So many rows.
    Rows(usize),
}

/// A window with the rows in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is called: `2026-07-20`, `2026-W30`, `2026-07`, or `rows 1-500`.
    pub name: String,
    /// Its beginning, or the first row, in milliseconds since 1970 UTC.
    pub from_ms: i64,
    /// The first millisecond after it, or after the last row.
    pub until_ms: i64,
    /// The rows.
    pub rows: Range<usize>,
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            rows => match rows.parse() {
                Ok(rows @ 1..) => Ok(Self::Rows(rows)),
                _ => Err(format!(
                    "found {text:?}, expected day, week, month, or a number of rows"
                )),
            },
        }
    }
}

impl Window {
    /// The windows that have rows, in the order of time. `times_ms` ascend.
    ///
    /// # Errors
    /// A time that no calendar has.
    pub fn spans(self, times_ms: &[i64]) -> Result<Vec<Span>, Invalid> {
        if let Self::Rows(many) = self {
            return Ok(of_rows(times_ms, many.max(1)));
        }
        let mut spans: Vec<Span> = Vec::new();
        for (row, &at) in times_ms.iter().enumerate() {
            match spans.last_mut().filter(|span| at < span.until_ms) {
                Some(span) => span.rows.end = row + 1,
                None => {
                    let (from, until, name) = self.around(at)?;
                    spans.push(Span {
                        name,
                        from_ms: from,
                        until_ms: until,
                        rows: row..row + 1,
                    });
                }
            }
        }
        Ok(spans)
    }

    /// The window around a time: its beginning, its end, and its name.
    fn around(self, at: i64) -> Result<(i64, i64, String), Invalid> {
        let wrong = || Invalid::Time { found: at };
        let day = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000))
            .map_err(|_| wrong())?
            .date();
        let (first, next, name) = match self {
            Self::Week => {
                let since = Duration::days(day.weekday().number_days_from_monday().into());
                let first = day.checked_sub(since).ok_or_else(wrong)?;
                let (year, week, _) = day.to_iso_week_date();
                (
                    first,
                    first.checked_add(Duration::WEEK),
                    format!("{year:04}-W{week:02}"),
                )
            }
            Self::Month => {
                let first = day.replace_day(1).map_err(|_| wrong())?;
                let next = match day.month() {
                    Month::December => Date::from_calendar_date(day.year() + 1, Month::January, 1),
                    month => Date::from_calendar_date(day.year(), month.next(), 1),
                };
                let name = format!("{:04}-{:02}", day.year(), u8::from(day.month()));
                (first, next.ok(), name)
            }
            Self::Day | Self::Rows(_) => (day, day.next_day(), named(day)),
        };
        let next = next.ok_or_else(wrong)?;
        Ok((millis(first), millis(next), name))
    }
}

fn named(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

fn millis(day: Date) -> i64 {
    day.with_time(Time::MIDNIGHT)
        .assume_utc()
        .unix_timestamp()
        .saturating_mul(1000)
}

fn of_rows(times_ms: &[i64], many: usize) -> Vec<Span> {
    let windows = times_ms.chunks(many).enumerate();
    windows
        .map(|(at, times)| {
            let first = at * many;
            Span {
                name: format!("rows {}-{}", first + 1, first + times.len()),
                from_ms: times.first().copied().unwrap_or_default(),
                until_ms: times.last().map_or(0, |last| last.saturating_add(1)),
                rows: first..first + times.len(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-01-01 was a Thursday.
    const NEW_YEAR: i64 = 1_767_225_600_000;
    const DAY: i64 = 86_400_000;

    fn names(window: Window, times: &[i64]) -> Vec<(String, Range<usize>)> {
        let spans = window.spans(times).unwrap();
        for span in &spans {
            let inside = times[span.rows.clone()]
                .iter()
                .all(|at| (span.from_ms..span.until_ms).contains(at));
            assert!(inside, "{span:?}");
        }
        spans.into_iter().map(|span| (span.name, span.rows)).collect()
    }

    #[test]
    fn windows_are_those_of_the_calendar() {
        let times = [
            NEW_YEAR - 1,
            NEW_YEAR,
            NEW_YEAR + 3 * DAY,
            NEW_YEAR + 4 * DAY,
            NEW_YEAR + 31 * DAY,
        ];
        let of = |parts: &[(&str, Range<usize>)]| -> Vec<(String, Range<usize>)> {
            let owned = parts
                .iter()
                .map(|(name, rows)| ((*name).to_owned(), rows.clone()));
            owned.collect()
        };
        assert_eq!(
            names(Window::Day, &times[..3]),
            of(&[("2025-12-31", 0..1), ("2026-01-01", 1..2), ("2026-01-04", 2..3)])
        );
        // The week of the new year began on Monday, 2025-12-29.
        assert_eq!(
            names(Window::Week, &times),
            of(&[("2026-W01", 0..3), ("2026-W02", 3..4), ("2026-W05", 4..5)])
        );
        assert_eq!(
            names(Window::Month, &times),
            of(&[("2025-12", 0..1), ("2026-01", 1..4), ("2026-02", 4..5)])
        );
        assert_eq!(
            names(Window::Rows(2), &times),
            of(&[("rows 1-2", 0..2), ("rows 3-4", 2..4), ("rows 5-5", 4..5)])
        );
        assert!(names(Window::Week, &[]).is_empty());
        assert!(Window::Week.spans(&[i64::MAX]).is_err());
    }

    #[test]
    fn windows_are_read() {
        assert_eq!("week".parse(), Ok(Window::Week));
        assert_eq!("500".parse(), Ok(Window::Rows(500)));
        for wrong in ["0", "-1", "weeks", ""] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
