//! The mask stream: AES-256 keystream, in chunks of 64 KiB that can be made in any order.
//!
//! Chunk `k` under a seed is what AES-256-GCM (NIST SP 800-38D) with nonce `0^32 || u64be(k)` would add to a message: the
//! counter blocks `nonce || 2`, `nonce || 3`, ... The `aes` crate makes it with the processor's AES instructions.

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};

use super::secret::Secret;

/// Bytes of one chunk of the stream.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The stream of one seed.
pub struct MaskStream(Secret);

impl MaskStream {
    /// A stream of its own for every seed.
    pub fn new(seed: &Secret) -> Self {
        Self(seed.duplicate())
    }

    /// Fills `out`, at most [`CHUNK_BYTES`], with the start of chunk `chunk`.
    ///
    /// # Panics
    /// If `out` is longer than a chunk: the chunks would overlap.
    pub fn fill(&self, chunk: u64, out: &mut [u8]) {
        assert!(
            out.len() <= CHUNK_BYTES,
            "a chunk of the mask stream has {CHUNK_BYTES} bytes"
        );
        out.fill(0);
        let mut counter = [0; 16];
        counter[4..12].copy_from_slice(&chunk.to_be_bytes());
        counter[15] = 2;
        Ctr32BE::<Aes256>::new(self.0.expose().into(), &counter.into()).apply_keystream(out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::*;
    use crate::crypto::entropy::{Entropy, SeededEntropy};

    #[test]
    fn a_chunk_is_what_ring_seals_zeros_to() {
        let seed = SeededEntropy::new(3).secret();
        let stream = MaskStream::new(&seed);
        for chunk in [0, 1, 255, u64::MAX] {
            let mut ours = vec![0xff; CHUNK_BYTES];
            stream.fill(chunk, &mut ours);
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&chunk.to_be_bytes());
            let mut rings = vec![0; CHUNK_BYTES];
            let _tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, seed.expose()).unwrap())
                .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut rings)
                .unwrap();
            assert_eq!(ours, rings, "chunk {chunk}");
        }
    }

    #[test]
    fn a_short_chunk_is_the_start_of_the_whole_one() {
        let stream = MaskStream::new(&SeededEntropy::new(3).secret());
        let (mut short, mut whole) = (vec![0; 100], vec![0; CHUNK_BYTES]);
        stream.fill(7, &mut short);
        stream.fill(7, &mut whole);
        assert_eq!(short, whole[..100]);
    }
}
