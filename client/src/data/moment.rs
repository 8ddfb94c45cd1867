use time::{Date, Month, PrimitiveDateTime, Time};

/// What a cell with a time has to be.
pub(crate) const EXPECTED: &str =
    "a date such as 2024-01-31, a time such as 2024-01-31T12:30:00Z, or a number";

/// When a row happened: a point in time, or a number that grows with time. Later ones are greater; of the two kinds, a
/// number is less, so that both are never compared in earnest (see [`Moment::is_of`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// The bits of a finite number, in the order of the numbers.
    Number(i64),
    /// Microseconds since 1970, in UTC where a zone is told. What is finer is cut off.
    Date(i64),
}

impl Moment {
    /// Reads a number, or a date of ISO 8601, also with slashes, with or without a time of day (after `T` or a blank) and a zone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<f64>() {
            let number = if number == 0.0 { 0.0 } else { number };
            let bits = number.to_bits().cast_signed();
            // As `f64::total_cmp` does.
            let ordered = bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed();
            return number.is_finite().then_some(Self::Number(ordered));
        }
        date(text).map(Self::Date)
    }

    /// What it is, in words.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Date(_) => "a date",
        }
    }

    /// Whether both are numbers, or both dates.
    pub(crate) fn is_of(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Number(_), Self::Number(_)) | (Self::Date(_), Self::Date(_))
        )
    }
}

/// Whether a text is a date, with or without a time of day.
pub(crate) fn is_date(text: &str) -> bool {
    date(text).is_some()
}

/// The moment of a date, in microseconds since 1970.
pub(crate) fn date(text: &str) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let ([b'0'..=b'9', .., b'-', _, _, b'-', _, _] | [b'0'..=b'9', .., b'/', _, _, b'/', _, _]) =
        day.as_bytes()
    else {
        return None;
    };
    let number = |from: usize, to: usize| digits(day.get(from..to)?);
    let year = i32::try_from(number(0, 4)?).ok()?;
    let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(number(8, 10)?).ok()?).ok()?;
    let (time, offset_s) = match rest.strip_prefix(['T', ' ']) {
        None if rest.is_empty() => (Time::MIDNIGHT, 0),
        None => return None,
        Some(rest) => {
            let end = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
            let (clock, zone) = rest.split_at_checked(end)?;
            (time_of_day(clock)?, offset(zone)?)
        }
    };
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    let microseconds = i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok()?;
    microseconds.checked_sub(offset_s * 1_000_000)
}

/// `12:30`, `12:30:45` or `12:30:45.5`.
fn time_of_day(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':').map(|part| {
        let two = (part.len() == 2).then_some(part)?;
        u8::try_from(digits(two)?).ok()
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || fraction.is_empty() || fraction.len() > 12 {
        return None;
    }
    let shown = fraction.get(..6).unwrap_or(fraction);
    digits(fraction)?;
    let microseconds = digits(shown)? * 10_u32.pow(6 - u32::try_from(shown.len()).ok()?);
    Time::from_hms_micro(hour, minute, second, microseconds).ok()
}

/// Seconds east of Greenwich: nothing, `Z`, `+01`, `+0100` or `+01:00`.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') if text.len() == 1 => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_at_checked(2)?;
    let minutes = match minutes.strip_prefix(':').unwrap_or(minutes) {
        "" if minutes.is_empty() => 0,
        two if two.len() == 2 => digits(two)?,
        _ => return None,
    };
    let hours = digits(hours)?;
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

/// Up to 9 digits; longer texts keep their first 9 in mind and are checked for digits alone.
fn digits(text: &str) -> Option<u32> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let start = text.get(..9).unwrap_or(text);
    if all { start.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_points_and_later_ones_are_greater() {
        // `date -u -d 2024-02-29T12:30:45 +%s`
        let noon = Moment::Date(1_709_209_845_000_000);
        for text in [
            "2024-02-29T12:30:45",
            "2024-02-29 12:30:45Z",
            "2024-02-29T13:30:45+01:00",
            "2024-02-29T06:00:45.000-0630",
            "2024-02-29T14:30:45+02",
            "2024/02/29 12:30:45",
        ] {
            assert_eq!(Moment::parse(text), Some(noon), "{text}");
        }
        assert_eq!(
            Moment::parse("1969-12-31T23:59:59.999999"),
            Some(Moment::Date(-1))
        );
        assert_eq!(
            Moment::parse("1970-01-01T00:00:00.0000019"),
            Some(Moment::Date(1))
        );
        let ordered = ["-1e9", "-2", "-0.5", "0", "0.5", "2", "1e9"];
        let moments = ordered.map(|text| Moment::parse(text).unwrap());
        assert!(moments.is_sorted());
        assert_eq!(Moment::parse("-0"), Moment::parse("0"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "nan",
            "inf",
            "2023-02-29",
            "2024-13-01",
            "31.12.2024",
            "2024-1-1",
            "2024/01-31",
            "31/12/2024",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T12",
            "2024-01-01T12:00:00.",
            "2024-01-01T12:00+1",
            "2024-01-01T12:00Zz",
            "2024-01-01x",
            "2024-01-01T1:00",
            "é024-01-01",
            "2024-01-01T12:00+01:",
            "2024-01-01T12:00:00.é",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
