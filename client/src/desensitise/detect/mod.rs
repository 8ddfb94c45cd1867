//! Finds identifiers in a cell: pure functions of its text, of English and Chinese forms.
//!
//! What has a check digit is checked; what has none is found by its form. Forms, check digits and their sources stand at each detector.

mod account;
mod address;
mod card;
mod email;
mod given_names;
mod iban;
mod name;
mod national_id;
mod phone;
mod surnames;

use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;

use super::kind::{Kind, Kinds};
use crate::data::decimal::Plain;

/// An identifier in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it looks like.
    pub kind: Kind,
    /// Where it stands, in bytes of the text.
    pub span: Range<usize>,
}

/// Everything that looks like an identifier, in the text's order. Spans do not overlap: where two readings of the same characters compete,
/// the one with the check digit, or else the longer form, is taken.
pub fn find(text: &str) -> Vec<Found> {
    if is_amount(text) {
        return Vec::new();
    }
    let letters = Letters::of(text);
    let mut found = Finds::default();
    if letters.at {
        email::find(text, &mut found);
    }
    if letters.digits >= 6 {
        if letters.latin {
            iban::find(text, &mut found);
        }
        national_id::find(text, &mut found);
        card::find(text, &mut found);
        phone::find(text, &mut found);
        account::find(text, &mut found);
    }
    if letters.digits >= 1 && (letters.capital || letters.han) {
        address::find(text, &mut found);
    }
    if letters.latin {
        name::find_latin(text, &mut found);
    }
    if letters.han {
        name::find_han(text, &mut found);
    }
    found.sorted()
}

/// The kinds that [`find`] finds.
pub(super) fn kinds(text: &str) -> Kinds {
    find(text).into_iter().map(|found| found.kind).collect()
}

/// The text with each identifier of these kinds replaced by the kind in brackets, such as `[card]`; none if there is nothing to replace.
pub fn masked(text: &str, kinds: Kinds) -> Option<String> {
    let found = find(text);
    let mut masked = String::new();
    let mut end = 0;
    for Found { kind, span } in found.into_iter().filter(|found| kinds.holds(found.kind)) {
        masked.push_str(&text[end..span.start]);
        masked.push('[');
        masked.push_str(kind.word());
        masked.push(']');
        end = span.end;
    }
    (end > 0).then(|| masked + &text[end..])
}

/// Digits that an identifier has at least which is told by its digits alone.
const FEWEST_DIGITS: usize = 11;

/// True for most cells of a table: a whole number of fewer digits than any identifier has that is told by its digits alone, and any number with a
/// fraction.
pub(super) fn is_amount(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mut fraction = false;
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {}
            b'.' if !fraction => fraction = true,
            _ => return false,
        }
    }
    fraction || unsigned.len() < FEWEST_DIGITS
}

/// The same of a text that was read as a number already.
#[inline]
pub(super) fn is_plain_amount(number: Plain) -> bool {
    number.whole().is_none() || number.digits() < FEWEST_DIGITS
}

/// Which letters a text has: most cells of a table have none that an identifier needs.
struct Letters {
    digits: usize,
    latin: bool,
    capital: bool,
    han: bool,
    at: bool,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut letters = Self {
            digits: 0,
            latin: false,
            capital: false,
            han: false,
            at: false,
        };
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => letters.digits += 1,
                b'A'..=b'Z' => {
                    letters.latin = true;
                    letters.capital = true;
                }
                b'a'..=b'z' => letters.latin = true,
                b'@' => letters.at = true,
                // The first byte of the three or four of an ideograph in UTF-8: U+3000 to U+9FFF, and from U+20000 on.
                0xe3..=0xe9 | 0xf0 => letters.han = true,
                _ => {}
            }
        }
        letters
    }
}

/// What the detectors have found so far: kind and end, by the start.
#[derive(Default)]
struct Finds(BTreeMap<usize, (usize, Kind)>);

impl Finds {
    /// Takes a finding, unless an earlier detector has taken some of its characters.
    fn push(&mut self, kind: Kind, span: Range<usize>) {
        let before = self.0.range(..span.end).next_back();
        let free = before.is_none_or(|(_, (end, _))| *end <= span.start);
        if span.start < span.end && free {
            self.0.insert(span.start, (span.end, kind));
        }
    }

    fn sorted(self) -> Vec<Found> {
        let found = |(start, (end, kind))| Found {
            kind,
            span: start..end,
        };
        self.0.into_iter().map(found).collect()
    }
}

/// Each match of `form` that stands alone and that `accepts` takes. A match that is not taken hides no later one that begins inside it.
fn each(form: &Regex, text: &str, mut accepts: impl FnMut(Range<usize>) -> bool) {
    let mut from = 0;
    while let Some(found) = form.find_at(text, from) {
        let taken = stands_alone(text, &found.range()) && accepts(found.range());
        let next = text[found.start()..].chars().next().map_or(1, char::len_utf8);
        from = if taken { found.end() } else { found.start() + next };
        if from > text.len() {
            return;
        }
    }
}

/// True unless the characters are part of a longer word or number, such as the digits of a decimal fraction.
fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let (before, after) = (&text[..span.start], &text[span.end..]);
    let separates = |sign: char| sign == '.' || sign == ',';
    let digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
    let mut back = before.chars().rev();
    let joined_before = match back.next() {
        Some(letter) if letter.is_ascii_alphanumeric() => true,
        Some(sign) if separates(sign) => digit(back.next()),
        _ => false,
    };
    let mut on = after.chars();
    let joined_after = match on.next() {
        Some(letter) if letter.is_ascii_alphanumeric() => true,
        Some(sign) if separates(sign) => digit(on.next()),
        _ => false,
    };
    !joined_before && !joined_after
}

/// The digits of a text as numbers from 0 to 9, without what stands between them.
fn digits_of(text: &str) -> Vec<u8> {
    text.bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect()
}

#[cfg(test)]
mod tests;
