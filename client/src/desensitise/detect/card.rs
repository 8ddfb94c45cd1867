//! Payment card numbers: 13 to 19 digits, an issuer's first digits, and a check digit by Luhn (ISO/IEC 7812-1, annex B).

use super::{Finds, Kind, stands_alone};

/// First digits, from and to, of issuers, with the fewest and most digits of their numbers. They are what the networks publish: Visa,
/// Mastercard, American Express, Diners Club, Discover, JCB, UnionPay, Maestro, Mir and RuPay, and the debit cards of China's ICBC from before
/// UnionPay.
#[rustfmt::skip]
const ISSUERS: [(u32, u32, usize, usize); 22] = [
    (4, 4, 13, 19),
    (51, 55, 16, 16), (2221, 2720, 16, 16),
    (34, 34, 15, 15), (37, 37, 15, 15),
    (300, 305, 14, 19), (3095, 3095, 14, 19), (36, 36, 14, 19), (38, 39, 14, 19),
    (6011, 6011, 16, 19), (644, 649, 16, 19), (65, 65, 16, 19),
    (3528, 3589, 16, 19),
    (62, 62, 14, 19), (81, 82, 16, 19),
    (50, 50, 13, 19), (56, 58, 13, 19), (63, 63, 13, 19), (67, 67, 13, 19),
    (2200, 2204, 16, 19),
    (60, 60, 16, 16),
    (9558, 9558, 19, 19),
];

/// Least digits of a card number here. Maestro knows numbers of twelve, which too many other numbers of a bank have.
const LEAST: usize = 13;
const MOST: usize = 19;

/// Finds them, with the digits in one piece, or in groups with one space or dash between two.
pub(super) fn find(text: &str, found: &mut Finds) {
    let groups = groups(text);
    let mut first = 0;
    while first < groups.len() {
        let mut digits: Vec<u8> = Vec::new();
        let mut end = None;
        for (place, group) in groups.iter().enumerate().skip(first) {
            let joined = place == first || joined(text, groups[place - 1].end, group.start);
            if !joined || digits.len() + group.len() > MOST {
                break;
            }
            digits.extend(text.as_bytes()[group.clone()].iter().map(|digit| digit - b'0'));
            if is_card(&digits) && stands_alone(text, &(groups[first].start..group.end)) {
                end = Some(place);
            }
        }
        match end {
            Some(last) => {
                found.push(Kind::Card, groups[first].start..groups[last].end);
                first = last + 1;
            }
            None => first += 1,
        }
    }
}

/// Runs of ASCII digits.
fn groups(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut start = None;
    for (place, byte) in text.bytes().enumerate() {
        match (byte.is_ascii_digit(), start) {
            (true, None) => start = Some(place),
            (false, Some(from)) => {
                groups.push(from..place);
                start = None;
            }
            _ => {}
        }
    }
    groups.extend(start.map(|from| from..text.len()));
    groups
}

fn joined(text: &str, end: usize, start: usize) -> bool {
    matches!(&text[end..start], " " | "-")
}

fn is_card(digits: &[u8]) -> bool {
    (LEAST..=MOST).contains(&digits.len()) && is_issued(digits) && luhn(digits)
}

fn is_issued(digits: &[u8]) -> bool {
    ISSUERS.iter().any(|&(from, to, least, most)| {
        let length = from.ilog10() as usize + 1;
        let first = digits.iter().take(length);
        let first = first.fold(0, |number, &digit| number * 10 + u32::from(digit));
        (from..=to).contains(&first) && (least..=most).contains(&digits.len())
    })
}

/// Whether the last digit is the check digit of those before it.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match u32::from(digit) {
            digit if place % 2 == 0 => digit,
            digit if digit > 4 => 2 * digit - 9,
            digit => 2 * digit,
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}
