//! Numbers that a state gives to a person. Only forms that can be told exactly: a check digit, or a form with parts that are never given out.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use time::{Date, Month};

use super::{Finds, Kind, digits_of};

/// A form, and the test that a text of this form must stand.
struct Number {
    form: Regex,
    is: fn(&str) -> bool,
}

static NUMBERS: LazyLock<[Number; 6]> = LazyLock::new(|| {
    let number = |form: &str, is| Number {
        form: Regex::new(form).expect("a pattern that a test compiles"),
        is,
    };
    [
        number("[1-9][0-9]{16}[0-9Xx]", is_chinese),
        number("[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}", is_american),
        number("(?i)[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", is_british),
        number("(?i)(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-Z]", is_spanish),
        number("[1-9][0-9](?: ?[0-9]{3}){3}", is_german),
        number(r"(?i)[A-Z]{1,2}[0-9]{6}\([0-9A]\)", is_hong_kong),
    ]
});

pub(super) fn find(text: &str, found: &mut Finds) {
    for number in NUMBERS.iter() {
        super::each(&number.form, text, |span: Range<usize>| {
            let is = (number.is)(&text[span.clone()]);
            if is {
                found.push(Kind::NationalId, span);
            }
            is
        });
    }
}

/// Resident identity card of China (GB 11643-1999): a region, the date of birth, a serial number, and a check character by ISO/IEC 7064,
/// MOD 11-2.
fn is_chinese(text: &str) -> bool {
    let Some((body, check)) = text.split_at_checked(17) else {
        return false;
    };
    let digits = digits_of(body);
    let number = |range: Range<usize>| {
        digits[range]
            .iter()
            .fold(0_u16, |number, &digit| number * 10 + u16::from(digit))
    };
    if digits.len() != 17 || !is_region(number(0..2)) {
        return false;
    }
    let (year, month, day) = (number(6..10), number(10..12), number(12..14));
    if !(1850..2100).contains(&year) || !is_date(year, month, day) {
        return false;
    }
    // The weight of a place is a power of 2 modulo 11; all eighteen characters together leave 1.
    let sum = digits
        .iter()
        .fold(0, |sum, &digit| (sum + u32::from(digit)) * 2 % 11);
    let check = match check {
        "X" | "x" => 10,
        digit => digit.parse().unwrap_or(11),
    };
    check <= 10 && (sum + check) % 11 == 1
}

/// Provinces, municipalities and regions by GB/T 2260, with Taiwan, Hong Kong and Macau.
fn is_region(code: u16) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

fn is_date(year: u16, month: u16, day: u16) -> bool {
    let month = u8::try_from(month)
        .ok()
        .and_then(|month| Month::try_from(month).ok());
    let day = u8::try_from(day).ok();
    match (month, day) {
        (Some(month), Some(day)) => Date::from_calendar_date(year.into(), month, day).is_ok(),
        _ => false,
    }
}

/// Social security number: no area 000, 666 or from 900 on, no group 00, no serial number 0000 (Social Security Administration, POMS RM
/// 10201.035). Taxpayers without one have a number from 900 on with a group of 50 to 65, 70 to 88, 90 to 92 or 94 to 99 (Internal Revenue
/// Service, Publication 4757). There is no check digit, so the parts must be set off from each other by the same sign.
fn is_american(text: &str) -> bool {
    let mut parts = text.split([' ', '-']).map(|part| part.parse().unwrap_or(0_u16));
    let (Some(area), Some(group), Some(serial)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let signs = (text.as_bytes().get(3), text.as_bytes().get(6));
    let taxpayer = matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99);
    let area = matches!(area, 1..=665 | 667..=899) || ((900..=999).contains(&area) && taxpayer);
    signs.0 == signs.1 && area && group != 0 && serial != 0
}

/// National Insurance number of the United Kingdom: which letters and pairs of letters are given out stands in HMRC's manual, NIM39110.
fn is_british(text: &str) -> bool {
    let letters = text.to_ascii_uppercase();
    let Some((prefix, _)) = letters.split_at_checked(2) else {
        return false;
    };
    let never_first = |letter: char| "DFIQUV".contains(letter);
    let never_second = |letter: char| "DFIOQUV".contains(letter);
    !prefix.starts_with(never_first)
        && !prefix.ends_with(never_second)
        && !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&prefix)
}

/// Spain's identity number, of citizens (DNI) and of foreigners (NIE, whose first letter is the digit 0, 1 or 2): the remainder modulo 23 chooses
/// the last letter (Real Decreto 1553/2005; Orden INT/2058/2008).
fn is_spanish(text: &str) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let letters = text.to_ascii_uppercase();
    let first = match letters.as_bytes().first() {
        Some(b'Y') => 1,
        Some(b'Z') => 2,
        _ => 0,
    };
    let number = digits_of(&letters)
        .into_iter()
        .fold(first, |number, digit| number * 10 + usize::from(digit));
    LETTERS.get(number % 23) == letters.as_bytes().last()
}

/// Germany's tax identification number (Bundeszentralamt für Steuern): of the first ten digits exactly one stands there twice or three times and
/// the others at most once; the last digit checks them by ISO/IEC 7064, MOD 11,10.
fn is_german(text: &str) -> bool {
    let digits = digits_of(text);
    let Some((&check, first)) = digits.split_last() else {
        return false;
    };
    let mut counts = [0; 10];
    for &digit in first {
        counts[usize::from(digit)] += 1;
    }
    let repeated: Vec<_> = counts.into_iter().filter(|count| *count > 1).collect();
    let product = first.iter().fold(10, |product, &digit| {
        let sum = (u32::from(digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    first.len() == 10 && matches!(repeated[..], [2 | 3]) && (11 - product) % 10 == u32::from(check)
}

/// Hong Kong's identity card: one or two letters, six digits, and in parentheses a check digit modulo 11. A letter counts from A = 10 on, a
/// missing first letter as 36, and the weights go down from 9 to 1.
fn is_hong_kong(text: &str) -> bool {
    let characters: Vec<u32> = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .filter_map(|letter| letter.to_digit(36))
        .collect();
    let blank = (characters.len() == 8).then_some(36);
    let sum: u32 = (1..=9)
        .rev()
        .zip(blank.into_iter().chain(characters))
        .map(|(weight, value)| weight * value)
        .sum();
    sum.is_multiple_of(11)
}
