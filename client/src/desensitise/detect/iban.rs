//! International bank account numbers (ISO 13616): a country's code and length as in SWIFT's register of them, and two check digits, modulo 97
//! (ISO/IEC 7064, MOD 97-10).

use super::{Finds, Kind, stands_alone};

/// Characters of a country's IBAN: release 101 of the register.
#[rustfmt::skip]
const LENGTHS: [([u8; 2], usize); 89] = [
    (*b"AD", 24), (*b"AE", 23), (*b"AL", 28), (*b"AT", 20), (*b"AZ", 28), (*b"BA", 20), (*b"BE", 16), (*b"BG", 22), (*b"BH", 22),
    (*b"BI", 27), (*b"BR", 29), (*b"BY", 28), (*b"CH", 21), (*b"CR", 22), (*b"CY", 28), (*b"CZ", 24), (*b"DE", 22), (*b"DJ", 27),
    (*b"DK", 18), (*b"DO", 28), (*b"EE", 20), (*b"EG", 29), (*b"ES", 24), (*b"FI", 18), (*b"FK", 18), (*b"FO", 18), (*b"FR", 27),
    (*b"GB", 22), (*b"GE", 22), (*b"GI", 23), (*b"GL", 18), (*b"GR", 27), (*b"GT", 28), (*b"HN", 28), (*b"HR", 21), (*b"HU", 28),
    (*b"IE", 22), (*b"IL", 23), (*b"IQ", 23), (*b"IS", 26), (*b"IT", 27), (*b"JO", 30), (*b"KW", 30), (*b"KZ", 20), (*b"LB", 28),
    (*b"LC", 32), (*b"LI", 21), (*b"LT", 20), (*b"LU", 20), (*b"LV", 21), (*b"LY", 25), (*b"MC", 27), (*b"MD", 24), (*b"ME", 22),
    (*b"MK", 19), (*b"MN", 20), (*b"MR", 27), (*b"MT", 31), (*b"MU", 30), (*b"NI", 28), (*b"NL", 18), (*b"NO", 15), (*b"OM", 23),
    (*b"PK", 24), (*b"PL", 28), (*b"PS", 29), (*b"PT", 25), (*b"QA", 29), (*b"RO", 24), (*b"RS", 22), (*b"RU", 33), (*b"SA", 24),
    (*b"SC", 31), (*b"SD", 18), (*b"SE", 24), (*b"SI", 19), (*b"SK", 24), (*b"SM", 27), (*b"SO", 23), (*b"ST", 25), (*b"SV", 28),
    (*b"TL", 23), (*b"TN", 24), (*b"TR", 26), (*b"UA", 29), (*b"VA", 22), (*b"VG", 24), (*b"XK", 20), (*b"YE", 30),
];

/// Finds them in one piece, or in groups with one space or dash between two; upper and lower case alike.
pub(super) fn find(text: &str, found: &mut Finds) {
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        let begins = place == 0 || !bytes[place - 1].is_ascii_alphanumeric();
        match begins.then(|| end_of(bytes, place)).flatten() {
            Some(end) if stands_alone(text, &(place..end)) => {
                found.push(Kind::Iban, place..end);
                place = end;
            }
            _ => place += 1,
        }
    }
}

/// Where the IBAN that begins here ends.
fn end_of(bytes: &[u8], start: usize) -> Option<usize> {
    let &[a, b, c, d, ..] = &bytes[start..] else {
        return None;
    };
    if !(a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit()) {
        return None;
    }
    let length = length_of([a.to_ascii_uppercase(), b.to_ascii_uppercase()])?;
    let mut characters = Vec::with_capacity(length);
    let mut separated = true;
    for (place, &byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            byte if byte.is_ascii_alphanumeric() => {
                characters.push(byte);
                separated = false;
                if characters.len() == length {
                    return is_iban(&characters).then_some(place + 1);
                }
            }
            b' ' | b'-' if !separated => separated = true,
            _ => return None,
        }
    }
    None
}

fn length_of(country: [u8; 2]) -> Option<usize> {
    let place = LENGTHS.binary_search_by_key(&country, |&(known, _)| known).ok()?;
    LENGTHS.get(place).map(|&(_, length)| length)
}

/// Whether these letters and digits have the remainder 1: the first four behind the others, a letter as its number from 10 to 35.
pub(super) fn is_iban(characters: &[u8]) -> bool {
    let Some((head, rest)) = characters.split_at_checked(4) else {
        return false;
    };
    let remainder = rest.iter().chain(head).try_fold(0_u32, |remainder, &byte| {
        let value = (byte as char).to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((remainder * shift + value) % 97)
    });
    remainder == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_stand_in_order() {
        assert!(LENGTHS.is_sorted());
        assert_eq!(length_of(*b"NO"), Some(15));
        assert_eq!(length_of(*b"US"), None);
    }
}
