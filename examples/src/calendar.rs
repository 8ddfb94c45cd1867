//! Days as ISO 8601 dates.

/// Days from 1970-01-01 to Monday, 4 January 2021.
pub(crate) const MONDAY_2021: u32 = 18_631;

/// Days from 1970-01-01 to Monday, 5 January 2026.
pub(crate) const MONDAY_2026: u32 = 20_458;

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar (Richards 2013, whole-number arithmetic).
pub(crate) fn iso(day: u32) -> String {
    // Years begin in March here, so that the leap day is the last one; eras have 400 years.
    let since = day + 719_468;
    let (era, in_era) = (since / 146_097, since % 146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u32::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// The `n`th weekday from a Monday, counted from 1970-01-01.
pub(crate) fn weekday(monday: u32, n: u32) -> u32 {
    monday + n / 5 * 7 + n % 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (day, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (MONDAY_2021, "2021-01-04"),
            (MONDAY_2026, "2026-01-05"),
            (MONDAY_2026 + 59, "2026-03-05"),
        ] {
            assert_eq!(iso(day), date);
        }
        assert_eq!(iso(weekday(MONDAY_2026, 4)), "2026-01-09");
        assert_eq!(iso(weekday(MONDAY_2026, 5)), "2026-01-12");
    }
}
