//! Telephone numbers: E.164 with a plus sign; the North American, British and Chinese plans in national form.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finds, Kind, digits_of};

/// ITU-T E.164: a country code and in all at most 15 digits; fewer than 8 are in no country's plan for subscribers.
static E164: LazyLock<Regex> = LazyLock::new(|| pattern(r"\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14}"));

/// Area code and exchange begin with 2 to 9 (ATIS-0300051). With signs between the parts only: ten digits in one piece are any number.
static NORTH_AMERICA: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}")
});

/// Ofcom's National Telephone Numbering Plan: mobiles 071 to 075 and 077 to 079, eleven digits in all; geographic numbers 01 and 02, ten or
/// eleven digits, with a sign behind the area code.
static UNITED_KINGDOM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) 07[1-57-9][0-9]{2} [\ -]? [0-9]{3} [\ -]? [0-9]{3}
        | \(? 0[12][0-9]{1,3} \)? [\ -] [0-9]{3,4} [\ -]? [0-9]{3,4}",
    )
});

/// China's mobile numbers are 13 to 19 and nine digits more. Fixed lines: area code, a sign, seven or eight digits.
static CHINA: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) (?: (?: 0086 | 86 ) [\ -]? )? 1[3-9][0-9] [\ -]? [0-9]{4} [\ -]? [0-9]{4}
        | \(? 0[1-9][0-9]{1,2} (?: \) | - ) \ ? [2-9][0-9]{6,7}",
    )
});

fn pattern(form: &str) -> Regex {
    Regex::new(form).expect("a pattern that a test compiles")
}

pub(super) fn find(text: &str, found: &mut Finds) {
    let mut take = |form: &Regex, fits: &dyn Fn(&[u8]) -> bool| {
        super::each(form, text, |span| {
            let fits = fits(&digits_of(&text[span.clone()]));
            if fits {
                found.push(Kind::Phone, span);
            }
            fits
        });
    };
    take(&E164, &|digits| (8..=15).contains(&digits.len()));
    take(&CHINA, &|_| true);
    take(&UNITED_KINGDOM, &|digits| (10..=11).contains(&digits.len()));
    take(&NORTH_AMERICA, &|digits| {
        // 211, 311 and so on are services, neither area codes nor exchanges.
        let national = &digits[digits.len().saturating_sub(10)..];
        national.len() == 10 && national[1..3] != [1, 1] && national[4..6] != [1, 1]
    });
}
