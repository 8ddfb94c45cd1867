//! Where commas and line ends stand, 64 bytes at a time.

/// Bytes that are looked at together.
pub(super) const GROUP: usize = 64;

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// A bit for each byte that is a comma or a line feed, the first byte's lowest.
#[inline]
pub(super) fn separators(group: &[u8; GROUP]) -> u64 {
    let (eights, _) = group.as_chunks::<8>();
    let bits = eights.iter().zip(0..).map(|(eight, place)| {
        let word = u64::from_le_bytes(*eight);
        let found = is_zero(word ^ of(b',')) | is_zero(word ^ of(b'\n'));
        // Gathers the lowest bits of all bytes in the highest byte: no two products meet in one bit.
        ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * place)
    });
    bits.fold(0, |all, bits| all | bits)
}

const fn of(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The highest bit of each byte that is zero.
const fn is_zero(word: u64) -> u64 {
    // Nothing is carried from one byte to the next.
    !(((word & LOW_BITS) + LOW_BITS) | word) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_that_each_byte_tells(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b','+1), Just(0x8a), Just(0xac)], GROUP)) {
            let group: [u8; GROUP] = bytes.try_into().unwrap_or([0; GROUP]);
            let one_by_one = group
                .iter()
                .enumerate()
                .filter(|(_, byte)| matches!(byte, b',' | b'\n'))
                .fold(0, |all, (place, _)| all | 1 << place);
            prop_assert_eq!(separators(&group), one_by_one);
        }
    }
}
