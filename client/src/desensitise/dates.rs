//! Dates as tables write them: read, moved by days, and written again in the form in which they stood.

use serde::Deserialize;
use time::{Date, Duration, Month};

/// In which order day and month stand where the year is last, which the text does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// 31/01/2024
    Dmy,
    /// 01/31/2024
    Mdy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
}

/// A date in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dated<'a> {
    date: Date,
    /// The parts in their order, with the digits of each and the sign behind it.
    parts: [(Part, usize, &'a str); 3],
    /// What stands behind the date: nothing, or the time of day.
    rest: &'a str,
}

impl<'a> Dated<'a> {
    /// Reads `2024-01-31`, `2024/1/31`, `2024.01.31`, `20240131`, `2024年1月31日` and `31.01.2024`, and with an order also `31/01/2024` and
    /// `31-01-2024`; each may have a time of day behind it.
    pub(super) fn read(text: &'a str, order: Option<Order>) -> Option<Self> {
        let end_of_digits = |text: &str| {
            text.find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let first = end_of_digits(text);
        if first == 8 {
            let parts = [(Part::Year, 4, ""), (Part::Month, 2, ""), (Part::Day, 2, "")];
            return Self::of(parts, [&text[..4], &text[4..6], &text[6..8]], &text[8..]);
        }
        let mut numbers = [""; 3];
        let mut signs = [""; 3];
        let mut rest = text;
        for place in 0..3 {
            let (number, behind) = rest.split_at(end_of_digits(rest));
            let sign = behind.chars().next().filter(|sign| match place {
                0 => "-/.年".contains(*sign),
                1 => behind.starts_with(signs[0]) || (signs[0] == "年" && *sign == '月'),
                _ => signs[0] == "年" && *sign == '日',
            });
            let (sign, behind) = behind.split_at(sign.map_or(0, char::len_utf8));
            if place < 2 && sign.is_empty() {
                return None;
            }
            numbers[place] = number;
            signs[place] = sign;
            rest = behind;
        }
        let order = match (first, signs[0], order) {
            (4, _, _) => [Part::Year, Part::Month, Part::Day],
            (1 | 2, ".", None) | (1 | 2, "." | "-" | "/", Some(Order::Dmy)) => {
                [Part::Day, Part::Month, Part::Year]
            }
            (1 | 2, "." | "-" | "/", Some(Order::Mdy)) => [Part::Month, Part::Day, Part::Year],
            _ => return None,
        };
        let part = |place: usize| (order[place], numbers[place].len(), signs[place]);
        Self::of([part(0), part(1), part(2)], numbers, rest)
    }

    fn of(mut parts: [(Part, usize, &'a str); 3], numbers: [&str; 3], rest: &'a str) -> Option<Self> {
        let (mut year, mut month, mut day) = (None, None, None);
        for ((part, digits, _), number) in parts.into_iter().zip(numbers) {
            match part {
                Part::Year if digits == 4 => year = number.parse().ok(),
                Part::Month if digits <= 2 => {
                    month = number
                        .parse()
                        .ok()
                        .and_then(|number: u8| Month::try_from(number).ok())
                }
                Part::Day if digits <= 2 => day = number.parse().ok(),
                _ => return None,
            }
        }
        let time_of_day = rest.is_empty() || rest.starts_with(['T', ' ']);
        let date = Date::from_calendar_date(year?, month?, day?).ok()?;
        // Where 1 stands for January, 10 has two digits by itself and is no form of two digits.
        let is_padded =
            |number: &str| number.starts_with('0') || !numbers.iter().any(|other| other.len() == 1);
        for ((_, digits, _), number) in parts.iter_mut().zip(numbers) {
            *digits = if is_padded(number) { number.len() } else { 1 };
        }
        time_of_day.then_some(Self { date, parts, rest })
    }

    /// The same form with a date that is so many days later. None beyond the years 0 to 9999.
    pub(super) fn moved(&self, days: i64) -> Option<String> {
        let date = self.date.checked_add(Duration::days(days))?;
        let year = u16::try_from(date.year()).ok()?;
        let mut text = String::new();
        for (part, digits, sign) in self.parts {
            let number = match part {
                Part::Year => year,
                Part::Month => u8::from(date.month()).into(),
                Part::Day => date.day().into(),
            };
            text.push_str(&format!("{number:0digits$}{sign}"));
        }
        Some(text + self.rest)
    }

    /// The year, four digits.
    pub(super) fn year(&self) -> String {
        format!("{:04}", self.date.year())
    }

    /// Year and month, as in `2024-01`.
    pub(super) fn month(&self) -> String {
        format!("{}-{:02}", self.year(), u8::from(self.date.month()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_keeps_its_form() {
        for (text, order, later) in [
            ("2024-01-31", None, "2024-03-01"),
            ("2024/1/31", None, "2024/3/1"),
            ("2024.01.31", None, "2024.03.01"),
            ("20240131", None, "20240301"),
            ("2024年1月31日", None, "2024年3月1日"),
            ("31.01.2024", None, "01.03.2024"),
            ("31/01/2024", Some(Order::Dmy), "01/03/2024"),
            ("1/31/2024", Some(Order::Mdy), "3/1/2024"),
            ("2024-01-31T10:15:00Z", None, "2024-03-01T10:15:00Z"),
            ("20240131 10:15", None, "20240301 10:15"),
        ] {
            // 2024 is a leap year: 30 days from the last of January to the first of March.
            let dated = Dated::read(text, order).unwrap();
            assert_eq!(dated.moved(30).unwrap(), later);
            assert_eq!(dated.moved(0).unwrap(), text);
            assert_eq!(
                (dated.year().as_str(), dated.month().as_str()),
                ("2024", "2024-01")
            );
        }
    }

    #[test]
    fn what_is_no_date_or_could_be_two_is_not_read() {
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2023-02-29",
            "31/01/2024",
            "01-02-2024",
            "2024-01-31x",
            "2024-01/31",
            "1234567",
            "123456789",
            "1.2.24",
            "2024-1",
            "年月日",
            "2024-001-31",
        ] {
            assert_eq!(Dated::read(text, None), None, "{text}");
        }
        assert_eq!(Dated::read("9999-12-31", None).unwrap().moved(1), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in ".{0,24}", days in -4_000_000_i64..4_000_000) {
            for order in [None, Some(Order::Dmy), Some(Order::Mdy)] {
                if let Some(dated) = Dated::read(&text, order) {
                    prop_assert_eq!(dated.moved(0), Some(text.clone()));
                    drop(dated.moved(days));
                }
            }
        }
    }
}
