//! Numbers and times in words.

use time::OffsetDateTime;
use time::macros::format_description;
use veilsum_protocol::ids::Timestamp;

/// Date and time in UTC, to the second; a number that is none stays a number.
pub(super) fn moment(at: Timestamp) -> String {
    let read = i64::try_from(at.0)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    read.map_or_else(|| format!("second {} since 1970", at.0), utc)
}

pub(crate) fn utc(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.to_offset(time::UtcOffset::UTC)
        .format(form)
        .unwrap_or_else(|_| at.unix_timestamp().to_string())
}

/// Seconds, in the two largest units that they have.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A share as a percentage that says 100 and 0 only where that is exact.
pub(super) fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = 100.0 * part as f64 / whole as f64;
    let shown = if part == whole || part == 0 {
        format!("{share:.0}")
    } else {
        format!("{:.1}", share.clamp(0.1, 99.9))
    };
    format!("{shown} %")
}

pub(super) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{} {word}", grouped(count as u64))
}

/// A value in as many digits as a reader needs: four, and every digit before the point; very small and very large ones with a power of ten.
pub fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e12).contains(&x.abs()) {
        return format!("{x:.3e}");
    }
    let digits = (3 - x.abs().log10().floor() as i32).clamp(0, 8);
    let text = format!("{x:.*}", usize::try_from(digits).unwrap_or(0));
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers() {
        assert_eq!(moment(Timestamp(1_700_000_000)), "2023-11-14 22:13:20 UTC");
        assert_eq!(
            moment(Timestamp(u64::MAX)),
            "second 18446744073709551615 since 1970"
        );
        let durations = [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h 0 min"),
            (90_000, "1 d 1 h"),
        ];
        for (seconds, words) in durations {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(percent(9_999, 10_000), "99.9 %");
        assert_eq!(
            (percent(1, 2), percent(3, 3), percent(0, 0)),
            ("50.0 %".into(), "100 %".into(), "–".into())
        );
    }
}
