//! Numbers as exports write them, read faster than by the standard library and to the same bits.

use super::source::Short;

/// Powers of ten that are exact in f64.
const EXACT: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// By how many digits a number has, zeros in their places.
const ZEROS: [[u64; 2]; 16] = {
    let mut zeros = [[0; 2]; 16];
    let mut length = 1;
    while length < 16 {
        let both = (u128::MAX / 255 * b'0' as u128) << (8 * (16 - length));
        zeros[length] = [both as u64, (both >> 64) as u64];
        length += 1;
    }
    zeros
};

/// A number of digits and at most one point, with a minus before it or none: how tables write most of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    negative: bool,
    /// All digits as one number.
    all: u64,
    digits: u8,
    decimals: u8,
    has_point: bool,
}

/// The number that `str::parse` gives.
pub(crate) fn parse(text: &str) -> Option<f64> {
    match Short::new(text.as_bytes()).and_then(Plain::read) {
        Some(plain) => Some(plain.number()),
        None => text.parse().ok(),
    }
}

impl Plain {
    /// `None` of any other text. All bytes are looked at together, so that cells of different lengths take the same way.
    #[inline(always)]
    pub(crate) fn read(text: Short) -> Option<Self> {
        let negative = text.first() == b'-';
        let length = text.len().checked_sub(usize::from(negative))?;
        let zeros = ZEROS[length & 15];
        let [low, high] = text.words_from(usize::from(negative));
        // The value of each digit, and zeros before the first.
        let words @ [low, high] = [low ^ zeros[0], high ^ zeros[1]];
        let [others_low, others_high] = words.map(no_digits);
        let plain = |[low, high]: [u64; 2], digits, decimals, has_point| {
            (digits > 0).then(|| Self {
                negative,
                all: eight(low) * 100_000_000 + eight(high),
                digits: digits as u8,
                decimals: decimals as u8,
                has_point,
            })
        };
        if others_low | others_high == 0 {
            return plain(words, length, 0, false);
        }
        // What stands before the point moves up to its place.
        if others_low == 0 {
            let high = without_point(high, others_high)?;
            let decimals = others_high.leading_zeros() / 8;
            return plain([low << 8, high | low >> 56], length - 1, decimals, true);
        }
        let low = without_point(low, others_low).filter(|_| others_high == 0)?;
        let decimals = 8 + others_low.leading_zeros() / 8;
        plain([low, high], length - 1, decimals, true)
    }

    /// The number that `str::parse` gives.
    ///
    /// Up to 15 digits are a whole number that is exact in f64, and so is the power of ten that it is divided by: one division of the two rounds once,
    /// as the decimal itself would (Clinger 1990).
    #[inline]
    pub(crate) fn number(self) -> f64 {
        let (number, power) = self.parts();
        number / power
    }

    /// Two numbers whose quotient is the [number](Self::number).
    #[inline]
    pub(crate) fn parts(self) -> (f64, f64) {
        let number = self.all.cast_signed() as f64;
        // As `-number`, without a branch on a sign that is as good as drawn.
        let number = f64::from_bits(number.to_bits() ^ u64::from(self.negative) << 63);
        (number, EXACT[usize::from(self.decimals & 15)])
    }

    /// The number without a point.
    #[inline]
    pub(crate) fn whole(self) -> Option<i64> {
        let all = self.all.cast_signed();
        (!self.has_point).then_some(if self.negative { -all } else { all })
    }

    /// How many digits it is written with.
    #[inline]
    pub(crate) fn digits(self) -> usize {
        usize::from(self.digits)
    }
}

/// The highest bit of each byte above 9.
#[inline]
fn no_digits(word: u64) -> u64 {
    (((word & of(0x7f)) + of(0x7f - 9)) | word) & of(0x80)
}

/// Takes the point out of a word that has nothing else beside digits, where `others` says; the bytes before it move up by one.
#[inline]
fn without_point(word: u64, others: u64) -> Option<u64> {
    // A point, as what is left of it without the bits of a zero.
    const POINT: u64 = (b'.' ^ b'0') as u64;
    let lowest = others >> 7;
    let place = (lowest << 8).wrapping_sub(lowest);
    let is_point = others & (others - 1) == 0 && word & place == lowest * POINT;
    let before = lowest - 1;
    is_point.then_some((word & before) << 8 | word & !(before | place))
}

const fn of(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The number of eight digits from 0 to 9, the first of them in the lowest byte.
#[inline]
fn eight(digits: u64) -> u64 {
    // Pairs, then fours, then all.
    let pairs = digits.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Plain, Short, parse};

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
        fn a_plain_number_says_how_it_is_written(text in "-?[0-9]{0,12}\\.?[0-9]{0,6}") {
            if let Some(plain) = Short::new(text.as_bytes()).and_then(Plain::read) {
                prop_assert_eq!(plain.whole(), text.parse::<i64>().ok());
                prop_assert_eq!(plain.digits(), text.bytes().filter(u8::is_ascii_digit).count());
            } else {
                prop_assert!(text.len() > Short::LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()));
            }
        }

        #[test]
        fn a_text_of_any_kind_too(text in "[-+0-9.eE]{0,12}") {
            prop_assert!(same(&text), "{}", text);
        }
    }
}
