//! The coordinator's accumulator: 4 bytes a lane, whatever the number of banks.

use super::pack::{PackError, unpack};
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

    /// Starts folding one bank's vector, which may arrive in pieces of any length.
    pub fn begin(&mut self) -> Fold<'_> {
        let held = Vec::with_capacity(self.ring.chunk_bytes());
        Fold {
            accumulator: self,
            held,
            next_lane: 0,
        }
    }

    /// Applies `masks` to the whole sum (the signs as they stand in it).
    pub fn apply(&mut self, masks: &super::mask::Masks) {
        for (chunk, lanes) in (0u64..).zip(self.lanes.chunks_mut(self.ring.chunk_lanes())) {
            masks.apply(chunk, lanes);
        }
    }

    /// The sum, one value below `2^b` a lane.
    pub fn into_lanes(self) -> Vec<u32> {
        self.lanes
    }
}

/// One bank's vector on its way into an [`Accumulator`].
///
/// Bytes are folded as soon as a chunk is whole, so a vector that turns out bad has already changed the sum: fold only what
/// was complete and hashed before.
pub struct Fold<'a> {
    accumulator: &'a mut Accumulator,
    held: Vec<u8>,
    next_lane: usize,
}

impl Fold<'_> {
    /// The next bytes of the packed vector.
    ///
    /// # Errors
    /// If there are more than the vector has.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        let chunk_bytes = self.accumulator.ring.chunk_bytes();
        while !bytes.is_empty() {
            let take = bytes.len().min(chunk_bytes - self.held.len());
            let (now, later) = bytes.split_at(take);
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == chunk_bytes {
                self.fold_held()?;
            }
        }
        Ok(())
    }

    /// The vector is complete.
    ///
    /// # Errors
    /// If bytes are missing or left over.
    pub fn finish(mut self) -> Result<(), PackError> {
        if !self.held.is_empty() || self.next_lane < self.accumulator.lanes.len() {
            self.fold_held()?;
        }
        let (found, expected) = (self.next_lane, self.accumulator.lanes.len());
        if found != expected {
            return Err(PackError::Length {
                found: self.accumulator.ring.packed_bytes(found),
                expected: self.accumulator.ring.packed_bytes(expected),
            });
        }
        Ok(())
    }

    fn fold_held(&mut self) -> Result<(), PackError> {
        let ring = self.accumulator.ring;
        let rest = self
            .accumulator
            .lanes
            .get_mut(self.next_lane..)
            .unwrap_or_default();
        let count = rest.len().min(ring.chunk_lanes());
        let mut lanes = rest.iter_mut();
        unpack(ring, &self.held, count, |value| {
            if let Some(lane) = lanes.next() {
                *lane = ring.add(*lane, value);
            }
        })?;
        self.next_lane += count;
        self.held.clear();
        Ok(())
    }
}
