//! Masks: what turns a bank's digits into uniform noise that only the sum of all banks takes off again.
//!
//! `y_i = q_i + PRG(s_i) + sum_{j>i} PRG(s_ij) - sum_{j<i} PRG(s_ij)  mod 2^b`

use zeroize::Zeroizing;

use super::ring::Ring;
use super::{pack, quantise::Digits};
use crate::crypto::prg::{MaskStream, PIECE_BYTES, Piece, Word};
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
        debug_assert!(lanes.len() <= self.ring.chunk_lanes());
        let mut piece = Piece::new();
        let lane_bytes = self.ring.lane_bytes();
        let mut narrow = Zeroizing::new(Vec::<u16>::new());
        // Piece by piece and not seed by seed: what every seed is folded into stays in a first-level cache.
        for (number, lanes) in (0..).zip(lanes.chunks_mut(PIECE_BYTES / lane_bytes)) {
            piece.lay_out(chunk, number, lanes.len() * lane_bytes);
            if lane_bytes == 2 {
                narrow.clear();
                narrow.resize(lanes.len(), 0);
                self.fold(&mut piece, &mut narrow);
                for (lane, mask) in lanes.iter_mut().zip(narrow.iter()) {
                    *lane = self.ring.add(*lane, u32::from(*mask));
                }
            } else {
                self.fold(&mut piece, lanes);
                for lane in lanes {
                    *lane &= self.ring.mask();
                }
            }
        }
    }

    fn fold<W: Word>(&self, piece: &mut Piece, words: &mut [W]) {
        for (stream, sign) in &self.streams {
            stream.fold(piece, words, *sign == Sign::Minus);
        }
    }
}

/// Masks and packs a vector chunk by chunk. Memory beside the vector: one chunk of lanes, and one packed.
pub struct Masking<'a> {
    masks: &'a Masks,
    lanes: Zeroizing<Vec<u32>>,
    packed: Vec<u8>,
}

impl<'a> Masking<'a> {
    /// With these masks. Several at once may work on chunks of one vector.
    pub fn new(masks: &'a Masks) -> Self {
        Self {
            masks,
            lanes: Zeroizing::new(Vec::with_capacity(masks.ring.chunk_lanes())),
            packed: Vec::with_capacity(masks.ring.chunk_bytes()),
        }
    }

    /// The ring of the masks.
    pub fn ring(&self) -> Ring {
        self.masks.ring
    }

    /// Chunk `chunk` of the vector, masked and packed. `digits`: its lanes, [`Ring::chunk_lanes`] of them unless it is the last chunk.
    pub fn chunk(&mut self, chunk: u64, digits: &[u32]) -> &[u8] {
        self.lanes.clear();
        self.lanes.extend_from_slice(digits);
        self.masks.apply(chunk, &mut self.lanes);
        self.packed.clear();
        pack::pack(self.masks.ring, &self.lanes, &mut self.packed);
        &self.packed
    }
}

/// Masks and packs `digits` chunk by chunk; `each` gets the packed bytes in order.
pub fn mask_and_pack<E>(
    masks: &Masks,
    digits: &Digits,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut masking = Masking::new(masks);
    let chunks = digits.lanes().chunks(masks.ring.chunk_lanes());
    (0..)
        .zip(chunks)
        .try_for_each(|(number, digits)| each(masking.chunk(number, digits)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::entropy::{Entropy, SeededEntropy};

    const SEEDS: u32 = 4_096;
    const LANES: usize = 32;

    /// How often each bit of each lane is set in `first`, masked under [`SEEDS`] seeds.
    fn ones(ring: Ring, sign: Sign, first: u32) -> Vec<[u32; 32]> {
        let mut entropy = SeededEntropy::new(u64::from(ring.bits()));
        let mut ones = vec![[0; 32]; LANES];
        for _ in 0..SEEDS {
            let mut masks = Masks::new(ring);
            masks.push(&entropy.secret(), sign);
            let mut lanes = [first; LANES];
            masks.apply(0, &mut lanes);
            for (count, lane) in ones.iter_mut().zip(lanes) {
                for (bit, count) in (0..).zip(count) {
                    *count += lane >> bit & 1;
                }
            }
        }
        ones
    }

    /// A fair bit is set in `N` tries `N / 2` times with a standard deviation of `sqrt(N) / 2`. Each lane's bits are looked at alone
    /// (`N` = 4,096; chance that a fair one is more than 6 deviations off: 2e-9, of 12,000 that are looked at: 3e-5) and over all lanes
    /// together (`N` = 131,072, 5 deviations: 6e-7 each, of 400: 3e-4). The seeds are fixed, so it passes always or never.
    #[test]
    fn a_masked_lane_is_uniform_in_every_bit_whatever_it_was() {
        for (banks, digit_bits) in [(5, 8), (5, 16), (500, 20)] {
            let ring = Ring::for_sum(banks, digit_bits).unwrap();
            let greatest = (1 << digit_bits) - 1;
            for (sign, first) in [
                (Sign::Plus, 0),
                (Sign::Minus, 0),
                (Sign::Plus, greatest),
                (Sign::Minus, 1),
            ] {
                let ones = ones(ring, sign, first);
                let off = |count: u32, tries: u32| {
                    (f64::from(count) - f64::from(tries) / 2.0).abs() / (f64::from(tries).sqrt() / 2.0)
                };
                for bit in 0..ring.bits() {
                    let of_lane = |lane: &[u32; 32]| lane[usize::from(bit)];
                    for (at, lane) in ones.iter().enumerate() {
                        let deviations = off(of_lane(lane), SEEDS);
                        assert!(deviations < 6.0, "lane {at}, bit {bit} of {ring:?}: {deviations}");
                    }
                    let deviations = off(ones.iter().map(of_lane).sum(), SEEDS * LANES as u32);
                    assert!(deviations < 5.0, "bit {bit} of {ring:?}: {deviations}");
                }
                let above = usize::from(ring.bits());
                assert!(
                    ones.iter()
                        .all(|lane| lane[above..].iter().all(|count| *count == 0))
                );
            }
        }
    }

    #[test]
    fn the_same_seed_with_the_other_sign_takes_a_mask_off() {
        let ring = Ring::for_sum(5, 16).unwrap();
        let seed = SeededEntropy::new(1).secret();
        let mut masks = Masks::new(ring);
        masks.push(&seed, Sign::Plus);
        let mut lanes = [1, 2, ring.mask()];
        masks.apply(3, &mut lanes);
        assert_ne!(lanes, [1, 2, ring.mask()]);
        let mut back = Masks::new(ring);
        back.push(&seed, Sign::Plus.opposite());
        back.apply(3, &mut lanes);
        assert_eq!(lanes, [1, 2, ring.mask()]);
    }
}
