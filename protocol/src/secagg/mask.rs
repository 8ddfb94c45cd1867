//! Masks: what turns a bank's digits into uniform noise that only the sum of all banks takes off again.
//!
//! `y_i = q_i + PRG(s_i) + sum_{j>i} PRG(s_ij) - sum_{j<i} PRG(s_ij)  mod 2^b`

use super::ring::Ring;
use super::{pack, quantise::Digits};
use crate::crypto::prg::{CHUNK_BYTES, MaskStream};
use crate::crypto::secret::Secret;

/// Whether a keystream is added or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Added.
    Plus,
    /// Taken off.
    Minus,
}

impl Sign {
    /// The sign with which bank `of` applies the mask of its pair with `peer`: the lower position adds.
    pub fn of_pair(of: crate::ids::BankIndex, peer: crate::ids::BankIndex) -> Self {
        if peer > of { Self::Plus } else { Self::Minus }
    }

    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// Keystreams with their signs, all applied to one vector.
pub struct Masks {
    ring: Ring,
    streams: Vec<(MaskStream, Sign)>,
}

impl Masks {
    /// No masks yet.
    pub fn new(ring: Ring) -> Self {
        Self {
            ring,
            streams: Vec::new(),
        }
    }

    /// One more keystream.
    pub fn push(&mut self, seed: &Secret, sign: Sign) {
        self.streams.push((MaskStream::new(seed), sign));
    }

    /// Number of keystreams.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// True before the first [`Masks::push`].
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Applies every keystream to chunk `chunk` of a vector, in place. `lanes`: at most [`Ring::chunk_lanes`].
    pub fn apply(&self, chunk: u64, lanes: &mut [u32]) {
        let mut keystream = vec![0; lanes.len() * self.ring.lane_bytes()];
        debug_assert!(keystream.len() <= CHUNK_BYTES);
        for (stream, sign) in &self.streams {
            stream.fill(chunk, &mut keystream);
            match (self.ring.lane_bytes(), sign) {
                (2, Sign::Plus) => fold::<2>(lanes, &keystream, u32::wrapping_add),
                (2, Sign::Minus) => fold::<2>(lanes, &keystream, u32::wrapping_sub),
                (_, Sign::Plus) => fold::<4>(lanes, &keystream, u32::wrapping_add),
                (_, Sign::Minus) => fold::<4>(lanes, &keystream, u32::wrapping_sub),
            }
        }
        for lane in lanes {
            *lane &= self.ring.mask();
        }
    }
}

/// Folds little-endian keystream words of `N` bytes into the lanes.
fn fold<const N: usize>(lanes: &mut [u32], keystream: &[u8], with: impl Fn(u32, u32) -> u32) {
    for (lane, word) in lanes.iter_mut().zip(keystream.as_chunks::<N>().0) {
        let mut wide = [0; 4];
        wide[..N].copy_from_slice(word);
        *lane = with(*lane, u32::from_le_bytes(wide));
    }
}

/// Masks and packs `digits` chunk by chunk; `each` gets the packed bytes in order. Memory beside the vector: one chunk.
pub fn mask_and_pack<E>(
    masks: &Masks,
    digits: &Digits,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let ring = masks.ring;
    let mut lanes = Vec::with_capacity(ring.chunk_lanes());
    let mut packed = Vec::with_capacity(ring.chunk_bytes());
    for (chunk, part) in (0u64..).zip(digits.lanes().chunks(ring.chunk_lanes())) {
        lanes.clear();
        lanes.extend_from_slice(part);
        masks.apply(chunk, &mut lanes);
        packed.clear();
        pack::pack(ring, &lanes, &mut packed);
        each(&packed)?;
    }
    Ok(())
}
