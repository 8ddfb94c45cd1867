//! The ring `Z_{2^b}` in which masked vectors are added.

use crate::crypto::prg::CHUNK_BYTES;

/// Least and greatest width of a digit in bits.
pub const DIGIT_BITS: std::ops::RangeInclusive<u8> = 2..=20;
/// Greatest number of banks in a roster.
pub const MAX_BANKS: u16 = 500;

/// A ring so wide that the sum of all banks' digits never wraps: `b = ceil(log2(n (2^p - 1) + 1))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    bits: u8,
}

impl Ring {
    /// The ring for `banks` digits of `digit_bits` bits each; `None` outside [`DIGIT_BITS`] or 1..=[`MAX_BANKS`].
    pub fn for_sum(banks: u16, digit_bits: u8) -> Option<Self> {
        if !DIGIT_BITS.contains(&digit_bits) || !(1..=MAX_BANKS).contains(&banks) {
            return None;
        }
        let greatest_sum = u64::from(banks) * ((1u64 << digit_bits) - 1);
        let bits = u64::BITS - greatest_sum.leading_zeros();
        Some(Self {
            bits: u8::try_from(bits).ok()?,
        })
    }

    /// `b`, at most 29.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// `2^b - 1`.
    pub fn mask(self) -> u32 {
        u32::MAX >> (32 - u32::from(self.bits))
    }

    /// `a + b` in the ring.
    pub fn add(self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b) & self.mask()
    }

    /// Bytes of keystream that one lane takes: 2 when `b <= 16`, else 4.
    pub fn lane_bytes(self) -> usize {
        if self.bits <= 16 { 2 } else { 4 }
    }

    /// Lanes of one chunk: as many as one chunk of keystream masks. A multiple of 8, so a packed chunk ends on a byte.
    pub fn chunk_lanes(self) -> usize {
        CHUNK_BYTES / self.lane_bytes()
    }

    /// Bytes of `lanes` packed lanes.
    pub fn packed_bytes(self, lanes: usize) -> usize {
        (lanes * usize::from(self.bits)).div_ceil(8)
    }

    /// Bytes of a whole packed chunk.
    pub fn chunk_bytes(self) -> usize {
        self.packed_bytes(self.chunk_lanes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn widths_of_the_specification() {
        for (banks, digit, bits) in [
            (16, 16, 20),
            (100, 16, 23),
            (5, 16, 19),
            (3, 16, 18),
            (500, 20, 29),
            (5, 8, 11),
        ] {
            assert_eq!(
                Ring::for_sum(banks, digit).unwrap().bits(),
                bits,
                "{banks} banks, {digit} bits"
            );
        }
        // 16-bit updates against 32-bit floats: no more than 0.65 at 16 banks and 0.73 at 100.
        let ratio = |banks| f64::from(Ring::for_sum(banks, 16).unwrap().bits()) / 32.0;
        assert!(ratio(16) <= 0.65 && ratio(100) <= 0.73);
        assert_eq!(Ring::for_sum(0, 16), None);
        assert_eq!(Ring::for_sum(501, 16), None);
        assert_eq!(Ring::for_sum(5, 21), None);
    }

    #[test]
    fn the_greatest_sum_fits_and_one_bit_less_would_not_do() {
        for banks in 1..=MAX_BANKS {
            for digit in DIGIT_BITS {
                let ring = Ring::for_sum(banks, digit).unwrap();
                let greatest = u64::from(banks) * ((1 << digit) - 1);
                assert!(greatest <= u64::from(ring.mask()));
                assert!(greatest > u64::from(ring.mask()) >> 1);
                assert_eq!(ring.chunk_lanes() % 8, 0);
            }
        }
    }
}
