//! Keystream by the `aes` crate, on every processor.

use aes::Aes256Enc;
use aes::cipher::consts::U16;
use aes::cipher::inout::InOut;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    ParBlocks,
};

use super::{BLOCK_BYTES, Block, Piece, Word};
use crate::crypto::secret::Secret;

/// At least as many blocks as any backend of the crate encrypts at once.
pub(super) const MOST_AT_ONCE: usize = 64;

pub(super) struct Library(Aes256Enc);

impl Library {
    pub(super) fn new(seed: &Secret) -> Self {
        Self(Aes256Enc::new(seed.expose().into()))
    }

    pub(super) fn fold<W: Word>(&self, piece: &mut Piece, words: &mut [W], minus: bool) {
        self.0.encrypt_with_backend(Fold {
            counters: &piece.counters,
            keystream: &mut piece.keystream,
            words,
            minus,
        });
    }
}

/// The crate calls this compiled for the instructions that it found, so folding has them too.
struct Fold<'a, W> {
    counters: &'a [Block],
    keystream: &'a mut [u8],
    words: &'a mut [W],
    minus: bool,
}

impl<W> BlockSizeUser for Fold<'_, W> {
    type BlockSize = U16;
}

impl<W: Word> BlockCipherEncClosure for Fold<'_, W> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let at_once = B::ParBlocksSize::USIZE * BLOCK_BYTES / W::BYTES;
        let (groups, singles) = ParBlocks::<B>::slice_as_chunks(self.counters);
        let (whole, rest) = self
            .words
            .split_at_mut(self.words.len().min(groups.len() * at_once));
        let room = Array::slice_as_chunks_mut(self.keystream).0;
        if let Some(keystream) = ParBlocks::<B>::slice_as_chunks_mut(room).0.first_mut() {
            for (counters, words) in groups.iter().zip(whole.chunks_mut(at_once)) {
                backend.encrypt_par_blocks(InOut::from((counters, &mut *keystream)));
                W::fold(words, Array::slice_as_flattened(keystream), self.minus);
            }
        }
        if let Some(keystream) = room.first_mut() {
            for (counter, words) in singles.iter().zip(rest.chunks_mut(BLOCK_BYTES / W::BYTES)) {
                backend.encrypt_block(InOut::from((counter, &mut *keystream)));
                W::fold(words, keystream, self.minus);
            }
        }
    }
}
