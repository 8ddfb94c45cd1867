//! Keystream by VAES in 256-bit or 512-bit registers, folded there.
//!
//! The `aes` crate has such code, and its detection (`cpufeatures` 0.3.1) asks for AVX-512 before it takes it; on Zen 4 its keystream is
//! half as fast then as by 256-bit registers. On Intel's processors and from Zen 5 on 512-bit registers are the faster ones. Key expansion and
//! encryption: FIPS 197, sections 5.1 and 5.2; the instructions' names are those of its steps. They take the same time whatever the key.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __cpuid, __m128i, __m256i, __m512i, _mm_aeskeygenassist_si128, _mm_loadu_si128, _mm_shuffle_epi32,
    _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_sub_epi32, _mm256_xor_si256,
    _mm512_add_epi16, _mm512_add_epi32, _mm512_aesenc_epi128, _mm512_aesenclast_epi128,
    _mm512_broadcast_i32x4, _mm512_loadu_si512, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_sub_epi16,
    _mm512_sub_epi32, _mm512_xor_si512,
};
use std::ptr;
use std::sync::OnceLock;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Block, GROUP_BLOCKS, GROUP_BYTES, Word};
use crate::crypto::secret::Secret;

const ROUNDS: usize = 14;
/// Registers that hold the blocks of a group, two each.
const REGISTERS: usize = GROUP_BYTES / size_of::<__m256i>();
/// The same of 512-bit registers, four each.
const WIDE_REGISTERS: usize = GROUP_BYTES / size_of::<__m512i>();
/// Groups that are encrypted side by side in those: fewer would wait for each other's rounds.
const SIDE_BY_SIDE: usize = 2;

/// Registers that blocks are encrypted in. That there is a value means that the processor has them, and all else that [`Keys::fold`] needs.
#[derive(Clone, Copy)]
pub(super) struct Width(Registers);

#[derive(Clone, Copy)]
enum Registers {
    /// 256 bits.
    Two,
    /// 512 bits.
    Four,
}

impl Width {
    /// All that the processor has, the fastest first.
    pub(super) fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Width>> = OnceLock::new();
        ALL.get_or_init(|| {
            let vaes = is_x86_feature_detected!("vaes")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("aes");
            let wide = vaes && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            match (vaes, wide) {
                (false, _) => Vec::new(),
                (true, false) => vec![Self(Registers::Two)],
                (true, true) if prefers_wide() => vec![Self(Registers::Four), Self(Registers::Two)],
                (true, true) => vec![Self(Registers::Two), Self(Registers::Four)],
            }
        })
    }
}

/// Whether a processor with both is faster by 512-bit registers. AMD's are where the data path is as wide; Zen 4's is not.
fn prefers_wide() -> bool {
    let maker = __cpuid(0);
    let maker = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes);
    match maker.as_flattened() {
        b"GenuineIntel" => true,
        b"AuthenticAMD" => says_path_is_wide() || is_zen_5_of_servers(__cpuid(1).eax),
        _ => false,
    }
}

/// FP512 of CPUID's leaf 8000_001Ah (AMD64 Architecture Programmer's Manual, volume 3, appendix E.4.18). Hypervisors may hide it.
fn says_path_is_wide() -> bool {
    const LEAF: u32 = 0x8000_001a;
    __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).eax & 1 << 3 != 0
}

/// Family 1Ah, models 00h to 1Fh, of CPUID's leaf 1. Zen 5 of laptops, with other models, has a path half as wide.
fn is_zen_5_of_servers(signature: u32) -> bool {
    let family = match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        base => base,
    };
    let model = signature >> 12 & 0xf0 | signature >> 4 & 0xf;
    family == 0x1a && model <= 0x1f
}

/// The key schedule of a seed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Keys {
    schedule: [[u8; 16]; ROUNDS + 1],
    #[zeroize(skip)]
    width: Width,
}

impl Keys {
    /// By the fastest registers; `None` without VAES.
    pub(super) fn expand(seed: &Secret) -> Option<Self> {
        Width::all().first().map(|width| Self::by(*width, seed))
    }

    /// By registers of this width.
    pub(super) fn by(width: Width, seed: &Secret) -> Self {
        let mut keys = Self {
            schedule: [[0; 16]; ROUNDS + 1],
            width,
        };
        // SAFETY: the processor has the features, for there is a width.
        unsafe { expand(seed.expose(), &mut keys.schedule) };
        keys
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
        // SAFETY: the processor has the features, for there is a width.
        unsafe {
            match (self.width.0, minus) {
                (Registers::Two, true) => fold_groups::<W, true>(&self.schedule, counters, words),
                (Registers::Two, false) => fold_groups::<W, false>(&self.schedule, counters, words),
                (Registers::Four, true) => fold_wide::<W, true>(&self.schedule, counters, words),
                (Registers::Four, false) => fold_wide::<W, false>(&self.schedule, counters, words),
            }
        }
    }
}

/// FIPS 197, section 5.2, for eight words of key.
#[target_feature(enable = "aes,avx2")]
fn expand(seed: &[u8; 32], keys: &mut [[u8; 16]; ROUNDS + 1]) {
    let (first, second) = seed.as_chunks::<16>().0.split_at(1);
    let (mut even, mut odd) = (load(&first[0]), load(&second[0]));
    store(even, &mut keys[0]);
    store(odd, &mut keys[1]);
    // The instruction takes its round constant as a literal.
    macro_rules! next {
        ($even:literal, $constant:literal) => {
            let assist = _mm_aeskeygenassist_si128::<$constant>(odd);
            even = _mm_xor_si128(running_xor(even), _mm_shuffle_epi32::<0xff>(assist));
            store(even, &mut keys[$even]);
        };
        ($even:literal, $constant:literal, $odd:literal) => {
            next!($even, $constant);
            let assist = _mm_aeskeygenassist_si128::<0>(even);
            odd = _mm_xor_si128(running_xor(odd), _mm_shuffle_epi32::<0xaa>(assist));
            store(odd, &mut keys[$odd]);
        };
    }
    next!(2, 0x01, 3);
    next!(4, 0x02, 5);
    next!(6, 0x04, 7);
    next!(8, 0x08, 9);
    next!(10, 0x10, 11);
    next!(12, 0x20, 13);
    next!(14, 0x40);
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
    schedule: &[[u8; 16]; ROUNDS + 1],
    counters: &[[Block; GROUP_BLOCKS]],
    words: &mut [W::Group],
) {
    const {
        assert!(size_of::<W::Group>() == GROUP_BYTES && size_of::<[Block; GROUP_BLOCKS]>() == GROUP_BYTES);
    }
    let mut keys = [_mm256_setzero_si256(); ROUNDS + 1];
    for (wide, key) in keys.iter_mut().zip(schedule) {
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

/// The same in 512-bit registers.
#[target_feature(enable = "vaes,avx512f,avx512bw")]
fn fold_wide<W: Word, const MINUS: bool>(
    schedule: &[[u8; 16]; ROUNDS + 1],
    counters: &[[Block; GROUP_BLOCKS]],
    words: &mut [W::Group],
) {
    const {
        assert!(size_of::<W::Group>() == GROUP_BYTES && size_of::<[Block; GROUP_BLOCKS]>() == GROUP_BYTES);
    }
    let mut keys = [_mm512_setzero_si512(); ROUNDS + 1];
    for (wide, key) in keys.iter_mut().zip(schedule) {
        *wide = _mm512_broadcast_i32x4(load(key));
    }
    let (counters, last_counters) = counters.as_chunks::<SIDE_BY_SIDE>();
    let (words, last_words) = words.as_chunks_mut::<SIDE_BY_SIDE>();
    for (counters, words) in counters.iter().zip(words) {
        let (from, to) = (ptr::from_ref(counters).cast(), ptr::from_mut(words).cast());
        // SAFETY: both are groups side by side, each of `WIDE_REGISTERS` registers.
        unsafe { fold_registers::<W, MINUS, { SIDE_BY_SIDE * WIDE_REGISTERS }>(&keys, from, to) };
    }
    for (counters, words) in last_counters.iter().zip(last_words) {
        let (from, to) = (ptr::from_ref(counters).cast(), ptr::from_mut(words).cast());
        // SAFETY: a group is `WIDE_REGISTERS` registers long.
        unsafe { fold_registers::<W, MINUS, WIDE_REGISTERS>(&keys, from, to) };
    }
}

/// Encrypts so many registers of counters and folds them into as many of words.
///
/// # Safety
/// `from` can be read and `to` be written for `COUNT` registers, at any alignment.
#[inline]
#[target_feature(enable = "vaes,avx512f,avx512bw")]
unsafe fn fold_registers<W: Word, const MINUS: bool, const COUNT: usize>(
    keys: &[__m512i; ROUNDS + 1],
    from: *const __m512i,
    to: *mut __m512i,
) {
    let mut blocks = [_mm512_setzero_si512(); COUNT];
    for (at, block) in blocks.iter_mut().enumerate() {
        // SAFETY: as the caller says.
        *block = _mm512_xor_si512(unsafe { _mm512_loadu_si512(from.add(at)) }, keys[0]);
    }
    for key in &keys[1..ROUNDS] {
        for block in &mut blocks {
            *block = _mm512_aesenc_epi128(*block, *key);
        }
    }
    for (at, block) in blocks.iter().enumerate() {
        let keystream = _mm512_aesenclast_epi128(*block, keys[ROUNDS]);
        // SAFETY: as the caller says; any bytes are whole numbers.
        unsafe {
            let word = _mm512_loadu_si512(to.add(at));
            let folded = match (W::BYTES, MINUS) {
                (2, false) => _mm512_add_epi16(word, keystream),
                (2, true) => _mm512_sub_epi16(word, keystream),
                (_, false) => _mm512_add_epi32(word, keystream),
                (_, true) => _mm512_sub_epi32(word, keystream),
            };
            _mm512_storeu_si512(to.add(at), folded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures of EPYC 9755, the only one of Zen 5 for servers; EPYC 9654 (Zen 4), Ryzen AI 9 HX 370 (Zen 5 of laptops), a Xeon.
    #[test]
    fn zen_5_of_servers_is_told_from_others_by_the_signature() {
        assert!(is_zen_5_of_servers(0x00b0_0f21));
        for other in [0x00a1_0f11, 0x00b2_0f40, 0x0008_06f8] {
            assert!(!is_zen_5_of_servers(other), "{other:x}");
        }
    }
}
