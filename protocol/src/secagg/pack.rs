//! Lanes of `b` bits, packed without gaps: lane 0 first, least significant bit first.

use super::ring::Ring;

/// Appends `lanes`, each below `2^b`, to `out`. The last byte is filled with zero bits.
pub fn pack(ring: Ring, lanes: &[u32], out: &mut Vec<u8>) {
    let (mut held, mut count) = (0u64, 0u32);
    for &lane in lanes {
        held |= u64::from(lane & ring.mask()) << count;
        count += u32::from(ring.bits());
        while count >= 32 {
            out.extend_from_slice(&low_word(held).to_le_bytes());
            held >>= 32;
            count -= 32;
        }
    }
    while count > 0 {
        out.extend_from_slice(&low_word(held).to_le_bytes()[..1]);
        held >>= 8;
        count = count.saturating_sub(8);
    }
}

/// Hands each of `lanes` lanes in `packed` to `each`, in order.
///
/// # Errors
/// If the length is not that of `lanes` lanes, or a filling bit is set: a vector has one packed form.
pub fn unpack(ring: Ring, packed: &[u8], lanes: usize, mut each: impl FnMut(u32)) -> Result<(), PackError> {
    let expected = ring.packed_bytes(lanes);
    if packed.len() != expected {
        return Err(PackError::Length {
            found: packed.len(),
            expected,
        });
    }
    let (mut held, mut count) = (0u64, 0u32);
    let width = u32::from(ring.bits());
    let mut left = lanes;
    for word in packed.chunks(4) {
        for (position, &byte) in word.iter().enumerate() {
            held |= u64::from(byte) << (count as usize + 8 * position);
        }
        count += 8 * word.len() as u32;
        while count >= width && left > 0 {
            each(low_word(held) & ring.mask());
            held >>= width;
            count -= width;
            left -= 1;
        }
    }
    if held != 0 {
        return Err(PackError::Filling);
    }
    Ok(())
}

fn low_word(held: u64) -> u32 {
    (held & u64::from(u32::MAX)) as u32
}

/// Why bytes are not packed lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Too short or too long.
    #[error("found {found} packed bytes, expected {expected}")]
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that the lanes take.
        expected: usize,
    },
    /// A bit behind the last lane is set.
    #[error("a filling bit behind the last lane is set")]
    Filling,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn unpacked(ring: Ring, packed: &[u8], lanes: usize) -> Result<Vec<u32>, PackError> {
        let mut out = Vec::new();
        unpack(ring, packed, lanes, |lane| out.push(lane))?;
        Ok(out)
    }

    proptest! {
        #[test]
        fn unpacks_what_it_packed(banks in 1u16..=500, digit in 2u8..=20, lanes: Vec<u32>) {
            let ring = Ring::for_sum(banks, digit).unwrap();
            let lanes: Vec<u32> = lanes.iter().map(|lane| lane & ring.mask()).collect();
            let mut packed = Vec::new();
            pack(ring, &lanes, &mut packed);
            prop_assert_eq!(packed.len(), ring.packed_bytes(lanes.len()));
            prop_assert_eq!(unpacked(ring, &packed, lanes.len()).unwrap(), lanes);
        }
    }

    #[test]
    fn bits_lie_where_the_format_says() {
        // b = 11: lane 0 = 0x7ff fills byte 0 and three bits of byte 1; lane 1 = 1 is bit 3 of byte 1.
        let ring = Ring::for_sum(5, 8).unwrap();
        let mut packed = Vec::new();
        pack(ring, &[0x7ff, 1], &mut packed);
        assert_eq!(packed, [0xff, 0x0f, 0x00]);
    }

    #[test]
    fn short_long_and_unclean_vectors_are_refused() {
        let ring = Ring::for_sum(5, 8).unwrap();
        let packed = [0xff, 0x0f, 0x00];
        assert_eq!(
            unpacked(ring, &packed[..2], 2),
            Err(PackError::Length {
                found: 2,
                expected: 3
            })
        );
        assert_eq!(
            unpacked(ring, &[0; 4], 2),
            Err(PackError::Length {
                found: 4,
                expected: 3
            })
        );
        assert_eq!(unpacked(ring, &[0xff, 0x0f, 0x80], 2), Err(PackError::Filling));
    }
}
