//! The mask stream: AES-256 keystream, in chunks of 64 KiB that can be made in any order.
//!
//! Chunk `k` under a seed is what AES-256-GCM (NIST SP 800-38D) with nonce `0^32 || u64be(k)` would add to a message: the
//! counter blocks `nonce || 2`, `nonce || 3`, ... They are the same under every seed, so they are laid out once for a piece of a
//! chunk, and each seed encrypts them.

mod library;
#[cfg(target_arch = "x86_64")]
mod vaes;

use aes::Block;
use zeroize::Zeroizing;

use super::secret::Secret;
use library::Library;

/// Bytes of one chunk of the stream.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of the pieces of a chunk: counter blocks and lanes of one stay in a first-level cache of 32 KiB.
pub(crate) const PIECE_BYTES: usize = 8 * 1024;

const BLOCK_BYTES: usize = 16;
const PIECE_BLOCKS: usize = PIECE_BYTES / BLOCK_BYTES;
/// Blocks that are laid out together.
const GROUP_BLOCKS: usize = 16;
const GROUP_BYTES: usize = GROUP_BLOCKS * BLOCK_BYTES;
/// The first block of a GCM message; 1 makes its tag.
const FIRST_COUNTER: u32 = 2;

/// What a word of keystream is folded into.
pub(crate) trait Word: Copy + Default + zeroize::DefaultIsZeroes {
    /// Words that [`GROUP_BYTES`] bytes make.
    type Group: AsMut<[Self]>;
    const BYTES: usize;
    /// Whole groups, and what is left.
    fn groups(words: &mut [Self]) -> (&mut [Self::Group], &mut [Self]);
    fn no_group() -> Self::Group;
    /// Adds the little-endian words of `keystream`, or takes them off.
    fn fold(words: &mut [Self], keystream: &[u8], minus: bool);
}

macro_rules! word {
    ($word:ty) => {
        impl Word for $word {
            type Group = [Self; GROUP_BYTES / size_of::<Self>()];
            const BYTES: usize = size_of::<Self>();

            fn groups(words: &mut [Self]) -> (&mut [Self::Group], &mut [Self]) {
                words.as_chunks_mut()
            }

            fn no_group() -> Self::Group {
                [0; GROUP_BYTES / size_of::<Self>()]
            }

            #[inline(always)]
            fn fold(words: &mut [Self], keystream: &[u8], minus: bool) {
                for (word, bytes) in words.iter_mut().zip(keystream.as_chunks().0) {
                    let mask = Self::from_le_bytes(*bytes);
                    *word = if minus {
                        word.wrapping_sub(mask)
                    } else {
                        word.wrapping_add(mask)
                    };
                }
            }
        }
    };
}

word!(u16);
word!(u32);

/// The counter blocks of one piece, in whole groups, and room for keystream, which is wiped.
pub(crate) struct Piece {
    counters: Vec<Block>,
    keystream: Zeroizing<Vec<u8>>,
}

impl Piece {
    pub(crate) fn new() -> Self {
        Self {
            counters: Vec::with_capacity(PIECE_BLOCKS),
            keystream: Zeroizing::new(vec![0; library::MOST_AT_ONCE * BLOCK_BYTES]),
        }
    }

    /// Lays out the counters for `bytes` bytes, at most [`PIECE_BYTES`], of piece `piece` of chunk `chunk`.
    pub(crate) fn lay_out(&mut self, chunk: u64, piece: u32, bytes: usize) {
        debug_assert!(bytes <= PIECE_BYTES, "{bytes} bytes are no piece");
        let mut block = Block::default();
        block[4..12].copy_from_slice(&chunk.to_be_bytes());
        let first = FIRST_COUNTER + piece * PIECE_BLOCKS as u32;
        let blocks = bytes.div_ceil(GROUP_BYTES) * GROUP_BLOCKS;
        self.counters.clear();
        self.counters.extend((first..).take(blocks).map(|counter| {
            block[12..].copy_from_slice(&counter.to_be_bytes());
            block
        }));
    }
}

/// The stream of one seed. Its key schedule is made once, and wiped.
pub struct MaskStream(Cipher);

enum Cipher {
    Library(Library),
    #[cfg(target_arch = "x86_64")]
    Vaes(vaes::Keys),
}

impl MaskStream {
    /// A stream of its own for every seed, by the fastest instructions that this processor has.
    pub fn new(seed: &Secret) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(keys) = vaes::Keys::expand(seed) {
            return Self(Cipher::Vaes(keys));
        }
        Self(Cipher::Library(Library::new(seed)))
    }

    /// Fills `out`, at most [`CHUNK_BYTES`], with the start of chunk `chunk`.
    ///
    /// # Panics
    /// If `out` is longer than a chunk: the chunks would overlap.
    pub fn fill(&self, chunk: u64, out: &mut [u8]) {
        let mut words = Zeroizing::new(vec![0u16; out.len().div_ceil(u16::BYTES)]);
        self.words(chunk, &mut words);
        for (out, word) in out.chunks_mut(u16::BYTES).zip(words.iter()) {
            out.copy_from_slice(&word.to_le_bytes()[..out.len()]);
        }
    }

    /// The first little-endian words of chunk `chunk`.
    pub(crate) fn words<W: Word>(&self, chunk: u64, out: &mut [W]) {
        assert!(
            out.len() * W::BYTES <= CHUNK_BYTES,
            "a chunk of the mask stream has {CHUNK_BYTES} bytes"
        );
        out.fill(W::default());
        let mut piece = Piece::new();
        for (number, words) in (0..).zip(out.chunks_mut(PIECE_BYTES / W::BYTES)) {
            piece.lay_out(chunk, number, words.len() * W::BYTES);
            self.fold(&mut piece, words, false);
        }
    }

    /// Adds the keystream of `piece` to `words`, or takes it off, one word to each. `words`: no more than were laid out.
    pub(crate) fn fold<W: Word>(&self, piece: &mut Piece, words: &mut [W], minus: bool) {
        match &self.0 {
            Cipher::Library(library) => library.fold(piece, words, minus),
            #[cfg(target_arch = "x86_64")]
            Cipher::Vaes(keys) => keys.fold(&piece.counters, words, minus),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::*;
    use crate::crypto::entropy::{Entropy, SeededEntropy};

    /// Every way that this processor has.
    fn ways(seed: &Secret) -> Vec<MaskStream> {
        let mut ways = vec![MaskStream(Cipher::Library(Library::new(seed)))];
        #[cfg(target_arch = "x86_64")]
        ways.extend(
            vaes::Width::all()
                .iter()
                .map(|width| MaskStream(Cipher::Vaes(vaes::Keys::by(*width, seed)))),
        );
        ways
    }

    fn rings(seed: &Secret, chunk: u64) -> Vec<u8> {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&chunk.to_be_bytes());
        let mut rings = vec![0; CHUNK_BYTES];
        let _tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, seed.expose()).unwrap())
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut rings)
            .unwrap();
        rings
    }

    #[test]
    fn a_chunk_is_what_ring_seals_zeros_to() {
        let mut entropy = SeededEntropy::new(3);
        for chunk in [0, 1, 255, u64::MAX] {
            let seed = entropy.secret();
            let rings = rings(&seed, chunk);
            for stream in ways(&seed) {
                let mut ours = vec![0xff; CHUNK_BYTES];
                stream.fill(chunk, &mut ours);
                assert_eq!(ours, rings, "chunk {chunk}");
            }
        }
    }

    #[test]
    fn a_short_chunk_is_the_start_of_the_whole_one() {
        let seed = SeededEntropy::new(3).secret();
        let rings = rings(&seed, 7);
        for stream in ways(&seed) {
            for length in [0, 1, 100, PIECE_BYTES - 1, PIECE_BYTES + 17, CHUNK_BYTES - 3] {
                let mut short = vec![0; length];
                stream.fill(7, &mut short);
                assert_eq!(short, rings[..length]);
            }
        }
    }

    #[test]
    fn words_of_both_widths_are_folded_with_both_signs() {
        let seed = SeededEntropy::new(4).secret();
        let rings = rings(&seed, 1);
        for stream in ways(&seed) {
            for count in [1, 16, 128, 2_000, 2_048] {
                folds(&stream, &rings, count, u32::wrapping_add, u32::wrapping_sub);
                folds(
                    &stream,
                    &rings,
                    2 * count - 1,
                    u16::wrapping_add,
                    u16::wrapping_sub,
                );
            }
        }
    }

    fn folds<W: Word + PartialEq + std::fmt::Debug + From<u16>>(
        stream: &MaskStream,
        rings: &[u8],
        count: usize,
        add: fn(W, W) -> W,
        sub: fn(W, W) -> W,
    ) {
        let mut keystream = vec![W::default(); count];
        W::fold(&mut keystream, &rings[PIECE_BYTES..], false);
        let before: Vec<W> = (0..count).map(|at| W::from(at as u16)).collect();
        for (minus, with) in [(false, add), (true, sub)] {
            let mut piece = Piece::new();
            piece.lay_out(1, 1, count * W::BYTES);
            let mut words = before.clone();
            stream.fold(&mut piece, &mut words, minus);
            let expected: Vec<W> = before.iter().zip(&keystream).map(|(a, b)| with(*a, *b)).collect();
            assert_eq!(words, expected, "{count} words, minus: {minus}");
        }
    }
}
