//! Numbers as exports write them, read faster than by the standard library and to the same bits.

/// Powers of ten that are exact in f64.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The number that `str::parse` gives.
///
/// Up to 15 digits are a whole number that is exact in f64, and so is the power of ten that it is divided by: one
/// division of the two rounds once, as the decimal itself would (Clinger 1990). Other spellings go to the library.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() || digits.len() > 16 {
        return text.parse().ok();
    }
    let (mut whole, mut count, mut fraction) = (0_u64, 0, None);
    for (place, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if fraction.is_none() => fraction = Some(digits.len() - place - 1),
            _ => return text.parse().ok(),
        }
    }
    let power = EXACT.get(fraction.unwrap_or(0));
    let (1..=15, Some(power)) = (count, power) else {
        return text.parse().ok();
    };
    let number = whole as f64 / power;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    fn same(text: &str) -> bool {
        parse(text).map(f64::to_bits) == text.parse::<f64>().ok().map(f64::to_bits)
    }

    #[test]
    fn odd_spellings_are_the_library_s() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "-.",
            "1.",
            ".5",
            "+.5",
            "-0",
            "0.0",
            "1..2",
            "1e5",
            "inf",
            "nan",
            "1_000",
            "0x1",
            "٣",
            "999999999999999",
            "9999999999999999",
            "0.000000000000001",
            "000000000000000001",
            "--1",
            "+-1",
            " 1",
        ] {
            assert!(same(text) || text.parse::<f64>().is_ok_and(f64::is_nan), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_number_has_the_bits_of_the_library(text in "[-+]?[0-9]{0,12}\\.?[0-9]{0,12}") {
            prop_assert!(same(&text), "{}", text);
        }

        #[test]
        fn a_text_of_any_kind_too(text in "[-+0-9.eE]{0,12}") {
            prop_assert!(same(&text), "{}", text);
        }
    }
}
