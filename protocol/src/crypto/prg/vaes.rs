//! Keystream by VAES in 256-bit registers, folded there.
//!
//! The `aes` crate has such code, and its detection (`cpufeatures` 0.3.1) asks for AVX-512 before it takes it; with AVX-512 (Zen 4) its
//! keystream is half as fast as this one. So this makes masks twice as fast on both. Key expansion and encryption: FIPS 197, sections 5.1 and 5.2; the instructions'
//! names are those of its steps. They take the same time whatever the key.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m128i, __m256i, _mm_aeskeygenassist_si128, _mm_loadu_si128, _mm_shuffle_epi32, _mm_slli_si128,
    _mm_storeu_si128, _mm_xor_si128, _mm256_add_epi16, _mm256_add_epi32, _mm256_aesenc_epi128,
    _mm256_aesenclast_epi128, _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm256_sub_epi16, _mm256_sub_epi32, _mm256_xor_si256,
};
use std::ptr;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Block, GROUP_BLOCKS, GROUP_BYTES, Word};
use crate::crypto::secret::Secret;

const ROUNDS: usize = 14;
/// Registers that hold the blocks of a group, two each.
const REGISTERS: usize = GROUP_BYTES / size_of::<__m256i>();

/// The key schedule of a seed. That it exists means that the processor has what [`Keys::fold`] needs.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Keys([[u8; 16]; ROUNDS + 1]);

impl Keys {
    /// `None` without VAES.
    pub(super) fn expand(seed: &Secret) -> Option<Self> {
        let here = is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("aes");
        // SAFETY: the processor has the features.
        here.then(|| unsafe { expand(seed.expose()) })
    }

    /// Folds the encrypted `counters` into `words`.
    pub(super) fn fold<W: Word>(&self, counters: &[Block], words: &mut [W], minus: bool) {
        let (counters, _) = counters.as_chunks::<GROUP_BLOCKS>();
        let (groups, rest) = W::groups(words);
        let (whole, after) = counters.split_at(groups.len());
        self.fold_groups::<W>(whole, groups, minus);
        if !rest.is_empty() {
            let mut last = W::no_group();
            last.as_mut()[..rest.len()].copy_from_slice(rest);
            self.fold_groups::<W>(&after[..1], std::slice::from_mut(&mut last), minus);
            rest.copy_from_slice(&last.as_mut()[..rest.len()]);
            last.as_mut().zeroize();
        }
    }

    fn fold_groups<W: Word>(&self, counters: &[[Block; GROUP_BLOCKS]], words: &mut [W::Group], minus: bool) {
        // SAFETY: `expand`, which alone makes `Keys`, found the features.
        unsafe {
            if minus {
                fold_groups::<W, true>(self, counters, words);
            } else {
                fold_groups::<W, false>(self, counters, words);
            }
        }
    }
}

/// FIPS 197, section 5.2, for eight words of key.
#[target_feature(enable = "aes,avx2")]
fn expand(seed: &[u8; 32]) -> Keys {
    let mut keys = Keys([[0; 16]; ROUNDS + 1]);
    let (first, second) = seed.as_chunks::<16>().0.split_at(1);
    let (mut even, mut odd) = (load(&first[0]), load(&second[0]));
    store(even, &mut keys.0[0]);
    store(odd, &mut keys.0[1]);
    // The instruction takes its round constant as a literal.
    macro_rules! next {
        ($even:literal, $constant:literal) => {
            let assist = _mm_aeskeygenassist_si128::<$constant>(odd);
            even = _mm_xor_si128(running_xor(even), _mm_shuffle_epi32::<0xff>(assist));
            store(even, &mut keys.0[$even]);
        };
        ($even:literal, $constant:literal, $odd:literal) => {
            next!($even, $constant);
            let assist = _mm_aeskeygenassist_si128::<0>(even);
            odd = _mm_xor_si128(running_xor(odd), _mm_shuffle_epi32::<0xaa>(assist));
            store(odd, &mut keys.0[$odd]);
        };
    }
    next!(2, 0x01, 3);
    next!(4, 0x02, 5);
    next!(6, 0x04, 7);
    next!(8, 0x08, 9);
    next!(10, 0x10, 11);
    next!(12, 0x20, 13);
    next!(14, 0x40);
    keys
}

/// Each of the four words xored with all before it.
#[target_feature(enable = "avx2")]
fn running_xor(words: __m128i) -> __m128i {
    let pairs = _mm_xor_si128(words, _mm_slli_si128::<4>(words));
    _mm_xor_si128(pairs, _mm_slli_si128::<8>(pairs))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are read, at any alignment.
    unsafe { _mm_loadu_si128(ptr::from_ref(bytes).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(value: __m128i, bytes: &mut [u8; 16]) {
    // SAFETY: 16 bytes are written, at any alignment.
    unsafe { _mm_storeu_si128(ptr::from_mut(bytes).cast(), value) }
}

/// Encrypts each group of counters, and adds it to a group of words of as many bytes, or takes it off.
// No closures here: they are compiled without the features, and whether the compiler calls them or takes them in changes with what else it
// compiles.
#[target_feature(enable = "vaes,avx2")]
fn fold_groups<W: Word, const MINUS: bool>(
    schedule: &Keys,
    counters: &[[Block; GROUP_BLOCKS]],
    words: &mut [W::Group],
) {
    const {
        assert!(size_of::<W::Group>() == GROUP_BYTES && size_of::<[Block; GROUP_BLOCKS]>() == GROUP_BYTES);
    }
    let mut keys = [_mm256_setzero_si256(); ROUNDS + 1];
    for (wide, key) in keys.iter_mut().zip(&schedule.0) {
        *wide = _mm256_broadcastsi128_si256(load(key));
    }
    for (counters, words) in counters.iter().zip(words) {
        let from: *const __m256i = ptr::from_ref(counters).cast();
        let to: *mut __m256i = ptr::from_mut(words).cast();
        let mut blocks = [_mm256_setzero_si256(); REGISTERS];
        for (at, block) in blocks.iter_mut().enumerate() {
            // SAFETY: a group is `REGISTERS` registers long; any alignment will do.
            *block = _mm256_xor_si256(unsafe { _mm256_loadu_si256(from.add(at)) }, keys[0]);
        }
        for key in &keys[1..ROUNDS] {
            for block in &mut blocks {
                *block = _mm256_aesenc_epi128(*block, *key);
            }
        }
        for (at, block) in blocks.iter().enumerate() {
            let keystream = _mm256_aesenclast_epi128(*block, keys[ROUNDS]);
            // SAFETY: as above; any bytes are whole numbers.
            unsafe {
                let word = _mm256_loadu_si256(to.add(at));
                let folded = match (W::BYTES, MINUS) {
                    (2, false) => _mm256_add_epi16(word, keystream),
                    (2, true) => _mm256_sub_epi16(word, keystream),
                    (_, false) => _mm256_add_epi32(word, keystream),
                    (_, true) => _mm256_sub_epi32(word, keystream),
                };
                _mm256_storeu_si256(to.add(at), folded);
            }
        }
    }
}
