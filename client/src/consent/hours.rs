//! When a bank takes part: windows of the day, in UTC.

use std::fmt;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::macros::format_description;

const DAY_MINUTES: u16 = 24 * 60;

/// Windows of the day in which the bank joins rounds; none for all day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(Vec<Window>);

/// From a minute of the day up to another, which may be one of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    from: u16,
    to: u16,
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        // A window that ends where it begins could be a whole day or nothing.
        (from < DAY_MINUTES && from != to).then_some(Self { from, to })
    }

    fn holds(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// `HH:MM`, also `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= DAY_MINUTES).then_some(at)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(Window::to_string))
    }
}

impl Hours {
    /// Reads windows such as `22:00-06:00`.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub(super) fn parse(windows: &[String]) -> Result<Self, String> {
        if windows.is_empty() {
            return Err(
                "hours = [], expected one window or more; leave the key out to take part at any time"
                    .to_owned(),
            );
        }
        let window = |text: &String| {
            Window::parse(text).ok_or_else(|| {
                format!("hours: found {text:?}, expected two times of the day (UTC) that differ, as in \"22:00-06:00\"")
            })
        };
        Ok(Self(windows.iter().map(window).collect::<Result<_, _>>()?))
    }

    /// True if there are none: the bank takes part at any time.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next window begins, in Unix seconds; `None` inside of one.
    pub fn closed_until(&self, now: u64) -> Option<u64> {
        const DAY_S: u64 = 24 * 3600;
        let minute = u16::try_from(now % DAY_S / 60).ok()?;
        if self.is_any() || self.0.iter().any(|window| window.holds(minute)) {
            return None;
        }
        let midnight = now - now % DAY_S;
        let begins = |window: &Window| {
            let today = midnight + u64::from(window.from) * 60;
            if today > now { today } else { today + DAY_S }
        };
        self.0.iter().map(begins).min()
    }
}

/// Unix seconds as a time for people.
pub(crate) fn moment(seconds: u64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_else(|| format!("Unix second {seconds}"))
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<String> = self.0.iter().map(Window::to_string).collect();
        write!(f, "{} UTC", windows.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hours(windows: &[&str]) -> Hours {
        let windows: Vec<String> = windows.iter().map(|window| (*window).to_owned()).collect();
        Hours::parse(&windows).unwrap()
    }

    /// Seconds of some day.
    fn at(hour: u64, minute: u64, second: u64) -> u64 {
        20_000 * 86_400 + hour * 3600 + minute * 60 + second
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let night = hours(&["22:00-06:00"]);
        for (now, until) in [
            (at(22, 0, 0), None),
            (at(0, 0, 0), None),
            (at(5, 59, 59), None),
            (at(6, 0, 0), Some(at(22, 0, 0))),
            (at(21, 59, 59), Some(at(22, 0, 0))),
        ] {
            assert_eq!(night.closed_until(now), until, "{now}");
        }
        assert_eq!(night.to_string(), "22:00-06:00 UTC");
        assert_eq!(moment(at(6, 5, 59)), "2024-10-04 06:05 UTC");
    }

    #[test]
    fn of_several_windows_the_next_one_counts() {
        let two = hours(&["12:30-13:00", "20:00-24:00"]);
        for (now, until) in [
            (at(1, 0, 0), Some(at(12, 30, 0))),
            (at(12, 45, 0), None),
            (at(13, 0, 0), Some(at(20, 0, 0))),
            (at(23, 59, 59), None),
        ] {
            assert_eq!(two.closed_until(now), until, "{now}");
        }
        // After the last of the day comes the first of the next.
        assert_eq!(
            hours(&["08:00-09:00"]).closed_until(at(9, 0, 0)),
            Some(at(32, 0, 0))
        );
        assert_eq!(Hours::default().closed_until(at(3, 0, 0)), None);
    }

    #[test]
    fn every_closed_moment_ends_in_an_open_one() {
        for windows in [
            &["22:00-06:00"][..],
            &["00:00-00:01"],
            &["09:00-12:00", "11:00-23:00", "23:30-00:30"],
        ] {
            let hours = hours(windows);
            for minute in 0..1440 {
                let now = at(0, minute, 17);
                if let Some(until) = hours.closed_until(now) {
                    assert!(until > now && until - now <= 86_400);
                    assert_eq!(hours.closed_until(until), None);
                    assert!(hours.closed_until(until - 1).is_some());
                }
            }
        }
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "22:00",
            "22-06",
            "22:00-",
            "24:00-06:00",
            "22:60-06:00",
            "22:00-24:01",
            "08:00-08:00",
            "8:00-9:00",
            "+1:00-09:00",
            "22:00 - 06:00",
            "22:00-06:00 CET",
        ] {
            let error = Hours::parse(&[text.to_owned()]).unwrap_err();
            assert!(
                error.contains("expected two times of the day") && error.contains(&format!("{text:?}")),
                "{error}"
            );
        }
        assert!(Hours::parse(&[]).unwrap_err().contains("hours = []"));
    }
}
