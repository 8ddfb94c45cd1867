//! The coordinator's accumulator: 4 bytes a lane, whatever the number of banks.

use super::mask::Masks;
use super::pack::{self, PackError};
use super::ring::Ring;

/// The running sum of masked vectors.
pub struct Accumulator {
    ring: Ring,
    lanes: Vec<u32>,
}

impl Accumulator {
    /// Zero, for vectors of `lanes` lanes.
    pub fn new(ring: Ring, lanes: usize) -> Self {
        Self {
            ring,
            lanes: vec![0; lanes],
        }
    }

    /// Adds one bank's packed vector.
    ///
    /// # Errors
    /// If it is no packed vector of as many lanes; parts of it may then have been added.
    pub fn add(&mut self, packed: &[u8]) -> Result<(), PackError> {
        let expected = self.ring.packed_bytes(self.lanes.len());
        if packed.len() != expected {
            return Err(PackError::Length {
                found: packed.len(),
                expected,
            });
        }
        let chunks = packed.chunks(self.ring.chunk_bytes());
        self.parts()
            .zip(chunks)
            .try_for_each(|(mut part, packed)| part.add(packed))
    }

    /// Applies `masks` to the whole sum (the signs as they stand in it).
    pub fn apply(&mut self, masks: &Masks) {
        self.parts().for_each(|mut part| part.apply(masks));
    }

    /// The sum in parts of one chunk each, in order, which can be worked on side by side.
    pub fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let ring = self.ring;
        (0..)
            .zip(self.lanes.chunks_mut(ring.chunk_lanes()))
            .map(move |(chunk, lanes)| Part { ring, chunk, lanes })
    }

    /// The sum, one value below `2^b` a lane.
    pub fn into_lanes(self) -> Vec<u32> {
        self.lanes
    }
}

/// One chunk of an [`Accumulator`].
pub struct Part<'a> {
    ring: Ring,
    chunk: u64,
    lanes: &'a mut [u32],
}

impl Part<'_> {
    /// Bytes of the same part of a packed vector.
    pub fn packed_bytes(&self) -> usize {
        self.ring.packed_bytes(self.lanes.len())
    }

    /// Adds the same part of a packed vector.
    ///
    /// # Errors
    /// If it has another length, or a filling bit is set.
    pub fn add(&mut self, packed: &[u8]) -> Result<(), PackError> {
        pack::add(self.ring, packed, self.lanes)
    }

    /// Applies the same part of every keystream.
    pub fn apply(&mut self, masks: &Masks) {
        masks.apply(self.chunk, self.lanes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::secagg::pack::pack;

    #[test]
    fn vectors_are_added_lane_by_lane_across_chunks() {
        let ring = Ring::for_sum(5, 16).unwrap();
        let lanes: Vec<u32> = (0..ring.chunk_lanes() as u32 + 5).collect();
        let mut packed = Vec::new();
        pack(ring, &lanes, &mut packed);
        let mut accumulator = Accumulator::new(ring, lanes.len());
        for _ in 0..3 {
            accumulator.add(&packed).unwrap();
        }
        for (mut part, packed) in accumulator.parts().zip(packed.chunks(ring.chunk_bytes())) {
            assert_eq!(part.packed_bytes(), packed.len());
            part.add(packed).unwrap();
        }
        let expected: Vec<u32> = lanes.iter().map(|lane| (4 * lane) & ring.mask()).collect();
        assert_eq!(accumulator.into_lanes(), expected);
    }

    #[test]
    fn a_vector_of_another_length_or_with_filling_is_refused() {
        let ring = Ring::for_sum(5, 16).unwrap();
        let mut accumulator = Accumulator::new(ring, ring.chunk_lanes() + 1);
        let mut packed = vec![0; ring.packed_bytes(ring.chunk_lanes() + 1)];
        accumulator.add(&packed).unwrap();
        let expected = packed.len();
        let found = expected - 1;
        assert_eq!(
            accumulator.add(&packed[1..]),
            Err(PackError::Length { found, expected })
        );
        *packed.last_mut().unwrap() = 0x80;
        assert_eq!(accumulator.add(&packed), Err(PackError::Filling));
    }
}
