//! Lanes of `b` bits, packed without gaps: lane 0 first, least significant bit first.
//!
//! Eight lanes end on a byte whatever their width. Each width has code of its own for them, in which shifts and places are constants.

use super::ring::Ring;

const GROUP: usize = 8;
/// Lanes that are unpacked before they are handed on: they stay in a first-level cache.
const BLOCK: usize = 1024;

/// Calls a function by its constant width, for the widths that groups of whole words are made for; nothing below.
macro_rules! by_width {
    ($bits:expr, $function:ident($($argument:expr),*)) => {
        by_width!(@ $bits, $function($($argument),*), 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29)
    };
    (@ $bits:expr, $function:ident $arguments:tt, $($width:literal)*) => {
        match $bits {
            $($width => by_width!(@@ $function $width $arguments),)*
            _ => 0,
        }
    };
    (@@ $function:ident $width:literal ($($argument:expr),*)) => {
        $function::<$width>($($argument),*)
    };
}

/// Appends `lanes`, each below `2^b`, to `out`. The last byte is filled with zero bits.
pub fn pack(ring: Ring, lanes: &[u32], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + ring.packed_bytes(lanes.len()), 0);
    let out = &mut out[start..];
    let done = by_width!(ring.bits(), pack_groups(lanes, out));
    pack_slowly(ring, &lanes[done..], &mut out[ring.packed_bytes(done)..]);
}

/// Packs the whole groups, and says how many lanes they have. The lanes must be below `2^WIDTH`.
fn pack_groups<const WIDTH: usize>(lanes: &[u32], out: &mut [u8]) -> usize {
    let mask = u32::MAX >> (32 - WIDTH);
    let groups = lanes.as_chunks::<GROUP>().0;
    for (group, out) in groups.iter().zip(out.as_chunks_mut::<WIDTH>().0) {
        let mut words = [0u64; 4];
        for (at, lane) in group.iter().enumerate() {
            let lane = u64::from(lane & mask);
            let (word, shift) = (at * WIDTH / 64, at * WIDTH % 64);
            words[word] |= lane << shift;
            if shift + WIDTH > 64 {
                words[word + 1] |= lane >> (64 - shift);
            }
        }
        let (whole, rest) = (WIDTH / 8, WIDTH % 8);
        for (word, out) in words[..whole].iter().zip(out.as_chunks_mut::<8>().0) {
            *out = word.to_le_bytes();
        }
        if rest > 0 {
            // The last eight bytes, some of them once more.
            let last = words[whole] << (64 - 8 * rest) | words[whole - 1] >> (8 * rest);
            out[WIDTH - 8..].copy_from_slice(&last.to_le_bytes());
        }
    }
    GROUP * groups.len()
}

/// Lane by lane, for what is left of a group and for widths without code of their own.
fn pack_slowly(ring: Ring, lanes: &[u32], out: &mut [u8]) {
    let mut out = out.iter_mut();
    let (mut held, mut count) = (0u64, 0u32);
    for &lane in lanes {
        held |= u64::from(lane & ring.mask()) << count;
        count += u32::from(ring.bits());
        while count >= 8 {
            put(&mut out, held);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        put(&mut out, held);
    }
}

fn put<'a>(out: &mut impl Iterator<Item = &'a mut u8>, held: u64) {
    if let Some(byte) = out.next() {
        *byte = held.to_le_bytes()[0];
    }
}

/// Hands each of `lanes` lanes in `packed` to `each`, in order.
///
/// # Errors
/// If the length is not that of `lanes` lanes, or a filling bit is set: a vector has one packed form.
pub fn unpack(ring: Ring, packed: &[u8], lanes: usize, mut each: impl FnMut(u32)) -> Result<(), PackError> {
    check_length(ring, packed, lanes)?;
    let mut block = [0; BLOCK];
    let mut left = lanes;
    for packed in packed.chunks(ring.packed_bytes(BLOCK)) {
        let block = &mut block[..left.min(BLOCK)];
        let done = by_width!(ring.bits(), set_groups(packed, block));
        unpack_slowly(ring, packed, block, done, |lane, value| *lane = value)?;
        block.iter().for_each(|lane| each(*lane));
        left -= block.len();
    }
    Ok(())
}

/// Adds packed lanes to `lanes` in the ring. What is refused for a filling bit has been added.
///
/// # Errors
/// As [`unpack`].
pub(super) fn add(ring: Ring, packed: &[u8], lanes: &mut [u32]) -> Result<(), PackError> {
    check_length(ring, packed, lanes.len())?;
    let done = by_width!(ring.bits(), add_groups(packed, lanes));
    unpack_slowly(ring, packed, lanes, done, |lane, value| {
        *lane = ring.add(*lane, value)
    })
}

fn check_length(ring: Ring, packed: &[u8], lanes: usize) -> Result<(), PackError> {
    let (found, expected) = (packed.len(), ring.packed_bytes(lanes));
    if found == expected {
        Ok(())
    } else {
        Err(PackError::Length { found, expected })
    }
}

fn set_groups<const WIDTH: usize>(packed: &[u8], lanes: &mut [u32]) -> usize {
    each_group::<WIDTH>(packed, lanes, |_, value| value)
}

fn add_groups<const WIDTH: usize>(packed: &[u8], lanes: &mut [u32]) -> usize {
    each_group::<WIDTH>(packed, lanes, u32::wrapping_add)
}

/// Unpacks the whole groups, puts `with(lane, value)` into each lane, cut to the width, and says how many lanes that were.
#[inline(always)]
fn each_group<const WIDTH: usize>(packed: &[u8], lanes: &mut [u32], with: impl Fn(u32, u32) -> u32) -> usize {
    let mask = u32::MAX >> (32 - WIDTH);
    let groups = lanes.as_chunks_mut::<GROUP>().0;
    for (group, packed) in groups.iter_mut().zip(packed.as_chunks::<WIDTH>().0) {
        let (whole, rest) = (WIDTH / 8, WIDTH % 8);
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(packed.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        if let Some(last) = packed.last_chunk::<8>().filter(|_| rest > 0) {
            words[whole] = u64::from_le_bytes(*last) >> (64 - 8 * rest);
        }
        for (at, lane) in group.iter_mut().enumerate() {
            let (word, shift) = (at * WIDTH / 64, at * WIDTH % 64);
            let mut held = words[word] >> shift;
            if shift + WIDTH > 64 {
                held |= words[word + 1] << (64 - shift);
            }
            // What lies above the width is the next lane's, and cut off.
            *lane = with(*lane, held as u32) & mask;
        }
    }
    GROUP * groups.len()
}

/// Lane by lane, for the lanes from `done` on; refuses filling bits that are set.
fn unpack_slowly(
    ring: Ring,
    packed: &[u8],
    lanes: &mut [u32],
    done: usize,
    with: impl Fn(&mut u32, u32),
) -> Result<(), PackError> {
    let (mut held, mut count) = (0u64, 0u32);
    let width = u32::from(ring.bits());
    let mut bytes = packed[ring.packed_bytes(done)..].iter();
    for lane in &mut lanes[done..] {
        while count < width {
            held |= u64::from(bytes.next().copied().unwrap_or_default()) << count;
            count += 8;
        }
        // The mask leaves at most 29 bits.
        with(lane, (held & u64::from(ring.mask())) as u32);
        held >>= width;
        count -= width;
    }
    if held != 0 {
        return Err(PackError::Filling);
    }
    Ok(())
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
