//! Columns of dates, and the calendar that they are read by: whole numbers, the same on every machine.

use serde::Deserialize;

use super::{Outside, WhenMissing};

const DAY: i64 = 86_400;

/// A column of dates, each with or without a time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DateColumn {
    /// First moment of the agreed range, in seconds since 1970 in UTC.
    pub min: i64,
    /// Last moment of the agreed range, after `min`.
    pub max: i64,
    /// What a date outside the range does.
    pub outside: Outside,
    /// What a missing date does.
    pub when_missing: WhenMissing,
    /// Of which cycles the model is given the place, in this order.
    pub cycles: Vec<Cycle>,
    /// Whether the model is given how long ago the row before was. Only the column that orders the rows of a
    /// [`super::Sequence`] has it.
    pub since_previous: bool,
}

/// What comes again in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cycle {
    /// From midnight in UTC.
    Day,
    /// From Monday.
    Week,
    /// From the first of the month; each has its own length.
    Month,
    /// From the first of January; leap years are longer.
    Year,
}

impl Cycle {
    /// Its name in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Where a moment, in seconds since 1970 in UTC, stands in its cycle, and the cycle's length, in seconds.
    pub fn place(self, seconds: i64) -> (i64, i64) {
        let (day, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (first, days) = match self {
            Self::Day => (day, 1),
            // 1970 began on a Thursday.
            Self::Week => (day - (day + 3).rem_euclid(7), 7),
            Self::Month => {
                let (year, month, of_month) = civil(day);
                (day - of_month + 1, days_of_month(year, month))
            }
            Self::Year => {
                let (year, ..) = civil(day);
                let first = days(year, 1, 1);
                (first, days(year + 1, 1, 1) - first)
            }
        };
        ((day - first) * DAY + of_day, days * DAY)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, chrono-compatible low-level date algorithms). Years
/// begin in March there, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day so many days after 1970-01-01 (Hinnant, as above).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = years + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    days(next_year, next, 1) - days(year, month, 1)
}

/// Seconds since 1970 of `2024-01-31`, `2024-01-31T12:30` or `2024-01-31T12:30:45`, in UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let of_day = match time {
        None => 0,
        Some(time) => {
            let [hour, minute, second] =
                numbers(time, ':', [2, 2, 2]).or_else(|| numbers(&format!("{time}:00"), ':', [2, 2, 2]))?;
            if hour >= 24 || minute >= 60 || second >= 60 {
                return None;
            }
            hour * 3600 + minute * 60 + second
        }
    };
    Some(days(year, month, day) * DAY + of_day)
}

/// Three numbers of so many digits each.
fn numbers(text: &str, sign: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(sign);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        let fits = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = fits.then_some(part)?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The one spelling of a moment in the normal form: a date, with the time of day where that is not midnight.
pub(super) fn text(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let date = format!("{year:04}-{month:02}-{day:02}");
    match seconds.rem_euclid(DAY) {
        0 => date,
        of_day => format!(
            "{date}T{:02}:{:02}:{:02}",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60
        ),
    }
}

impl DateColumn {
    /// The ends of the range as a schema writes them.
    pub fn range(&self) -> (String, String) {
        (text(self.min), text(self.max))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_those_of_the_system_s_calendar() {
        // `date -u -d ... +%s`
        for (written, seconds) in [
            ("1970-01-01", 0),
            ("2024-02-29", 1_709_164_800),
            ("2024-02-29T12:30:45", 1_709_209_845),
            ("2000-03-01", 951_868_800),
            ("1900-03-01", -2_203_891_200),
            ("1969-12-31T23:59:59", -1),
            ("9999-12-31", 253_402_214_400),
            ("0000-01-01", -62_167_219_200),
        ] {
            assert_eq!(parse(written), Some(seconds), "{written}");
            assert_eq!(text(seconds), written);
        }
        assert_eq!(parse("2024-02-29T12:30"), Some(1_709_209_800));
        for written in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-1-1",
            "2024-01-01T24:00",
            "2024-01-01T12",
            "2024-01-01T12:00:00Z",
            "2024-01-01T",
            "2024-01-01-01",
            "+024-01-01",
            "x",
        ] {
            assert_eq!(parse(written), None, "{written}");
        }
    }

    #[test]
    fn places_in_cycles_by_hand() {
        let at = |text: &str| parse(text).unwrap();
        // A Wednesday, at noon.
        let noon = at("2024-01-31T12:00");
        assert_eq!(Cycle::Day.place(noon), (DAY / 2, DAY));
        assert_eq!(Cycle::Week.place(noon), (5 * DAY / 2, 7 * DAY));
        assert_eq!(Cycle::Month.place(noon), (30 * DAY + DAY / 2, 31 * DAY));
        assert_eq!(Cycle::Year.place(noon), (30 * DAY + DAY / 2, 366 * DAY));
        assert_eq!(Cycle::Year.place(at("2023-12-31")), (364 * DAY, 365 * DAY));
        assert_eq!(Cycle::Month.place(at("2023-02-28")), (27 * DAY, 28 * DAY));
        // The last second before 1970, a Wednesday.
        assert_eq!(Cycle::Week.place(-1), (3 * DAY - 1, 7 * DAY));
    }

    proptest! {
        #[test]
        fn days_and_dates_are_one_to_one(day in -719_528_i64..2_932_897) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), day);
            prop_assert!((1..=days_of_month(year, month)).contains(&of_month));
            let seconds = day * DAY + 1;
            prop_assert_eq!(parse(&text(seconds)), Some(seconds));
            for cycle in [Cycle::Day, Cycle::Week, Cycle::Month, Cycle::Year] {
                let (place, length) = cycle.place(seconds);
                prop_assert!((0..length).contains(&place));
                // The next second follows, or the cycle begins anew.
                prop_assert_eq!(cycle.place(seconds + length - place).0, 0);
            }
        }
    }
}
